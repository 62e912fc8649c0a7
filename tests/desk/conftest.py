import pytest

from audio_model.desk.stores import Places
from tests.desk import made


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Places:
    """Stores with calls, ranges and known recordings; a test that changes them works on copies."""
    return made.fill(tmp_path_factory.mktemp("filled"))
