"""Fewer, larger reads: packets wait in the kernel and are read several at once.

Waking up for a packet of 20 ms and reading it costs more than hearing it. While the machine is
busy, a connection that was read rests for a moment, and the packets of that moment are read
together. A connection whose call has had its final event always rests, and longer: gateways go on
streaming to the end of the call, and closing the stream would touch some of their calls.
"""

import asyncio
from collections import deque

from audio_model.gateway.engine import Engine

WAKE_SECONDS = 0.01
"""Connections that would wake within so long wake together. More at once would delay timers."""

WAKE_TOGETHER = 32
"""So many are read at one turn of the loop, at most: each may bring a second's packets where the
machine is behind, and timers wait meanwhile."""

OVER_SECONDS = 0.5
"""Rest of a connection whose call is answered. Far below the kernel's buffers, which hold seconds:
the gateway never waits to send. A hang-up is noticed so much later, when nobody waits for it."""


class Pacer:
    """Lets connections rest between reads for as long as the engine says."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._heard, self._over = _Resting(), _Resting()

    def has_read(self, transport: asyncio.Transport, *, over: bool = False) -> None:
        """Note that a connection's packets were read. Call this for every read.

        ``over`` says that its call was answered and that its packets are dropped.
        """
        rest = max(OVER_SECONDS, self._engine.rest) if over else self._engine.rest
        if rest and transport.is_reading():
            (self._over if over else self._heard).add(transport, rest)


class _Resting:
    """Connections that rest about as long as one another, so the first wakes first."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._at_rest: deque[tuple[float, asyncio.Transport]] = deque()
        """Until when, and who."""

    def add(self, transport: asyncio.Transport, seconds: float) -> None:
        transport.pause_reading()
        self._at_rest.append((self._loop.time() + seconds, transport))
        if len(self._at_rest) == 1:
            self._loop.call_later(seconds, self._wake)

    def _wake(self) -> None:
        at_rest, now = self._at_rest, self._loop.time()
        for _ in range(WAKE_TOGETHER):
            if not at_rest or at_rest[0][0] > now + WAKE_SECONDS:
                break
            at_rest.popleft()[1].resume_reading()
        if at_rest:
            self._loop.call_later(max(0.0, at_rest[0][0] - now), self._wake)
