"""A port whose waiting connections are taken many at a time.

uvloop takes one connection in each turn of the loop. A turn of a busy server lasts tens of
milliseconds, so fifty calls a second would wait in the kernel, unheard, beside a core that is idle.
"""

import asyncio
import os
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Self

BACKLOG = 4096
"""Connections that may wait to be taken: of a dialer that starts them all at once."""
TAKEN_A_TURN = 16
"""The most that are taken in one turn of the loop, for others wait meanwhile."""
TLS_SECONDS = 10.0
"""For a connection's TLS handshake."""


class Listener:
    """Takes the connections of one port. Made by :meth:`bind`."""

    def __init__(
        self, make: Callable[[], asyncio.Protocol], tls: ssl.SSLContext | None = None
    ) -> None:
        self._make, self._tls = make, tls
        self._tls_seconds = None if tls is None else TLS_SECONDS
        self._loop = asyncio.get_running_loop()
        self._server: asyncio.Server
        self._sockets: list[socket.socket] = []
        self._beginning: set[asyncio.Task[object]] = set()

    @classmethod
    async def bind(
        cls,
        make: Callable[[], asyncio.Protocol],
        host: str,
        port: int,
        *,
        tls: ssl.SSLContext | None = None,
        reuse_port: bool = False,
    ) -> Self:
        """Take a port, on which :meth:`start` listens. Raises OSError if it can't be had.

        Args:
            make: makes the protocol of a connection.
            host: the address, or a name that has several.
            port: 0 for any that is free.
            tls: encrypts the connections.
            reuse_port: whether other processes may listen there, too.
        """
        self = cls(make, tls)
        self._server = await self._loop.create_server(
            self._one,
            host,
            port,
            ssl=tls,
            ssl_handshake_timeout=self._tls_seconds,
            backlog=BACKLOG,
            # None is uvloop's False.
            reuse_port=reuse_port or None,
            start_serving=False,
        )
        for each in self._server.sockets:
            # The loop does not lend its own.
            waiting = socket.socket(fileno=os.dup(each.fileno()))
            waiting.setblocking(False)
            self._sockets.append(waiting)
        return self

    async def start(self) -> None:
        """Take connections from now on. Raises OSError if another listens here meanwhile."""
        await self._server.start_serving()

    @property
    def port(self) -> int:
        """Return the port, also if the system chose it."""
        return int(self._sockets[0].getsockname()[1])

    def leave(self) -> None:
        """Take all connections that wait, and leave later ones to others on the same port."""
        self._take(BACKLOG)
        self.close()

    def close(self) -> None:
        """Take no more connections."""
        self._server.close()
        for waiting in self._sockets:
            waiting.close()

    def _one(self) -> asyncio.Protocol:
        """Return the protocol of the connection that the loop took, and take others beside it."""
        self._take(TAKEN_A_TURN - 1)
        return self._make()

    def _take(self, most: int) -> None:
        for waiting in self._sockets:
            # None waits, or the system has none to give: the loop meets that as well.
            with suppress(OSError):
                for _ in range(most):
                    self._begin(waiting.accept()[0])

    def _begin(self, connection: socket.socket) -> None:
        task: asyncio.Task[object] = self._loop.create_task(
            self._loop.connect_accepted_socket(
                self._make, connection, ssl=self._tls, ssl_handshake_timeout=self._tls_seconds
            )
        )
        self._beginning.add(task)
        task.add_done_callback(self._began)

    def _began(self, task: asyncio.Task[object]) -> None:
        self._beginning.discard(task)
        if not task.cancelled():
            # A connection that broke off as it began is nobody's error.
            task.exception()
