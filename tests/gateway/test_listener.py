"""Connections that wait are taken many at a time, by the event loop that serves them."""

import asyncio
import socket
from contextlib import ExitStack
from typing import Any

import pytest
import uvloop

from audio_model.gateway.listener import TAKEN_A_TURN, Listener
from tests.gateway.waiting import until

N = 4 * TAKEN_A_TURN


class Greeter(asyncio.Protocol):
    """Greets, and counts who came."""

    def __init__(self, came: list["Greeter"]) -> None:
        self.came = came

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.came.append(self)
        assert isinstance(transport.get_extra_info("socket").fileno(), int)
        transport.write(b"hello")  # type: ignore[attr-defined]


@pytest.mark.parametrize("run", [uvloop.run, asyncio.run])
def test_those_who_wait_are_taken_within_a_few_turns(run: Any) -> None:
    async def scene() -> None:
        came: list[Greeter] = []
        listener = await Listener.bind(lambda: Greeter(came), "127.0.0.1", 0)
        await listener.start()
        with ExitStack() as open_ones:
            callers = [
                open_ones.enter_context(socket.create_connection(("127.0.0.1", listener.port)))
                for _ in range(N)
            ]
            turns = 0
            while len(came) < N:
                await asyncio.sleep(0)
                turns += 1
            # uvloop alone takes one a turn.
            assert turns <= N // 4
            await asyncio.sleep(0.01)
            assert [caller.recv(5) for caller in callers] == [b"hello"] * N
        listener.close()

    run(scene())


def test_whoever_waits_as_the_port_is_left_is_taken() -> None:
    async def scene() -> None:
        came: list[Greeter] = []
        listener = await Listener.bind(lambda: Greeter(came), "127.0.0.1", 0)
        await listener.start()
        port = listener.port
        with ExitStack() as open_ones:
            for _ in range(N):
                open_ones.enter_context(socket.create_connection(("127.0.0.1", port)))
            listener.leave()
            await until(lambda: len(came) == N)
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port)).close()

    uvloop.run(scene())
