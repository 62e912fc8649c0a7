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
from audio_model.gateway.config.settings import Limits
from audio_model.gateway.dialects.base import Dialect
from audio_model.gateway.http.websockets import Socket
from benchmarks.gateway.caller import FRAMES, caller
from tests.gateway.serving import serving
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

    looked: list[float] = []
    look = Socket.look

    def noted_look(self: Socket, now: float, limits: Limits) -> None:
        looked.append(now)
        look(self, now, limits)

    monkeypatch.setattr(Socket, "look", noted_look)

    async def scene() -> None:
        async with serving("--audiosocket", "127.0.0.1:0", *flags) as here:
            scheme = "audiosocket" if protocol == "audiosocket" else "http"
            (url,) = (url for url in here.server.addresses if url.startswith(scheme))
            _, leg = await asyncio.get_running_loop().create_connection(
                lambda: caller(protocol), "127.0.0.1", int(url.rpartition(":")[2])
            )
            await leg.ready
            for frame in FRAMES[protocol]()[:16]:
                leg.send(frame)
            await until(lambda: here.server.calls.open_legs == (not answered) and len(made) > 1)
            if protocol != "audiosocket":
                # Whoever looks after all connections once a second keeps none of them.
                await until(lambda: looked)
            leg.transport.close()
            await until(lambda: not any(each() for each in made))

    with no_collector():
        uvloop.run(scene())
