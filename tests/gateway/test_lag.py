"""The event loop's lag is what its timers are late by."""

import asyncio
import os
import time
from pathlib import Path

import pytest
import uvloop

from audio_model.gateway import lag
from audio_model.gateway.events import Event, EventKind
from audio_model.gateway.lag import LoopLag, waited_for_a_core
from benchmarks.gateway.caller import FRAMES, caller
from tests.gateway.serving import serving
from tests.gateway.waiting import until


def test_a_loop_that_is_held_up_is_late_and_catches_up() -> None:
    async def scene() -> None:
        measured = LoopLag()
        for _ in range(4):
            time.sleep(0.5)
            # What is late now counts before the timer has fired.
            assert measured.seconds >= 0.15
            await asyncio.sleep(0)
        assert measured.seconds > 0.2
        for _ in range(3_000):
            await asyncio.sleep(0.02)
            if measured.seconds < 0.1:
                return
        raise AssertionError(measured.seconds)

    asyncio.run(scene())


@pytest.mark.parametrize("content", ["", "1", "a b c"])
def test_where_nobody_tells_nothing_is_assumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    monkeypatch.setattr(lag, "_SCHEDSTAT", tmp_path / "schedstat")
    assert waited_for_a_core() == 0
    (tmp_path / "schedstat").write_text(content)
    assert waited_for_a_core() == 0
    (tmp_path / "schedstat").write_text("5000000000 2500000000 7\n")
    assert waited_for_a_core() == 2.5


@pytest.mark.parametrize("protocol", FRAMES)
def test_what_waits_in_a_socket_while_the_server_is_held_up_is_heard(protocol: str) -> None:
    """The deadline passes meanwhile, and is met before the sockets are read."""

    async def scene() -> None:
        async with serving(
            *("--audiosocket", "127.0.0.1:0", "--deadline-seconds", "0.6", "--wait-seconds", "0")
        ) as here:
            events: list[Event] = []
            here.server.calls.listeners += (events.append,)
            scheme = "audiosocket" if protocol == "audiosocket" else "http"
            (url,) = (url for url in here.server.addresses if url.startswith(scheme))
            _, leg = await asyncio.get_running_loop().create_connection(
                lambda: caller(protocol), "127.0.0.1", int(url.rpartition(":")[2])
            )
            await leg.ready
            await until(lambda: here.server.calls.open_legs == 1)
            os.write(
                leg.transport.get_extra_info("socket").fileno(), b"".join(FRAMES[protocol]()[:50])
            )
            time.sleep(0.7)
            await until(lambda: events and events[-1].kind is EventKind.FINAL)
            assert events[-1].verdict.seconds == 1.0
            leg.transport.close()

    uvloop.run(scene())
