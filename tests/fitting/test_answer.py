"""The scores by which an answer may decide."""

from dataclasses import replace

import pytest

from audio_model.decision import sigmoid
from audio_model.rule import Calibration, DecisionRule
from audio_model.steps import Heard
from tests.answers import answer

AS_IS = DecisionRule(Calibration((0.4,), (1.0,), (0.0,)), ())


def test_extreme_scores_are_of_steps_that_may_decide() -> None:
    logits = [9.0, -9.0, 0.0, 0.0, 1.0, 2.0, -1.0]
    lowest, highest = answer(logits, 1, "a").extreme_scores(AS_IS)
    assert (lowest, highest) == (sigmoid(-1.0), sigmoid(2.0))
    silent = answer(logits, 1, "a", kinds=[Heard.BACKGROUND] * 7)
    assert silent.extreme_scores(AS_IS) == (1.0, 0.0)


def test_each_caution_is_for_its_own_verdict() -> None:
    lowest, highest = answer([-2.0, 2.0] * 5, 1, "a").extreme_scores(AS_IS)
    rule = replace(AS_IS, caution=0.8)
    ends = answer([-2.0, 2.0] * 5, 1, "a").extreme_scores(rule)
    assert ends[0] == lowest and ends[1] == pytest.approx(sigmoid(2.0 - 0.8 / 0.8))
    rule = replace(AS_IS, live_caution=0.8)
    ends = answer([-2.0, 2.0] * 5, 1, "a").extreme_scores(rule)
    assert ends[0] == pytest.approx(sigmoid(-2.0 + 0.8 / 0.72)) and ends[1] == highest
