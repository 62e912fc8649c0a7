from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.process import ServerProcess


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., ServerProcess]]:
    """``serve(*flags)`` starts a server, which ends with the test."""
    servers: list[ServerProcess] = []

    def start(*flags: str, **options: Any) -> ServerProcess:
        servers.append(ServerProcess(tmp_path, *flags, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.close()
