"""The adapter between aiohttp and dialects, over real sockets, with a dialect that obeys."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, ClassVar, cast

import aiohttp
import pytest
from aiohttp import WSMsgType, web

from audio_model.gateway.config.settings import Limits
from audio_model.gateway.dialects.base import Connection, Dialect, ProtocolError
from audio_model.gateway.events import CallInfo
from audio_model.gateway.http import websockets
from audio_model.gateway.http.errors import HttpError
from audio_model.gateway.http.websockets import (
    FAIR_MESSAGES,
    MAX_BAD_MESSAGES,
    MAX_UNSENT_BYTES,
    WebSockets,
)
from audio_model.gateway.outlets.metrics import Metrics
from audio_model.gateway.pacer import Pacer
from tests.gateway.fakes import FakeCalls
from tests.gateway.waiting import until


class Obedient(Dialect):
    """Does what a text says, and counts."""

    name = "obedient"
    subprotocols = ("media", "audio.drachtio.org")
    made: ClassVar[list["Obedient"]] = []

    def __init__(self, connection: Connection, calls: Any) -> None:
        super().__init__(connection, calls)
        if "refuse" in connection.query:
            raise ProtocolError("the query can't be meant")
        if "hello" in connection.query:
            connection.send_text("hello")
        self.heard: list[str | bytes] = []
        self.failures: list[str] = []
        self.losses = 0
        Obedient.made.append(self)

    def text(self, message: str) -> None:
        self.heard.append(message)
        match message:
            case "bad":
                raise ProtocolError("a bad message")
            case "bug":
                raise ZeroDivisionError
            case "echo":
                self.connection.send_text("one")
                self.connection.send_bytes(b"two")
            case "close":
                self.connection.send_text("last")
                self.connection.close(1000, "done")
                self.connection.send_text("after the close")
            case "flood":
                # More than the kernel takes for it.
                for _ in range(200):
                    self.connection.send_text("x" * 100_000)

    def binary(self, message: bytes) -> None:
        self.heard.append(message)

    def refuse(self, info: CallInfo, detail: str) -> None:
        raise AssertionError("its own fail never asks for it")

    def lost(self) -> None:
        self.losses += 1
        self.connection.send_text("nobody hears this")

    def fail(self, detail: str) -> None:
        self.failures.append(detail)


@dataclass
class Resting:
    """An engine, as far as the pacer asks it."""

    rest: float


@dataclass
class Adapter:
    client: aiohttp.ClientSession
    sockets: WebSockets
    metrics: Metrics
    made: list[Obedient] = field(default_factory=list)

    def connect(self, query: str = "", **options: Any) -> Any:
        return self.client.ws_connect(f"/ws{query}", **options)

    async def dialect(self) -> Obedient:
        await until(lambda: Obedient.made)
        return Obedient.made[-1]


@asynccontextmanager
async def adapter(limits: Limits | None = None, rest: float = 0.0) -> AsyncIterator[Adapter]:
    Obedient.made.clear()
    metrics, calls = Metrics(), cast(Any, FakeCalls())
    calls.pacer = Pacer(cast(Any, Resting(rest)))
    sockets = WebSockets(calls, metrics, limits or Limits())

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            return await sockets.serve(request, Obedient)
        except HttpError as error:
            return error.response()

    application = web.Application()
    application.router.add_get("/ws", handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    watch = asyncio.create_task(sockets.watch())
    try:
        port = runner.addresses[0][1]
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client:
            yield Adapter(client, sockets, metrics)
    finally:
        watch.cancel()
        await sockets.close()
        await runner.cleanup()


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(test)


def test_messages_in_and_out_in_order() -> None:
    async def test() -> None:
        async with adapter() as here, here.connect("?call=7") as socket:
            await socket.send_bytes(b"\xff" * 160)
            await socket.send_str("echo")
            assert (await socket.receive_str(timeout=30)) == "one"
            assert (await socket.receive_bytes(timeout=30)) == b"two"
            dialect = await here.dialect()
            assert dialect.heard == [b"\xff" * 160, "echo"]
            assert dialect.connection.query["call"] == "7"
            assert "Sec-WebSocket-Key" in dialect.connection.headers

    run(test())


@pytest.mark.parametrize("n_bytes", [0, 125, 126, 65_535, 65_536])
def test_messages_of_any_length_are_sent(n_bytes: int) -> None:
    async def test() -> None:
        async with adapter() as here, here.connect() as socket:
            (await here.dialect()).connection.send_bytes(b"x" * n_bytes)
            assert (await socket.receive_bytes(timeout=30)) == b"x" * n_bytes

    run(test())


def test_what_is_sent_leaves_before_the_loop_does_anything_else() -> None:
    async def test() -> None:
        async with adapter() as here, here.connect():
            dialect = await here.dialect()
            connection: Any = dialect.connection
            transport = connection.transport
            written: list[bytes] = []
            connection.transport = SimpleNamespace(
                is_closing=transport.is_closing,
                get_write_buffer_size=transport.get_write_buffer_size,
                write=written.append,
            )
            connection.send_text("final")
            assert written == [b"\x81\x05final"]
            connection.transport = transport

    run(test())


def test_what_is_said_before_the_handshake_follows_it() -> None:
    async def test() -> None:
        async with adapter() as here, here.connect("?hello") as socket:
            assert (await socket.receive_str(timeout=30)) == "hello"

    run(test())


def test_close_sends_what_was_said_before_and_nothing_after() -> None:
    async def test() -> None:
        async with adapter() as here, here.connect() as socket:
            await socket.send_str("close")
            assert (await socket.receive_str(timeout=30)) == "last"
            message = await socket.receive(timeout=30)
            assert (message.type, message.data, message.extra) == (WSMsgType.CLOSE, 1000, "done")

    run(test())


def test_the_end_is_told_once_however_it_comes() -> None:
    async def test() -> None:
        async with adapter() as here:
            for abrupt in (False, True):
                socket = await here.connect()
                dialect = await here.dialect()
                if abrupt:
                    socket._response.connection.transport.abort()
                await socket.close()
                await until(lambda dialect=dialect: dialect.losses and not len(here.sockets))
                await asyncio.sleep(0.05)
                assert dialect.losses == 1
                Obedient.made.clear()

    run(test())


def test_bad_messages_are_dropped_and_after_too_many_the_call_fails_but_stays_open() -> None:
    async def test() -> None:
        async with adapter() as here, here.connect() as socket:
            dialect = await here.dialect()
            for _ in range(MAX_BAD_MESSAGES - 1):
                await socket.send_str("bad")
            await socket.send_str("echo")
            assert (await socket.receive_str(timeout=30)) == "one"
            assert not dialect.failures
            await socket.send_str("bad")
            await until(lambda: dialect.failures)
            assert dialect.failures == ["too many bad messages, the last: a bad message"]
            heard = len(dialect.heard)
            await socket.receive(timeout=30)
            for _ in range(100):
                await socket.send_str("bad")
                await socket.send_bytes(b"audio")
            await until(lambda: len(dialect.failures) == 1)
            await socket.ping()
            await asyncio.sleep(0.1)
            assert not socket.closed
            assert len(dialect.heard) == heard
            assert len(dialect.failures) == 1
            text = here.metrics.text().decode()
            assert 'audio_model_protocol_errors_total{gateway="obedient"} 20.0' in text

    run(test())


def test_a_bug_ends_the_call_but_not_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        async with adapter() as here, here.connect() as socket, here.connect() as other:
            await until(lambda: len(Obedient.made) == 2)
            dialect = Obedient.made[0]
            await socket.send_str("bug")
            await until(lambda: dialect.failures)
            await socket.send_str("echo")
            await other.send_str("echo")
            assert (await other.receive_str(timeout=30)) == "one"
            assert not socket.closed
            assert dialect.heard == ["bug"]
            assert dialect.failures == ["internal error: the log has its traceback"]
            assert "audio_model_internal_errors_total 1.0" in here.metrics.text().decode()

    run(test())
    assert "ZeroDivisionError" in caplog.text


def test_a_subprotocol_is_agreed_on() -> None:
    async def test() -> None:
        async with adapter() as here:
            for offered, agreed in [
                (("audio.drachtio.org",), "audio.drachtio.org"),
                (("x", "media"), "media"),
                ((), None),
            ]:
                async with here.connect(protocols=offered) as socket:
                    assert socket.protocol == agreed

    run(test())


def test_compression_is_not_agreed_on() -> None:
    async def test() -> None:
        async with adapter() as here, here.connect(compress=15) as socket:
            assert socket.compress == 0

    run(test())


def test_a_message_that_is_too_large_ends_the_connection_and_no_other() -> None:
    async def test() -> None:
        limits = Limits(max_message_bytes=1024)
        async with adapter(limits) as here, here.connect() as socket, here.connect() as other:
            await until(lambda: len(Obedient.made) == 2)
            dialect = Obedient.made[0]
            await socket.send_bytes(b"x" * 1023)
            await socket.send_bytes(b"x" * 5000)
            message = await socket.receive(timeout=30)
            assert (message.type, message.data) == (WSMsgType.CLOSE, 1009)
            await until(lambda: dialect.losses)
            assert dialect.heard == [b"x" * 1023]
            await other.send_str("echo")
            assert (await other.receive_str(timeout=30)) == "one"

    run(test())


def test_connections_beyond_the_limit_are_refused_until_one_goes() -> None:
    async def test() -> None:
        async with adapter(Limits(max_connections=1)) as here:
            async with here.connect():
                with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                    await here.connect()
                assert refused.value.status == 503
            await until(lambda: len(here.sockets) == 0)
            async with here.connect():
                pass

    run(test())


def test_a_query_that_can_not_be_meant_is_refused_before_the_handshake() -> None:
    async def test() -> None:
        async with adapter() as here:
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await here.connect("?refuse")
            assert refused.value.status == 400
            assert len(here.sockets) == 0
            async with here.client.get("/ws") as response:
                assert response.status == 426
                assert (await response.json())["error"]["code"] == "websocket_needed"

    run(test())


class Clock:
    """What connections take for the time; it stands still unless it is put forward."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(idle_seconds=0.2), "idle for 0.2 s"),
        (Limits(max_call_seconds=0.2, idle_seconds=0.4), "open for 0.2 s"),
    ],
)
def test_idle_and_too_long_connections_are_closed(
    limits: Limits, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        async with adapter(limits) as here:
            with monkeypatch.context() as patch:
                patch.setattr(websockets, "monotonic", clock := Clock())
                async with here.connect() as socket:
                    dialect = await here.dialect()
                    clock.now = 0.3
                    message = await socket.receive(timeout=30)
                    assert (message.type, message.data) == (WSMsgType.CLOSE, 1008)
                    assert message.extra == reason
                    await until(lambda: dialect.losses)

    run(test())


def test_a_connection_that_says_something_is_not_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        async with adapter(Limits(idle_seconds=0.02)) as here:
            with monkeypatch.context() as patch:
                patch.setattr(websockets, "monotonic", clock := Clock())
                async with here.connect() as socket:
                    dialect = await here.dialect()
                    for n in range(10):
                        clock.now += 0.015
                        # Each is looked at four times in its idle time.
                        await asyncio.sleep(0.02)
                        await socket.send_bytes(b"x")
                        await until(lambda n=n: len(dialect.heard) > n)
                    end = asyncio.create_task(socket.receive(timeout=30))
                    while not end.done():
                        clock.now += 0.021
                        await asyncio.sleep(0.02)
                    assert end.result().extra == "idle for 0.02 s"

    run(test())


def test_quiet_connections_are_pinged(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        async with adapter() as here, here.connect(autoping=False) as socket:
            assert (await socket.receive(timeout=30)).type is WSMsgType.PING

    monkeypatch.setattr(websockets, "PING_SECONDS", 0.1)
    run(test())


def test_a_half_open_connection_goes_after_the_idle_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The peer is there for TCP and for nothing else: it reads nothing and answers nothing."""

    async def test() -> None:
        async with adapter(Limits(idle_seconds=0.2)) as here:
            _, writer = await raw(here)
            dialect = await here.dialect()
            await until(lambda: dialect.losses)
            assert len(here.sockets) == 0
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)

    monkeypatch.setattr(websockets, "CLOSE_SECONDS", 0.2)
    run(test())


def test_a_peer_that_can_not_be_told_to_go_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """It sends and never reads, so that the close waits behind what it does not read."""

    async def test() -> None:
        async with adapter(Limits(idle_seconds=0.2)) as here:
            _, writer = await raw(here)
            dialect = await here.dialect()
            assert isinstance(writer.transport, asyncio.Transport)
            writer.transport.pause_reading()
            transport = cast(Any, dialect.connection).transport
            for _ in range(2000):
                if transport.get_write_buffer_size() < MAX_UNSENT_BYTES / 2:
                    dialect.connection.send_text("x" * 10_000)
            await until(lambda: dialect.losses)
            writer.transport.abort()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)

    monkeypatch.setattr(websockets, "CLOSE_SECONDS", 0.2)
    run(test())


def test_a_flood_of_small_messages_lets_the_others_in() -> None:
    """All that one read brings is there at once; it was half a second to hear it."""

    async def test() -> None:
        async with adapter() as here:
            _, writer = await raw(here)
            dialect = await here.dialect()
            writer.write(b"\x82\x81\0\0\0\0a" * 5_000)
            turns = 0
            while len(dialect.heard) < 5_000:
                turns += 1
                await asyncio.sleep(0)
            assert turns > 5_000 / (2 * FAIR_MESSAGES)
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)

    run(test())


def test_a_peer_that_does_not_read_is_cut_off() -> None:
    async def test() -> None:
        async with adapter() as here, here.connect() as socket:
            dialect = await here.dialect()
            await socket.send_str("flood")
            await until(lambda: dialect.losses)
            assert len(here.sockets) == 0

    run(test())


def test_connections_that_rest_hear_every_message_in_order_and_their_end() -> None:
    async def test() -> None:
        async with adapter(rest=0.05) as here:
            sent = [bytes([n]) * (n * 997 % 3000) for n in range(200)]
            async with here.connect() as socket:
                dialect = await here.dialect()
                for n, message in enumerate(sent):
                    await socket.send_bytes(message)
                    if n % 40 == 0:
                        await asyncio.sleep(0.02)
                await until(lambda: len(dialect.heard) == len(sent))
                assert dialect.heard == sent
                assert not cast(Any, dialect.connection).transport.is_reading()
                # What the server says does not wait.
                dialect.connection.send_text("hello")
                assert (await socket.receive_str(timeout=20)) == "hello"
            await until(lambda: dialect.losses == 1)

    run(test())


def test_the_end_of_the_server_sends_what_is_to_be_sent() -> None:
    async def test() -> None:
        async with adapter() as here, here.connect() as socket:
            dialect = await here.dialect()
            dialect.connection.send_text("final")
            closing = asyncio.create_task(here.sockets.close())
            assert (await socket.receive_str(timeout=30)) == "final"
            message = await socket.receive(timeout=30)
            assert (message.type, message.data) == (WSMsgType.CLOSE, 1001)
            await socket.close()
            await closing
            assert len(here.sockets) == 0

    run(test())


def test_frames_that_are_none_end_only_their_connection() -> None:
    async def test() -> None:
        async with adapter() as here, here.connect() as other:
            for junk in (b"\xff" * 64, b"\x81\xff" + b"\xff" * 8, b"GET / HTTP/1.1\r\n\r\n"):
                reader, writer = await raw(here)
                writer.write(junk)
                await asyncio.wait_for(reader.read(), 30)
                writer.close()
                await asyncio.gather(writer.wait_closed(), return_exceptions=True)
            await until(lambda: len(here.sockets) == 1)
            await other.send_str("echo")
            assert (await other.receive_str(timeout=30)) == "one"

    run(test())


async def raw(here: Adapter) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A WebSocket by hand."""
    url = here.client._base_url
    assert url is not None and url.host is not None
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(
        b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
    assert head.startswith(b"HTTP/1.1 101")
    # RFC 6455, 1.3: the example's key and its answer.
    assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head
    return reader, writer
