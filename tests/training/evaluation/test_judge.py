"""A judged take tells what was said of it, when, and what the score was."""

import pytest

from audio_model.decision import (
    Calibration,
    Change,
    DecisionRule,
    OperatingPoint,
    VerdictKind,
    sigmoid,
)
from audio_model.steps import Heard
from tests import heard
from training.evaluation.judge import ENOUGH_VOICE_SECONDS, JudgedTake, judge

RULE = DecisionRule(
    Calibration((0.4,), (2.0,), (1.0,)),
    (
        OperatingPoint(0.5, recorded_at=0.6, live_at=0.4, false_alarm=0, miss=0, passed=0),
        OperatingPoint(0.01, recorded_at=0.9, live_at=0.1, false_alarm=0, miss=0, passed=0),
    ),
)


def judged(logits: list[float], kinds: list[Heard] | None = None) -> JudgedTake:
    (take,) = judge([heard.take(logits, 0, "a", kinds=kinds)], RULE)
    return take


def test_what_was_said_stays_said_whatever_comes_later() -> None:
    take = judged([4.0] * 6 + [-4.0] * 6)
    assert take.changes == (Change(0.4, VerdictKind.RECORDED), Change(0.56, VerdictKind.LIVE))
    assert take.verdict.verdict is VerdictKind.LIVE
    assert take.flagged
    assert take.said(VerdictKind.LIVE)
    assert not take.said(VerdictKind.UNKNOWN)


def test_nothing_said() -> None:
    take = judged([-0.5] * 20)
    assert take.changes == ()
    assert not any(take.said(kind) for kind in VerdictKind)


def test_the_point_of_one_per_cent_decides() -> None:
    """Log odds of 1.6 lie above the threshold of the lenient point alone."""
    assert not judged([0.3] * 20).flagged
    assert judged([0.6] * 20).flagged


def test_the_score_is_calibrated_and_read_where_it_is_asked_for() -> None:
    take = judged([float(n) for n in range(10)])
    assert take.score(0.16) == pytest.approx(sigmoid(2 * 1 + 1))
    assert take.score(0.8) == take.score(60) == pytest.approx(sigmoid(2 * 9 + 1))


def test_the_score_after_some_voice_waits_for_it() -> None:
    kinds = [Heard.VOICE, Heard.BACKGROUND] * 5
    take = judged([float(n) for n in range(10)], kinds)
    assert take.score_after_voice(0.16) == pytest.approx(sigmoid(2 * 2 + 1))
    assert take.score_after_voice(0.4) == pytest.approx(sigmoid(2 * 8 + 1))
    assert take.score_after_voice(0.48) is None


def test_how_long_it_lasts_and_how_much_is_voice() -> None:
    take = judged([0.0] * 25)
    assert take.lasts(2.0)
    assert not take.lasts(2.08)
    assert ENOUGH_VOICE_SECONDS == 2.0
    assert take.has_enough_voice
    kinds = [Heard.VOICE] * 24 + [Heard.TONE]
    assert not judged([0.0] * 25, kinds).has_enough_voice


def test_what_is_shorter_than_a_step_is_not_judged() -> None:
    takes = [heard.take([], 0, "short"), heard.take([0.0], 1, "long")]
    assert [take.heard.clip.name for take in judge(takes, RULE)] == ["long"]
