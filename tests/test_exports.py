"""What ``audio_model`` offers by name."""

import subprocess
import sys
from pathlib import Path

import pytest

import audio_model

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", audio_model.__all__)
def test_every_name_is_there(name: str) -> None:
    assert getattr(audio_model, name).__name__ == name


def test_no_other_name_is_made_up() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nobody'"):
        _ = audio_model.Nobody


def test_a_store_is_imported_when_it_is_asked_for() -> None:
    program = (
        "import sys, audio_model; before = 'sqlite3' in sys.modules; "
        "audio_model.KnownRecordings; print(before, 'sqlite3' in sys.modules)"
    )
    told = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=True
    )
    assert told.stdout.split() == [b"False", b"True"]


def test_importing_the_package_loads_none_of_its_libraries() -> None:
    program = "import sys, audio_model.cli; print('numpy' in sys.modules, dir(audio_model)[0])"
    told = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=True
    )
    assert told.stdout.split() == [b"False", b"AudioError"]
