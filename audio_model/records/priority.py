"""How soon a person should listen to a call: the order of the queue.

First come calls on which marks contradict each other or the detector, then one call for each
campaign, the largest first, then calls whose scores have become more frequent than they were, and
then the others, the nearest to a threshold first.
"""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from audio_model.records.calls import CallRecord
from audio_model.tables.results import Outcome

_BY_SIZE = 0.1
"""What a campaign's value rises by for each tenfold of its calls."""


class QueueReason(StrEnum):
    """Why a call is in the queue."""

    DISPUTED = "disputed"
    """Marks contradict each other, the detector, or what is said of the campaign."""
    SECOND = "second"
    """One person was not sure, or it is one in so many that two people hear."""
    CAMPAIGN = "campaign"
    """It stands for a campaign."""
    DRIFT = "drift"
    """Calls with such a score have become more frequent."""
    NEAR = "near"
    """Its score is near a threshold."""


_BASES = {
    QueueReason.DISPUTED: 4.0,
    QueueReason.SECOND: 3.0,
    QueueReason.CAMPAIGN: 2.0,
    QueueReason.DRIFT: 1.0,
    QueueReason.NEAR: 0.0,
}


@dataclass(frozen=True)
class Thresholds:
    """Scores at which verdicts are given."""

    recorded_at: float
    live_at: float

    def nearness(self, score: float) -> float:
        """Return how near a score is to the next threshold: 1 at it, 0 as far as can be."""
        return 1 - min(abs(score - self.recorded_at), abs(score - self.live_at))


@dataclass(frozen=True)
class Priority:
    """A place in the queue."""

    value: float
    """Calls of a greater value come first."""
    why: QueueReason

    @classmethod
    def of(cls, why: QueueReason, within: float) -> Self:
        """Return a place among the calls of one reason: last at ``within`` 0, first at 1."""
        return cls(_BASES[why] + min(max(within, 0.0), 0.999), why)

    @classmethod
    def of_campaign(cls, calls: int) -> Self:
        """Return the place of the call that stands for a campaign of so many calls."""
        return cls.of(QueueReason.CAMPAIGN, _BY_SIZE * math.log10(max(calls, 1)))


def priority_of(call: CallRecord, thresholds: Thresholds) -> Priority | None:
    """Return a call's priority by its score alone; None if it has no audio or no score."""
    if not call.path or call.outcome is Outcome.ERROR or call.score is None:
        return None
    return Priority.of(QueueReason.NEAR, thresholds.nearness(call.score))
