"""Client of rtpengine's ng control protocol, over UDP.

Source: rtpengine's documentation, "The ng Control Protocol". A message is a cookie, a space and a
bencoded dictionary; the reply carries the same cookie. A message with the cookie of one that
rtpengine knows is answered from memory, so what got lost can be sent again.
"""

import asyncio
import logging
from secrets import token_hex
from typing import cast

from audio_model.errors import AudioModelError
from audio_model.gateway.dialects.base import ProtocolError
from audio_model.gateway.rtp import bencode
from audio_model.gateway.rtp.bencode import Encodable, Value

logger = logging.getLogger(__name__)

TIMEOUTS_SECONDS = (0.1, 0.2, 0.4, 0.8, 1.5)
"""How long each sending waits for the reply; 3 s in all."""

Reply = dict[bytes, Value]


class RtpengineError(AudioModelError):
    """rtpengine refused a command or did not answer."""


class NgClient(asyncio.DatagramProtocol):
    """Sends commands, several at once if need be. Made by :meth:`connect`."""

    def __init__(self) -> None:
        self._transport: asyncio.DatagramTransport | None = None
        self._waiting: dict[bytes, asyncio.Future[Reply]] = {}

    @classmethod
    async def connect(cls, host: str, port: int) -> "NgClient":
        """Connect to rtpengine. Raises RtpengineError for a host that doesn't exist."""
        try:
            _, client = await asyncio.get_running_loop().create_datagram_endpoint(
                cls, remote_addr=(host, port)
            )
        except OSError as error:
            raise RtpengineError(f"rtpengine at {host}:{port}: {error}") from error
        return client

    @property
    def host(self) -> str:
        """Return rtpengine's address; empty once closed."""
        name = self._transport.get_extra_info("peername") if self._transport is not None else None
        return str(name[0]) if name else ""

    async def command(self, name: str, **keys: Encodable) -> Reply:
        """Send a command until its reply comes; underscores in ``keys`` stand for hyphens.

        Raises RtpengineError for a reply that says error, or none in time.
        """
        transport = self._transport
        if transport is None or transport.is_closing():
            raise RtpengineError("the connection to rtpengine is closed")
        cookie = token_hex(8).encode()
        values = {"command": name, **{key.replace("_", "-"): value for key, value in keys.items()}}
        message = cookie + b" " + bencode.encode(values)
        reply = self._waiting[cookie] = asyncio.get_running_loop().create_future()
        try:
            for seconds in TIMEOUTS_SECONDS:
                transport.sendto(message)
                await asyncio.wait((reply,), timeout=seconds)
                if reply.done():
                    return _checked(name, reply.result())
        finally:
            del self._waiting[cookie]
        raise RtpengineError(f"rtpengine did not answer {name!r}")

    def close(self) -> None:
        """Close the socket and fail the requests that wait for a reply."""
        if self._transport is not None:
            self._transport.close()
        for reply in self._waiting.values():
            if not reply.done():
                reply.set_exception(RtpengineError("the connection to rtpengine was closed"))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: object) -> None:
        """Hand a reply to the request that waits for it."""
        cookie, _, body = data.partition(b" ")
        waiting = self._waiting.get(cookie)
        if waiting is None or waiting.done():
            return
        try:
            value = bencode.decode(body)
        except ProtocolError as error:
            logger.warning("rtpengine's reply: %s", error)
            return
        if isinstance(value, dict):
            waiting.set_result(value)

    def error_received(self, exc: Exception) -> None:
        """Log the error."""
        # Nothing listens there now. The next command may be answered.
        logger.debug("rtpengine: %s", exc)


def text(reply: Reply, key: bytes) -> str:
    """Return a string of a reply. Raises RtpengineError if it isn't there."""
    value = reply.get(key)
    if not isinstance(value, bytes):
        raise RtpengineError(f"rtpengine's reply has no {key.decode()}")
    return value.decode(errors="replace")


def _checked(name: str, reply: Reply) -> Reply:
    if reply.get(b"result") == b"error":
        reason = reply.get(b"error-reason")
        why = reason.decode(errors="replace") if isinstance(reason, bytes) else "no reason given"
        raise RtpengineError(f"rtpengine refused {name!r}: {why}")
    return reply
