from pathlib import Path

import numpy as np
import pytest
import soundfile

from audio_model.audio import Channel, Encoding, RawFormat
from audio_model.decision import Verdict
from audio_model.errors import ModelError
from audio_model.scoring import ScoreOptions, score_entry
from audio_model.tables.rows import Entry, Row
from tests.fake_detector import VERDICT, FakeDetector


def rows(entry: Entry, options: ScoreOptions | None = None) -> list[Row]:
    return list(score_entry(entry, FakeDetector(), options or ScoreOptions()))


def recording(folder: Path, channels: int) -> Entry:
    path = folder / f"{channels}.wav"
    soundfile.write(path, np.zeros((80, channels)), 8000)
    return Entry(str(path), {"label": 1})


def test_a_recording_gives_one_row(tmp_path: Path) -> None:
    entry = recording(tmp_path, 2)
    assert rows(entry) == [Row(entry, VERDICT, Channel.MIX)]


def test_the_options_reach_the_detector(tmp_path: Path) -> None:
    detector = FakeDetector()
    raw = RawFormat(Encoding.ALAW)
    entry = recording(tmp_path, 2)
    list(score_entry(entry, detector, ScoreOptions(Channel.RIGHT, 2.5, raw)))
    assert detector.heard == [(entry.path, 2.5, Channel.RIGHT, raw)]


def test_a_problem_is_a_row_without_any_scoring() -> None:
    entry = Entry("d", problem="the folder holds no audio files")
    assert rows(entry) == [Row(entry, error="the folder holds no audio files")]


def test_an_unreadable_recording_is_a_row_whose_error_leaves_the_path_out() -> None:
    assert [row.error for row in rows(Entry("missing.wav"))] == ["no such file"]


def test_a_decoder_that_fails_in_its_own_way_is_a_row_on_one_line(tmp_path: Path) -> None:
    broken = tmp_path / "broken.wav"
    broken.touch()
    found = rows(Entry(str(broken)))
    assert [row.error for row in found] == ["ZeroDivisionError: in the decoder"]


def test_a_damaged_model_ends_the_run(tmp_path: Path) -> None:
    class Damaged(FakeDetector):
        def score(self, *_: object, **__: object) -> Verdict:
            raise ModelError("damaged")

    with pytest.raises(ModelError):
        list(score_entry(recording(tmp_path, 1), Damaged(), ScoreOptions()))


@pytest.mark.parametrize(
    ("channels", "scored"),
    [(1, [Channel.MIX]), (2, [Channel.LEFT, Channel.RIGHT])],
)
def test_each_channel_is_a_row(tmp_path: Path, channels: int, scored: list[Channel]) -> None:
    found = rows(recording(tmp_path, channels), ScoreOptions(channel=None))
    assert [row.channel for row in found] == scored
    assert all(row.entry.carried == {"label": 1} for row in found)


def test_more_than_two_channels_are_not_dropped_in_silence(tmp_path: Path) -> None:
    (row,) = rows(recording(tmp_path, 6), ScoreOptions(channel=None))
    assert row.error.startswith("has 6 channels")


def test_an_error_before_the_channels_are_known_is_one_row() -> None:
    (row,) = rows(Entry("missing.wav"), ScoreOptions(channel=None))
    assert (row.channel, row.error) == (None, "no such file")
