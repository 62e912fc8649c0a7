from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.process import ServerProcess
from tests.gateway.unhurried import unhurried


@pytest.fixture(autouse=True)
def runtime_folder(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Have servers that share a port meet in a folder of the test."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("run")))


@pytest.fixture(autouse=True)
def time_to_spare(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have calls refused in tests of overload alone, however busy this machine is."""
    if request.path.name != "test_lag.py":
        unhurried(monkeypatch.setattr)


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
