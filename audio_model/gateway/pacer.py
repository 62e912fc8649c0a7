"""Fewer, larger reads on a busy machine: packets wait in the kernel and come several at once.

To be woken for a packet of 20 ms and to read it costs more than to hear it. While the machine is
busy, a connection that was read rests for a moment; what comes meanwhile is read at one go.
"""

import asyncio

from audio_model.gateway.engine import Engine

REST_SECONDS = 0.1
"""Five packets. Far below the kernel's buffers, which hold seconds of a call."""


class Pacer:
    """Lets connections rest between reads while the engine says that the machine is busy."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._loop = asyncio.get_running_loop()
        self._at_rest: list[asyncio.Transport] = []

    def has_read(self, transport: asyncio.Transport) -> None:
        """A connection's packets were read; to be called for every read."""
        if not self._engine.busy or not transport.is_reading():
            return
        if not self._at_rest:
            self._loop.call_later(REST_SECONDS, self._wake)
        transport.pause_reading()
        self._at_rest.append(transport)

    def _wake(self) -> None:
        awake, self._at_rest = self._at_rest, []
        for transport in awake:
            transport.resume_reading()
