from pathlib import Path

import pytest
from hypothesis import settings

from audio_model.detector import Detector
from audio_model.model import Model
from tests import fixture

# How long an example takes says more of the machine than of the code.
settings.register_profile("tests", deadline=None)
settings.load_profile("tests")


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
