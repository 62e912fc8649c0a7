"""Before and after: a line's calls under the rule that was there, and under rules of its own.

No call is judged by a rule that it helped to choose: groups are dealt to parts, and each part is
judged by the rule that the others chose. Groups count alike within a class.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from audio_model.errors import UsageError
from audio_model.fitting import metrics
from audio_model.fitting.answer import Answer, Array, probabilities
from audio_model.fitting.own import tune_rule
from audio_model.fitting.student import rate_interval
from audio_model.rule import DecisionRule, OperatingPoint

CONTRADICTED = 0.15
"""Share of all groups that are left out for that: where a tenth of the marks is wrong, more than a
tenth of the groups may be, for a caller who is marked wrong is a group, too."""
MOST_PARTS = 10
LEAST_GROUPS = 2
"""Groups of a class of which one can be held out."""
DRAWS = 500

Figure = dict[str, float]
"""``value``, ``low`` and ``high`` of a 95 % interval."""
Measure = Callable[[Array], float]
"""A figure of calls by their weights. [shape=(n_calls,)]"""
CHANGE = "change"


@dataclass(frozen=True)
class Judged:
    """Calls under one rule, or under the rules of their parts. Arrays have shape (n_calls,)."""

    log_odds: Array
    """The log odds of recorded, once all was heard."""
    recorded: NDArray[np.bool_]
    """Whether ``recorded`` was said at any moment."""
    live: NDArray[np.bool_]
    """Whether ``live`` was said at any moment."""

    def some(self, chosen: NDArray[np.int_]) -> Self:
        """Return some of the calls."""
        return type(self)(self.log_odds[chosen], self.recorded[chosen], self.live[chosen])


def judge(answers: Sequence[Answer], rule: DecisionRule, budget: float) -> Judged:
    """Judge calls by one rule, at its point for a budget. Raises UsageError if it has none."""
    point = rule.operating_point(budget)
    return _judged(answers, [rule] * len(answers), [point] * len(answers))


def cross_judge(answers: Sequence[Answer], before: DecisionRule, budget: float) -> Judged:
    """Judge each part of the calls by the rule that the other parts chose."""
    rules = _chosen_by_others(answers, before)
    own = [rules[answer.group] for answer in answers]
    return _judged(answers, own, [rule.operating_point(budget) for rule in own])


def judge_tuned(
    answers: Sequence[Answer],
    rule: DecisionRule,
    before: DecisionRule,
    tuned_to: Collection[str],
    budget: float,
) -> Judged:
    """Judge calls by a rule as if it had not been tuned to any of them.

    A rule would be too good on what it was tuned to, and no new one could ever prove itself on the
    marks of all months. So it is fitted anew without each part of those.

    Args:
        answers: the calls.
        rule: at even prevalence.
        before: the rule that it was before it was tuned.
        tuned_to: the groups of the calls that it was tuned to.
        budget: share of live callers who may be called recorded.
    """
    mine = [each for each in answers if each.group in tuned_to]
    if min(len({a.group for a in mine if a.label == label}) for label in (0, 1)) < LEAST_GROUPS:
        return judge(answers, rule, budget)
    rules = _chosen_by_others(mine, before)
    own = [rules.get(answer.group, rule) for answer in answers]
    return _judged(answers, own, [each.operating_point(budget) for each in own])


def _chosen_by_others(answers: Sequence[Answer], before: DecisionRule) -> dict[str, DecisionRule]:
    """Return for each group the rule that the other parts chose."""
    part_of = deal(answers)
    rules = {
        part: tune_rule([a for a in answers if part_of[a.group] != part], before)
        for part in sorted(set(part_of.values()))
    }
    return {group: rules[part] for group, part in part_of.items()}


def deal(answers: Sequence[Answer]) -> dict[str, int]:
    """Deal groups to parts, and return the part of each group.

    Each part has groups of both classes. Raises UsageError if a class has fewer than two.
    """
    live, recorded = ({a.group for a in answers if a.label == label} for label in (0, 1))
    # A number may call with recordings and with people. Such groups come first in both classes, so
    # that they have one part, and every part its share of each class.
    groups = [
        sorted(of, key=lambda group: (group not in live & recorded, _hash(group)))
        for of in (live, recorded)
    ]
    parts = min(MOST_PARTS, *map(len, groups))
    if parts < LEAST_GROUPS:
        raise UsageError("to hold calls out, at least two groups of each class are needed")
    return {group: n % parts for of in groups for n, group in enumerate(of)}


def most_contradicted(answers: Sequence[Answer], sides: Mapping[str, Judged]) -> NDArray[np.int_]:
    """Return the calls of the groups whose marks the scores contradict most.

    The scores of all sides count alike, and so do the groups of both classes. A rule that is better
    without these calls, too, is not better only because it learnt wrong marks.
    [shape=(n_contradicted,)]
    """
    against = np.mean([against_marks(answers, judged) for judged in sides.values()], axis=0)
    _, group = np.unique([f"{each.label} {each.group}" for each in answers], return_inverse=True)
    mean = np.bincount(group, against) / np.bincount(group)
    most = np.argsort(-mean, kind="stable")[: math.ceil(CONTRADICTED * len(mean))]
    return np.flatnonzero(np.isin(group, most))


def against_marks(answers: Sequence[Answer], judged: Judged) -> Array:
    """Return the log odds against the mark of each call. [shape=(n_calls,)]"""
    return -np.array([1 if each.label else -1 for each in answers]) * judged.log_odds


def figures_of(
    answers: Sequence[Answer],
    sides: Mapping[str, Judged],
    draws: int = DRAWS,
    names: Collection[str] | None = None,
) -> dict[str, dict[str, Figure]]:
    """Return the figures of two sides by their names, and how far the second is from the first.

    ``names`` are the figures that are wanted, all by default.
    Intervals are by bootstrap over groups; those of rates are exact for so many groups. A bootstrap
    adds chance to a calibration error, so only the width of its interval is used.
    """
    label = np.array([a.label for a in answers])
    weight = balanced(answers)
    group = [a.group for a in answers]
    groups_of = [len({a.group for a in answers if a.label == each}) for each in (0, 1)]

    def figure(name: str, measure: Measure, n_groups: int = 0) -> Figure:
        value = measure(weight)
        if n_groups:
            low, high = rate_interval(value * n_groups, n_groups)
        else:
            low, high = metrics.bootstrap(
                lambda _, __, drawn: measure(np.asarray(drawn, float)),
                np.zeros(len(answers)),
                label,
                group,
                weight,
                n=draws,
            )
        around = name == "ece"
        return _around(value, low, high) if around else {"value": value, "low": low, "high": high}

    told: dict[str, dict[str, Figure]] = {}
    measures = {side: _measures(judged, label) for side, judged in sides.items()}
    first = next(iter(measures.values()))
    for name, at_first in first.items():
        if names is not None and name not in names:
            continue
        told[name] = {}
        for side, of_side in measures.items():
            measure = of_side[name]
            told[name][side] = figure(name, measure, groups_of[RATES[name]] if name in RATES else 0)
            if of_side is not first:
                told[name][CHANGE] = figure(name, _difference(measure, at_first))
        if name == "ece":
            for side in measures:
                told[name][side]["low"] = max(0.0, told[name][side]["low"])
    return told


def balanced(answers: Sequence[Answer]) -> Array:
    """Return the weights of calls, those of each class summing to 1. [shape=(n_calls,)]"""
    label = np.array([each.label for each in answers])
    weight = np.array([each.weight for each in answers])
    for each in (0, 1):
        weight[label == each] /= weight[label == each].sum()
    return weight


def _difference(measure: Measure, other: Measure) -> Measure:
    return lambda weight: measure(weight) - other(weight)


RATES = {"live_flagged": 0, "live_told": 0, "recordings_caught": 1, "recordings_passed": 1}
"""Shares, and the label of the class that they are of."""


def _measures(judged: Judged, label: NDArray[np.int_]) -> dict[str, Measure]:
    """Return each figure as a function of the calls' weights."""

    def share(said: NDArray[np.bool_], of: int) -> Measure:
        mine = label == of
        return lambda weight: float(np.average(said[mine], weights=weight[mine]))

    probability = probabilities(judged.log_odds)
    return {
        "log_loss": lambda weight: log_loss(judged.log_odds, label, weight),
        "ece": lambda weight: metrics.ece(probability, label, weight),
        "eer": lambda weight: metrics.eer(judged.log_odds, label, weight),
        "live_flagged": share(judged.recorded, 0),
        "recordings_caught": share(judged.recorded, 1),
        "live_told": share(judged.live, 0),
        "recordings_passed": share(judged.live, 1),
    }


def log_loss(log_odds: Array, label: NDArray[np.int_], weight: Array) -> float:
    """Return the mean negative log likelihood of the labels, in nats."""
    return float(np.average(np.logaddexp(0, np.where(label, -log_odds, log_odds)), weights=weight))


@dataclass(frozen=True)
class ByChance:
    """The calibration error that so few calls show of a perfectly calibrated score."""

    mean: float
    high: float
    """In 95 draws of a hundred the error is below this."""


def ece_by_chance(
    answers: Sequence[Answer], judged: Judged, draws: int = 100, seed: int = 0
) -> ByChance:
    """Return the calibration error that these calls would show if their scores were perfect.

    Labels are drawn from the scores themselves, so that all of the error is chance. Calls of a
    group share their chance, as they share their label.
    """
    rng = np.random.default_rng(seed)
    names, group = np.unique(
        [f"{each.label} {each.group}" for each in answers], return_inverse=True
    )
    probability = probabilities(judged.log_odds)
    # Classes are weighed to count alike, which holds for drawn labels only as far as it can.
    weight = balanced(answers)
    errors = [
        metrics.ece(probability, (chance[group] < probability).astype(int), weight)
        for chance in rng.random((draws, len(names)))
    ]
    return ByChance(float(np.mean(errors)), float(np.quantile(errors, 0.95)))


def error_without_chance(answers: Sequence[Answer], judged: Judged, draws: int = DRAWS) -> Figure:
    """Return the root of :func:`metrics.squared_calibration_error`, with its 95 % interval.

    The root of what is below 0 is 0. A bootstrap adds chance once more, so only its deviation
    counts, and the interval lies around the estimate itself.
    """
    group = [f"{each.label} {each.group}" for each in answers]
    label = np.array([each.label for each in answers])
    probability, weight = probabilities(judged.log_odds), balanced(answers)

    def squared(_: object, __: object, drawn: ArrayLike | None) -> float:
        return metrics.squared_calibration_error(probability, label, group, drawn)

    value = squared(None, None, weight)
    low, high = metrics.bootstrap(squared, probability, label, group, weight, n=draws)
    told = _around(value, low, high)
    return {name: math.sqrt(max(0.0, of)) for name, of in told.items()}


def _around(value: float, low: float, high: float) -> Figure:
    """Return a value with an interval of that width around it."""
    half = (high - low) / 2
    return {"value": value, "low": value - half, "high": value + half}


def _judged(
    answers: Sequence[Answer], rules: Sequence[DecisionRule], points: Sequence[OperatingPoint]
) -> Judged:
    last = [a.log_odds(rule.calibration)[-1] for a, rule in zip(answers, rules, strict=True)]
    extremes = [a.extreme_scores(rule) for a, rule in zip(answers, rules, strict=True)]
    lowest, highest = np.array(extremes).T
    return Judged(
        np.array(last),
        highest >= np.array([point.recorded_at for point in points]),
        lowest <= np.array([point.live_at for point in points]),
    )


def _hash(group: str) -> bytes:
    return blake2b(group.encode(errors="surrogateescape"), digest_size=8).digest()
