"""A real Asterisk with the example's dialplan: a server that hangs, dies or raves holds nobody."""

import asyncio
import base64
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
import pytest

from tests.gateway.peers import asterisk
from tests.gateway.peers.asterisk import ROOT, Asterisk
from tests.gateway.peers.test_asterisk import (
    SECRET,
    USER,
    has_agent,
    recording,
    run,
    snooped,
    until,
)
from tests.gateway.process import ServerProcess

pytestmark = asterisk.NEEDS_ASTERISK

FREE_SECONDS = 3.0
"""Within which every caller goes on, whatever has become of the server."""
UNCLEAR = "live-testing.ulaw"
"""No verdict ends a call with it."""

HELD = ["audiosocket", "websocket"]
"""The ways on which the caller waits for the verdict."""
ALL = [*HELD, "snoop", "eagi-server"]

WS_KEY = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""RFC 6455, 1.3."""

Pretend = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]
Serve = Callable[..., ServerProcess]


def start(serve: Serve, pbx: Asterisk, to: str) -> ServerProcess:
    """``serve`` as a process of its own, with the flags that the example names."""
    secret = pbx.home / "secret"
    secret.write_text(SECRET)
    name, port = ("ari", pbx.http_port) if to == "snoop" else ("ami", pbx.ami_port)
    server = serve(
        *("--port", str(pbx.serve_port)),
        *("--audiosocket", f"127.0.0.1:{pbx.audiosocket_port}"),
        *("--audiosocket-hangup", "always"),
        *(f"--{name}-address", f"127.0.0.1:{port}"),
        *(f"--{name}-user", USER, f"--{name}-secret-file", str(secret)),
    )
    ready = {"ari": "is served", "ami": "logged in"}[name]
    run(until_true(lambda: ready in server.log, 5))
    return server


async def until_true(condition: Callable[[], bool], within: float) -> None:
    await until(condition, within)


def seconds_to_begin(to: str) -> float:
    """How long a program that EAGI starts may take to begin, on a machine that is busy."""
    if to != "eagi-server":
        return 0.0
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", "import audio_model, aiohttp"], cwd=ROOT, check=True)
    return 2 * (time.monotonic() - began)


def is_heard(server: ServerProcess) -> bool:
    return server.metrics()["audio_model_legs_open"] == 1


def has_no_verdict(pbx: Asterisk, to: str) -> bool:
    told = pbx.told()
    return to == "snoop" or told[0] in ("", "NOTSURE")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
@pytest.mark.parametrize("to", [*HELD, "eagi-server"])
def test_a_server_that_goes_in_the_middle_frees_its_caller(
    to: str, how: signal.Signals, pbx: Asterisk, serve: Serve
) -> None:
    played = recording(pbx, UNCLEAR)
    server = start(serve, pbx, to)

    async def test() -> None:
        pbx.call(played.path, f"{to}@{'tests' if to == 'eagi-server' else 'audio-model'}")
        await until(lambda: is_heard(server), 6)
        assert "agent@tests:1" not in pbx.said()
        server.process.send_signal(how)
        await has_agent(pbx, FREE_SECONDS)
        assert has_no_verdict(pbx, to)

    run(test())


@pytest.mark.parametrize("to", [*HELD, "eagi-server"])
def test_a_server_that_was_stopped_and_goes_on_leaves_its_callers_alone_and_hears_new_ones(
    to: str, pbx: Asterisk, serve: Serve
) -> None:
    played = recording(pbx, UNCLEAR)
    server = start(serve, pbx, to)
    where = f"{to}@{'tests' if to == 'eagi-server' else 'audio-model'}"

    async def test() -> None:
        pbx.call(played.path, where)
        await until(lambda: is_heard(server), 6)
        server.process.send_signal(signal.SIGSTOP)
        await has_agent(pbx, FREE_SECONDS)
        server.process.send_signal(signal.SIGCONT)
        await until(lambda: server.metrics()["audio_model_legs_open"] == 0, 6)
        await asyncio.sleep(0.5)
        assert any("agent@tests" in name for name in pbx.channels()), "the call goes on"
        assert pbx.said().count("Executing [agent@tests:1]") == 1
        pbx.call(played.path, where)
        await until(lambda: is_heard(server), 6)
        # It is told of as before, and the next caller has the answer of the next call.
        await until(lambda: pbx.said().count("Executing [agent@tests:1]") == 2, 8)
        assert pbx.told()[0] == "NOTSURE"

    run(test())


def test_a_server_that_goes_while_it_snoops_leaves_the_call_alone(
    pbx: Asterisk, serve: Serve
) -> None:
    played = recording(pbx, UNCLEAR)
    server = start(serve, pbx, "snoop")

    async def test() -> None:
        await snooped(pbx, played)
        await until(lambda: is_heard(server), 2)
        await asyncio.sleep(1)
        server.process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(4)
        assert any("agent@tests" in name for name in pbx.channels())
        server.kill()
        await asyncio.sleep(2)
        assert any("agent@tests" in name for name in pbx.channels())

    run(test())


@pytest.mark.parametrize("to", ALL)
def test_a_server_that_was_stopped_before_holds_nobody(
    to: str, pbx: Asterisk, serve: Serve
) -> None:
    played = recording(pbx, UNCLEAR)
    begin = seconds_to_begin(to)
    server = start(serve, pbx, to)
    server.process.send_signal(signal.SIGSTOP)

    async def test() -> None:
        pbx.call(played.path, f"{to}@{'tests' if to == 'eagi-server' else 'audio-model'}")
        await has_agent(pbx, FREE_SECONDS + begin)
        assert has_no_verdict(pbx, to)

    run(test())


@pytest.mark.parametrize("to", HELD)
def test_a_caller_waits_for_a_server_that_lives_and_for_no_longer(
    to: str, pbx: Asterisk, serve: Serve
) -> None:
    """Its verdict takes longer than the switch alone would let the call last."""
    played = recording(pbx, UNCLEAR)
    start(serve, pbx, to)

    async def test() -> None:
        pbx.call(played.path, f"{to}@audio-model")
        assert await has_agent(pbx, 5) > 3.5
        assert pbx.told()[0] == "NOTSURE"

    run(test())


async def _nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(os.urandom(400))
        await writer.drain()
        await asyncio.sleep(0.05)


async def _slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.read(65_536):
        pass


async def _upgrades_and_raves(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A WebSocket that is one, and then says what nobody understands."""
    request = await reader.readuntil(b"\r\n\r\n")
    key = request.partition(b"Sec-WebSocket-Key: ")[2].partition(b"\r\n")[0]
    accept = base64.b64encode(hashlib.sha1(key + WS_KEY).digest())
    writer.write(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Protocol: media\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )
    while True:
        writer.write(b"\x81\x0cANSWER {null")
        await writer.drain()
        await asyncio.sleep(0.1)


@asynccontextmanager
async def pretending(port: int, pretend: Pretend) -> AsyncIterator[None]:
    """Somebody else at a port of the example's server."""
    tasks: set[asyncio.Task[Any]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await pretend(reader, writer)
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    try:
        yield
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize(
    ("to", "pretend"),
    [
        ("audiosocket", _nonsense),
        ("audiosocket", _slow),
        ("websocket", _nonsense),
        ("websocket", _slow),
        ("websocket", _upgrades_and_raves),
        ("eagi-server", _nonsense),
        ("eagi-server", _slow),
    ],
)
def test_who_answers_nothing_or_nonsense_holds_nobody(
    to: str, pretend: Pretend, pbx: Asterisk
) -> None:
    played = recording(pbx, UNCLEAR)
    begin = seconds_to_begin(to)

    async def test() -> None:
        port = pbx.audiosocket_port if to == "audiosocket" else pbx.serve_port
        async with pretending(port, pretend):
            pbx.call(played.path, f"{to}@{'tests' if to == 'eagi-server' else 'audio-model'}")
            await has_agent(pbx, FREE_SECONDS + begin)
            assert has_no_verdict(pbx, to)

    run(test())


@pytest.mark.parametrize("raves", [False, True], ids=["says nothing", "raves"])
def test_an_application_of_ari_that_does_nothing_holds_nobody(raves: bool, pbx: Asterisk) -> None:
    played = recording(pbx, UNCLEAR)

    async def test() -> None:
        auth = aiohttp.encode_basic_auth(USER, SECRET)
        async with (
            aiohttp.ClientSession(headers={"Authorization": auth}) as session,
            session.ws_connect(
                f"http://127.0.0.1:{pbx.http_port}/ari/events", params={"app": "audio-model"}
            ) as socket,
        ):
            if raves:
                await socket.send_str('{"type": null, ')
            pbx.call(played.path, "snoop@audio-model")
            await has_agent(pbx, FREE_SECONDS)

    run(test())
