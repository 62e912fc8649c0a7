"""Calibration recovers what is known; operating points keep their budgets."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_model.decision import Decider, VerdictKind, decide, sigmoid
from audio_model.fitting.answer import Answer
from audio_model.fitting.calibration import as_is, fit_calibration
from audio_model.fitting.rule import (
    NEVER_LIVE,
    RuleSettings,
    fit_rule,
    operating_points,
    point_of,
)
from audio_model.rule import Calibration, DecisionRule, OperatingPoint
from audio_model.steps import Heard
from tests.answers import answer

AS_IS = DecisionRule(Calibration((0.4,), (1.0,), (0.0,)), ())
SETTINGS = RuleSettings(budgets=(0.01, 0.05, 0.1, 0.2, 0.5))


def known(slope: float, offset: float, n: int, seed: int, steps: int = 10) -> list[Answer]:
    """Takes whose log odds are ``slope * logit + offset`` by construction."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(n):
        odds = rng.normal(0, 2)
        label = int(rng.random() < sigmoid(odds))
        made.append(answer([(odds - offset) / slope] * steps, label, f"{number}"))
    return made


@pytest.mark.parametrize(("slope", "offset"), [(1.0, 0.0), (0.3, 0.5), (2.5, -1.0)])
def test_slope_and_offset_are_recovered(slope: float, offset: float) -> None:
    fitted = fit_calibration(known(slope, offset, 3000, seed=1), as_is((0.4,)))
    assert fitted.slope[0] == pytest.approx(slope, rel=0.15)
    assert fitted.offset[0] == pytest.approx(offset, abs=0.15)


def test_each_length_of_voice_has_its_own_slope() -> None:
    """Early logits that say twice as much as late ones."""
    rng = np.random.default_rng(2)
    takes = []
    for number in range(3000):
        odds = rng.normal(0, 2)
        label = int(rng.random() < sigmoid(odds))
        takes.append(answer([odds / 2] * 12 + [odds] * 30, label, f"{number}"))
    fitted = fit_calibration(takes, as_is((0.4, 0.96, 1.04, 3.0)))
    assert fitted.slope[0] == pytest.approx(2, rel=0.25)
    assert fitted.slope[-1] == pytest.approx(1, rel=0.2)


def test_classes_count_alike_however_many_there_are() -> None:
    takes = known(1.0, 0.0, 3000, seed=3)
    many_live = takes + [h for h in takes if h.label == 0] * 4
    one, other = fit_calibration(takes, as_is((0.4,))), fit_calibration(many_live, as_is((0.4,)))
    assert other.slope == pytest.approx(one.slope, rel=1e-3)
    assert other.offset == pytest.approx(one.offset, abs=1e-3)


def test_steps_before_enough_voice_play_no_part() -> None:
    takes = known(1.0, 0.0, 2000, seed=4)
    misled = [
        answer([-9.0 * (2 * h.label - 1)] * 4 + h.steps.logit.tolist(), h.label, str(n))
        for n, h in enumerate(takes)
    ]
    assert fit_calibration(misled, as_is((0.4,))).slope[0] == pytest.approx(1, rel=0.15)


def test_a_slope_stays_positive_when_the_scores_are_the_wrong_way_round() -> None:
    takes = [answer([3.0 * (1 - 2 * (n % 2))] * 10, n % 2, f"{n}") for n in range(100)]
    assert fit_calibration(takes, as_is((0.4, 1.0))).slope[0] > 0


@pytest.mark.parametrize("logit", [0.5, 5.0, 50.0])
def test_classes_that_never_overlap(logit: float) -> None:
    takes = [answer([logit * (2 * (n % 2) - 1)] * 20, n % 2, f"{n}") for n in range(20)]
    fitted = fit_calibration(takes, as_is((0.4, 1.0)))
    for slope, offset in zip(fitted.slope, fitted.offset, strict=True):
        # Ten sources a class show no more than Platt's 11 in 12, whatever the logits are.
        assert slope * logit == pytest.approx(np.log(11), abs=0.01)
        assert offset == pytest.approx(0, abs=0.01)


def test_a_take_shorter_than_a_step_is_passed_over() -> None:
    takes = known(1.0, 0.0, 500, seed=5)
    nothing = [answer([], label, f"empty{label}") for label in (0, 1)]
    assert fit_calibration(takes + nothing, as_is((0.4,))) == fit_calibration(takes, as_is((0.4,)))


def test_extreme_scores_are_of_steps_that_may_decide() -> None:
    logits = [9.0, -9.0, 0.0, 0.0, 1.0, 2.0, -1.0]
    lowest, highest = answer(logits, 1, "a").extreme_scores(AS_IS)
    assert (lowest, highest) == (sigmoid(-1.0), sigmoid(2.0))
    silent = answer(logits, 1, "a", kinds=[Heard.BACKGROUND] * 7)
    assert silent.extreme_scores(AS_IS) == (1.0, 0.0)


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


def test_each_caution_is_for_its_own_verdict() -> None:
    lowest, highest = answer([-2.0, 2.0] * 5, 1, "a").extreme_scores(AS_IS)
    rule = replace(AS_IS, caution=0.8)
    ends = answer([-2.0, 2.0] * 5, 1, "a").extreme_scores(rule)
    assert ends[0] == lowest and ends[1] == pytest.approx(sigmoid(2.0 - 0.8 / 0.8))
    rule = replace(AS_IS, live_caution=0.8)
    ends = answer([-2.0, 2.0] * 5, 1, "a").extreme_scores(rule)
    assert ends[0] == pytest.approx(sigmoid(-2.0 + 0.8 / 0.72)) and ends[1] == highest


@pytest.mark.parametrize(
    ("budgets", "chosen"), [((0.001, 0.01, 0.1), 0.01), ((0.2, 0.5), 0.2), ((0.001,), 0.001)]
)
def test_the_point_that_is_tuned_is_the_nearest_to_one_per_cent(
    budgets: tuple[float, ...], chosen: float
) -> None:
    points = [OperatingPoint(b, 0.9, 0.1, false_alarm=0, miss=0, passed=0) for b in budgets]
    assert point_of(points).max_false_alarm == chosen
    assert point_of(replace(AS_IS, operating_points=tuple(points))).max_false_alarm == chosen
