import os
import pickle
from pathlib import Path

import pytest

from audio_model.errors import AudioError, OutputError, os_error_as, printable


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("录音.wav", "录音.wav"),
        ("a\nb\t.wav", "a\\nb\\t.wav"),
        ("\x1b[31m.wav", "\\x1b[31m.wav"),
        (os.fsdecode(b"\xff.wav"), "\\udcff.wav"),
        (b"\xe5\xbd\x95.wav", "录.wav"),
        (Path("folder") / "name", "folder/name"),
    ],
)
def test_a_path_is_shown_on_one_line(path, shown):
    assert printable(path) == shown


def test_an_error_names_its_file_and_survives_pickling():
    error = AudioError("a\n.wav", "line one\nline two")
    copy = pickle.loads(pickle.dumps(error))
    for one in (error, copy):
        assert str(one) == "a\\n.wav: line one line two"
        assert one.path == "a\n.wav"
        assert one.message == "line one line two"


def test_an_error_of_the_system_says_what_failed_and_why(tmp_path):
    with (
        pytest.raises(OutputError, match="cannot read it: No such file"),
        os_error_as(OutputError, "cannot read it"),
    ):
        (tmp_path / "none").read_bytes()
