"""The server for Asterisk's AudioSocket connections. Each connection is a call."""

import asyncio
from dataclasses import dataclass

from audio_model.gateway.asterisk.action import HangUp
from audio_model.gateway.asterisk.audiosocket import LINGER_SECONDS, AudioSocketProtocol, Describe
from audio_model.gateway.calls import Calls, UntilTold

BACKLOG = 4096
"""Connections that may wait to be accepted: of a dialer that starts them all at once."""


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
        self._server: asyncio.Server | None = None

    async def listen(self, host: str, port: int, *, reuse_port: bool = False) -> None:
        """Listen for connections. Raises OSError if the address can't be had.

        Args:
            host: the address.
            port: 0 for any that is free.
            reuse_port: whether other servers may listen there, too.
        """
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: AudioSocketProtocol(self), host, port, backlog=BACKLOG, reuse_port=reuse_port
        )

    def stop_listening(self) -> None:
        """Leave new connections to other servers on the same port."""
        assert self._server is not None
        self._server.close()

    @property
    def port(self) -> int:
        """Return the port that it listens on, also if the system chose it."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Take no more calls, answer each open leg and end its connection."""
        assert self._server is not None
        self._server.close()
        connections = list(self.connections)
        for connection in connections:
            connection.end()
        if connections:
            gone = [connection.gone for connection in connections]
            await asyncio.wait(gone, timeout=LINGER_SECONDS)
            for connection in connections:
                connection.abort()
            await asyncio.wait(gone)
        await self._server.wait_closed()
