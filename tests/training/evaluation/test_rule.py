"""Operating points keep their budgets, and cautions are chosen by what they miss."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_model.decision import Decider, VerdictKind, decide
from audio_model.fitting.answer import Answer
from audio_model.rule import Calibration, DecisionRule
from tests.answers import answer
from training.evaluation.rule import NEVER_LIVE, RuleSettings, fit_rule, operating_points

AS_IS = DecisionRule(Calibration((0.4,), (1.0,), (0.0,)), ())
SETTINGS = RuleSettings(budgets=(0.01, 0.05, 0.1, 0.2, 0.5))


def random_takes(seed: int, live: int, recorded: int, apart: float = 2.0) -> list[Answer]:
    rng = np.random.default_rng(seed)
    return [
        answer(
            rng.normal(apart * (2 * label - 1), 1.5, 12).tolist(),
            label,
            f"{label}{n}",
            weight=float(rng.uniform(0.2, 1)),
        )
        for label, count in ((0, live), (1, recorded))
        for n in range(count)
    ]


@given(
    seed=st.integers(0, 10**6),
    live=st.integers(2, 40),
    recorded=st.integers(1, 20),
    apart=st.sampled_from([-1.0, 0.0, 1.0, 3.0, 400.0]),
)
@settings(max_examples=25)
def test_a_budget_is_never_overdrawn(seed: int, live: int, recorded: int, apart: float) -> None:
    takes = random_takes(seed, live, recorded, apart)
    points = operating_points(takes, AS_IS, SETTINGS)
    assert [p.max_false_alarm for p in points] == [b for b in SETTINGS.budgets if b * live >= 1]
    for point in points:
        assert point.false_alarm <= point.max_false_alarm + 1e-9
        assert NEVER_LIVE <= point.live_at < point.recorded_at
        assert point.live_at <= 0.5 <= point.recorded_at
    for strict, lenient in pairwise(points):
        assert strict.recorded_at >= lenient.recorded_at
        assert strict.miss >= lenient.miss


@given(seed=st.integers(0, 10**6))
@settings(max_examples=10)
def test_the_rates_are_those_of_the_decision_itself(seed: int) -> None:
    """Said at any moment, whatever is said afterwards, by the class that decides calls."""
    takes = random_takes(seed, 30, 20)
    for point in operating_points(takes, AS_IS, SETTINGS):
        said = {label: [0.0, 0.0] for label in (0, 1)}
        for take in takes:
            decider, flagged = Decider(AS_IS, point), False
            for row in take.steps.rows():
                decider.add([row])
                flagged |= decider.decided[0] is VerdictKind.RECORDED
            said[take.label][0] += take.weight * flagged
            said[take.label][1] += take.weight
        assert point.false_alarm == pytest.approx(said[0][0] / said[0][1])
        assert point.miss == pytest.approx(1 - said[1][0] / said[1][1])


def test_live_is_seldom_said_of_recordings() -> None:
    takes = random_takes(0, 60, 60)
    config = RuleSettings(budgets=(0.1,), max_passed=0.1)
    (point,) = operating_points(takes, AS_IS, config)
    weight = sum(h.weight for h in takes if h.label == 1)
    wrong = sum(
        h.weight for h in takes if h.label == 1 and h.extreme_scores(AS_IS)[0] <= point.live_at
    )
    assert wrong / weight <= 0.1
    assert point.live_at > 0


def test_hopeless_scores_flag_nobody_within_a_budget() -> None:
    takes = [answer([40.0] * 10, label, f"{label}{n}") for label in (0, 1) for n in range(20)]
    (point,) = operating_points(takes, AS_IS, RuleSettings(budgets=(0.1,)))
    assert (point.false_alarm, point.miss) == (0, 1)
    rule = replace(AS_IS, operating_points=(point,))
    assert decide(takes[0].steps, rule, point, 1).verdict is VerdictKind.UNKNOWN


def test_callers_are_counted_not_their_clips() -> None:
    takes = [
        answer([0.0] * 8, label, f"{label}{n}", group=f"{label}{n % 4}")
        for label in (0, 1)
        for n in range(40)
    ]
    config = RuleSettings(budgets=(0.1, 0.25))
    assert [p.max_false_alarm for p in operating_points(takes, AS_IS, config)] == [0.25]


def test_too_few_callers_for_any_budget_show_one_in_so_many() -> None:
    takes = random_takes(0, 3, 5)
    (point,) = operating_points(takes, AS_IS, RuleSettings(budgets=(0.01, 0.1)))
    assert point.max_false_alarm == 1 / 3


@pytest.mark.parametrize(("early", "chosen"), [(4.0, 1.0), (-4.0, 0.0)])
def test_the_caution_is_what_misses_least(early: float, chosen: float) -> None:
    """Live scores that are high at first ask for caution; where they are not, it only delays."""
    live = [answer([early] * 6 + [-6.0] * 10, 0, f"l{n}") for n in range(40)]
    recorded = [answer([3.0] * 6 + [3.0] * 10, 1, f"r{n}") for n in range(40)]
    config = RuleSettings(voice_seconds=(0.4,), budgets=(0.05,), cautions=(0.0, 1.0))
    assert fit_rule(live + recorded, config).caution == chosen


@pytest.mark.parametrize(("early", "chosen"), [(-4.0, 1.0), (4.0, 0.0)])
def test_the_caution_of_live_is_what_tells_most_callers(early: float, chosen: float) -> None:
    """Recordings that sound live at first ask for caution; where they don't, it only delays."""
    recorded = [answer([early] * 6 + [6.0] * 10, 1, f"r{n}") for n in range(40)]
    live = [answer([-3.0] * 16, 0, f"l{n}") for n in range(40)]
    config = RuleSettings(voice_seconds=(0.4,), budgets=(0.05,), cautions=(0.0, 1.0))
    rule = fit_rule(live + recorded, config)
    assert rule.live_caution == chosen
    assert rule.operating_points[0].passed <= config.max_passed + 1e-9


@given(seed=st.integers(0, 10**6), max_passed=st.sampled_from([0.0, 0.05, 0.2]))
@settings(max_examples=15)
def test_the_budget_of_live_is_kept_by_the_decision_itself(seed: int, max_passed: float) -> None:
    takes = random_takes(seed, 30, 20)
    rule = DecisionRule(AS_IS.calibration, (), live_caution=0.5)
    for point in operating_points(takes, rule, replace(SETTINGS, max_passed=max_passed)):
        said = total = 0.0
        for take in takes:
            if take.label == 1:
                changes = decide(take.steps, rule, point, take.seconds).evidence.changes
                said += take.weight * any(c.verdict is VerdictKind.LIVE for c in changes)
                total += take.weight
        assert said / total <= point.passed + 1e-9
        assert point.passed <= max_passed + 1e-9
