"""Platt scaling that follows the voice heard, by weighted maximum likelihood.

Slope and offset are linear between the knots, so both are sums over the knots and the fit is a
logistic regression. It begins at a calibration that is there already. What a line's own calls say
is weighed against how far lines lie from that calibration: with few calls it stays, with many it
follows them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from audio_model.fitting.answer import Answer, Array, probabilities
from audio_model.rule import Calibration

SMOOTHNESS = 0.02
"""Weight of squared differences between neighbouring knots: there are few voices."""

_MOST_ROUNDS, _ENOUGH = 200, 1e-12
_STEEPEST = 20.0
"""Log ratio of slopes beyond which nothing changes: scores are 0 and 1, or say nothing."""


@dataclass(frozen=True)
class Spread:
    """Standard deviations of lines' calibrations around the present one."""

    log_slope: float
    offset: float


def as_is(knots: Sequence[float]) -> Calibration:
    """Return the calibration that leaves logits as they are, to begin from."""
    return Calibration(tuple(knots), (1.0,) * len(knots), (0.0,) * len(knots))


def fit_calibration(
    answers: Sequence[Answer],
    start: Calibration,
    spread: Spread | None = None,
    wrong: float = 0.0,
    last: float = 0.0,
) -> Calibration:
    """Fit a calibration to every step with voice; classes count alike, and steps within a call.

    Without a spread nothing holds the fit to its start. Targets are then Platt's, ``(n + 1) / (n +
    2)`` for a class of ``n`` sources: where all are told apart without an error, the score must not
    claim more than so few sources can show.

    Args:
        answers: answers to calls of both classes.
        start: the calibration to begin from; its knots are kept.
        spread: how far from the start a fit is expected.
        wrong: share of labels that are expected to be wrong.
        last: share of a call's weight that lies on its last step, before steps count alike.
    """
    loss = Loss(answers, start, spread, wrong, last)
    return loss.calibration(_minimum(loss, loss.at_start))


def draw_calibrations(
    answers: Sequence[Answer],
    start: Calibration,
    spread: Spread,
    wrong: float,
    last: float,
    draws: int,
    seed: int = 0,
) -> list[Calibration]:
    """Draw calibrations that the answers leave possible, around the one that is fitted to them.

    They are normal around the least loss, as far apart as its curvature says (Laplace's
    approximation). The arguments are those of :func:`fit_calibration`.
    """
    loss = Loss(answers, start, spread, wrong, last)
    values = _minimum(loss, loss.at_start)
    covariance = np.linalg.inv(effective_groups(answers) * loss.derivatives(values)[1])
    drawn = np.random.default_rng(seed).multivariate_normal(values, covariance, draws)
    return [loss.calibration(each) for each in drawn]


class Loss:
    """The mean negative log likelihood of a call, plus the pull towards the calibration's start."""

    def __init__(
        self,
        answers: Sequence[Answer],
        start: Calibration,
        spread: Spread | None,
        wrong: float,
        last: float = 0.0,
    ) -> None:
        answers = [each for each in answers if len(each.steps)]
        voice = np.concatenate([each.voice_seconds for each in answers])
        asked = voice >= start.voice_seconds[0]
        size = [len(each.steps) for each in answers]
        label = np.repeat([each.label for each in answers], size)[asked]
        weight = np.repeat([(1 - last) * each.weight / len(each.steps) for each in answers], size)
        weight[np.cumsum(size) - 1] += [last * each.weight for each in answers]
        weight = weight[asked]
        for each in (0, 1):
            weight[label == each] /= 2 * weight[label == each].sum()
        self.start, self.wrong, self._weight = start, wrong, weight
        self._logit = np.concatenate([each.steps.logit for each in answers]).astype(float)[asked]
        knots = start.voice_seconds
        self._hats = np.stack(
            [np.interp(voice[asked], knots, row) for row in np.eye(len(knots))], 1
        )
        self._target = np.array([0.0, 1.0])[label]
        self._pull = np.zeros(2 * len(knots))
        if spread is None:
            n = [len({each.source for each in answers if each.label == label}) for label in (0, 1)]
            self._target = np.array([1 / (n[0] + 2), (n[1] + 1) / (n[1] + 2)])[label]
        else:
            spreads = np.repeat([spread.log_slope, spread.offset], len(knots))
            self._pull = 1 / (effective_groups(answers) * len(knots) * spreads**2)

    @property
    def at_start(self) -> Array:
        """Return the values of the calibration that the fit begins at."""
        return np.zeros(2 * len(self.start.voice_seconds))

    def calibration(self, values: Array) -> Calibration:
        """Return the calibration at these offsets from the start: log slopes, then offsets."""
        log_ratio, shift = np.split(values, 2)
        slope = np.array(self.start.slope) * np.exp(np.clip(log_ratio, -_STEEPEST, _STEEPEST))
        offset = np.array(self.start.offset) + shift
        return Calibration(self.start.voice_seconds, tuple(slope.tolist()), tuple(offset.tolist()))

    def __call__(self, values: Array) -> float:
        """Return the loss."""
        chance = self._chance(self._log_odds(values))[0]
        likelihood = self._target * np.log(chance) + (1 - self._target) * np.log1p(-chance)
        rough = sum(float(np.sum(np.diff(part) ** 2)) for part in np.split(values, 2))
        held = float(np.sum(self._pull * values**2)) / 2
        return SMOOTHNESS * rough + held - float(np.sum(self._weight * likelihood))

    def derivatives(self, values: Array) -> tuple[Array, Array]:
        """Return the gradient, and Fisher's information in the place of the second derivative."""
        chance, rises = self._chance(self._log_odds(values))
        slope = self.calibration(values).slope
        inputs = np.hstack([self._hats * self._logit[:, None] * slope, self._hats])
        unsure = chance * (1 - chance)
        gradient = inputs.T @ (self._weight * (chance - self._target) * rises / unsure)
        information = inputs.T @ (inputs * (self._weight * rises**2 / unsure)[:, None])
        knots = len(slope)
        step = np.diff(np.eye(knots), axis=0)
        rough = 2 * SMOOTHNESS * np.kron(np.eye(2), step.T @ step)
        held = rough + np.diag(self._pull)
        return gradient + held @ values, information + held

    def _log_odds(self, values: Array) -> Array:
        of = self.calibration(values)
        log_odds: Array = (self._hats @ of.slope) * self._logit + self._hats @ of.offset
        return log_odds

    def _chance(self, log_odds: Array) -> tuple[Array, Array]:
        """Return how likely the label *recorded* is, right or wrong, and how that rises."""
        truth = probabilities(log_odds)
        kept = 1 - 2 * self.wrong
        return self.wrong + kept * truth, kept * truth * (1 - truth)


def effective_groups(answers: Sequence[Answer]) -> float:
    """Return how many groups, half of each class, give as much evidence as these.

    Classes weigh alike, so it is twice the harmonic mean of the numbers of live and recorded
    groups.
    """
    n = [len({each.group for each in answers if each.label == label}) for label in (0, 1)]
    return 4 / (1 / n[0] + 1 / n[1])


def _minimum(loss: Loss, values: Array) -> Array:
    """Return where a loss is least, by Levenberg and Marquardt's damped steps."""
    least, damping = loss(values), 1e-6
    for _ in range(_MOST_ROUNDS):
        gradient, curvature = loss.derivatives(values)
        while damping < 1e12:
            damped = curvature + damping * np.diag(np.diag(curvature) + 1e-9)
            try:
                tried = values - np.linalg.solve(damped, gradient)
                now = loss(tried)
                if now <= least:
                    break
            except np.linalg.LinAlgError:
                # Few calls that their scores tell apart, or say nothing of, leave it flat here.
                pass
            damping *= 10
        else:
            return values
        gained, values, least, damping = least - now, tried, now, damping / 10
        if gained < _ENOUGH:
            break
    return values
