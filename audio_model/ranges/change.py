"""When a range begins to play recordings: a sequential test with a bound on its run length.

Page's CUSUM adds each call's log likelihood ratio, of a campaign against what the range usually
plays, and never falls below zero. Its value is the evidence, in nats, for a change at the most
likely moment in the past; at zero a range is as if it had begun to call just now, but for what is
usual in it. Source: Page, "Continuous inspection schemes", 1954.

Neither side of the ratio is known beforehand. How often the detector hears a message is anything
from never to always, by message; live callers are called live by anything from 4 % to 80 %, by
line; and an honest line may have a menu. So each is an estimate from what was heard of the range
before the call at hand. Source: Lorden and Pollak, "Nonanticipating estimation applied to
sequential analysis and changepoint detection", 2005.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from audio_model.errors import UsageError
from audio_model.ranges.rates import CallAnswer, DetectorRates, MarkedAs
from audio_model.ranges.tree import Node

_USUAL_CALLS = 20.0
"""Calls after which what a range usually plays counts as much as what any range may."""
_LIVE_CALLS = 4.0
"""The same of live verdicts: on the model card's corpora of live callers 4 % to 80 % were called
live, as a Beta distribution of this strength is spread."""
_MESSAGE_CALLS = 1.5
"""The same of how many of a message's calls are called recorded: 0 % to 100 % there."""
_LUCK = 0.5
"""Standard deviations by which a share of live answers may be above what is expected by chance."""
_ALLOWED = 0.25
"""The largest share of recordings among the answers of an honest range that are not live.

With these two, simulated honest lines of 30 % to 90 % live answers get half a warning a month at
most, and the messages that are hardest to hear are found as soon as without any bound.
"""
_LEAST = 0.02
"""Chance that is left for an unsure answer."""
_MOST_USUAL = 0.7
"""Chance of the answer recorded beyond which no range is held to be used to it."""


@dataclass(frozen=True)
class ChangeTest:
    """The evidence that each answer adds, and the amounts that are enough."""

    rates: DetectorRates = field(default_factory=DetectorRates)
    honest: float = 0.2
    """Share of recordings that an honest range may play: menus, announcements."""
    bad: float = 0.95
    """Share that a campaign plays in its range."""

    def __post_init__(self) -> None:
        """Raise UsageError for shares that are no shares or in the wrong order."""
        if not 0 < self.honest < self.bad < 1:
            raise UsageError(
                f"the honest share {self.honest:g} must be above 0, and below "
                f"the share of a campaign {self.bad:g}, which must be below 1"
            )

    def gain(self, said: CallAnswer, node: Node) -> float:
        """Return the nats that an answer adds for a range, by what was heard of it before.

        One hypothesis is the range as it usually is. The other is a campaign whose message the
        detector hears as well as it did since the change may have begun, for it recognises from
        none to all calls of a message. Both are estimates from calls before this one alone, so the
        ratio stays a likelihood ratio.
        """
        if said is CallAnswer.UNHEARD:
            return 0.0
        usual, usual_live = self._usual(node)
        told, told_live = self._told(node, usual)
        match said:
            case CallAnswer.RECORDED:
                return math.log(told / usual)
            case CallAnswer.LIVE:
                return min(0.0, math.log(told_live / usual_live))
            case _:
                return math.log((1 - told - told_live) / self._usual_unsure(node))

    def _usual(self, node: Node) -> tuple[float, float]:
        """Return the chances of the answers recorded and live for a range as it usually is."""
        may = self.rates.chance(CallAnswer.RECORDED, self.honest)
        plays = (_USUAL_CALLS * may + node.usual_recorded) / (_USUAL_CALLS + node.usual_heard)
        recorded = min(max(may, plays), _MOST_USUAL)
        live = self.rates.chance(CallAnswer.LIVE, self.honest)
        live = (_LIVE_CALLS * live + node.live) / (_LIVE_CALLS + node.heard)
        return recorded, min(live, 1 - recorded - _LEAST)

    def _usual_unsure(self, node: Node) -> float:
        """Return the chance of the answer unsure while a range is as it usually is, at most.

        It is what the other two answers leave. Neither the allowance for recordings, which an
        honest range need not use up, nor a few live answers by luck may make it small: then each
        unsure call would speak for a campaign.
        """
        n = _LIVE_CALLS + node.heard
        expected = self.rates.chance(CallAnswer.LIVE, self.honest)
        live = (_LIVE_CALLS * expected + node.live) / n
        if live > expected:
            live = max(expected, live - _LUCK * math.sqrt(live * (1 - live) / n))
        recorded = min(self.rates.chance(CallAnswer.RECORDED, self.honest), _ALLOWED * (1 - live))
        return max(_LEAST, 1 - recorded - live)

    def _told(self, node: Node, usual: float) -> tuple[float, float]:
        """Return the chances of the answers recorded and live for a campaign.

        Its recordings are not heard less often than usual ones.
        """
        live = self.rates.chance(CallAnswer.LIVE, self.bad)
        recorded = self.rates.chance(CallAnswer.RECORDED, self.bad)
        recorded = _MESSAGE_CALLS * recorded + node.recorded_since
        recorded /= _MESSAGE_CALLS + node.heard_since
        return min(max(recorded, usual), 1 - live - _LEAST), live

    @cached_property
    def gains(self) -> Mapping[CallAnswer, float]:
        """Return the nats that an answer adds for a range without earlier calls.

        They follow from the rates alone. A person's mark takes back as much.
        """
        gains = {
            said: math.log(self.rates.chance(said, self.bad) / self.rates.chance(said, self.honest))
            for said in CallAnswer
        }
        gains[CallAnswer.UNSURE] = min(0.0, gains[CallAnswer.UNSURE])
        return gains

    @cached_property
    def mark_gains(self) -> Mapping[MarkedAs, float]:
        """Return the nats that a person's mark adds: an answer that is never wrong."""
        return {
            MarkedAs.RECORDED: math.log(self.bad / self.honest),
            MarkedAs.LIVE: math.log((1 - self.bad) / (1 - self.honest)),
        }

    @staticmethod
    def threshold(run_length: float) -> float:
        """Return evidence that a usual range reaches at most once in so many heard calls.

        Source: Lorden, "Procedures for reacting to a change in distribution", 1971, theorem 2.
        """
        return math.log(max(run_length, 1.0))
