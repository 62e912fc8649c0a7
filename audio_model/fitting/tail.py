"""How a caller's most telling score is spread over callers, learnt from few of them.

The highest score of a live call is close to normal in log odds, line by line, and lines differ in
its mean and spread. A normal-inverse-gamma distribution says how. It begins at what a rule's
operating points tell of callers elsewhere, and each caller of one's own line moves it. What it
predicts of the next caller is Student's t, which is the wider the fewer callers were heard: so a
budget holds in expectation for ten callers as it does for a thousand.

Source: Gelman et al., "Bayesian Data Analysis", 3rd edition, section 3.3.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from audio_model.fitting.answer import Array
from audio_model.fitting.student import beyond, student_quantile

CALLERS_FOR_MEAN = 2.0
"""Own callers that count as much as all others do for a line's mean.

Means of corpora lie 0.5 apart where callers of one lie 1.1 apart (standard deviations, of
``python -m benchmarks.priors``): five callers. Fewer are taken, for only four corpora tell that."""
CALLERS_FOR_SPREAD = 8.0
"""The same for the spread within a line."""
LEAST_SPREAD = 1.0
"""Standard deviation below which a few operating points are not believed. Single corpora have 0.9
to 1.3; points of a mixture of them lie closer together in its tail."""


@dataclass(frozen=True)
class Tail:
    """The belief about the log odds that callers reach."""

    mean: float
    variance: float
    """Within a line."""
    for_mean: float = CALLERS_FOR_MEAN
    for_variance: float = CALLERS_FOR_SPREAD

    @classmethod
    def through(cls, log_odds: Sequence[float], above: Sequence[float], spread: float) -> Self:
        """Return the belief that these shares of callers lie above these log odds.

        Args:
            log_odds: thresholds.
            above: the share above each, between 0 and 1.
            spread: standard deviation to believe in where one threshold tells none.
        """
        t = np.array([student_quantile(1 - share, CALLERS_FOR_SPREAD) for share in above])
        at = np.array(log_odds)
        if np.ptp(t) > 0:
            spread = max(LEAST_SPREAD, float(np.polyfit(t, at, 1)[0]))
        return cls(float(np.mean(at - spread * t)), spread**2 / (1 + 1 / CALLERS_FOR_MEAN))

    def scaled(self, slope: float, offset: float) -> Self:
        """Return the belief of ``slope * log_odds + offset``."""
        return type(self)(
            slope * self.mean + offset, slope**2 * self.variance, self.for_mean, self.for_variance
        )

    def after(self, log_odds: Array, weight: Array) -> Self:
        """Return the belief once callers were heard; each counts by its weight. [shape=(n,)]"""
        n = float(weight.sum())
        if n == 0:
            return self
        mean = float(np.average(log_odds, weights=weight))
        within = float(np.sum(weight * (log_odds - mean) ** 2))
        between = self.for_mean * n / (self.for_mean + n) * (mean - self.mean) ** 2
        freedom = self.for_variance + n
        return type(self)(
            (self.for_mean * self.mean + n * mean) / (self.for_mean + n),
            (self.for_variance * self.variance + within + between) / freedom,
            self.for_mean + n,
            freedom,
        )

    def share_above(self, log_odds: float) -> float:
        """Return the probability that the next caller's log odds lie above a value."""
        return beyond((log_odds - self.mean) / self._scale, self.for_variance)

    def exceeded_by(self, share: float) -> float:
        """Return the log odds that the next caller exceeds with this probability."""
        return self.mean + self._scale * student_quantile(1 - share, self.for_variance)

    @property
    def _scale(self) -> float:
        return math.sqrt(self.variance * (1 + 1 / self.for_mean))
