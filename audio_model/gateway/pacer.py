"""Fewer, larger reads: packets wait in the kernel and are read several at once.

Waking up for a packet of 20 ms and reading it costs more than hearing it. While the machine is
busy, a connection that was read rests for a moment, and the packets of that moment are read
together. A connection whose call has had its final event always rests, and longer: gateways go on
streaming to the end of the call, and closing the stream would touch some of their calls.

The event loop does not watch a connection that rests. After its rest it is read directly, and rests
again: to be watched just to learn that packets are there would cost what the rest has saved.
"""

import asyncio
import os
from collections import deque
from collections.abc import Callable

from audio_model.gateway.engine import Engine

WAKE_SECONDS = 0.01
"""Connections that would wake within so long wake together. More at once would delay timers."""

WAKE_TOGETHER = 32
"""The most connections that are read in one turn of the loop. If the machine is behind, each may
bring the packets of a second, and timers wait meanwhile."""

OVER_SECONDS = 0.5
"""Rest of a connection whose call is answered. Far below the kernel's buffers, which hold seconds:
the gateway never waits to send. A hang-up is noticed so much later, when nobody waits for it."""

READ_BYTES = 1 << 16
"""The most that is read of a connection at once: two thirds of a second of 16 bits at 48 kHz."""


class Pacer:
    """Lets connections rest between reads for as long as the engine says."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.heard, self.over = _Resting(), _Resting()

    def pace(self, transport: asyncio.Transport, receive: Callable[[bytes], None]) -> "Paced":
        """Begin to pace a connection. ``receive`` is its protocol's ``data_received``."""
        return Paced(self, transport, receive)


class Paced:
    """One connection, which rests between reads. :meth:`Pacer.pace` makes it."""

    __slots__ = ("_descriptor", "_over", "_pacer", "_receive", "_resting", "_transport")

    def __init__(
        self, pacer: Pacer, transport: asyncio.Transport, receive: Callable[[bytes], None]
    ) -> None:
        self._pacer, self._transport, self._receive = pacer, transport, receive
        self._descriptor = _descriptor(transport)
        self._over = self._resting = False

    def has_read(self, *, over: bool = False) -> None:
        """Note that the connection's packets were read. Call this for every read or packet.

        ``over`` says that its call was answered and that its packets are dropped.
        """
        self._over = over
        if not self._resting and (over or self._pacer.engine.rest):
            self._rest()

    def wake(self) -> None:
        """Read what came during the rest, and rest again, or be watched from now on."""
        self._resting = False
        transport = self._transport
        if transport.is_closing() or transport.is_reading():
            return
        # Whoever receives may pause the connection for reasons of its own, and it stays paused
        # then. Without a turn of the loop in between, to pause it again costs nothing.
        transport.resume_reading()
        if self._descriptor is None or not (self._over or self._pacer.engine.rest):
            return
        try:
            data = os.read(self._descriptor, READ_BYTES)
        except BlockingIOError:
            self._rest()
            return
        except OSError:
            data = b""
        # The end or an error is left to the event loop, which meets it, too.
        if data:
            self._receive(data)
            if not self._resting:
                self._rest()

    def _rest(self) -> None:
        transport, pacer = self._transport, self._pacer
        if transport.is_reading() and not transport.is_closing():
            transport.pause_reading()
            self._resting = True
            rest = pacer.engine.rest
            if self._over:
                pacer.over.add(self, max(OVER_SECONDS, rest))
            else:
                pacer.heard.add(self, rest)


def _descriptor(transport: asyncio.Transport) -> int | None:
    """Return the file descriptor that gives the protocol's bytes; None if they are encrypted."""
    socket = transport.get_extra_info("socket")
    if socket is None or transport.get_extra_info("sslcontext") is not None:
        return None
    return int(socket.fileno())


class _Resting:
    """Connections that rest about as long as one another, so the first wakes first."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._at_rest: deque[tuple[float, Paced]] = deque()
        """Until when, and who."""
        self._scheduled = False

    def add(self, paced: Paced, seconds: float) -> None:
        self._at_rest.append((self._loop.time() + seconds, paced))
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_later(seconds, self._wake)

    def _wake(self) -> None:
        at_rest, now = self._at_rest, self._loop.time()
        for _ in range(WAKE_TOGETHER):
            if not at_rest or at_rest[0][0] > now + WAKE_SECONDS:
                break
            at_rest.popleft()[1].wake()
        self._scheduled = bool(at_rest)
        if at_rest:
            self._loop.call_later(max(0.0, at_rest[0][0] - now), self._wake)
