"""Calls are judged by rules that they did not choose, with intervals."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from audio_model.fitting.answer import Answer
from audio_model.fitting.own import tune_rule
from audio_model.line.guard import conditions, without_contradicted
from audio_model.line.judge import (
    CHANGE,
    RATES,
    Figure,
    Judged,
    cross_judge,
    deal,
    ece_by_chance,
    error_without_chance,
    figures_of,
    judge,
    log_loss,
    most_contradicted,
)
from audio_model.line.tune import suspicious
from tests.answers import answer
from tests.fitting.test_own import SHIPPED, line


def sides_of(answers: Sequence[Answer]) -> dict[str, Judged]:
    return {
        "before": judge(answers, SHIPPED, 0.05),
        "after": cross_judge(answers, SHIPPED, 0.05),
    }


def figures(n: int, live_mean: float, draws: int = 200) -> dict[str, dict[str, Figure]]:
    answers = line(n, live_mean, seed=5)
    return figures_of(answers, sides_of(answers), draws)


BETTER = {"value": -0.1, "low": -0.2, "high": -0.01}


def test_a_group_is_in_one_part_and_each_part_has_both_classes() -> None:
    answers = line(60, -1.0, seed=1)
    part_of = deal(answers)
    assert set(part_of.values()) == set(range(10))
    for part in range(10):
        assert {a.label for a in answers if part_of[a.group] == part} == {0, 1}


def test_a_number_that_calls_with_both_is_in_one_part_and_leaves_both_classes_in_all() -> None:
    answers = line(24, -1.0, seed=1)
    # Live callers 0, 2 … 10 call with recordings, too.
    both = [replace(a, label=1, weight=1.0) for a in answers[:12:2]]
    part_of = deal([*answers, *both])
    assert set(part_of.values()) == set(range(10))
    for part in range(10):
        inside = [a for a in [*answers, *both] if part_of[a.group] == part]
        assert {a.label for a in inside} == {0, 1}
    judged = cross_judge([*answers, *both], SHIPPED, 0.05)
    assert np.isfinite(judged.log_odds).all()


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


def perfect(groups: int, calls: int) -> tuple[list[Answer], Judged]:
    """Return calls of groups whose labels are drawn from their very scores."""
    rng = np.random.default_rng(groups)
    log_odds = rng.normal(0, 2, groups)
    label = (rng.random(groups) < 1 / (1 + np.exp(-log_odds))).astype(int)
    answers = [
        answer([0.0], int(label[n]), str(n), weight=1 / calls)
        for n in range(groups)
        for _ in range(calls)
    ]
    said = np.repeat(log_odds, calls)
    return answers, Judged(said, said > 0, said < 0)


def test_few_calls_show_an_error_even_of_a_perfect_score() -> None:
    few, many = ece_by_chance(*perfect(60, 1)), ece_by_chance(*perfect(6000, 1), draws=20)
    assert many.mean < 0.02 < few.mean < few.high
    # Calls of the same callers add nothing to what is known.
    again = ece_by_chance(*perfect(60, 20))
    assert again.mean == pytest.approx(few.mean, abs=0.02)


def test_the_error_without_chance_of_a_perfect_score_holds_0_and_that_of_a_false_one_does_not() -> (
    None
):
    answers, judged = perfect(400, 1)
    real = error_without_chance(answers, judged, 100)
    assert real["low"] == 0 <= real["value"] < 0.06 < ece_by_chance(answers, judged).high
    surer = replace(judged, log_odds=3 * judged.log_odds)
    false = error_without_chance(answers, surer, 100)
    assert 0.05 < false["low"] < false["value"] < false["high"]


def test_the_guard_lets_a_line_of_its_own_through_and_nothing_else() -> None:
    answers = line(200, -3.0, seed=5)
    sides = sides_of(answers)
    change = without_contradicted(answers, sides, 200)
    far = conditions(figures_of(answers, sides, 200), change, 0.05, (100, 100))
    assert all(each.holds for each in far), far
    few = conditions(figures(10, -3.0), BETTER, 0.05, (5, 5))
    assert not few[0].holds
    noise = {
        name: {
            "before": {"value": 0.0, "low": 0.0, "high": 0.02},
            "after": {"value": 0.1, "low": 0.06, "high": 0.2},
            CHANGE: {"value": -0.1, "low": -0.2, "high": 0.0},
        }
        for name in ("log_loss", "live_flagged", "recordings_caught")
    }
    told = conditions(noise, noise["log_loss"][CHANGE], 0.05, (50, 50))
    assert [each.holds for each in told] == [True, False, False, False, True]
    noise["recordings_caught"][CHANGE]["high"] = -0.01
    assert not conditions(noise, BETTER, 0.05, (50, 50))[4].holds
    noise["live_flagged"]["before"]["low"] = 0.06
    assert conditions(noise, BETTER, 0.05, (50, 50))[4].holds


def mismarked(seed: int) -> list[Answer]:
    """110 callers and a dozen recordings of a line as the rule knows it, a tenth marked wrong."""
    rng = np.random.default_rng(seed)
    right = [answer([rng.normal(-2.0, 1.0)] * 10, 0, f"live {k}") for k in range(110)]
    right += [answer([rng.normal(2.0, 1.0)] * 10, 1, f"recorded {k}") for k in range(12)]
    wrong = set(rng.choice(len(right), 12, replace=False).tolist())
    return [replace(a, label=1 - a.label) if n in wrong else a for n, a in enumerate(right)]


@pytest.mark.parametrize("seed", range(4))
def test_wrong_marks_that_teach_a_rule_to_doubt_do_not_pass_the_guard(seed: int) -> None:
    answers = mismarked(seed)
    sides = sides_of(answers)
    told = figures_of(answers, sides, 100, ("log_loss",))
    # By the marks alone, scores that doubt everything look better with confidence.
    assert set(told) == {"log_loss"}
    assert told["log_loss"][CHANGE]["high"] < 0
    assert without_contradicted(answers, sides, 100)["high"] > 0
    # Those that are wrong are the ones to be listened to again.
    names = ("live", "recorded")
    wrong = {n for n, a in enumerate(answers) if a.group.split()[0] != names[a.label]}
    listed = suspicious(answers, sides, every_contradicted=True)
    assert len(wrong & set(listed)) >= 10 and len(listed) <= 21


def test_the_interval_of_a_calibration_error_holds_the_error_of_few_calls() -> None:
    # A bootstrap alone adds chance: its whole interval lies above what the calls show.
    answers, judged = perfect(40, 1)
    figures = figures_of(answers, {"before": judged, "after": judged}, 200, ("ece",))["ece"]
    for figure in figures.values():
        assert figure["low"] <= figure["value"] <= figure["high"]
    assert figures["after"]["low"] >= 0


def test_what_is_contradicted_most_is_of_groups_and_of_both_classes() -> None:
    answers = [answer([log_odds] * 10, 0, f"live {n}") for n, log_odds in enumerate([-3.0] * 8)]
    answers += [answer([3.0] * 10, 1, f"recorded {n}") for n in range(3)]
    # One caller of two calls, and one recording, the network takes for the other.
    answers += [answer([2.0] * 10, 0, f"call {n}", group="caller") for n in range(2)]
    answers += [answer([-2.0] * 10, 1, "odd")]
    sides = {"before": judge(answers, SHIPPED, 0.05)}
    assert most_contradicted(answers, sides).tolist() == [11, 12, 13]
