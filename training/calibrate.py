"""Fit calibration and operating points: ``python -m training.calibrate RUN --config FILE``.

They are fitted on a run's answers (:mod:`training.answers`) to sources that the network that gave
them never met: those of every fold, or of the dev split. The calibration makes the score a
probability after any length of voice. The operating points then follow the very rule that decides
calls: a false alarm is a live clip whose score touches the threshold at any step, so the budget
holds for those who act on the first crossing. How much more a verdict needs while little was heard,
the caution, is what misses fewest recordings within the budget.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from audio_model.decision import Calibration, DecisionRule, OperatingPoint, sigmoid
from training import checkpoint, config
from training.answers import fitted_on, parts_of
from training.checkpoint import CHECKPOINT
from training.command import run_command
from training.config import CalibrationConfig, Config
from training.corpus import Corpus
from training.infer import HeardTake
from training.metrics import rates_at_false_alarm

Array = NDArray[np.float64]

SMOOTHNESS = 0.02
"""Weight of squared differences between neighbouring knots: dev has few voices."""


MAX_FALSE_ALARM = 0.01
"""Budget for which the caution is chosen, and at which decisions are reported."""
NEVER_RECORDED = float(np.nextafter(1.0, 2.0))
NEVER_LIVE = float(np.nextafter(0.0, -1.0))
"""Thresholds that no score reaches, for a class that no threshold can tell within the budget."""


def fit_calibration(heard: Sequence[HeardTake], knots: Sequence[float]) -> Calibration:
    """Platt scaling at each knot by weighted maximum likelihood over every step with voice.

    Targets are Platt's, ``(n + 1) / (n + 2)`` for a class of ``n`` sources: where dev is told
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
    log_odds, margin = heard.log_odds(rule)[may], rule.caution / heard.voice_seconds[may]
    return sigmoid(float(np.min(log_odds + margin))), sigmoid(float(np.max(log_odds - margin)))


def operating_points(
    heard: Sequence[HeardTake], rule: DecisionRule, settings: CalibrationConfig
) -> tuple[OperatingPoint, ...]:
    """A point for each budget that the live callers can resolve.

    ``n`` callers can't show a rate below ``1 / n``: that is the budget where all are smaller.
    """
    label = np.array([h.label for h in heard])
    weight = np.array([h.weight for h in heard])
    callers = len({h.clip.group for h in heard if h.label == 0})
    lowest, highest = np.array([extreme_scores(h, rule) for h in heard]).T
    # The same reading with the classes exchanged: a recording of which live is said.
    live_at = -rates_at_false_alarm(
        -lowest, 1 - label, weight, max_false_alarm=settings.max_miss
    ).threshold
    points = []
    for budget in sorted(b for b in settings.budgets if b * callers >= 1) or [1 / callers]:
        threshold = rates_at_false_alarm(highest, label, weight, max_false_alarm=budget).threshold
        # An infinite threshold says that even the highest score is reached by too many live clips.
        recorded_at = min(max(threshold, 0.5), NEVER_RECORDED)
        flagged = highest >= recorded_at
        points.append(
            OperatingPoint(
                max_false_alarm=budget,
                recorded_at=recorded_at,
                live_at=max(NEVER_LIVE, min(live_at, 0.5, float(np.nextafter(recorded_at, 0)))),
                false_alarm=float(np.average(flagged[label == 0], weights=weight[label == 0])),
                miss=float(np.average(~flagged[label == 1], weights=weight[label == 1])),
            )
        )
    return tuple(points)


def fit_rule(heard: Sequence[HeardTake], settings: CalibrationConfig) -> DecisionRule:
    """Calibration and operating points from answers to sources that were not learnt from."""
    calibration = fit_calibration(heard, settings.voice_seconds)
    rules = []
    for caution in settings.cautions:
        rule = DecisionRule(calibration, (), caution=caution)
        rules.append(replace(rule, operating_points=operating_points(heard, rule, settings)))
    # Of equals the least cautious, which decides first.
    return min(rules, key=lambda rule: (point_of(rule).miss, rule.caution))


def point_of(rule: DecisionRule) -> OperatingPoint:
    """The point that is tuned and reported: the nearest budget that the sources could resolve."""
    return min(rule.operating_points, key=lambda p: abs(p.max_false_alarm - MAX_FALSE_ALARM))


def calibrate_run(settings: Config, run: Path) -> None:
    """Write the decision rule into the run's checkpoint. Raises AudioModelError."""
    file = run / CHECKPOINT
    trained = checkpoint.load(file)
    corpus = Corpus.load(settings)
    trained.check_manifest(corpus.manifest)
    heard = fitted_on(settings, parts_of(settings, run, corpus))
    rule = fit_rule(heard, settings.calibration)
    replace(trained, decision=rule).save(file)
    for point in rule.operating_points:
        print(
            f"budget {point.max_false_alarm:g}: recorded at {point.recorded_at:.4f}, "
            f"live at {point.live_at:.4f}, {point.false_alarm:.2%} false alarms, "
            f"{point.miss:.2%} missed",
            file=sys.stderr,
        )


def main(arguments: list[str] | None = None) -> int:
    return run_command(
        "calibrate", __doc__, arguments, lambda o: calibrate_run(config.load(o.config), o.run)
    )


if __name__ == "__main__":
    sys.exit(main())
