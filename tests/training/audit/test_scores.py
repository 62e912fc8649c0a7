"""Scores that hang on a nuisance are found out, and matched subsets are matched."""

import numpy as np
import pytest

from audio_model.rule import Calibration, DecisionRule, OperatingPoint
from tests.training import heard
from training.audit.scores import by_pitch, correlations, matched_subset
from training.data.nuisance import NAMES
from training.evaluation.judge import JudgedTake, judge

RULE = DecisionRule(
    Calibration((0.4,), (1.0,), (0.0,)),
    (OperatingPoint(0.01, recorded_at=0.8, live_at=0.2, false_alarm=0, miss=0, passed=0.05),),
)


def judged(logits: list[float], labels: list[int]) -> list[JudgedTake]:
    takes = [
        heard.take([logit] * 40, label, f"{n}")
        for n, (logit, label) in enumerate(zip(logits, labels, strict=True))
    ]
    return judge(takes, RULE)


def table(**columns: np.ndarray) -> np.ndarray:
    n = len(next(iter(columns.values())))
    return np.stack([np.asarray(columns.get(name, np.zeros(n)), float) for name in NAMES], axis=1)


def test_a_score_that_follows_the_level_is_no_better_than_chance_when_matched() -> None:
    """Recorded is louder as a rule, and the score is nothing but the level."""
    rng = np.random.default_rng(0)
    labels = [0, 1] * 200
    level = rng.normal(-30, 6, 400) + 12 * np.array(labels)
    takes = judged((level / 6).tolist(), labels)
    figures = matched_subset(takes, table(level_db=level), draws=5)
    assert figures["all"]["eer"]["value"] < 0.2
    assert figures["subset"]["eer"]["value"] == pytest.approx(0.5, abs=0.12)
    counts = figures["subset"]["takes"]
    assert counts["live"] == counts["recorded"] > 30


def test_a_score_that_follows_the_pitch_is_found_out_within_each_half() -> None:
    """Most recordings are of women, as the corpora have it, and the score is nothing but pitch."""
    rng = np.random.default_rng(0)
    labels = [0, 1] * 200
    high = rng.random(400) < np.where(np.array(labels) == 1, 0.9, 0.2)
    takes = judged((np.where(high, 3.0, -3.0) + rng.normal(0, 0.1, 400)).tolist(), labels)
    figures = by_pitch(takes, table(pitch_hz=np.where(high, 210.0, 120.0)), draws=5)
    for half in figures.values():
        assert half["errors"]["eer"]["value"] == pytest.approx(0.5, abs=0.15)
    for half, share in (("high", 1.0), ("low", 0.0)):
        said = figures[half]["decision"]
        for of_class in ("live", "recorded"):
            assert said[of_class]["said_recorded"] == pytest.approx(share)


def test_voices_of_one_half_alone_leave_the_other_empty() -> None:
    figures = by_pitch(judged([0.0] * 4, [0, 1] * 2), table(pitch_hz=np.full(4, 100.0)), draws=5)
    assert figures["high"]["takes"] == 0
    assert (figures["high"]["errors"], figures["high"]["decision"]) == (None, {})


def test_a_score_that_hears_presence_keeps_its_errors() -> None:
    rng = np.random.default_rng(1)
    labels = [0, 1] * 200
    share = rng.uniform(0.3, 0.9, 400)
    takes = judged((rng.normal(0, 1, 400) + 2 * np.array(labels)).tolist(), labels)
    figures = matched_subset(takes, table(speech_share=share), draws=5)
    assert figures["subset"]["eer"]["value"] == pytest.approx(
        figures["all"]["eer"]["value"], abs=0.04
    )


def test_classes_that_never_meet_have_no_subset() -> None:
    labels = [0, 1] * 10
    takes = judged([0.0] * 20, labels)
    figures = matched_subset(takes, table(level_db=np.array(labels) * 40.0 - 50), draws=5)
    assert figures["subset"] is None
    assert figures["all"]["eer"]["value"] == 0.5


def test_correlations_are_within_a_class() -> None:
    """Between the classes the level differs; within, the score follows the onset alone."""
    rng = np.random.default_rng(2)
    labels = np.array([0, 1] * 100)
    onset, level = rng.uniform(0, 1, 200), rng.normal(-20, 3, 200) - 30 * labels
    takes = judged((6 * (labels - 0.5) + onset).tolist(), labels.tolist())
    found = correlations(takes, table(onset_seconds=onset, level_db=level))
    for of_class in found.values():
        assert of_class["onset_seconds"] == pytest.approx(1)
        assert abs(of_class["level_db"]) < 0.25
        assert of_class["zeros"] == 0
