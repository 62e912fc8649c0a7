"""From verdicts to the share of calls that really play a recording.

The detector misses recordings and flags live callers at known rates, and often says nothing. The
counts of its answers are a mixture of two known distributions, and the share of the mixture is what
is asked for: Rogan and Gladen's question (1978), answered with a posterior instead of a correction,
so that few calls give a wide interval and never a share below 0 or above 1.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

import numpy as np

from audio_model.decision import Reason, VerdictKind
from audio_model.errors import UsageError
from audio_model.rule import OperatingPoint

PRIOR = (0.5, 4.5)
"""Beta distribution of a range's share before its first call: most ranges play few recordings."""
CREDIBLE = 0.95

_SUREST, _RAREST = 0.9, 0.005
"""Bounds of hits and false alarms. A small test may count no miss and no false alarm at all, which
no detector keeps up."""

_GRID = (np.arange(1000) + 0.5) / 1000


class CallAnswer(StrEnum):
    """The answer that a call's verdict gives on its range."""

    RECORDED = "recorded"
    LIVE = "live"
    UNSURE = "unsure"
    """Voice was heard, and the evidence was not clear."""
    UNHEARD = "unheard"
    """Nothing was heard: it tells nothing of the caller."""


class MarkedAs(StrEnum):
    """The mark of a person who listened to a call."""

    RECORDED = "recorded"
    LIVE = "live"


def outcome(verdict: VerdictKind, reason: str = "") -> CallAnswer:
    """Return the answer for a verdict and its reason."""
    if verdict is VerdictKind.UNKNOWN:
        return CallAnswer.UNSURE if reason in ("", Reason.UNSURE) else CallAnswer.UNHEARD
    return CallAnswer(verdict.value)


@dataclass(frozen=True)
class DetectorRates:
    """How often each verdict is given to recordings and to live callers; the rest is unsure.

    The defaults are the model card's at a budget of 1 % false alarms, after 6 s, on corpora that no
    network had heard. As recorded these are 52.4 % / 3.5 % of recordings and 1.4 % / 48.4 % of live
    callers, through a matched channel 29.9 % / 7.0 % and 1.5 % / 47.2 %. The defaults are about the
    means of the two, and the higher false alarms, rounded up.
    """

    recorded_said_recorded: float = 0.415
    recorded_said_live: float = 0.05
    live_said_recorded: float = 0.02
    live_said_live: float = 0.5

    def __post_init__(self) -> None:
        """Raise UsageError for values that are no rates, or that distinguish nothing."""
        pairs = (
            (self.recorded_said_recorded, self.recorded_said_live),
            (self.live_said_recorded, self.live_said_live),
        )
        if any(min(pair) <= 0 or sum(pair) >= 1 for pair in pairs):
            raise UsageError(
                "the detector's rates must be above 0, and sum to less than 1 in each class"
            )
        if self.recorded_said_recorded <= self.live_said_recorded:
            raise UsageError(
                "the rate of false alarms must be below the rate of hits: otherwise verdicts tell "
                "nothing of a range"
            )

    @classmethod
    def at(cls, point: OperatingPoint) -> Self:
        """Return the rates of an operating point on lines that the model never heard.

        False alarms are doubled: on corpora that were held out, the model card counts up to twice
        as many as the budget. An operating point has no rates of live verdicts.
        """
        return cls(
            recorded_said_recorded=min(1 - point.miss, _SUREST),
            live_said_recorded=max(2 * point.false_alarm, _RAREST),
        )

    def of_recorded(self, said: CallAnswer) -> float:
        """Return the chance of an answer to a recording; 1 for an answer without evidence."""
        return _chance(said, self.recorded_said_recorded, self.recorded_said_live)

    def of_live(self, said: CallAnswer) -> float:
        """Return the chance of an answer to a live caller; 1 for an answer without evidence."""
        return _chance(said, self.live_said_recorded, self.live_said_live)

    def chance(self, said: CallAnswer, share: float) -> float:
        """Return the chance of an answer where ``share`` of the calls play a recording."""
        return share * self.of_recorded(said) + (1 - share) * self.of_live(said)


@dataclass(frozen=True)
class Share:
    """The estimate of a range's share of recorded calls."""

    mean: float
    low: float
    high: float
    """Ends of the credible interval of CREDIBLE."""
    above: float
    """Probability that the share is above the one that was asked about."""


def recorded_share(
    counts: Mapping[CallAnswer, float],
    rates: DetectorRates,
    *,
    above: float,
    marks: Mapping[MarkedAs, float] | None = None,
) -> Share:
    """Return the posterior of the share of calls that play a recording.

    Args:
        counts: how often each answer was given; may be weighted by age.
        rates: the detector's.
        above: the share to compare with.
        marks: calls that a person listened to, which are certain.
    """
    a, b = PRIOR
    marks = marks or {}
    log_posterior = (a - 1 + marks.get(MarkedAs.RECORDED, 0.0)) * np.log(_GRID)
    log_posterior += (b - 1 + marks.get(MarkedAs.LIVE, 0.0)) * np.log1p(-_GRID)
    for said, n in counts.items():
        if said is not CallAnswer.UNHEARD and n > 0:
            log_posterior += n * np.log(
                _GRID * rates.of_recorded(said) + (1 - _GRID) * rates.of_live(said)
            )
    weights = np.exp(log_posterior - log_posterior.max())
    weights /= weights.sum()
    cumulative = np.cumsum(weights)
    tail = (1 - CREDIBLE) / 2
    low, high = np.searchsorted(cumulative, [tail, 1 - tail])
    last = len(_GRID) - 1
    return Share(
        mean=float(weights @ _GRID),
        low=float(_GRID[min(low, last)]),
        high=float(_GRID[min(high, last)]),
        above=float(weights @ (above < _GRID)),
    )


def _chance(said: CallAnswer, recorded: float, live: float) -> float:
    match said:
        case CallAnswer.RECORDED:
            return recorded
        case CallAnswer.LIVE:
            return live
        case CallAnswer.UNSURE:
            return 1 - recorded - live
        case CallAnswer.UNHEARD:
            return 1.0
