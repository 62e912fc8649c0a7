"""What a take comes to under a rule."""

import pytest

from audio_model.decision import VerdictChange, VerdictKind, sigmoid
from audio_model.rule import Calibration, DecisionRule, OperatingPoint
from audio_model.steps import Heard
from tests.training import heard
from training.evaluation.judge import judge

POINT = OperatingPoint(0.01, recorded_at=0.8, live_at=0.2, false_alarm=0, miss=0, passed=0)
RULE = DecisionRule(Calibration((0.4,), (2.0,), (0.5,)), (POINT,))


def test_what_was_said_first_and_later() -> None:
    (take,) = judge([heard.take([9.0] * 8 + [-9.0] * 24, 0, "a")], RULE)
    assert take.changes == (
        VerdictChange(0.4, VerdictKind.RECORDED),
        VerdictChange(0.72, VerdictKind.LIVE),
    )
    assert take.flagged
    assert take.said(VerdictKind.LIVE)
    assert take.verdict.verdict is VerdictKind.LIVE
    assert take.has_enough_voice


def test_nothing_said() -> None:
    (take,) = judge([heard.take([0.0] * 20, 1, "a")], RULE)
    assert take.changes == ()
    assert not take.flagged
    assert not take.has_enough_voice


def test_scores_by_audio_and_by_voice() -> None:
    kinds = [Heard.BACKGROUND] * 10 + [Heard.VOICE] * 10
    (take,) = judge([heard.take(list(range(20)), 1, "a", kinds=kinds)], RULE)
    assert take.score(0.8) == pytest.approx(sigmoid(2.0 * 9 + 0.5))
    assert take.score(60.0) == pytest.approx(sigmoid(2.0 * 19 + 0.5))
    assert take.score_after_voice(0.4) == pytest.approx(sigmoid(2.0 * 14 + 0.5))
    assert take.score_after_voice(0.9) is None
    assert take.lasts(1.6)
    assert not take.lasts(1.7)


def test_less_than_a_step_is_not_judged() -> None:
    assert judge([heard.take([], 0, "a")], RULE) == []


def test_the_point_of_one_per_cent_decides() -> None:
    lenient = OperatingPoint(0.5, recorded_at=0.6, live_at=0.4, false_alarm=0, miss=0, passed=0)
    rule = DecisionRule(RULE.calibration, (lenient, POINT))
    unsure, sure = judge([heard.take([logit] * 20, 1, "a") for logit in (0.2, 0.5)], rule)
    assert 0.6 < unsure.score(1) < 0.8 < sure.score(1)
    assert (unsure.flagged, sure.flagged) == (False, True)
