import math
from dataclasses import replace

import pytest

from audio_model.decision import Evidence, Reason, Verdict, VerdictKind
from audio_model.known.fuse import RECORDED_IF_KNOWN, fuse
from audio_model.known.match import EVEN_ODDS_AT, Match
from audio_model.known.recording import LearntBy, StoredRecording
from audio_model.rule import OperatingPoint

POINT = OperatingPoint(0.01, recorded_at=0.9, live_at=0.2, false_alarm=0.01, miss=0.4, passed=0.05)
UNSURE = Verdict(
    verdict=VerdictKind.UNKNOWN,
    score=0.4,
    logit=-0.4,
    seconds=6.0,
    speech_seconds=5.0,
    decided_at=None,
    reason=Reason.UNSURE,
    evidence=Evidence((), (), (), None),
)
LIVE = replace(UNSURE, verdict=VerdictKind.LIVE, score=0.1, decided_at=2.0, reason=Reason.NONE)
RECORDED = replace(
    UNSURE, verdict=VerdictKind.RECORDED, score=0.97, decided_at=1.6, reason=Reason.NONE
)


def match(evidence: float) -> Match:
    recording = StoredRecording(7, "campaign.wav", 0, 100, 1.0, 2.0, 3, learnt=LearntBy.NOBODY)
    return Match(recording, 1.5, 0.2, 3.4, 3.0, 3.2, 3.3, evidence, 0.0)


SURE = match(0.8)


def test_no_match_and_an_unlikely_one_change_nothing() -> None:
    assert fuse(LIVE, None, None, POINT) is LIVE
    assert fuse(LIVE, match(EVEN_ODDS_AT - 0.01), None, POINT) is LIVE


@pytest.mark.parametrize("verdict", [UNSURE, LIVE])
def test_a_sure_match_decides_when_it_is_told(verdict: Verdict) -> None:
    fused = fuse(verdict, SURE, 2.88, POINT)
    assert fused.verdict is VerdictKind.RECORDED
    assert fused.decided_at == 2.88
    assert fused.reason is Reason.NONE
    assert fused.score == pytest.approx(RECORDED_IF_KNOWN)
    known = fused.evidence.known
    assert known is not None
    assert known.as_dict() == {
        "recording": 7,
        "name": "campaign.wav",
        "offset": 1.5,
        "start": 0.2,
        "end": 3.4,
        "seconds": 3.0,
        "probability": 1.0,
        "first_heard": 1.0,
        "last_heard": 2.0,
        "times_heard": 3,
        "repeated": None,
    }


def test_a_time_that_nobody_knows_is_null_and_not_told() -> None:
    untimed = replace(SURE.recording, first_heard=math.nan, last_heard=math.nan)
    learnt = replace(untimed, learnt=LearntBy.REPETITION)
    known = fuse(UNSURE, replace(SURE, recording=learnt), 2.88, POINT).evidence.known
    assert known is not None
    told = known.as_dict()
    assert (told["first_heard"], told["last_heard"], told["repeated"]) == (None, None, "4 calls")


@pytest.mark.parametrize(("sure_at", "decided_at"), [(1.92, 1.6), (1.2, 1.2)])
def test_the_earlier_of_both_tells_the_moment(sure_at: float, decided_at: float) -> None:
    fused = fuse(RECORDED, SURE, sure_at, POINT)
    assert (fused.verdict, fused.decided_at) == (VerdictKind.RECORDED, decided_at)
    assert fused.score > RECORDED.score


def test_a_likely_match_never_leaves_a_verdict_that_contradicts_the_score() -> None:
    fused = fuse(LIVE, match(EVEN_ODDS_AT + 0.02), None, POINT)
    assert 0.5 < fused.score < 0.9
    assert (fused.verdict, fused.decided_at) == (VerdictKind.UNKNOWN, None)
    assert fused.reason is Reason.UNSURE
    assert fused.evidence.known is None


def test_a_match_before_the_networks_first_step_counts_alone() -> None:
    fused = fuse(replace(UNSURE, score=math.nan), match(EVEN_ODDS_AT + 1e-9), None, POINT)
    assert fused.score == pytest.approx(0.5 * RECORDED_IF_KNOWN + 0.25, abs=1e-6)


def test_the_score_rises_with_the_match() -> None:
    scores = [fuse(UNSURE, match(evidence / 100), None, POINT).score for evidence in range(40)]
    assert scores == sorted(scores)
    assert scores[0] == UNSURE.score
