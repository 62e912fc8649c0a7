"""A line's own rule: it keeps its budget, follows many marks, and stays where there are few."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_model.decision import VerdictKind, decide, log_odds_of, sigmoid
from audio_model.fitting.answer import Answer
from audio_model.fitting.own import at_prevalence, beliefs, group_weights, tune_rule
from audio_model.fitting.tail import Tail
from audio_model.rule import Calibration, DecisionRule, OperatingPoint
from audio_model.steps import Heard
from tests.answers import answer
from tests.draws import draws

SHIPPED = DecisionRule(
    Calibration((0.4, 2.0), (1.0, 1.0), (0.0, 0.0)),
    (
        OperatingPoint(0.01, sigmoid(2.3), sigmoid(-1.0), 0.01, 0.5, 0.1),
        OperatingPoint(0.05, sigmoid(1.6), sigmoid(-1.0), 0.05, 0.3, 0.1),
        OperatingPoint(0.1, sigmoid(1.2), sigmoid(-1.0), 0.1, 0.2, 0.1),
    ),
)


def line(n: int, live_mean: float, seed: int, spread: float = 1.0) -> list[Answer]:
    """Calls that are heard at one log odds each, normal within a class."""
    rng = np.random.default_rng(seed)
    return [
        answer([rng.normal((live_mean, 2.0)[k % 2], spread)] * 10, k % 2, f"{k}") for k in range(n)
    ]


def flagged(rule: DecisionRule, takes: list[Answer], budget: float) -> float:
    point = rule.operating_point(budget)
    return float(np.mean([t.extreme_scores(rule)[1] >= point.recorded_at for t in takes]))


@pytest.mark.parametrize("live_mean", [-2.0, -0.3])
@pytest.mark.parametrize("n", [10, 40, 200])
def test_the_budget_holds_in_expectation_wherever_the_line_lies(live_mean: float, n: int) -> None:
    rates = []
    for seed in range(draws(60 if n < 100 else 20)):
        rule = tune_rule(line(n, live_mean, seed), SHIPPED)
        others = [t for t in line(60, live_mean, 1000 + seed) if t.label == 0]
        rates.append(flagged(rule, others, 0.05))
    # The mean over lines is the budget; a line that lies above those believed in has a little more.
    assert np.mean(rates) <= (0.08 if live_mean > -0.5 else 0.065)


def test_a_line_far_from_all_others_is_not_made_worse_by_ten_calls() -> None:
    rates = []
    for seed in range(draws(20)):
        others = [t for t in line(400, 1.0, 1000 + seed) if t.label == 0]
        tuned = tune_rule(line(10, 1.0, seed), SHIPPED)
        rates.append([flagged(rule, others, 0.05) for rule in (SHIPPED, tuned)])
    before, after = np.mean(rates, axis=0)
    assert after < before / 2


def test_many_marks_catch_what_the_shipped_rule_misses() -> None:
    takes = line(400, -2.0, seed=1)
    tuned = tune_rule(takes, SHIPPED)
    recorded = [t for t in takes if t.label == 1]
    assert flagged(tuned, recorded, 0.01) > flagged(SHIPPED, recorded, 0.01) + 0.1


def test_points_state_what_is_expected_and_stand_in_order() -> None:
    points = tune_rule(line(60, -0.5, seed=2), SHIPPED).operating_points
    assert [p.max_false_alarm for p in points] == [0.01, 0.05, 0.1]
    for point in points:
        assert point.false_alarm <= point.max_false_alarm
        assert 0 < point.live_at <= 0.5 < point.recorded_at < 1
    assert points[0].recorded_at > points[1].recorded_at > points[2].recorded_at
    assert points[0].miss > points[2].miss


def test_wrong_marks_make_the_rule_careful() -> None:
    takes = line(200, -1.0, seed=3)
    wrong = [replace(t, label=1 - t.label) if n < 20 else t for n, t in enumerate(takes)]
    right, misled = tune_rule(takes, SHIPPED), tune_rule(wrong, SHIPPED)
    live = [t for t in line(400, -1.0, seed=4) if t.label == 0]
    assert flagged(misled, live, 0.01) <= flagged(right, live, 0.01) <= 0.02


def test_calls_without_voice_and_one_caller_a_class_do_not_break_it() -> None:
    silent = answer([1.0] * 10, 0, "silent", kinds=[Heard.BACKGROUND] * 10)
    rule = tune_rule([silent, *line(2, -1.0, seed=5)], SHIPPED)
    assert all(np.isfinite(rule.calibration.slope))


def test_beliefs_are_those_of_the_points() -> None:
    live, recorded, passed = beliefs(SHIPPED)
    for point in SHIPPED.operating_points:
        at = log_odds_of(point.recorded_at)
        assert live.share_above(at) == pytest.approx(point.false_alarm, abs=0.03)
        assert recorded.share_above(at) == pytest.approx(1 - point.miss, abs=0.07)
    assert passed.share_above(1.0) == pytest.approx(0.1)


def test_what_is_believed_narrows_with_callers() -> None:
    tail = Tail(0.0, 1.0)
    rng = np.random.default_rng(0)
    widths = [
        tail.after(rng.normal(0, 1, n), np.ones(n)).exceeded_by(0.01) for n in (0, 10, 10_000)
    ]
    assert widths[0] > widths[1] > widths[2] == pytest.approx(2.33, abs=0.06)
    assert tail.after(np.zeros(0), np.zeros(0)) == tail


def test_a_group_counts_once() -> None:
    assert group_weights([0, 0, 1, 1], ["a", "a", "b", "c"]) == [0.5, 0.5, 1, 1]


@given(st.floats(0.001, 0.999), st.floats(-6, 6))
def test_a_score_at_a_prevalence_is_bayes(prevalence: float, logit: float) -> None:
    odds = np.exp(logit) * prevalence / (1 - prevalence)
    rule = at_prevalence(SHIPPED, prevalence)
    assert sigmoid(rule.calibration.log_odds(logit, 3.0)) == pytest.approx(odds / (1 + odds))
    assert rule.prevalence == prevalence


@given(st.floats(0.01, 0.99), st.lists(st.floats(-6, 6), min_size=8, max_size=30))
def test_no_prevalence_makes_a_verdict_rash(prevalence: float, logits: list[float]) -> None:
    steps = answer(logits, 1, "a").steps
    rule = at_prevalence(SHIPPED, prevalence)
    for before, after in zip(SHIPPED.operating_points, rule.operating_points, strict=True):
        said = decide(steps, rule, after, 3.0)
        if VerdictKind.RECORDED in [c.verdict for c in said.evidence.changes]:
            was = decide(steps, SHIPPED, before, 3.0)
            assert VerdictKind.RECORDED in [c.verdict for c in was.evidence.changes]
        if said.verdict is VerdictKind.RECORDED:
            assert said.score >= 0.5
        if said.verdict is VerdictKind.LIVE:
            assert said.score <= 0.5


def test_even_prevalence_is_the_rule_itself() -> None:
    assert at_prevalence(SHIPPED, 0.5) is SHIPPED
