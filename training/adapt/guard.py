"""Whether the new network may replace the old: better with confidence, and nothing else lost."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from audio_model.fitting.metrics import eer
from training.adapt.calls import Calls
from training.adapt.choose import Array, by_group
from training.evaluation.figures import SLICE_SECONDS
from training.evaluation.infer import HeardTake

CONFIDENCE = 0.975
"""One-sided: where the old network is as good, one run in forty replaces it at most."""

LEAST_GAIN = 1e-4
"""Nats. Calibrations that are fitted to nothing differ by rounding alone."""


@dataclass(frozen=True)
class Gain:
    """The fall of the log loss of calls that a network has not learnt from."""

    mean: float
    """In nats. Both classes count alike, and so do the groups of a class."""
    low: float
    """The gain is above this with ``CONFIDENCE``."""


def gain_of(old: Array, new: Array, calls: Calls) -> Gain:
    """Compare the losses of the same calls, group by group.

    The bound is Student's with Welch's degrees of freedom, so that a class of few groups makes it
    wide. Source: Welch, "The generalization of 'Student's' problem", 1947.
    """
    every = np.ones(len(calls), bool)
    classes = by_group(old - new, calls, every)
    mean = float(sum(of.mean() for of in classes)) / 2
    parts = [float(of.var(ddof=1)) / len(of) / 4 for of in classes]
    variance = sum(parts)
    if variance == 0:
        return Gain(mean, mean)
    freedom = variance**2 / sum(
        part**2 / (len(of) - 1) for part, of in zip(parts, classes, strict=True)
    )
    return Gain(mean, mean - float(stats.t.ppf(CONFIDENCE, freedom)) * variance**0.5)


def error_rate(answers: Sequence[HeardTake], seconds: float = SLICE_SECONDS) -> float:
    """Return the equal error rate of the plain logit after so many seconds."""
    logit = [each.steps.logit[each.last_step(seconds)] for each in answers]
    return eer(logit, [each.label for each in answers], [each.weight for each in answers])


def objections(gain: Gain, lost: float | None, most: float) -> list[str]:
    """Return the objections to the new network; none if it may replace the old one.

    Args:
        gain: on marked calls that were not learnt from.
        lost: how much the equal error rate of the unmet clips rises; None if there are none.
        most: how much it may.
    """
    against = []
    if gain.low < LEAST_GAIN:
        against.append(
            "calls that were not learnt from are not told better with confidence: their log loss "
            f"changes by {-gain.mean:+.3f}, with {CONFIDENCE:.1%} confidence by "
            f"{-gain.low:+.3f} or less"
        )
    if lost is not None and lost > most:
        against.append(
            f"the equal error rate of the unmet clips rises by {lost:.1%}, and may by {most:.1%}"
        )
    return against
