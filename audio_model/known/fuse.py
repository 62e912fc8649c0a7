"""The match and the network as one score: the one place that decides between them.

Samples that were heard before are played, whatever they sound like: with the probability that the
match is true, the call is as surely recorded as a true match can tell, and else as surely as the
network says. So the fused score is as well calibrated as the two are: see ``benchmarks.known`` for
the match's probability.
"""

import math
from dataclasses import replace

from audio_model.decision import KnownRecording, Reason, Verdict, VerdictKind
from audio_model.known.match import WORTH_WEIGHING, Match
from audio_model.known.recording import LearntBy
from audio_model.rule import OperatingPoint

RECORDED_IF_KNOWN = 0.999
"""Probability that a call is played whose samples are known; the rest is for a call that was
learnt and is heard again itself, under another name."""

OWN_SECONDS = 1.6
"""So much voice beside a recording makes a live voice there the caller's own."""


def goes_on(verdict: Verdict, match: Match) -> bool:
    """Return whether a live voice is heard beside a recording, by the network's own verdict."""
    own_seconds = match.telling - match.seconds
    return verdict.verdict is VerdictKind.LIVE and own_seconds >= OWN_SECONDS


def fuse(
    verdict: Verdict, match: Match | None, sure_at: float | None, point: OperatingPoint
) -> Verdict:
    """Return the verdict of network and match together, by the thresholds of an operating point.

    A sure match decides at the moment it is found. An unsure match moves the score alone, and the
    verdict never contradicts the score.

    Args:
        verdict: the network's own.
        match: the likeliest one.
        sure_at: second of the call at which it became sure; None if it is not.
    """
    if match is None or match.probability < WORTH_WEIGHING:
        return verdict
    network = 0.5 if math.isnan(verdict.score) else verdict.score
    probability = match.probability
    score = probability * RECORDED_IF_KNOWN + (1 - probability) * network
    fused = replace(verdict, score=score)
    if sure_at is not None:
        evidence = replace(verdict.evidence, known=evidence_of(match))
        fused = replace(fused, evidence=evidence)
        if match.recording.learnt is LearntBy.REPETITION and goes_on(verdict, match):
            # It may be an announcement before a caller: nobody has said that it is a campaign.
            return replace(
                fused, verdict=VerdictKind.UNKNOWN, decided_at=None, reason=Reason.UNSURE
            )
        if score >= point.recorded_at:
            decided_at = sure_at
            if verdict.verdict is VerdictKind.RECORDED and verdict.decided_at is not None:
                decided_at = min(decided_at, verdict.decided_at)
            return replace(
                fused, verdict=VerdictKind.RECORDED, decided_at=decided_at, reason=Reason.NONE
            )
    if verdict.verdict is VerdictKind.LIVE and score > 0.5:
        return replace(fused, verdict=VerdictKind.UNKNOWN, decided_at=None, reason=Reason.UNSURE)
    return fused


def evidence_of(match: Match) -> KnownRecording:
    """Return a match's recording as evidence for a verdict."""
    recording = match.recording
    return KnownRecording(
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
        repeated=recording.learnt is LearntBy.REPETITION,
    )
