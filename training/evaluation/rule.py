"""The decision rule, fitted to a network's answers to clips that it never met.

The calibration makes the score a probability after any length of voice. The operating points then
follow the very rule that decides calls: a false alarm is a live clip whose score touches the
threshold at any step, so the budget holds for those who act on the first crossing. How much more a
verdict needs while little was heard, its caution, is chosen for each verdict: for *recorded* what
misses fewest recordings within the budget, for *live* what tells most live callers.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from audio_model.decision import Calibration, DecisionRule, OperatingPoint, sigmoid
from training.config import CalibrationConfig
from training.evaluation.infer import HeardTake
from training.evaluation.metrics import rates_at_false_alarm

Array = NDArray[np.float64]

SMOOTHNESS = 0.02
"""Weight of squared differences between neighbouring knots: there are few voices."""

MAX_FALSE_ALARM = 0.01
"""Budget for which the cautions are chosen, and at which decisions are reported."""
NEVER_RECORDED = float(np.nextafter(1.0, 2.0))
NEVER_LIVE = float(np.nextafter(0.0, -1.0))
"""Thresholds that no score reaches, for a class that no threshold can tell within the budget."""


def fit_calibration(heard: Sequence[HeardTake], knots: Sequence[float]) -> Calibration:
    """Platt scaling at each knot by weighted maximum likelihood over every step with voice.

    Targets are Platt's, ``(n + 1) / (n + 2)`` for a class of ``n`` sources: where all are told
    apart without an error, the score must not claim more than so few sources can show.
    """
    heard = [h for h in heard if len(h.steps)]
    logit = np.concatenate([h.steps.logit for h in heard]).astype(float)
    voice = np.concatenate([h.voice_seconds for h in heard])
    label = np.concatenate([np.full(len(h.steps), h.label) for h in heard])
    weight = np.concatenate([np.full(len(h.steps), h.weight / len(h.steps)) for h in heard])
    asked = voice >= knots[0]
    logit, voice, label, weight = logit[asked], voice[asked], label[asked], weight[asked]
    for each in (0, 1):
        weight[label == each] /= 2 * weight[label == each].sum()
    n = len(knots)
    hats = np.stack([np.interp(voice, knots, row) for row in np.eye(n)], axis=1)
    sources = [len({h.clip.source for h in heard if h.label == each}) for each in (0, 1)]
    target = np.array([1 / (sources[0] + 2), (sources[1] + 1) / (sources[1] + 2)])[label]

    def loss(values: Array) -> tuple[float, Array]:
        log_slope, offset = values[:n], values[n:]
        slope = hats @ np.exp(log_slope)
        log_odds = slope * logit + hats @ offset
        likelihood = np.sum(weight * (np.logaddexp(0, log_odds) - target * log_odds))
        pull = weight * (expit(log_odds) - target)
        of_slope = (hats.T @ (pull * logit)) * np.exp(log_slope)
        roughness, of_rough = 0.0, []
        for part in (log_slope, offset):
            step = np.diff(part)
            roughness += SMOOTHNESS * float(np.sum(step**2))
            of_rough.append(2 * SMOOTHNESS * (np.append(0, step) - np.append(step, 0)))
        gradient = np.concatenate([of_slope + of_rough[0], hats.T @ pull + of_rough[1]])
        return float(likelihood) + roughness, gradient

    fitted = minimize(loss, np.zeros(2 * n), jac=True, method="L-BFGS-B")
    slope, offset = np.exp(fitted.x[:n]), fitted.x[n:]
    return Calibration(tuple(knots), tuple(slope.tolist()), tuple(offset.tolist()))


def extreme_scores(heard: HeardTake, rule: DecisionRule) -> tuple[float, float]:
    """Lowest raised and highest lowered score of steps that may decide; 1 and 0 if none may."""
    may = heard.voice_seconds >= rule.min_voice_seconds
    if not may.any():
        return 1.0, 0.0
    log_odds, voice = heard.log_odds(rule)[may], heard.voice_seconds[may]
    lowest = np.min(log_odds + rule.live_caution / voice)
    highest = np.max(log_odds - rule.caution / voice)
    return sigmoid(float(lowest)), sigmoid(float(highest))


def operating_points(
    heard: Sequence[HeardTake], rule: DecisionRule, settings: CalibrationConfig
) -> tuple[OperatingPoint, ...]:
    """Return a point for each budget that the live callers can resolve.

    ``n`` callers can't show a rate below ``1 / n``: that is the budget where all are smaller.
    """
    label = np.array([h.label for h in heard])
    weight = np.array([h.weight for h in heard])
    callers = len({h.clip.group for h in heard if h.label == 0})
    lowest, highest = np.array([extreme_scores(h, rule) for h in heard]).T

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


def fit_rule(heard: Sequence[HeardTake], settings: CalibrationConfig) -> DecisionRule:
    """Fit calibration, cautions and operating points to answers."""
    calibration = fit_calibration(heard, settings.voice_seconds)
    rule = DecisionRule(calibration, ())

    # Of cautions that do equally well the least, which decides first.
    def missed(caution: float) -> tuple[float, float]:
        tried = replace(rule, caution=caution)
        return point_of(operating_points(heard, tried, settings)).miss, caution

    rule = replace(rule, caution=min(settings.cautions, key=missed))
    live = [take for take in heard if take.label == 0]
    weight = [take.weight for take in live]

    def untold(live_caution: float) -> tuple[float, float]:
        tried = replace(rule, live_caution=live_caution)
        live_at = point_of(operating_points(heard, tried, settings)).live_at
        told = [extreme_scores(take, tried)[0] <= live_at for take in live]
        return -float(np.average(told, weights=weight)), live_caution

    rule = replace(rule, live_caution=min(settings.cautions, key=untold))
    return replace(rule, operating_points=operating_points(heard, rule, settings))


def point_of(rule: DecisionRule | Sequence[OperatingPoint]) -> OperatingPoint:
    """Return the point that is tuned and reported: the nearest that the callers could resolve."""
    points = rule.operating_points if isinstance(rule, DecisionRule) else rule
    return min(points, key=lambda p: abs(p.max_false_alarm - MAX_FALSE_ALARM))
