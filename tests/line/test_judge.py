"""Calls are judged by rules that they did not choose, with intervals."""

import numpy as np
import pytest

from audio_model.fitting.own import tune_rule
from audio_model.line.guard import conditions
from audio_model.line.judge import (
    CHANGE,
    RATES,
    cross_judge,
    deal,
    figures_of,
    judge,
    least_ece,
    log_loss,
)
from tests.fitting.test_own import SHIPPED, line


def figures(n: int, live_mean: float, draws: int = 200) -> dict[str, dict[str, dict[str, float]]]:
    answers = line(n, live_mean, seed=5)
    sides = {
        "before": judge(answers, SHIPPED, 0.05),
        "after": cross_judge(answers, SHIPPED, 0.05),
    }
    return figures_of(answers, sides, draws)


def test_a_group_is_in_one_part_and_each_part_has_both_classes() -> None:
    answers = line(60, -1.0, seed=1)
    part_of = deal(answers)
    assert set(part_of.values()) == set(range(10))
    for part in range(10):
        assert {a.label for a in answers if part_of[a.group] == part} == {0, 1}


def test_no_call_is_judged_by_a_rule_that_it_chose() -> None:
    answers = line(40, -2.0, seed=2)
    part_of = deal(answers)
    judged = cross_judge(answers, SHIPPED, 0.05)
    others = [a for a in answers if part_of[a.group] != part_of[answers[0].group]]
    rule = tune_rule(others, SHIPPED)
    assert judged.log_odds[0] == pytest.approx(answers[0].log_odds(rule.calibration)[-1])


def test_figures_have_intervals_that_hold_them() -> None:
    of = figures(80, -1.0)
    for name, sides in of.items():
        assert set(sides) == {"before", "after", CHANGE}
        for side, figure in sides.items():
            assert figure["low"] <= figure["high"]
            if name in RATES and side != CHANGE:
                assert 0 <= figure["low"] <= figure["value"] <= figure["high"] <= 1
    # None flagged of 40 callers leaves up to 9 %.
    assert of["live_flagged"]["before"]["high"] > 0.08


def test_log_loss_is_of_the_right_side() -> None:
    label, weight = np.array([0, 1]), np.ones(2)
    assert log_loss(np.array([-50.0, 50.0]), label, weight) == pytest.approx(0)
    assert log_loss(np.array([0.0, 0.0]), label, weight) == pytest.approx(np.log(2))


def test_few_calls_show_an_error_even_of_a_perfect_score() -> None:
    rng = np.random.default_rng(0)
    few, many = (least_ece(rng.normal(0, 2, n), np.ones(n)) for n in (60, 6000))
    assert many < 0.02 < few


def test_the_guard_lets_a_line_of_its_own_through_and_nothing_else() -> None:
    far = conditions(figures(200, -3.0), 0.05, (100, 100))
    assert all(each.holds for each in far), far
    few = conditions(figures(10, -3.0), 0.05, (5, 5))
    assert not few[0].holds
    noise = {
        name: {
            "before": {"value": 0.0, "low": 0.0, "high": 0.02},
            "after": {"value": 0.1, "low": 0.06, "high": 0.2},
            CHANGE: {"value": -0.1, "low": -0.2, "high": 0.0},
        }
        for name in ("log_loss", "live_flagged", "recordings_caught")
    }
    enough, better, budget, caught = conditions(noise, 0.05, (50, 50))
    assert [c.holds for c in (enough, better, budget, caught)] == [True, False, False, True]
    noise["recordings_caught"][CHANGE]["high"] = -0.01
    assert not conditions(noise, 0.05, (50, 50))[3].holds
    noise["live_flagged"]["before"]["low"] = 0.06
    assert conditions(noise, 0.05, (50, 50))[3].holds
