"""The rule between the network's answers and a verdict: calibration and operating points.

It is fitted after training, stands in the model file, and can be fitted anew to a line.
"""

import math
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from threading import Lock

from audio_model.errors import UsageError
from audio_model.steps import STEPS_PER_SECOND

PREVALENCE = 0.5
"""Share of recordings among calls for which a score is a probability, unless a rule has its own."""

REPORTED_BUDGET = 0.01
"""Budget of false alarms for which rules are fitted and at which they are reported."""

DEFAULT_MAX_FALSE_ALARM = 0.01
"""Budget of false alarms at which calls are judged, unless another one is asked for."""

_LAYING_OUT = Lock()
"""Held by who adds to a rule's layout. It is not the rule's own: rules are sent to processes."""


@dataclass(frozen=True)
class Calibration:
    """Platt scaling whose slope and offset follow the seconds of voice heard.

    ``log_odds = slope * logit + offset``, both linear between the knots and constant outside.
    Source: Platt, "Probabilistic outputs for support vector machines", 1999.
    """

    voice_seconds: tuple[float, ...]
    slope: tuple[float, ...]
    offset: tuple[float, ...]

    def log_odds(self, logit: float, voice_seconds: float) -> float:
        """Return the calibrated log odds of a logit after so many seconds of voice."""
        slope, offset = self.after(voice_seconds)
        return slope * logit + offset

    def after(self, voice_seconds: float) -> tuple[float, float]:
        """Return slope and offset once so much voice was heard."""
        knots, slopes, offsets = self.voice_seconds, self.slope, self.offset
        after = bisect_right(knots, voice_seconds)
        if after == 0:
            return slopes[0], offsets[0]
        at = after - 1
        if after == len(knots):
            return slopes[at], offsets[at]
        w = (voice_seconds - knots[at]) / (knots[after] - knots[at])
        return (
            slopes[at] + w * (slopes[after] - slopes[at]),
            offsets[at] + w * (offsets[after] - offsets[at]),
        )


@dataclass(frozen=True)
class OperatingPoint:
    """Thresholds on the cautious score, and the rates on held-out sources that chose them."""

    max_false_alarm: float
    """The budget: the largest share of live callers of whom ``recorded`` may be said."""
    recorded_at: float
    live_at: float
    false_alarm: float
    """Share of live callers of whom ``recorded`` was said at any moment."""
    miss: float
    """Share of recordings of which ``recorded`` was never said."""
    passed: float
    """Share of recordings of which ``live`` was said at any moment."""


@dataclass(frozen=True)
class DecisionRule:
    """Everything between the network's answers and a verdict; stored in the model file."""

    calibration: Calibration
    operating_points: tuple[OperatingPoint, ...]
    min_voice_seconds: float = 0.4
    """Voice needed before a verdict may be given."""
    caution: float = 0.0
    """Log odds times seconds: *recorded* after ``s`` seconds of voice needs ``caution / s`` more.

    A threshold that is watched from the start is touched by chance while little was heard. Most of
    the false-alarm budget would go there; this keeps it for later, when scores are better.
    """
    live_caution: float = 0.0
    """The same for *live*."""
    min_tone_seconds: float = 0.24
    silence_db: float = -60.0
    max_seconds: float = 6.0
    """Audio after which the rates of the operating points no longer hold; where to stop."""
    prevalence: float = PREVALENCE
    """Share of recordings among calls for which the score is a probability."""

    def operating_point(self, max_false_alarm: float) -> OperatingPoint:
        """Return the most sensitive point within a budget. Raises UsageError if there is none."""
        within = [p for p in self.operating_points if p.max_false_alarm <= max_false_alarm]
        if not 0 < max_false_alarm < 1 or not within:
            smallest = min(p.max_false_alarm for p in self.operating_points)
            raise UsageError(
                f"no operating point keeps false alarms within {max_false_alarm:g}: "
                f"this model was measured for budgets from {smallest:g} up to 1"
            )
        return max(within, key=lambda point: point.max_false_alarm)

    @property
    def reported_point(self) -> OperatingPoint:
        """Return the point by which a rule is judged: the one nearest to REPORTED_BUDGET."""
        return min(
            self.operating_points, key=lambda point: abs(point.max_false_alarm - REPORTED_BUDGET)
        )

    @cached_property
    def by_voice(self) -> "RuleByVoice":
        """Return the same rule, laid out by steps of voice."""
        return RuleByVoice(self)


class RuleByVoice:
    """A rule's thresholds after each number of steps of voice, computed once for all calls."""

    def __init__(self, rule: DecisionRule) -> None:
        self._rule = rule
        self.slope: list[float] = []
        self.offset: list[float] = []
        self.caution: list[float] = []
        """Log odds that *recorded* needs more; infinite while too little voice was heard."""
        self.live_caution: list[float] = []

    def reach(self, n_steps: int) -> None:
        """Have entries up to so many steps of voice. Threads that share a rule may ask at once."""
        # The list that grows last tells how far all of them are.
        if len(self.live_caution) > n_steps:
            return
        with _LAYING_OUT:
            for n in range(len(self.live_caution), n_steps + 1):
                self._add(n / STEPS_PER_SECOND)

    def _add(self, seconds: float) -> None:
        rule = self._rule
        slope, offset = rule.calibration.after(seconds)
        may = seconds > 0 and seconds >= rule.min_voice_seconds
        self.slope.append(slope)
        self.offset.append(offset)
        self.caution.append(rule.caution / seconds if may else math.inf)
        self.live_caution.append(rule.live_caution / seconds if may else math.inf)
