import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from audio_model.decision import VerdictKind
from audio_model.gateway.events import CallInfo, Event, EventKind
from audio_model.gateway.http.errors import HttpError
from audio_model.ranges import web
from audio_model.ranges.describe import dialplan_variables
from audio_model.ranges.store import RangeStore, RangeStoreError
from audio_model.ranges.web import Ranges
from tests.gateway.fakes import verdict

BLOCK = [f"952137{37 * n % 100:02d}" for n in range(40)]


def event(n: int, kind: EventKind = EventKind.FINAL, leg: str = "caller") -> Event:
    info = CallInfo(f"call-{n}", "twilio", caller=BLOCK[n % len(BLOCK)], called=f"138{n:08d}")
    return Event(kind, info, leg, verdict(), time=time.time())


def run(path: Path, test: Callable[[Ranges, list[Any]], Awaitable[None]]) -> None:
    async def whole() -> None:
        told: list[Any] = []
        ranges = Ranges(path, told=lambda body: told.append(json.loads(body)))
        try:
            await test(ranges, told)
        finally:
            await ranges.close()

    asyncio.run(whole())


def test_final_events_open_a_range_and_each_change_is_told(tmp_path: Path) -> None:
    async def test(ranges: Ranges, told: list[Any]) -> None:
        for n in range(40):
            ranges.add(event(n), b"")
        answer = await ranges.feedback(b'{"call": "call-0", "mark": "recorded"}')
        assert answer["mark"] == "recorded"
        assert [(each["event"], each["prefix"], each["after"]) for each in told] == [
            ("range", "952137", "warned"),
            ("range", "952137", "open"),
        ]
        advice = await ranges.advise("95213700")
        assert dialplan_variables(advice) == {
            "AUDIO_MODEL_RANGE_ACT": "block",
            "AUDIO_MODEL_RANGE_STATE": "open",
            "AUDIO_MODEL_RANGE": "952137",
        }

    run(tmp_path / "r.db", test)


def test_a_number_is_described_with_its_ranges_and_changes(tmp_path: Path) -> None:
    async def test(ranges: Ranges, told: list[Any]) -> None:
        for n in range(40):
            ranges.add(event(n), b"")
        await ranges.feedback(b'{"call": "call-0", "mark": "recorded"}')
        answer = json.loads(json.dumps(await ranges.range("95213799")))
        assert (answer["act"], answer["range"], answer["kind"]) == ("block", "952137", "service")
        assert [each["prefix"] for each in answer["ranges"]][:2] == ["952", "9521"]
        assert answer["changes"][0]["after"] == "open"
        unknown = await ranges.range("9521300112233")
        assert (unknown["act"], unknown["implausible"]) == ("pass", "too_long")

    run(tmp_path / "r.db", test)


def test_only_the_final_event_of_the_callers_leg_counts(tmp_path: Path) -> None:
    async def test(ranges: Ranges, told: list[Any]) -> None:
        ranges.add(event(0, EventKind.VERDICT), b"")
        ranges.add(event(1, leg="callee"), b"")
        ranges.add(event(2), b"")
        ranges.add(event(2), b"")

    run(tmp_path / "r.db", test)
    store = RangeStore(tmp_path / "r.db")
    assert store.chain("95213799")[0].calls == 1
    store.close()


def test_what_waits_at_the_end_is_written(tmp_path: Path) -> None:
    async def test(ranges: Ranges, told: list[Any]) -> None:
        for n in range(3000):
            ranges.add(event(n), b"")

    run(tmp_path / "r.db", test)
    store = RangeStore(tmp_path / "r.db")
    assert store.chain("95213799")[0].calls == 3000
    store.close()


def test_a_disk_that_refuses_keeps_calls_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(ranges: Ranges, told: list[Any]) -> None:
        hear = RangeStore.hear

        def refuse(*_: object) -> None:
            raise RangeStoreError("the disk is full")

        monkeypatch.setattr(RangeStore, "hear", refuse)
        ranges.add(event(0), b"")
        await asyncio.sleep(0.05)
        monkeypatch.setattr(RangeStore, "hear", hear)
        ranges.add(event(1), b"")

    run(tmp_path / "r.db", test)
    store = RangeStore(tmp_path / "r.db")
    assert store.chain("95213799")[0].calls == 2
    store.close()


def test_beyond_the_limit_the_oldest_waiting_are_lost_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "MAX_WAITING", 10)

    async def test(ranges: Ranges, told: list[Any]) -> None:
        for n in range(25):
            ranges.add(event(n), b"")
        assert ranges.lost == 15

    run(tmp_path / "r.db", test)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (b'{"call": "x"}', 400),
        (b'{"call": "x", "mark": "maybe"}', 400),
        (b'{"call": "", "mark": "live"}', 400),
        (b'{"call": "nobody", "mark": "live"}', 404),
    ],
)
def test_feedback_that_cannot_be_meant_is_refused(tmp_path: Path, body: bytes, status: int) -> None:
    async def test(ranges: Ranges, told: list[Any]) -> None:
        with pytest.raises(HttpError) as refused:
            await ranges.feedback(body)
        assert refused.value.status == status

    run(tmp_path / "r.db", test)


def test_a_number_too_long_is_refused(tmp_path: Path) -> None:
    async def test(ranges: Ranges, told: list[Any]) -> None:
        with pytest.raises(HttpError):
            await ranges.range("9" * 65)

    run(tmp_path / "r.db", test)


def test_states_end_by_the_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "TICK_SECONDS", 0.01)

    async def test(ranges: Ranges, told: list[Any]) -> None:
        for n in range(40):
            ranges.add(replace(event(n), time=time.time() - 2000), b"")
        for _ in range(200):
            await asyncio.sleep(0.01)
            if told and told[-1]["after"] == "half_open":
                return
        raise AssertionError(told)

    run(tmp_path / "r.db", test)


def test_an_unknown_verdict_is_unsure_or_unheard() -> None:
    unknown = replace(event(0), verdict=verdict(VerdictKind.UNKNOWN))
    assert web.call_of(unknown).outcome == "unsure"
