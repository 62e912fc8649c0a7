"""The match and the network as one score, and what the store learns of a call.

Samples that were heard before are played, whatever they sound like: with the probability that the
match is true, the call is as surely recorded as a true match can tell, and else as surely as the
network says. So the fused score is as well calibrated as the two are; the match's probability errs
low, see ``benchmarks.known``.
"""

import math
import time
from dataclasses import dataclass, replace

from audio_model.decision import OperatingPoint, Reason, Verdict, VerdictKind
from audio_model.frontend import Samples
from audio_model.known.fingerprint import NOTHING
from audio_model.known.match import Match, Matcher, match_whole
from audio_model.known.store import CODES_PER_POSITION, POSITIONS_PER_SECOND, Store

RECORDED_IF_KNOWN = 0.999
"""Probability that a call is played whose samples are known; the rest is for a call that was
learnt and is heard again itself, from an archive or on a second leg."""

LEARN_FROM_SCORE = 0.95
LEARN_FROM_SECONDS = 1.6
"""Of the call that tell something to know it by."""


@dataclass(frozen=True)
class Known:
    """The known recording behind a verdict, as evidence of it."""

    recording: int
    name: str
    offset: float
    """Second of the recording at which the call's audio begins; negative if it begins before."""
    start: float
    end: float
    """The matching stretch, in seconds of the call."""
    seconds: float
    """Matching seconds."""
    probability: float
    first_heard: float
    last_heard: float
    """Seconds since 1970; before this call."""
    times_heard: int

    @classmethod
    def of(cls, match: Match) -> "Known":
        """What a match tells."""
        recording = match.recording
        return cls(
            recording=recording.id,
            name=recording.name,
            offset=match.offset,
            start=match.start,
            end=match.end,
            seconds=match.seconds,
            probability=match.probability,
            first_heard=recording.first_heard,
            last_heard=recording.last_heard,
            times_heard=recording.times_heard,
        )

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "recording": self.recording,
            "name": self.name,
            "offset": round(self.offset, 3),
            "start": round(self.start, 3),
            "end": round(self.end, 3),
            "seconds": round(self.seconds, 3),
            "probability": round(self.probability, 6),
            "first_heard": round(self.first_heard, 3),
            "last_heard": round(self.last_heard, 3),
            "times_heard": self.times_heard,
        }


def fuse(verdict: Verdict, match: Match | None, point: OperatingPoint) -> Verdict:
    """The verdict of network and match together, by the thresholds of an operating point.

    A sure match decides at the end of its first sure stretch, which is when it is told; one that
    is not sure moves the score alone, and never leaves a verdict that contradicts it.
    """
    if match is None:
        return verdict
    network = 0.5 if math.isnan(verdict.score) else verdict.score
    probability = match.probability
    score = probability * RECORDED_IF_KNOWN + (1 - probability) * network
    fused = replace(verdict, score=score)
    if match.sure and score >= point.recorded_at:
        if verdict.verdict is VerdictKind.RECORDED:
            return fused
        return replace(
            fused,
            verdict=VerdictKind.RECORDED,
            decided_at=min(match.end, verdict.seconds),
            reason=Reason.NONE,
        )
    if verdict.verdict is VerdictKind.LIVE and score > 0.5:
        return replace(fused, verdict=VerdictKind.UNKNOWN, decided_at=None, reason=Reason.UNSURE)
    return fused


class KnownRecordings:
    """A store in use: matches calls, counts what was heard, and learns if it is asked to."""

    def __init__(self, store: Store, *, learn: bool = False) -> None:
        self._store, self._learn = store, learn

    def follow(self) -> Matcher:
        """A matcher for one leg."""
        return Matcher(self._store)

    def hear(self, samples: Samples) -> Matcher:
        """A matcher that has heard a whole recording. [shape=(n_samples,)] Raises StoreError."""
        matcher = self.follow()
        matcher.feed(samples)
        matcher.flush()
        return matcher

    def conclude(
        self, matcher: Matcher, verdict: Verdict, name: str, heard_at: float | None = None
    ) -> Known | None:
        """A leg is over: count it, or learn it; the evidence if a known recording was heard.

        Args:
            verdict: the network's own, before it was fused: a store must not learn from itself.
            name: for a recording that is learnt, such as the path or the call's id.
            heard_at: seconds since 1970, by default now.

        Raises StoreError.
        """
        at = time.time() if heard_at is None else heard_at
        match = matcher.match
        if match is not None and matcher.sure:
            self._store.heard(match.recording.id, at)
            return Known.of(match)
        if self._learn and _is_worth_learning(matcher, verdict):
            # Another leg may have learnt it since this one was heard.
            with self._store.writing():
                again = match_whole(self._store, matcher.fingerprint)
                if again is None or again.probability < 0.5:
                    self._store.add(name, matcher.codes, at)
                elif again.sure:
                    self._store.heard(again.recording.id, at)
        return None


def _is_worth_learning(matcher: Matcher, verdict: Verdict) -> bool:
    """Whether a call is surely recorded, and has enough in it to be known by."""
    telling = (matcher.codes[::CODES_PER_POSITION] != NOTHING).sum() / POSITIONS_PER_SECOND
    return (
        verdict.verdict is VerdictKind.RECORDED
        and verdict.score >= LEARN_FROM_SCORE
        and telling >= LEARN_FROM_SECONDS
    )
