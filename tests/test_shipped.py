"""The weights that come with the package."""

import csv
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from audio_model.decision import Reason, VerdictKind
from audio_model.detector import Detector
from audio_model.model import DEFAULT_PATH, Model
from audio_model.rule import DEFAULT_MAX_FALSE_ALARM
from tests import sounds
from tests.verdicts import assert_same

SAMPLES = Path(__file__).parents[1] / "samples"


@pytest.fixture(scope="module")
def shipped() -> Detector:
    return Detector.load()


def live_samples() -> list[str]:
    with (SAMPLES / "manifest.csv").open(newline="", encoding="utf-8") as file:
        return [row["path"] for row in csv.DictReader(file) if row["label"] == "0"]


def test_weights_are_small() -> None:
    assert sum(path.stat().st_size for path in DEFAULT_PATH.parent.iterdir()) < 2_000_000


def test_operating_points_are_of_use(shipped: Detector) -> None:
    points = sorted(shipped.rule.operating_points, key=lambda point: point.max_false_alarm)
    assert points[0].max_false_alarm <= DEFAULT_MAX_FALSE_ALARM
    for point in points:
        assert point.false_alarm <= point.max_false_alarm
        assert 0 <= point.live_at < 0.5 <= point.recorded_at <= 1
        assert point.miss < 1
    for strict, lenient in pairwise(points):
        assert strict.recorded_at >= lenient.recorded_at
        assert strict.miss >= lenient.miss


def test_calibration_rises(shipped: Detector) -> None:
    assert min(shipped.rule.calibration.slope) > 0


def test_the_file_tells_its_figures() -> None:
    about = Model.load().about
    assert len(about["manifest_hash"]) == 32
    assert {"raw", "matched", "line"} <= about["metrics"].keys()


@pytest.mark.parametrize("name", live_samples())
def test_no_live_sample_is_called_recorded(shipped: Detector, name: str) -> None:
    assert shipped.score(SAMPLES / name).verdict is not VerdictKind.RECORDED


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (sounds.silence(6), Reason.SILENCE),
        (sounds.silence(6) + np.float32(0.3), Reason.SILENCE),
        (sounds.tone(6, 425, 0.1), Reason.TONES),
        (sounds.tone(6, 440, 0.1) + sounds.tone(6, 480, 0.1), Reason.TONES),
        (sounds.tone(6, 1400, 0.3), Reason.TONES),
        (sounds.noise(6, level=0.003), Reason.TOO_LITTLE_SPEECH),
        (sounds.noise(0.05), Reason.TOO_SHORT),
    ],
    ids=["silence", "DC", "dial tone", "ringback", "beep", "hiss", "50 ms"],
)
def test_what_holds_no_voice_is_unknown(
    shipped: Detector, samples: sounds.Samples, reason: Reason
) -> None:
    verdict = shipped.score_samples(samples, 8000)
    assert verdict.verdict is VerdictKind.UNKNOWN
    assert verdict.reason is reason


@pytest.mark.parametrize(
    "samples",
    [
        sounds.silence(6),
        sounds.silence(6) + np.float32(0.5),
        sounds.tone(6, 1000, 0.5),
        np.sign(sounds.tone(6, 100)),
        sounds.noise(6),
        sounds.voice(6),
        sounds.voice(6, played=True),
    ],
    ids=["silence", "DC", "tone", "square", "noise", "live", "played"],
)
def test_packets_and_the_whole_score_alike(shipped: Detector, samples: sounds.Samples) -> None:
    """Training can make the running sums cancel; untrained weights would not show it."""
    stream = shipped.stream()
    for start in range(0, len(samples), 160):
        stream.feed(samples[start : start + 160])
    assert_same(stream.flush(), shipped.score_samples(samples, 8000))
