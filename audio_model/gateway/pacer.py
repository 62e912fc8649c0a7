"""Fewer, larger reads on a busy machine: packets wait in the kernel and come several at once.

To be woken for a packet of 20 ms and to read it costs more than to hear it. While the machine is
busy, a connection that was read rests for a moment; what comes meanwhile is read at one go.
"""

import asyncio
from collections import deque

from audio_model.gateway.engine import Engine

WAKE_SECONDS = 0.01
"""Who would wake within so long wakes with the first. Not all at once, or timers would be late."""


class Pacer:
    """Lets connections rest between reads for as long as the engine says."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._loop = asyncio.get_running_loop()
        self._at_rest: deque[tuple[float, asyncio.Transport]] = deque()
        """Until when, and who. Rests are about as long as one another, so the first wakes first."""

    def has_read(self, transport: asyncio.Transport) -> None:
        """A connection's packets were read; to be called for every read."""
        rest = self._engine.rest
        if not rest or not transport.is_reading():
            return
        transport.pause_reading()
        self._at_rest.append((self._loop.time() + rest, transport))
        if len(self._at_rest) == 1:
            self._loop.call_later(rest, self._wake)

    def _wake(self) -> None:
        at_rest, now = self._at_rest, self._loop.time()
        while at_rest and at_rest[0][0] <= now + WAKE_SECONDS:
            at_rest.popleft()[1].resume_reading()
        if at_rest:
            self._loop.call_later(at_rest[0][0] - now, self._wake)
