import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from audio_model import scoring
from audio_model.audio import Channel, Encoding, RawFormat
from audio_model.decision import Verdict
from audio_model.detector import Detector, ScoreOptions
from audio_model.errors import ModelError
from audio_model.model import Model
from audio_model.scoring import has_unreadable_time, phone_call, score_entries, score_entry
from audio_model.stream import PhoneCall
from audio_model.tables.rows import Entry, Row
from tests import sounds
from tests.fake_detector import VERDICT, FakeDetector
from tests.verdicts import assert_same


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
        def score(self, *_: Any, **__: Any) -> Verdict:
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


@pytest.fixture
def mixed(tmp_path: Path) -> list[Entry]:
    """Recordings of one length and of others, a late voice, and what is none."""
    samples = [sounds.voice(5, seed, played=seed % 2 == 1) for seed in range(6)]
    samples += [sounds.voice(1.5, 6), sounds.silence(0.05), sounds.noise(5)]
    samples += [np.concatenate([sounds.silence(6), sounds.voice(5, 7)])]
    entries = []
    for number, each in enumerate(samples):
        soundfile.write(tmp_path / f"{number}.wav", each, 8000)
        entries.append(Entry(str(tmp_path / f"{number}.wav"), {"label": number}))
    entries[3:3] = [Entry("missing.wav"), Entry("d", problem="holds no audio files")]
    return entries


@pytest.mark.parametrize("together", [1, 2, 5, 16, 100])
def test_recordings_heard_together_have_the_rows_of_each_alone(
    detector: Detector, mixed: list[Entry], together: int
) -> None:
    options = ScoreOptions(max_seconds=4)
    found = list(score_entries(mixed, detector, options, together))
    alone = [list(score_entry(entry, detector, options)) for entry in mixed]
    assert len(found) == len(alone) == 12
    for (row,), (expected,) in zip(found, alone, strict=True):
        assert (row.entry, row.channel, row.error) == (
            (expected.entry, expected.channel, expected.error)
        )
        assert (row.verdict is None) == (expected.verdict is None)
        if row.verdict is not None and expected.verdict is not None:
            assert_same(row.verdict, expected.verdict)


def test_recordings_whose_first_voice_is_awaited_are_heard_together_to_their_end(
    detector: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = []
    for number in range(3):
        samples = np.concatenate([sounds.silence(1.5), sounds.voice(2.5)])
        soundfile.write(tmp_path / f"{number}.wav", samples, 8000)
        entries.append(Entry(str(tmp_path / f"{number}.wav")))
    recordings_a_run: list[int] = []
    run = Model.run

    def counted(model: Model, samples: Any, state: Any) -> Any:
        recordings_a_run.append(len(samples))
        return run(model, samples, state)

    monkeypatch.setattr(Model, "run", counted)
    found = list(score_entries(entries, detector, ScoreOptions(max_seconds=4)))
    assert len(found) == 3
    assert len(recordings_a_run) > 1
    assert set(recordings_a_run) == {3}


def test_where_hearing_together_fails_each_is_heard_alone(
    detector: Detector, mixed: list[Entry], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(hearings: object) -> None:
        list(hearings)  # type: ignore[call-overload]
        raise MemoryError

    monkeypatch.setattr(scoring, "hear_beside", fail)
    found = [row for rows in score_entries(mixed, detector, ScoreOptions()) for row in rows]
    assert [bool(row.error) for row in found] == [number in (3, 4) for number in range(12)]


def test_recordings_that_may_tell_of_each_other_are_scored_one_by_one(tmp_path: Path) -> None:
    order: list[str] = []

    class Learning(FakeDetector):
        learns = True

        def score(self, *_: object, **__: object) -> Verdict:
            order.append("score")
            return VERDICT

    entries = [recording(tmp_path, channels) for channels in (1, 2)]
    for _ in score_entries(entries, Learning(), ScoreOptions()):
        order.append("row")
    assert order == ["score", "row"] * 2


def test_a_call_of_a_manifest_has_its_numbers_as_they_were_dialled() -> None:
    # Parquet and spreadsheets hold them as quantities.
    values = {"call": 7.0, "time": 1764331200.0, "caller": 95213.0, "called": "0571-1234"}
    assert phone_call(Entry("a.wav", values)) == PhoneCall("7", 1764331200.0, "95213", "0571-1234")


@pytest.mark.parametrize(
    ("time", "unreadable"),
    [("yesterday", True), ("0000-00-00 00:00:00", False), ("", False), ("1760000500", False)],
)
def test_a_time_that_can_t_be_read_is_unknown_and_told_apart(time: str, unreadable: bool) -> None:
    entry = Entry("a.wav", {"time": time})
    assert has_unreadable_time(entry) is unreadable
    assert math.isnan(phone_call(entry).time) is (time != "1760000500")
    assert not has_unreadable_time(Entry("a.wav"))
