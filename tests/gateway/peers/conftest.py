"""A server for real peers to call."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.gateway.process import ServerProcess


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., ServerProcess]]:
    """``serve(*flags)`` starts a server, which ends with the test."""
    servers: list[ServerProcess] = []

    def start(*flags: str) -> ServerProcess:
        servers.append(ServerProcess(tmp_path, *flags))
        return servers[-1]

    yield start
    for server in servers:
        server.close()
