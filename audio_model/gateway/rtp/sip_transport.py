"""SIP messages from UDP and TCP (RFC 3261, 18), one at a time."""

import asyncio
import logging
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from audio_model.gateway.dialects.base import ProtocolError
from audio_model.gateway.rtp import sip

logger = logging.getLogger(__name__)

MAX_CONNECTIONS = 256
IDLE_SECONDS = 600
"""A connection on which no whole message came for so long is closed; SIP opens another at need."""
SLOW_SECONDS = 30
"""The longest time from a message's first byte to its last."""

_SENT_BY_PORT = re.compile(r"^SIP\s*/\s*2\.0\s*/\s*\w+\s+(?:\[[^\]]*\]|[^\s;,:]+)\s*:\s*(\d{1,5})")
_DEFAULT_PORT = 5060
_TRIES = 16


@dataclass(frozen=True)
class SipSender:
    """The sender of a message, and the way back to it."""

    source: tuple[str, int]
    transport: str
    """``UDP`` or ``TCP``."""
    send: Callable[[bytes], None]


Handler = Callable[[sip.SipMessage, SipSender], None]


class UdpListener(asyncio.DatagramProtocol):
    """SIP over UDP."""

    def __init__(self, handle: Handler) -> None:
        self._handle = handle
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send by this transport from now on."""
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Parse a message and handle it. A keep-alive is passed over."""
        source = addr[0], addr[1]
        if not data.strip(b"\r\n\0"):
            return
        try:
            message = sip.parse(data.lstrip(b"\r\n"))
        except ProtocolError as error:
            logger.debug("SIP from %s:%d: %s", *source, error)
            return
        back = source[0], _port_back(message, source[1])
        self._handle(message, SipSender(source, "UDP", lambda reply: self._send(reply, back)))

    def _send(self, reply: bytes, address: tuple[str, int]) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(reply, address)

    def error_received(self, exc: Exception) -> None:
        """Log the error."""
        logger.debug("SIP over UDP: %s", exc)


class TcpListener:
    """Makes a connection's protocol, and holds the connections within their number."""

    def __init__(self, handle: Handler) -> None:
        self._handle = handle
        self._connections: set[_Connection] = set()

    def __call__(self) -> "_Connection":
        """Return the protocol of a new connection."""
        return _Connection(self._handle, self._connections)

    def close(self) -> None:
        """Close all connections."""
        for connection in list(self._connections):
            connection.close()


class _Connection(asyncio.Protocol):
    def __init__(self, handle: Handler, connections: set["_Connection"]) -> None:
        self._handle, self._connections = handle, connections
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._timer: asyncio.TimerHandle | None = None
        self._peer = SipSender(("", 0), "TCP", self._send)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if len(self._connections) >= MAX_CONNECTIONS:
            self._transport.abort()
            return
        self._connections.add(self)
        name = transport.get_extra_info("peername") or ("", 0)
        self._peer = SipSender((name[0], name[1]), "TCP", self._send)
        self._wait(IDLE_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        if self._timer is not None:
            self._timer.cancel()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        begun = bool(self._buffer)
        self._buffer = (self._buffer + data).lstrip(b"\r\n")
        try:
            taken = self._take()
        except ProtocolError as error:
            # Nobody can tell any more where the next message begins.
            logger.debug("SIP from %s:%d: %s", *self._peer.source, error)
            self._buffer = b""
            self.close()
            return
        if not self._buffer:
            self._wait(IDLE_SECONDS)
        elif taken or not begun:
            self._wait(SLOW_SECONDS)

    def _take(self) -> bool:
        """Handle the messages that are whole; whether there was one."""
        taken = False
        while self._buffer:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                if len(self._buffer) > sip.MAX_MESSAGE_BYTES:
                    raise ProtocolError("a SIP message whose header does not end")
                break
            end += 4
            end += sip.content_length(self._buffer[: end - 4])
            if end > sip.MAX_MESSAGE_BYTES:
                raise ProtocolError(f"a SIP message of {end} bytes")
            if end > len(self._buffer):
                break
            message, self._buffer = self._buffer[:end], self._buffer[end:].lstrip(b"\r\n")
            taken = True
            self._handle(sip.parse(message), self._peer)
        return taken

    def _wait(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self.close)

    def _send(self, reply: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(reply)


def bind(host: str, port: int, *, reuse_port: bool = False) -> tuple[socket.socket, socket.socket]:
    """Return a UDP and a listening TCP socket of the same port. Raises OSError.

    ``port`` 0 takes what the system gives. ``reuse_port`` lets other processes have the port, too.
    """
    # The port that the system gives for UDP may be taken for TCP, or the other way round.
    for _ in range(_TRIES if port == 0 else 1):
        opened: list[socket.socket] = []
        try:
            tcp = _bound(socket.SOCK_STREAM, host, port, reuse_port)
            opened.append(tcp)
            udp = _bound(socket.SOCK_DGRAM, host, tcp.getsockname()[1], reuse_port)
        except OSError as error:
            failure = error
            for each in opened:
                each.close()
        else:
            return udp, tcp
    raise failure


def _bound(kind: socket.SocketKind, host: str, port: int, reuse_port: bool) -> socket.socket:
    opened = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind)
    try:
        if kind is socket.SOCK_STREAM:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        opened.bind((host, port))
        opened.setblocking(False)
    except OSError:
        opened.close()
        raise
    return opened


def _port_back(message: sip.SipMessage, source_port: int) -> int:
    """Return the source's port if the client asks for it (RFC 3581), else the one that it names."""
    via = message.header("via").partition(",")[0]
    if sip.asks_rport(via):
        return source_port
    named = _SENT_BY_PORT.match(via)
    port = int(named[1]) if named else _DEFAULT_PORT
    return port if 0 < port < 65536 else source_port
