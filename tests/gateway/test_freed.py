"""A call that is over is freed at once, and not when the collector of circles comes by."""

import asyncio
import gc
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvloop
from aiohttp import web

from audio_model.gateway.asterisk.audiosocket import AudioSocketProtocol
from audio_model.gateway.calls import Call
from audio_model.gateway.dialects.base import Dialect
from benchmarks.gateway.caller import FRAMES, caller
from tests.gateway.serving import Running, serving
from tests.gateway.waiting import until

OF_A_CALL = (AudioSocketProtocol, Dialect, web.WebSocketResponse, Call)


@contextmanager
def no_collector() -> Iterator[None]:
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@pytest.mark.parametrize("answered", [False, True])
@pytest.mark.parametrize("protocol", FRAMES)
def test_nothing_of_a_call_is_left(
    protocol: str, answered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[weakref.ref[Any]] = []

    def noted(kind: type) -> Any:
        begin = kind.__init__  # type: ignore[misc]

        def init(self: Any, *args: Any, **options: Any) -> None:
            made.append(weakref.ref(self))
            begin(self, *args, **options)

        return init

    for kind in OF_A_CALL:
        monkeypatch.setattr(kind, "__init__", noted(kind))
    flags = ("--listen-seconds", "0.1", "--wait-seconds", "0") if answered else ()

    async def is_freed(here: Running, url: str) -> bool:
        """Whether all of a call is gone soon after its end."""
        made.clear()
        _, leg = await asyncio.get_running_loop().create_connection(
            lambda: caller(protocol), "127.0.0.1", int(url.rpartition(":")[2])
        )
        await leg.ready
        for frame in FRAMES[protocol]()[:16]:
            leg.send(frame)
        await until(lambda: here.server.calls.open_legs == (not answered) and len(made) > 1)
        leg.transport.close()
        for _ in range(1000):
            if not any(each() for each in made):
                return True
            await asyncio.sleep(0.005)
        return False

    async def scene() -> None:
        async with serving("--audiosocket", "127.0.0.1:0", *flags) as here:
            scheme = "audiosocket" if protocol == "audiosocket" else "http"
            (url,) = (url for url in here.server.addresses if url.startswith(scheme))
            # One whose connection was held up by a busy machine may be left to the collector.
            for _ in range(3):
                if await is_freed(here, url):
                    return
            raise AssertionError([each() for each in made])

    with no_collector():
        uvloop.run(scene())
