"""The decision rule, fitted to a network's answers to calls that it never met.

The calibration makes the score a probability after any length of voice. The operating points then
follow the very rule that decides calls: a false alarm is a live call whose score touches the
threshold at any step, so the budget holds for those who act on the first crossing. How much more a
verdict needs while little was heard, its caution, is chosen for each verdict: for *recorded* what
misses fewest recordings within the budget, for *live* what tells most live callers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from audio_model.fitting.answer import Answer
from audio_model.fitting.calibration import as_is, fit_calibration
from audio_model.fitting.metrics import rates_at_false_alarm
from audio_model.fitting.own import MAX_PASSED
from audio_model.rule import DecisionRule, OperatingPoint

NEVER_RECORDED = float(np.nextafter(1.0, 2.0))
NEVER_LIVE = float(np.nextafter(0.0, -1.0))
"""Thresholds that no score reaches, for a class that no threshold can tell within the budget."""


@dataclass(frozen=True)
class RuleSettings:
    """The parts of a rule that are fitted, and the choices for them."""

    voice_seconds: tuple[float, ...] = (0.4, 1.0, 2.0, 4.0)
    budgets: tuple[float, ...] = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
    """False-alarm rates for which operating points are stored."""
    cautions: tuple[float, ...] = (0.0, 0.5, 1.0, 2.0, 3.0)
    """The cautions to choose from; see :class:`audio_model.decision.DecisionRule`."""
    max_passed: float = MAX_PASSED
    """The largest share of recordings of which ``live`` may be said."""


def operating_points(
    answers: Sequence[Answer], rule: DecisionRule, settings: RuleSettings
) -> tuple[OperatingPoint, ...]:
    """Return a point for each budget that the live callers can resolve.

    ``n`` callers can't show a rate below ``1 / n``: that is the budget where all are smaller.
    """
    label = np.array([each.label for each in answers])
    weight = np.array([each.weight for each in answers])
    callers = len({each.group for each in answers if each.label == 0})
    lowest, highest = np.array([each.extreme_scores(rule) for each in answers]).T

    def share(which: NDArray[np.bool_], each: int) -> float:
        return float(np.average(which[label == each], weights=weight[label == each]))

    # The same reading with the classes exchanged: a recording of which live is said.
    within_live_budget = -rates_at_false_alarm(
        -lowest, 1 - label, weight, max_false_alarm=settings.max_passed
    ).threshold
    points = []
    for budget in sorted(b for b in settings.budgets if b * callers >= 1) or [1 / callers]:
        threshold = rates_at_false_alarm(highest, label, weight, max_false_alarm=budget).threshold
        # An infinite threshold says that even the highest score is reached by too many live clips.
        recorded_at = min(max(threshold, 0.5), NEVER_RECORDED)
        below = float(np.nextafter(recorded_at, 0))
        live_at = max(NEVER_LIVE, min(within_live_budget, 0.5, below))
        points.append(
            OperatingPoint(
                max_false_alarm=budget,
                recorded_at=recorded_at,
                live_at=live_at,
                false_alarm=share(highest >= recorded_at, 0),
                miss=share(highest < recorded_at, 1),
                passed=share(lowest <= live_at, 1),
            )
        )
    return tuple(points)


def fit_rule(answers: Sequence[Answer], settings: RuleSettings) -> DecisionRule:
    """Fit calibration, cautions and operating points to answers."""
    calibration = fit_calibration(answers, as_is(settings.voice_seconds))
    rule = DecisionRule(calibration, ())

    # Where cautions do equally well the least is taken, which decides first.
    def missed(caution: float) -> tuple[float, float]:
        tried = replace(rule, caution=caution)
        return _point(answers, tried, settings).miss, caution

    rule = replace(rule, caution=min(settings.cautions, key=missed))
    live = [each for each in answers if each.label == 0]
    weight = [each.weight for each in live]

    def untold(live_caution: float) -> tuple[float, float]:
        tried = replace(rule, live_caution=live_caution)
        live_at = _point(answers, tried, settings).live_at
        told = [each.extreme_scores(tried)[0] <= live_at for each in live]
        return -float(np.average(told, weights=weight)), live_caution

    rule = replace(rule, live_caution=min(settings.cautions, key=untold))
    return replace(rule, operating_points=operating_points(answers, rule, settings))


def _point(answers: Sequence[Answer], rule: DecisionRule, settings: RuleSettings) -> OperatingPoint:
    """Return the point for which the cautions are chosen, as it would be with a rule's own."""
    return replace(rule, operating_points=operating_points(answers, rule, settings)).reported_point
