"""WebSockets: from aiohttp's to a dialect, and back. Source: RFC 6455.

The hot path: each packet of each call passes :meth:`WebSockets._listen`. Nothing is made, logged or
scheduled there for a packet that is as it should be; what watches over time looks at all
connections together, once in a while.
"""

import asyncio
import logging
import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from time import monotonic
from typing import cast

import aiohttp
from aiohttp import WSCloseCode, WSMsgType, web

from audio_model.errors import AudioModelError
from audio_model.gateway.calls import Calls
from audio_model.gateway.config.settings import Limits
from audio_model.gateway.config.tenants import Tenant
from audio_model.gateway.dialects.base import Dialect, ProtocolError
from audio_model.gateway.http.errors import HttpError
from audio_model.gateway.outlets.metrics import Metrics
from audio_model.gateway.tally import WEBSOCKETS
from audio_model.gateway.terms import Terms

logger = logging.getLogger(__name__)

MAX_BAD_MESSAGES = 20
MAX_UNSENT_BYTES = 1_000_000
"""A peer for whom more bytes wait does not read them, and its connection is given up."""
PING_SECONDS = 20.0
"""Quiet connections are pinged, so that proxies between keep them."""
CLOSE_SECONDS = 3.0
"""For the peer to answer a close."""

LOOK_MESSAGES = 16
"""After so many it is asked whether the call was answered."""

FAIR_MESSAGES = 64
"""After so many at one go the other connections have their turn."""

# Names of their own, because to get a member of an enum takes longer than to unmask a packet.
_BINARY, _TEXT = WSMsgType.BINARY, WSMsgType.TEXT

_MAX_REASON = 123
"""Bytes; RFC 6455, 5.5."""


class Socket:
    """The Connection that a dialect sees.

    What is sent leaves at once, for it may be a final event at its deadline: as aiohttp sends, it
    would wait for a task's turn, behind everything that is ready on a busy loop.
    """

    def __init__(
        self,
        request: web.Request,
        transport: asyncio.Transport,
        response: web.WebSocketResponse,
        terms: Terms,
    ) -> None:
        self.terms: Terms | None = terms
        self.query: Mapping[str, str] = request.query
        self.headers: Mapping[str, str] = request.headers
        self._response = response
        self.transport = transport
        self._early: list[bytes] = []
        """Frames that were sent before the handshake was done."""
        self._closing: tuple[int, str] | None = None
        self._closing_since = 0.0
        self._closer: asyncio.Task[None] | None = None
        self.received = 0
        """Messages so far."""
        self.opened_at = self.heard_at = self.pinged_at = monotonic()
        self._received_before = 0

    def send_text(self, message: str) -> None:
        """Send a text message."""
        self._send(_TEXT, message.encode())

    def send_bytes(self, message: bytes) -> None:
        """Send a binary message."""
        self._send(_BINARY, message)

    def close(self, code: int = WSCloseCode.OK, reason: str = "") -> None:
        """Close the connection once the handshake is done."""
        if self._closing is None:
            self._closing, self._closing_since = (code, reason), monotonic()
            self._close_if_prepared()

    def start(self) -> None:
        """Send what was held until the handshake was done."""
        # uvloop keeps what is below the limit until all callbacks that are ready have run.
        self.transport.set_write_buffer_limits(high=0)
        for frame in self._early:
            self.transport.write(frame)
        self._early.clear()
        self._close_if_prepared()

    async def end(self) -> None:
        """Note that the connection is gone."""
        if self._closer is not None:
            self._closer.cancel()
            await asyncio.gather(self._closer, return_exceptions=True)

    def look(self, now: float, limits: Limits) -> None:
        """Close the connection if it is idle or has lasted too long, or ping it.

        A connection that can't be closed is cut.
        """
        if self.received != self._received_before:
            self._received_before, self.heard_at = self.received, now
        if self._closing is not None:
            # A peer that reads nothing can't be told: the close waits behind what it does not read.
            if now - self._closing_since > 2 * CLOSE_SECONDS:
                self.transport.abort()
            return
        if now - self.opened_at > limits.max_call_seconds:
            self.close(WSCloseCode.POLICY_VIOLATION, f"open for {limits.max_call_seconds:g} s")
        elif now - self.heard_at > limits.idle_seconds:
            self.close(WSCloseCode.POLICY_VIOLATION, f"idle for {limits.idle_seconds:g} s")
        elif now - max(self.heard_at, self.pinged_at) > PING_SECONDS:
            self.pinged_at = now
            self._send(WSMsgType.PING, b"")

    def _send(self, kind: WSMsgType, message: bytes) -> None:
        if self._closing is not None or self._response.closed or self.transport.is_closing():
            return
        if not self._response.prepared:
            self._early.append(frame(kind, message))
            return
        if self.transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            logger.warning("a peer does not read what it is sent; its connection is cut")
            self._closing = WSCloseCode.ABNORMAL_CLOSURE, ""
            self.transport.abort()
            return
        self.transport.write(frame(kind, message))

    def _close_if_prepared(self) -> None:
        if self._closing is not None and self._response.prepared:
            self._closer = asyncio.create_task(self._close(*self._closing))

    async def _close(self, code: int, reason: str) -> None:
        # If it is gone, the receiving side notices and ends the call.
        with suppress(aiohttp.ClientError, ConnectionError):
            await self._response.close(code=code, message=reason.encode()[:_MAX_REASON])


def frame(kind: WSMsgType, message: bytes) -> bytes:
    """Return a whole message as a server sends it. Source: RFC 6455, 5.2."""
    n_bytes = len(message)
    if n_bytes < 126:
        return bytes((0x80 | kind, n_bytes)) + message
    if n_bytes < 1 << 16:
        return struct.pack("!BBH", 0x80 | kind, 126, n_bytes) + message
    return struct.pack("!BBQ", 0x80 | kind, 127, n_bytes) + message


class WebSockets:
    """All WebSocket connections of the server."""

    def __init__(self, calls: Calls, metrics: Metrics, limits: Limits) -> None:
        self._calls, self._metrics, self.limits = calls, metrics, limits
        self._open: dict[Socket, Dialect] = {}

    def __len__(self) -> int:
        return len(self._open)

    async def serve(
        self, request: web.Request, dialect: type[Dialect], tenant: Tenant | None = None
    ) -> web.StreamResponse:
        """Speak with one gateway until it goes. Raises HttpError before the handshake."""
        response = web.WebSocketResponse(
            protocols=dialect.subprotocols,
            max_msg_size=self.limits.max_message_bytes,
            # Audio hardly gets smaller, and a small message may unpack to a huge one.
            compress=False,
            timeout=CLOSE_SECONDS,
        )
        if not response.can_prepare(request):
            raise HttpError(426, "websocket_needed", "this path speaks WebSocket")
        tally = self._calls.tally
        if tally.total(WEBSOCKETS) >= self.limits.max_connections:
            self._metrics.refused.labels("connections").inc()
            raise HttpError(503, "too_many_connections", "no more connections are taken now")
        if request.transport is None:
            raise HttpError(400, "gone", "the connection is gone already")
        try:
            terms = self._calls.agreed(tenant, request.query)
            socket = Socket(request, request.transport, response, terms)
            speaker = dialect(socket, self._calls)
        except AudioModelError as error:
            raise HttpError(400, "bad_request", str(error)) from error
        self._open[socket] = speaker
        tally.add(WEBSOCKETS, 1)
        gauge = self._metrics.connections.labels(dialect.name)
        gauge.inc()
        try:
            await response.prepare(request)
            socket.start()
            await self._listen(response, socket, speaker)
        finally:
            self._open.pop(socket, None)
            tally.add(WEBSOCKETS, -1)
            gauge.dec()
            self._end_call(speaker)
            await socket.end()
            _forget_traceback(response.exception())
        return response

    async def watch(self) -> None:
        """Enforce the time limits of all connections. Runs until it is cancelled."""
        while True:
            await asyncio.sleep(min(1.0, self.limits.idle_seconds / 4))
            self._look_at_all()

    async def close(self) -> None:
        """Send the waiting messages and end all connections."""
        for socket in list(self._open):
            socket.close(WSCloseCode.GOING_AWAY, "the server stops")
        until = monotonic() + CLOSE_SECONDS + 1
        while self._open and monotonic() < until:
            await asyncio.sleep(0.01)

    async def _listen(
        self, response: web.WebSocketResponse, socket: Socket, speaker: Dialect
    ) -> None:
        receive = response.receive
        protocol = cast(asyncio.Protocol, socket.transport.get_protocol())
        has_read = self._calls.pacer.pace(socket.transport, protocol.data_received).has_read
        text: Callable[[str], None] = speaker.text
        binary: Callable[[bytes], None] = speaker.binary
        bad, over = 0, False
        while True:
            message = await receive()
            kind = message.type
            socket.received += 1
            if socket.received % LOOK_MESSAGES == 0:
                over = speaker.answered
            # What a call is shows in its first messages, which no rest may keep.
            if socket.received >= LOOK_MESSAGES:
                has_read(over=over)
            if socket.received % FAIR_MESSAGES == 0:
                # Messages that are there already are received without a pause: a quarter of a
                # megabyte of tiny ones would hold all others up.
                await asyncio.sleep(0)
            try:
                if kind is _BINARY:
                    binary(message.data)
                elif kind is _TEXT:
                    text(message.data)
                else:
                    return
            except ProtocolError as error:
                bad += 1
                self._count_bad(speaker, bad, error)
                if bad == MAX_BAD_MESSAGES:
                    speaker.fail(f"too many bad messages, the last: {error}")
                    text = binary = _ignore
            except Exception:
                # One call's failure must not reach another, and the phone call must go on.
                logger.exception("%s: a message could not be handled", speaker.name)
                self._metrics.internal_errors.inc()
                speaker.fail("internal error: the log has its traceback")
                text = binary = _ignore

    def _look_at_all(self) -> None:
        # Not in watch(), whose variables would keep the last connection while it waits.
        now = monotonic()
        for socket, speaker in list(self._open.items()):
            socket.look(now, self.limits)
            self._look_after(speaker, now)

    def _look_after(self, speaker: Dialect, now: float) -> None:
        try:
            speaker.look(now)
        except Exception:
            # The others are to be looked after as well.
            logger.exception("%s: a call could not be looked after", speaker.name)
            self._metrics.internal_errors.inc()

    def _end_call(self, speaker: Dialect) -> None:
        try:
            speaker.lost()
        except Exception:
            # Nobody is left to be told, and an answer by HTTP would go into the WebSocket.
            logger.exception("%s: a call could not be ended", speaker.name)
            self._metrics.internal_errors.inc()

    def _count_bad(self, speaker: Dialect, bad: int, error: ProtocolError) -> None:
        self._metrics.protocol_errors.labels(speaker.name).inc()
        # The first tells what is wrong; the others would fill the log.
        if bad == 1:
            logger.warning("%s: a message was dropped: %s", speaker.name, error)


def _forget_traceback(error: BaseException | None) -> None:
    """Free what an error's traceback holds: the connection, which holds the error in turn."""
    while error is not None:
        error.__traceback__ = None
        error = error.__context__


def _ignore(_: str | bytes) -> None:
    pass
