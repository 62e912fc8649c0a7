"""The rule of one's own line: a rule that other lines chose, moved by marked calls.

The prior is a distribution, not a switch. With no mark the rule is the one that was there; ten
marks move it a little, and hundreds outweigh it. What is believed of a line beforehand is how far
calibrations of lines are from each other (``SPREAD``), and how callers' scores are spread
(:mod:`audio_model.fitting.tail`).

A wrong mark pulls on the calibration less the surer the score is of the opposite (``WRONG``). The
thresholds explain nothing away: a live caller who scores high may be a false alarm, not a wrong
mark, so wrong marks make the rule careful and never rash.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from audio_model.decision import log_odds_of, sigmoid
from audio_model.fitting.answer import Answer, Array
from audio_model.fitting.calibration import Spread, draw_calibrations, fit_calibration
from audio_model.fitting.tail import Tail
from audio_model.rule import Calibration, DecisionRule, OperatingPoint

SPREAD = Spread(log_slope=0.4, offset=0.6)
"""How far lines are expected to lie from the shipped calibration.

``python -m benchmarks.priors`` finds 0.64 and 0.59 over 36 pairs of corpora, 0.52 and 0.73 without
outliers. Some of them no slope tells apart, so less is expected of the slope: with a wider one ten
marks make scores of a far line worse."""
WRONG = 0.05
"""Share of marks that are taken to be wrong: people err."""
LAST = 0.5
"""Share of a call's weight that lies on its last score, which is the one that is kept of a call.

Scores of the first second are many, alike and unsure, and would set the slope of the last one, too.
``python -m benchmarks.tune`` chose it: the log loss is lower for any number of marks."""
MAX_PASSED = 0.12
"""The largest share of recordings of which ``live`` may be said."""
PASSED_SPREAD = 1.5
"""Standard deviation of the lowest log odds of recordings, which one threshold does not tell."""

_FURTHEST = 15.0
"""Log odds beyond which a step had no say: :meth:`Answer.extreme_scores` gives 0 and 1."""


def tune_rule(answers: Sequence[Answer], before: DecisionRule) -> DecisionRule:
    """Fit a rule to a line's own calls, beginning at one that others chose.

    Args:
        answers: answers to calls of both classes, with weights that :func:`group_weights` gives.
        before: at even prevalence; its budgets, knots and cautions are kept.
    """
    calibration = fit_calibration(answers, before.calibration, SPREAD, WRONG, LAST)
    rule = replace(before, calibration=calibration)
    slope, offset = change_of(before.calibration, calibration)
    live_high, recorded_high, recorded_low = (
        belief.scaled(slope, shift)
        for belief, shift in zip(beliefs(before), (offset, offset, -offset), strict=True)
    )
    live, recorded = ([each for each in answers if each.label == label] for label in (0, 1))
    live_high = live_high.after(*reached(live, rule, high=True))
    recorded_high = recorded_high.after(*reached(recorded, rule, high=True))
    recorded_low = recorded_low.after(*reached(recorded, rule, high=False))
    live_at = min(0.0, -recorded_low.exceeded_by(MAX_PASSED))
    points = []
    for budget in (point.max_false_alarm for point in before.operating_points):
        recorded_at = max(0.0, live_high.exceeded_by(budget))
        points.append(
            OperatingPoint(
                max_false_alarm=budget,
                recorded_at=sigmoid(recorded_at),
                live_at=min(sigmoid(live_at), math.nextafter(sigmoid(recorded_at), 0)),
                false_alarm=min(budget, live_high.share_above(recorded_at)),
                miss=1 - recorded_high.share_above(recorded_at),
                passed=recorded_low.share_above(-live_at),
            )
        )
    return replace(rule, operating_points=tuple(points))


def possible_calibrations(
    answers: Sequence[Answer], before: DecisionRule, draws: int
) -> list[Calibration]:
    """Draw calibrations that a line's own calls leave possible, as :func:`tune_rule` sees them."""
    return draw_calibrations(answers, before.calibration, SPREAD, WRONG, LAST, draws)


def beliefs(rule: DecisionRule) -> tuple[Tail, Tail, Tail]:
    """Return the beliefs that a rule's operating points imply.

    They are about the highest log odds of live callers, the highest of recordings, and the lowest
    of recordings with their sign turned.
    """
    points = [p for p in rule.operating_points if 0 < p.recorded_at < 1 and 0 < p.false_alarm < 1]
    at = [log_odds_of(p.recorded_at) for p in points]
    live = Tail.through(at, [p.false_alarm for p in points], spread=1.0)
    caught = [min(max(1 - p.miss, 0.01), 0.99) for p in points]
    recorded = Tail.through(at, caught, spread=1.0)
    point = rule.reported_point
    passed = min(max(point.passed, 0.01), 0.99)
    low = Tail.through([-log_odds_of(point.live_at)], [passed], PASSED_SPREAD)
    return live, recorded, low


def group_weights(labels: Sequence[int], groups: Sequence[str]) -> list[float]:
    """Return weights by which the groups of a class count alike; those of a group sum to 1."""
    keys = list(zip(labels, groups, strict=True))
    size = Counter(keys)
    return [1 / size[key] for key in keys]


def at_prevalence(rule: DecisionRule, prevalence: float) -> DecisionRule:
    """Return the rule whose scores are probabilities where this share of calls are recordings.

    Odds are multiplied by the ratio of the two prior odds (Bayes), scores and thresholds alike, so
    verdicts stay as they are, except that none contradicts its score: where recordings are rare,
    ``recorded`` still needs more than even odds.
    """
    shift = log_odds_of(prevalence) - log_odds_of(rule.prevalence)
    if shift == 0:
        return rule
    of = rule.calibration
    calibration = replace(of, offset=tuple(offset + shift for offset in of.offset))
    points = []
    for point in rule.operating_points:
        recorded_at = max(0.5, _shifted(point.recorded_at, shift))
        live_at = min(_shifted(point.live_at, shift), 0.5, math.nextafter(recorded_at, 0))
        points.append(replace(point, recorded_at=recorded_at, live_at=live_at))
    return replace(
        rule, calibration=calibration, operating_points=tuple(points), prevalence=prevalence
    )


def _shifted(probability: float, shift: float) -> float:
    # A threshold that no score reaches lies outside of 0 and 1, and stays there.
    if not 0 < probability < 1:
        return probability
    return sigmoid(log_odds_of(probability) + shift)


def change_of(before: Calibration, after: Calibration) -> tuple[float, float]:
    """Return the mean slope and offset, over the knots, from the old log odds to the new."""
    slope = float(np.mean(np.array(after.slope) / np.array(before.slope)))
    return slope, float(np.mean(np.array(after.offset) - slope * np.array(before.offset)))


def reached(answers: Sequence[Answer], rule: DecisionRule, *, high: bool) -> tuple[Array, Array]:
    """Return the most telling log odds of calls in which a verdict could be given, and weights."""
    scores = np.array([each.extreme_scores(rule)[high] for each in answers])
    log_odds = np.array([log_odds_of(score) for score in scores.tolist()])
    heard = np.abs(log_odds) < _FURTHEST
    weight = np.array([each.weight for each in answers])
    return (log_odds if high else -log_odds)[heard], weight[heard]
