"""Recordings to verdicts: samples and files, good and bad."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_model.audio import Channel, Encoding, RawFormat
from audio_model.decision import Reason, VerdictKind
from audio_model.detector import Detector
from audio_model.errors import AudioError, ModelError, UsageError
from tests import fixture, sounds
from tests.verdicts import assert_same

CALL = sounds.voice(5, 2)
PLAYED = sounds.voice(5, 2, played=True)


def write(path: Path, samples: np.ndarray, sample_rate: int = 8000, subtype: str = "FLOAT") -> Path:
    with path.open("wb") as file:
        soundfile.write(file, samples, sample_rate, format="WAV", subtype=subtype)
    return path


def test_both_classes_are_told_apart(detector: Detector) -> None:
    for seed in range(5):
        assert detector.score_samples(sounds.voice(5, seed), 8000).verdict is VerdictKind.LIVE
        recorded = detector.score_samples(sounds.voice(5, seed, played=True), 8000)
        assert recorded.verdict is VerdictKind.RECORDED
        assert recorded.score > 0.5


def test_a_file_scores_like_its_samples(detector: Detector, tmp_path: Path) -> None:
    path = write(tmp_path / "call.wav", CALL)
    assert_same(detector.score(path), detector.score_samples(CALL, 8000))
    assert detector.score(str(path)) == detector.score(path)


def test_the_same_input_gives_the_same_verdict(detector: Detector, model_path: Path) -> None:
    again = Detector.load(model_path, max_false_alarm=0.1)
    assert (
        detector.score_samples(CALL, 8000)
        == detector.score_samples(CALL, 8000)
        == again.score_samples(CALL, 8000)
    )


@given(n_samples=st.integers(1, len(CALL)))
@settings(max_examples=40)
def test_a_prefix_scores_like_the_beginning_of_the_whole(
    detector: Detector, n_samples: int
) -> None:
    whole, prefix = (
        detector.score_samples(CALL, 8000),
        detector.score_samples(CALL[:n_samples], 8000),
    )
    n_steps = n_samples // 640
    assert len(prefix.evidence.scores) == n_steps
    np.testing.assert_allclose(prefix.evidence.scores, whole.evidence.scores[:n_steps], atol=1e-5)
    assert prefix.seconds == n_samples / 8000
    shorter = detector.score_samples(CALL, 8000, max_seconds=n_samples / 8000, wait_seconds=0)
    assert_same(prefix, shorter)


@pytest.mark.parametrize(("sample_rate", "subtype"), [(8000, "ULAW"), (16_000, "PCM_24")])
def test_a_file_s_prefix_scores_like_the_beginning_of_the_file(
    detector: Detector, tmp_path: Path, sample_rate: int, subtype: str
) -> None:
    samples = sounds.voice(5 * sample_rate / 8000, 3)
    whole = detector.score(write(tmp_path / "whole.wav", samples, sample_rate, subtype))
    prefix = write(tmp_path / "prefix.wav", samples[: 2 * sample_rate], sample_rate, subtype)
    # The end of a file rings for 15 ms in the resampler; steps before it are the same.
    scores = detector.score(prefix).evidence.scores[:-1]
    assert len(scores) == 24
    np.testing.assert_allclose(scores, whole.evidence.scores[:24], atol=1e-5)


@pytest.mark.parametrize("sample_rate", [8000, 16_000])
def test_a_file_is_read_further_for_a_late_voice(
    detector: Detector, tmp_path: Path, sample_rate: int
) -> None:
    played = sounds.voice(8 * sample_rate / 8000, 9, played=True)
    samples = np.concatenate([np.zeros(5 * sample_rate, np.float32), played])
    path = write(tmp_path / "late.wav", samples, sample_rate)
    verdict = detector.score(path)
    assert verdict.seconds == pytest.approx(10.8, abs=0.2)
    assert_same(verdict, detector.score_samples(samples, sample_rate), atol=1e-4)


def test_a_long_file_is_heard_as_far_as_the_rule_goes(detector: Detector, tmp_path: Path) -> None:
    path = write(tmp_path / "long.wav", np.tile(CALL, 120), subtype="PCM_16")
    verdict = detector.score(path)
    assert verdict.seconds == detector.rule.max_seconds == 6
    assert len(verdict.evidence.times) == 75


def test_more_than_one_run_s_worth_of_steps(detector: Detector) -> None:
    """A long stretch is heard in parts; so it must not matter where they end."""
    long = np.tile(CALL, 5)
    whole = detector.score_samples(long, 8000, max_seconds=60)
    assert whole.seconds == 25
    stream = detector.stream(max_seconds=60)
    for start in range(0, len(long), 999):
        stream.feed(long[start : start + 999])
    assert_same(stream.flush(), whole)


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (sounds.noise(0.05), Reason.TOO_SHORT),
        (sounds.voice(0.35), Reason.TOO_SHORT),
        (sounds.silence(4), Reason.SILENCE),
        (sounds.noise(4, level=1e-4), Reason.SILENCE),
        (sounds.silence(4) + np.float32(0.5), Reason.SILENCE),
        (sounds.tone(4, 425), Reason.TONES),
        (sounds.tone(4, 950, level=0.9), Reason.TONES),
    ],
    ids=["50 ms", "a word", "silence", "quiet", "DC", "ringback", "beep"],
)
def test_what_holds_no_voice_is_unknown(
    detector: Detector, samples: sounds.Samples, reason: Reason
) -> None:
    verdict = detector.score_samples(samples, 8000)
    assert (verdict.verdict, verdict.reason) == (VerdictKind.UNKNOWN, reason)
    assert verdict.seconds == len(samples) / 8000


@pytest.mark.parametrize(
    "samples",
    [np.sign(sounds.tone(3, 150)), np.clip(30 * PLAYED, -1, 1), sounds.noise(3, level=1), 8 * CALL],
    ids=["square", "clipped voice", "loud noise", "beyond full scale"],
)
def test_clipping_is_heard(detector: Detector, samples: np.ndarray) -> None:
    verdict = detector.score_samples(samples.astype(np.float32), 8000)
    assert 0 <= verdict.score <= 1
    assert math.isfinite(verdict.logit)


def test_double_precision_samples(detector: Detector) -> None:
    assert detector.score_samples(CALL.astype(np.float64), 8000) == detector.score_samples(
        CALL, 8000
    )


def test_samples_need_not_be_contiguous(detector: Detector) -> None:
    stereo = np.stack([CALL, PLAYED], axis=1)
    for rate in (8000, 16_000):
        assert detector.score_samples(stereo[:, 1], rate) == detector.score_samples(PLAYED, rate)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 100.0])
def test_samples_that_are_no_audio(detector: Detector, bad: float) -> None:
    samples = CALL.copy()
    samples[1234] = bad
    with pytest.raises(AudioError, match="sample 1234"):
        detector.score_samples(samples, 8000)


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros((8000, 2), np.float32),
        np.zeros((2, 8000), np.float32),
        np.zeros((1, 8000), np.float32),
        np.array(0.5, np.float32),
    ],
    ids=["frames first", "channels first", "batch of one", "a number"],
)
def test_samples_of_another_shape(detector: Detector, samples: np.ndarray) -> None:
    with pytest.raises(UsageError, match="one dimension"):
        detector.score_samples(samples, 8000)


@pytest.mark.parametrize("dtype", [np.int16, np.uint8, np.complex64, bool])
def test_samples_of_another_type(detector: Detector, dtype: type) -> None:
    with pytest.raises(UsageError, match="floating point"):
        detector.score_samples(np.zeros(8000, dtype), 8000)


def test_no_samples_at_all(detector: Detector, tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="no samples"):
        detector.score_samples(np.zeros(0, np.float32), 8000)
    with pytest.raises(AudioError, match="no samples"):
        detector.score(write(tmp_path / "empty.wav", np.zeros(0)))


def test_samples_need_their_sample_rate_and_files_have_theirs(
    detector: Detector, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="sample_rate"):
        detector.score(CALL)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="NumPy array"):
        detector.score_samples(write(tmp_path / "call.wav", CALL), 8000)  # type: ignore[arg-type]


@pytest.mark.parametrize("recording", [[0.0] * 8000, b"call.wav", None, 3])
def test_what_is_neither_path_nor_array(detector: Detector, recording: Any) -> None:
    with pytest.raises(UsageError, match="a path or an open binary file"):
        detector.score(recording)
    with pytest.raises(UsageError, match="a NumPy array"):
        detector.score_samples(recording, 8000)


@pytest.mark.parametrize("sample_rate", [0, -1, 100, 10**9, math.nan, math.inf])
def test_an_absurd_sample_rate(detector: Detector, sample_rate: Any) -> None:
    with pytest.raises(UsageError, match="sample rate"):
        detector.score_samples(CALL, sample_rate)


@pytest.mark.parametrize("max_seconds", [0, -1, 1e-9, math.nan, math.inf])
def test_an_absurd_length(detector: Detector, max_seconds: float) -> None:
    with pytest.raises(UsageError, match="max_seconds"):
        detector.score_samples(CALL, 8000, max_seconds=max_seconds)
    with pytest.raises(UsageError, match="max_seconds"):
        detector.stream(max_seconds=max_seconds)


@pytest.mark.parametrize("name", ["none.wav", "text.wav", "."])
def test_what_cannot_be_read_is_an_error_and_no_verdict(
    detector: Detector, tmp_path: Path, name: str
) -> None:
    (tmp_path / "text.wav").write_text("hello", encoding="utf-8")
    with pytest.raises(AudioError) as caught:
        detector.score(tmp_path / name)
    assert caught.value.path == str(tmp_path / name)


def test_a_leg_can_be_chosen(detector: Detector, tmp_path: Path) -> None:
    path = write(tmp_path / "stereo.wav", np.stack([CALL, PLAYED], axis=1))
    assert_same(detector.score(path, channel=Channel.LEFT), detector.score_samples(CALL, 8000))
    assert_same(detector.score(path, channel=Channel.RIGHT), detector.score_samples(PLAYED, 8000))
    assert_same(detector.score(path), detector.score_samples((CALL + PLAYED) / 2, 8000))


def test_a_file_without_header(detector: Detector, tmp_path: Path) -> None:
    codes = sounds.mulaw(CALL)
    named, unnamed = tmp_path / "call.ulaw", tmp_path / "call.bin"
    named.write_bytes(codes)
    unnamed.write_bytes(codes)
    raw_format = RawFormat(Encoding.MULAW)
    assert detector.score(named) == detector.score(unnamed, raw_format=raw_format)


def test_the_budget_chooses_the_operating_point(model_path: Path) -> None:
    assert Detector.load(model_path).operating_point == fixture.RULE.operating_points[0]
    lenient = Detector.load(model_path, max_false_alarm=0.5)
    assert lenient.operating_point == fixture.RULE.operating_points[1]
    with pytest.raises(UsageError, match=r"0\.01"):
        Detector.load(model_path, max_false_alarm=0.001)


def test_a_stricter_budget_flags_no_sooner(model_path: Path) -> None:
    strict, lenient = (Detector.load(model_path, max_false_alarm=b) for b in (0.01, 0.1))
    for seed in range(4):
        call = sounds.voice(5, seed, played=True)
        late, soon = strict.score_samples(call, 8000), lenient.score_samples(call, 8000)
        assert soon.verdict is VerdictKind.RECORDED
        if late.verdict is not VerdictKind.UNKNOWN:
            assert late.decided_at is not None and soon.decided_at is not None
            assert late.decided_at >= soon.decided_at
        assert late.score == soon.score


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="nowhere"):
        Detector.load(tmp_path / "nowhere.onnx")


def test_about_is_the_caller_s_own(detector: Detector) -> None:
    detector.about["format"] = "changed"
    assert detector.about["format"] == "audio-model 1"
