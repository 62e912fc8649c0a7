"""When a range begins to play recordings: a sequential test with a known run length.

Page's CUSUM adds each call's log likelihood ratio, of a share ``bad`` of recordings against a share
``honest``, and never falls below zero. Its value is the evidence, in nats, for a change at the most
likely moment in the past; at zero a range is as if it had never called, so nothing needs to be kept
of it. Source: Page, "Continuous inspection schemes", 1954.

The threshold follows from the mean number of calls until an honest range crosses it, the average
run length, got from a Markov chain over a lattice of values. Source: Brook and Evans, "An approach
to the probability distribution of CUSUM run length", 1972.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from audio_model.errors import UsageError
from audio_model.ranges.rates import DetectorRates, Mark, Outcome

_STATES = 300
_THRESHOLDS = np.arange(1.0, 12.01)


@dataclass(frozen=True)
class ChangeTest:
    """What each answer adds to the evidence, and where the evidence is enough."""

    rates: DetectorRates = field(default_factory=DetectorRates)
    honest: float = 0.2
    """Share of recordings that an honest range may play: menus, announcements."""
    bad: float = 0.8
    """Share that a campaign plays in its range."""

    def __post_init__(self) -> None:
        """Raises UsageError for shares that are none, or in the wrong order."""
        if not 0 < self.honest < self.bad < 1:
            raise UsageError(
                f"the honest share {self.honest:g} must be above 0, and below "
                f"the share of a campaign {self.bad:g}, which must be below 1"
            )

    @cached_property
    def gains(self) -> Mapping[Outcome, float]:
        """Nats that an answer adds.

        An unsure answer never speaks for a recording: how often live callers are unsure depends on
        the line more than on anything else.
        """
        gains = {
            said: math.log(self.rates.chance(said, self.bad) / self.rates.chance(said, self.honest))
            for said in Outcome
        }
        gains[Outcome.UNSURE] = min(0.0, gains[Outcome.UNSURE])
        return gains

    @cached_property
    def mark_gains(self) -> Mapping[Mark, float]:
        """Nats that a person's mark adds: an answer that is never wrong."""
        return {
            Mark.RECORDED: math.log(self.bad / self.honest),
            Mark.LIVE: math.log((1 - self.bad) / (1 - self.honest)),
        }

    def run_length(self, threshold: float) -> float:
        """Mean number of heard calls until a range with the honest share crosses a threshold."""
        width = threshold / _STATES
        values = np.arange(_STATES) * width
        moves = np.zeros((_STATES, _STATES))
        for said in (Outcome.RECORDED, Outcome.LIVE, Outcome.UNSURE):
            chance = self.rates.chance(said, self.honest)
            reached = np.rint(np.maximum(values + self.gains[said], 0) / width).astype(int)
            inside = reached < _STATES
            np.add.at(moves, (np.flatnonzero(inside), reached[inside]), chance)
        lengths = np.linalg.solve(np.eye(_STATES) - moves, np.ones(_STATES))
        return float(lengths[0])

    def threshold(self, run_length: float) -> float:
        """The evidence that an honest range reaches once in so many heard calls."""
        knots = self._log_run_lengths
        log = math.log(max(run_length, 1.0))
        if log > knots[-1]:
            # Far out, each nat of evidence makes it rarer by a factor of e, or more.
            return float(_THRESHOLDS[-1] + log - knots[-1])
        return float(np.interp(log, knots, _THRESHOLDS))

    @cached_property
    def _log_run_lengths(self) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return np.array([math.log(self.run_length(float(each))) for each in _THRESHOLDS])
