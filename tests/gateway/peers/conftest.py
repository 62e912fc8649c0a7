import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.peers import asterisk
from tests.gateway.peers.asterisk import Asterisk


@pytest.fixture(scope="module")
def pbx() -> Iterator[Asterisk]:
    # A socket's path must be short, which pytest's own folders are not.
    with (
        tempfile.TemporaryDirectory(prefix="asterisk-") as home,
        asterisk.running(Path(home), sys.executable) as running,
    ):
        yield running


@pytest.fixture
def no_calls_left(pbx: Asterisk) -> Iterator[None]:
    pbx.forget()
    yield
    pbx.hang_up_all()
