"""A call's audio to the known recording that it repeats: which, from where, how much, how sure.

A code of the call whose key the store has tells where the call's audio could be in a recording.
Most such hits are chance; those of a recording that plays share one *alignment*, or a few close
ones where a jitter buffer slipped. There the codes of call and recording are compared, one each
80 ms, for the stretch in which they agree.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

from audio_model.decision import sigmoid
from audio_model.frontend import SAMPLE_RATE
from audio_model.known.band import STEADY_PIECES, WANDER
from audio_model.known.fingerprint import (
    PATCH_SAMPLES,
)
from audio_model.known.recording import LearntBy, StoredRecording

PATCH_SECONDS = PATCH_SAMPLES / SAMPLE_RATE

CONTRARY = 0.25
EVEN_ODDS_AT = 0.1
ODDS_SLOPE = 27.0
"""``log odds = ODDS_SLOPE * (worth - EVEN_ODDS_AT)``, a logistic regression (Platt, 1999), where
``worth = evidence - CONTRARY * contrary seconds - WANDER * wander``.

What contrary seconds and wander weigh was fitted on one half of a set of recordings, split by
corpus, and slope and even odds on the other half, which chose nothing before: noisy queries of
1.5 to 5 s, with and without slips and other speeds, against the likeliest of other recordings, most
of them of the same voice or engine. ``benchmarks.known --fit`` splits the same way and fits them.
It finds 27.1 and 0.0996 where half of the queries slip, 28.9 and 0.124 where one in ten does; from
0.5 on, where a probability matters, these are right as often as they say for both.
"""

UNDECIDED_SECONDS = 0.8
"""Seconds of an overlap that needn't match; what doesn't beyond it is contrary. Two messages of one
voice share a phrase and go on differently.
"""

SURE = 0.9
"""Probability from which a match is told."""

WORTH_WEIGHING = 0.5
"""Probability below which a match changes nothing: far fewer calls repeat something than did where
probabilities were fitted."""

LEAST_CALLS = 100
"""The least number of calls to assume."""
MARGIN = 0.5
CHANCE_SLOPE = 35.0
LEAST_PIECE = 0.12
"""A match among ``n`` calls is sure where ``CHANCE_SLOPE * (worth - LEAST_PIECE * pieces)`` is at
least ``MARGIN + log(n)``: one of ten million calls matches another by chance. The slope is that of
the likeliest of 166,000 pairs of sayings of one clip, each warped in time anew. Pairs of other live
calls fall off more steeply.
"""

COVERED_SHARE = 0.8
"""Share of a call's telling seconds from which on it holds nothing new."""


class Repeats(StrEnum):
    """The way in which a call repeats a recording."""

    MESSAGE = "message"
    """The recording itself, cut anywhere, or a template with another name in it."""
    PART = "part"
    """The same samples in a part of it, such as a jingle: both go on differently."""


@dataclass(frozen=True)
class MatchedPiece:
    """A part of a call in which a recording plays without a slip."""

    start: float
    end: float
    """In seconds of the call."""
    offset: float
    """Second of the recording at which the call's audio would begin, if this were all of it."""


@dataclass(frozen=True)
class Match:
    """A stretch of a call that repeats a known recording."""

    recording: StoredRecording
    offset: float
    """Second of the recording at which the call's audio begins; negative if it begins before."""
    start: float
    end: float
    """The stretch, in seconds of the call."""
    seconds: float
    """Seconds of the call that repeat the recording, cuts and pauses left out."""
    overlap: float
    """Seconds of the call in which the recording plays if all of it was played at this offset."""
    telling: float
    """Seconds of the call that tell anything: neither silence nor tones."""
    evidence: float
    """Agreement beyond the tolerated, summed over the matching seconds."""
    wander: float
    """By how much the time of the call wanders about that of the recording: a standard deviation,
    in steps of 16 ms times a constant."""
    pieces: tuple[MatchedPiece, ...] = ()
    """The stretch between the slips of the line, in the order of the call."""
    speed: float = 1.0
    """The call's speed, in speeds of the recording, as nearly as it was tried: to a percent."""

    @property
    def repeats(self) -> Repeats | None:
        """Return how the call repeats the recording: wholly or in part.

        It is None if neither is sure. A part changes no verdict and joins no campaign.
        """
        if self.sure:
            return Repeats.MESSAGE
        alike = _probability(self.evidence - WANDER * self.wander) >= SURE
        return Repeats.PART if alike and self.wander <= STEADY_PIECES else None

    @property
    def worth(self) -> float:
        """Return the evidence in seconds, less the evidence against the match."""
        contrary = max(0.0, self.overlap - self.seconds - UNDECIDED_SECONDS)
        return self.evidence - CONTRARY * contrary - WANDER * self.wander

    @property
    def probability(self) -> float:
        """Return the probability that these very samples were heard before."""
        return _probability(self.worth)

    @property
    def covers_call(self) -> bool:
        """Return whether hardly anything in the call is new."""
        return self.seconds >= COVERED_SHARE * self.telling

    @property
    def sure(self) -> bool:
        """Return whether the match is sure enough to be reported."""
        return self.probability >= SURE

    def is_sure_among(self, n_calls: int) -> bool:
        """Return whether a match with one of ``n_calls`` calls is no chance.

        Nobody chose those calls, so each has odds of one in ``n_calls`` beforehand. Each piece
        behind the first, and another speed, must be worth a match of its own: of 2.7 million pairs
        of live calls three that say one sentence agree in three or four pieces, and none in one.
        """
        pieces = len(self.pieces) + (self.speed != 1)
        log_odds = CHANCE_SLOPE * (self.worth - LEAST_PIECE * pieces)
        return self.sure and log_odds >= MARGIN + math.log(max(n_calls, LEAST_CALLS))

    @property
    def may_be_chance(self) -> bool:
        """Return whether the network alone taught the recording, and no call surely repeats it yet.

        The network may have been wrong, and a live caller may say the same again. So the first call
        that repeats the recording must be as sure as one that repeats a call.
        """
        alone = self.recording.learnt is LearntBy.NETWORK and self.recording.times_heard == 1
        return alone and not self.is_sure_among(LEAST_CALLS)


def _probability(worth: float) -> float:
    return sigmoid(ODDS_SLOPE * (worth - EVEN_ODDS_AT))
