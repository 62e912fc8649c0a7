import os
from pathlib import Path

# Before NumPy and PyTorch are imported. Tests are small and two processes run them: threads of BLAS
# that wait for each other cost a third of the time.
os.environ["OMP_NUM_THREADS"] = "1"

import pytest
from hypothesis import settings

from audio_model.detector import Detector
from audio_model.model import Model
from tests import fixture

# How long an example takes says more of the machine than of the code.
settings.register_profile("all", deadline=None)
settings.register_profile("quick", settings.get_profile("all"), max_examples=25)


def pytest_configure(config: pytest.Config) -> None:
    """Draw a quarter of the examples for the quick tests, and all of them for all tests."""
    settings.load_profile("quick" if "not slow" in config.option.markexpr else "all")


@pytest.fixture(scope="session")
def model_path() -> Path:
    """A model file that hears silence, tones and voices apart."""
    return fixture.MODEL


@pytest.fixture(scope="session")
def model(model_path: Path) -> Model:
    return Model.load(model_path)


@pytest.fixture(scope="session")
def detector(model_path: Path) -> Detector:
    return Detector.load(model_path, max_false_alarm=0.1)
