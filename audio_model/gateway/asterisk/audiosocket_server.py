"""The server for Asterisk's AudioSocket connections. Each connection is a call."""

import asyncio
from dataclasses import dataclass

from audio_model.gateway.asterisk.action import HangUp
from audio_model.gateway.asterisk.audiosocket import LINGER_SECONDS, AudioSocketProtocol, Describe
from audio_model.gateway.calls import Calls, UntilTold
from audio_model.gateway.listener import Listener


@dataclass(eq=False)
class AudioSocketServer:
    """Listens for Asterisk. Settings that change count for the connections there are, too."""

    calls: Calls
    hang_up: HangUp = HangUp.NEVER
    first_frame_seconds: float = 3.0
    """Seconds for the UUID to come, or there is no call and the connection is closed; then for the
    first audio, or the leg begins without."""
    idle_seconds: float = 300.0
    """Seconds without a byte after which a connection counts as dead and is closed. A call on hold
    may send none for a while."""
    max_connections: int = 10_000
    """Beyond them a connection is closed at once."""
    describe: Describe | None = None
    """Tells what else is known of the call with an id, if anything is."""
    told: UntilTold | None = None
    """Awaited, with the call's id, before a connection is ended after a verdict, so that the
    dialplan finds its variables set when it goes on; for TOLD_SECONDS at most."""

    def __post_init__(self) -> None:
        self.connections: set[AudioSocketProtocol] = set()
        self._listener: Listener | None = None

    async def listen(self, host: str, port: int, *, reuse_port: bool = False) -> None:
        """Listen for connections. Raises OSError if the address can't be had.

        Args:
            host: the address.
            port: 0 for any that is free.
            reuse_port: whether other servers may listen there, too.
        """
        self._listener = await Listener.bind(
            lambda: AudioSocketProtocol(self), host, port, reuse_port=reuse_port
        )
        await self._listener.start()

    def stop_listening(self) -> None:
        """Leave new connections to other servers on the same port, and take those that wait."""
        assert self._listener is not None
        self._listener.leave()

    @property
    def port(self) -> int:
        """Return the port that it listens on, also if the system chose it."""
        assert self._listener is not None
        return self._listener.port

    async def close(self) -> None:
        """Take no more calls, answer each open leg and end its connection."""
        assert self._listener is not None
        self._listener.close()
        connections = list(self.connections)
        for connection in connections:
            connection.end()
        if connections:
            gone = [connection.gone for connection in connections]
            await asyncio.wait(gone, timeout=LINGER_SECONDS)
            for connection in connections:
                connection.abort()
            await asyncio.wait(gone)
