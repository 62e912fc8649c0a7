import asyncio
import json
import sqlite3
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from audio_model.decision import KnownRecording, VerdictKind
from audio_model.errors import RangeStoreError
from audio_model.gateway import ranges
from audio_model.gateway.asterisk.amd import range_variables
from audio_model.gateway.events import CallInfo, Event, EventKind
from audio_model.gateway.http.errors import HttpError
from audio_model.gateway.outlets.metrics import Metrics
from audio_model.gateway.outlets.security import NumberHasher
from audio_model.gateway.ranges import Ranges
from audio_model.ranges.breaker import Policy
from audio_model.ranges.store import RangeStore
from tests.gateway.fakes import verdict
from tests.gateway.waiting import until

BLOCK = [f"952137{37 * n % 100:02d}" for n in range(40)]


def event(n: int, kind: EventKind = EventKind.FINAL, leg: str = "caller") -> Event:
    info = CallInfo(f"call-{n}", "twilio", caller=BLOCK[n % len(BLOCK)], called=f"138{n:08d}")
    return Event(kind, info, leg, verdict(), time=time.time())


def counted(metrics: Metrics) -> dict[str, float]:
    """What was counted of ranges."""
    lines = [line for line in metrics.text().decode().splitlines() if line[:1] != "#"]
    values = (line.removeprefix("audio_model_range_").rpartition(" ") for line in lines)
    return {name: float(value) for name, _, value in values if "_created" not in name}


def run(
    path: Path,
    test: Callable[[Ranges, list[Any]], Awaitable[None]],
    metrics: Metrics | None = None,
) -> None:
    async def whole() -> None:
        told: list[Any] = []
        ranges = Ranges(
            path,
            metrics or Metrics(),
            NumberHasher(),
            told=lambda body: told.append(json.loads(body)),
        )
        try:
            await test(ranges, told)
        finally:
            await ranges.close()

    asyncio.run(whole())


def test_a_campaign_is_told_and_can_be_asked_for(tmp_path: Path) -> None:
    known = KnownRecording(7, "call 1", 0.0, 0.0, 4.0, 4.0, 1.0, 1.0, 2.0, 3, repeated=True)

    def of_campaign(n: int) -> Event:
        said = replace(verdict(), evidence=replace(verdict().evidence, known=known))
        info = CallInfo(f"call-{n}", "twilio", f"+86139{79_197_919 * n % 10**8:08d}", f"138{n:08d}")
        return Event(EventKind.FINAL, info, "caller", said, time=time.time())

    async def test(ranges: Ranges, told: list[Any]) -> None:
        for n in range(20):
            ranges.add(of_campaign(n), b"")
        # What is asked of the writer comes behind the calls.
        await ranges.feedback(b'{"call": "call-0", "mark": "recorded"}')
        (alarm,) = [each for each in told if each["event"] == "campaign"]
        assert (alarm["campaign"], alarm["state"], alarm["people"]) == ("7", "running", 10)
        assert alarm["ranges"][0] == {"range": "+86139", "numbers": 10, "too_wide": True}
        answer: Any = await ranges.campaigns()
        assert [each["calls"] for each in answer["campaigns"]] == [20]

    run(tmp_path / "r.db", test)


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
        assert advice is not None
        assert range_variables(advice) == {
            "AUDIOMODEL_RANGE_ACT": "block",
            "AUDIOMODEL_RANGE_STATE": "open",
            "AUDIOMODEL_RANGE": "952137",
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


def test_a_disk_that_refuses_keeps_calls_waiting_and_is_told_of_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ranges, "RETRY_SECONDS", 0.01)
    metrics = Metrics()

    async def test(ranges: Ranges, told: list[Any]) -> None:
        hear = RangeStore.hear

        def refuse(*_: object) -> None:
            raise RangeStoreError("the disk is full", passing=True)

        monkeypatch.setattr(RangeStore, "hear", refuse)
        ranges.add(event(0), b"")
        ranges.add(event(1), b"")
        await until(lambda: counted(metrics).get("errors_total", 0) > 2)
        with pytest.raises(HttpError) as refused:
            await ranges.feedback(b'{"call": "call-0", "mark": "live"}')
        assert refused.value.status == 503
        monkeypatch.setattr(RangeStore, "hear", hear)
        await until(lambda: "works again" in caplog.text)

    run(tmp_path / "r.db", test, metrics)
    assert counted(metrics)['calls_total{outcome="kept"}'] == 2
    assert [record.message for record in caplog.records] == [
        "number ranges wait: the disk is full",
        "the store of number ranges works again",
    ]
    store = RangeStore(tmp_path / "r.db")
    assert store.chain("95213799")[0].calls == 2
    store.close()


def test_beyond_the_limit_the_oldest_waiting_are_lost_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranges, "MAX_WAITING", 10)
    metrics = Metrics()

    async def test(ranges: Ranges, told: list[Any]) -> None:
        for n in range(25):
            ranges.add(event(n), b"")

    run(tmp_path / "r.db", test, metrics)
    assert counted(metrics)['calls_total{outcome="lost"}'] == 15
    assert counted(metrics)['calls_total{outcome="kept"}'] == 10


def test_whoever_is_gone_before_the_store_has_written_loses_no_change(tmp_path: Path) -> None:
    async def test(ranges: Ranges, told: list[Any]) -> None:
        for n in range(40):
            ranges.add(event(n), b"")
        asking = asyncio.create_task(ranges.feedback(b'{"call": "call-0", "mark": "recorded"}'))
        await asyncio.sleep(0)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await until(lambda: len(told) >= 2)
        await asyncio.sleep(0.05)
        assert [each["after"] for each in told] == ["warned", "open"]

    run(tmp_path / "r.db", test)


def test_a_locked_store_refuses_marks_and_advises_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranges, "WRITE_SECONDS", 0.02)
    path = tmp_path / "r.db"

    async def test(ranges: Ranges, told: list[Any]) -> None:
        ranges.add(event(0), b"")
        await ranges.feedback(b'{"call": "call-0", "mark": "recorded"}')
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(HttpError) as refused:
                await ranges.feedback(b'{"call": "call-0", "mark": "live"}')
            assert refused.value.status == 503
            assert (await ranges.range("95213700"))["act"] == "pass"
            ranges.add(event(1), b"")
            await asyncio.sleep(0.1)
            other.execute("ROLLBACK")

    run(path, test)
    with closing(RangeStore(path)) as store:
        assert store.chain("95213799")[0].calls == 2


def test_a_store_that_is_locked_at_the_start_is_opened_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranges, "WRITE_SECONDS", 0.02)
    path = tmp_path / "r.db"
    RangeStore(path).close()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    async def test(ranges: Ranges, told: list[Any]) -> None:
        ranges.add(event(0), b"")
        other.execute("ROLLBACK")
        other.close()

    async def whole() -> None:
        ranges = Ranges(path, Metrics(), NumberHasher(), Policy(openings=0.02))
        await test(ranges, [])
        await ranges.close()

    asyncio.run(whole())
    with closing(RangeStore(path)) as store:
        assert store.chain("95213799")[0].calls == 1
        assert store.policy.openings == 0.02


@pytest.mark.parametrize("damage", ["removed", "junk"])
def test_a_store_that_is_taken_away_is_told_and_no_call_is_lost(
    tmp_path: Path,
    damage: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(ranges, "RETRY_SECONDS", 0.01)
    path = tmp_path / "r.db"

    async def test(ranges: Ranges, told: list[Any]) -> None:
        ranges.add(event(0), b"")
        await ranges.feedback(b'{"call": "call-0", "mark": "recorded"}')
        for each in tmp_path.iterdir():
            each.unlink()
        if damage == "junk":
            path.write_bytes(b"no database" * 1000)
            with pytest.raises(HttpError) as refused:
                await ranges.range("95213700")
            assert refused.value.status == 503
            assert await ranges.advise("95213700") is None
            ranges.add(event(1), b"")
            await asyncio.sleep(0.05)
            path.unlink()
        assert not ranges.works
        ranges.add(event(2), b"")
        with pytest.raises(HttpError) as refused:
            await ranges.feedback(b'{"call": "call-2", "mark": "recorded"}')
        assert refused.value.status == 503
        assert await ranges.advise("95213700") is None
        assert not path.exists(), "nobody makes another one in silence"
        assert ("deleted while it was in use" in caplog.text) is (damage == "removed")
        RangeStore(path).close()
        await ranges.feedback(b'{"call": "call-2", "mark": "recorded"}')
        await ranges.range("95213700")
        assert ranges.works
        assert (await ranges.range("95213700"))["ranges"]

    run(path, test)


def test_a_store_that_is_none_is_refused_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    path.write_bytes(b"no database" * 1000)

    async def whole() -> None:
        with pytest.raises(RangeStoreError, match=r"r\.db: .*not a database"):
            Ranges(path, Metrics(), NumberHasher())

    asyncio.run(whole())


def test_numbers_are_hashed_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def test(ranges: Ranges, told: list[Any]) -> None:
        for n in range(40):
            ranges.add(event(n), b"")

    run(tmp_path / "r.db", test)
    assert "open" in caplog.text
    assert "95213" not in caplog.text


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
    monkeypatch.setattr(ranges, "TICK_SECONDS", 0.01)

    async def test(ranges: Ranges, told: list[Any]) -> None:
        for n in range(40):
            ranges.add(replace(event(n), time=time.time() - 2000), b"")
        for _ in range(3_000):
            await asyncio.sleep(0.01)
            if told and told[-1]["after"] == "half_open":
                return
        raise AssertionError(told)

    run(tmp_path / "r.db", test)


def test_an_unknown_verdict_is_unsure_or_unheard() -> None:
    unknown = replace(event(0), verdict=verdict(VerdictKind.UNKNOWN))
    assert ranges.call_of(unknown).outcome == "unsure"


def test_the_known_recording_is_the_campaign() -> None:
    said = verdict()
    known = KnownRecording(17, "offer.wav", 0.0, 0.5, 3.0, 2.5, 0.999, 1.0, 2.0, 40)
    heard = replace(event(0), verdict=replace(said, evidence=replace(said.evidence, known=known)))
    assert (ranges.call_of(event(0)).campaign, ranges.call_of(heard).campaign) == ("", "17")
