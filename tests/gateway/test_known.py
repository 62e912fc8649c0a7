"""Known recordings beside live calls: told, learnt, and never in the way of an answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audio_model.audio import read
from audio_model.errors import StoreError, UsageError
from audio_model.gateway.server import Server
from audio_model.known.fingerprint import fingerprint
from audio_model.known.follow import KnownRecordings
from audio_model.known.recording import LearntBy, StoredRecording
from audio_model.known.repetition import SAME_MOMENT_SECONDS
from audio_model.known.store import Store
from tests import sounds
from tests.gateway.serving import Running, serving, settings_of
from tests.known.calls import played

SAMPLES = Path(__file__).parents[2] / "samples"
PROMPT = read(SAMPLES / "recorded-prompt-en.wav", max_seconds=6)
LIVE = read(SAMPLES / "live-testing.ulaw", max_seconds=6)
STEP = 800


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "known.db"
    with Store(path) as store:
        # A live voice, so that the network alone would never call it recorded.
        store.add("a message", fingerprint(LIVE).codes, heard_at=100.0)
    return path


def recordings(path: Path) -> list[StoredRecording]:
    with Store(path, create=False) as store:
        return list(store.recordings())


async def learnt(path: Path, count: int) -> None:
    """Wait until so many recordings are known."""
    async with asyncio.timeout(30):
        while len(recordings(path)) < count:
            await asyncio.sleep(0.05)


@asynccontextmanager
async def knowing(path: Path, *flags: str) -> AsyncIterator[Running]:
    async with serving("--known", str(path), "--listen-seconds", "5", *flags) as here:
        yield here


async def call(here: Running, samples: Any, name: str) -> list[dict[str, Any]]:
    """The events of a call."""
    query = f"encoding=mulaw&call={name}"
    async with here.client.ws_connect(f"/v1/stream?{query}") as socket:
        payload = sounds.mulaw(samples)
        for start in range(0, len(payload), STEP):
            await socket.send_bytes(payload[start : start + STEP])
        await socket.send_str('{"event": "stop"}')
        events = []
        async for message in socket:
            event = message.json()
            if "verdict" in event:
                events.append(event)
            if event.get("event") == "final":
                break
    return events


def test_a_call_that_repeats_a_recording_is_told(path: Path) -> None:
    async def test() -> None:
        async with knowing(path) as here:
            *_, final = await call(here, played(LIVE[8000:], seed=1), "again")
            assert final["verdict"] == "recorded" and final["score"] > 0.98
            assert final["known"]["name"] == "a message"
            assert final["known"]["offset"] == pytest.approx(1, abs=0.03)
            *_, final = await call(here, PROMPT, "other")
            assert final["known"] is None
            metrics = await here.metrics()
            assert metrics['audio_model_known_legs_total{verdict="recorded"}'] == 1
            assert metrics["audio_model_known_errors_total"] == 0

    asyncio.run(test())
    assert [recording.times_heard for recording in recordings(path)] == [1]


def test_a_file_is_matched_too(path: Path) -> None:
    async def test() -> None:
        async with knowing(path) as here:
            for _ in range(2):
                data = {"file": (SAMPLES / "live-testing.ulaw").open("rb")}
                async with here.client.post("/v1/score", data=data) as response:
                    row = await response.json()
                assert (row["verdict"], row["known"]) == ("recorded", 1)
                assert row["known_name"] == "a message" and row["known_times_heard"] == 1

    asyncio.run(test())


def test_calls_teach_the_store_once_they_are_over(path: Path) -> None:
    async def test() -> None:
        async with knowing(path, "--known-learn") as here:
            *_, first = await call(here, PROMPT, "first")
            assert (first["verdict"], first["known"]) == ("recorded", None)
            await learnt(path, 2)
            *_, second = await call(here, played(PROMPT, seed=2), "second")
            assert second["known"]["name"] == "stream first"
            *_, live = await call(here, played(LIVE, seed=3), "third")
            assert live["known"]["name"] == "a message"

    asyncio.run(test())
    # What waited was learnt before the end.
    assert [(each.name, each.times_heard) for each in recordings(path)] == [
        ("a message", 2),
        ("stream first", 2),
    ]


def test_what_two_calls_hold_is_told_in_the_second(tmp_path: Path) -> None:
    async def test() -> None:
        path = tmp_path / "new.db"
        async with knowing(path, "--known-learn", "--known-keep-hours", "2") as here:
            *_, first = await call(here, LIVE, "first")
            assert (first["verdict"], first["known"]) != ("recorded", None)
            while not list(tmp_path.glob("new.db.heard.*")):
                await asyncio.sleep(0.05)
            for n in range(3):
                # Longer after each other than one sound that is carried twice.
                await asyncio.sleep(SAME_MOMENT_SECONDS)
                *_, final = await call(here, played(LIVE, seed=n), f"again {n}")
            assert final["verdict"] == "recorded" and final["known"]["name"] == "stream first"
            assert final["known"]["repeated"].startswith(("2 calls since", "3 calls", "4 calls"))
        assert [one.learnt for one in recordings(path)] == [LearntBy.REPETITION]

    asyncio.run(test())


@pytest.mark.parametrize("learn", [(), ("--known-learn",)])
def test_a_store_that_breaks_costs_no_call_its_answer(
    path: Path, learn: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        async with knowing(path, *learn) as here:
            await call(here, PROMPT, "before")
            # A store that is written to at this moment may come out of it whole.
            await learnt(path, 2 if learn else 1)
            path.write_bytes(np.random.default_rng(0).bytes(9999))
            for n in range(4):
                *_, final = await call(here, PROMPT, f"after {n}")
                assert (final["verdict"], final["detail"]) == ("recorded", "")
            data = {"file": (SAMPLES / "recorded-prompt-en.wav").open("rb")}
            async with here.client.post("/v1/score", data=data) as response:
                row = await response.json()
            assert (row["verdict"], row["error"]) == ("recorded", None)
            assert (await here.metrics())["audio_model_known_errors_total"] >= 1

    asyncio.run(test())
    told = [record for record in caplog.records if "without known" in record.getMessage()]
    # One for each of the threads that use it.
    assert 1 <= len(told) <= 3


def test_a_store_that_can_not_be_written_is_told_of(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(KnownRecordings, "conclude", full)

    async def known(here: Running) -> str:
        async with here.client.get("/readyz") as response:
            return str((await response.json())["parts"]["known"])

    async def test() -> None:
        async with knowing(path, "--known-learn") as here:
            assert await known(here) == "up"
            *_, final = await call(here, PROMPT, "first")
            assert final["verdict"] == "recorded"
            async with asyncio.timeout(30):
                while await known(here) != "down":
                    await asyncio.sleep(0.05)

    asyncio.run(test())


def test_a_store_that_cannot_be_used_is_an_error_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "foreign.db").write_text("something else" * 1000)
    with pytest.raises(StoreError, match=r"foreign\.db"):
        asyncio.run(_made("--known", str(tmp_path / "foreign.db")))
    with pytest.raises(StoreError, match="no such store"):
        asyncio.run(_made("--known", str(tmp_path / "none.db")))
    with pytest.raises(UsageError, match="--known-learn needs --known"):
        settings_of("--known-learn")


async def _made(*flags: str) -> None:
    Server(settings_of("--port", "0", *flags))
