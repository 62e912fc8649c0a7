import math
from dataclasses import replace

import pytest

from audio_model.decision import Evidence, OperatingPoint, Reason, Verdict, VerdictKind
from audio_model.known.fingerprint import fingerprint
from audio_model.known.fuse import RECORDED_IF_KNOWN, KnownRecordings, fuse
from audio_model.known.match import EVEN_ODDS_AT, Match
from audio_model.known.store import Recording, Store
from tests.known.calls import cut, played, spoken

POINT = OperatingPoint(0.01, recorded_at=0.9, live_at=0.2, false_alarm=0.01, miss=0.4)
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
SPOKEN = spoken(6, seed=0)


def match(evidence: float) -> Match:
    recording = Recording(7, "campaign.wav", 0, 100, 1.0, 2.0, 3)
    return Match(recording, 1.5, 0.2, 3.4, 3.0, 3.2, 3.3, evidence)


def test_no_match_changes_nothing() -> None:
    assert fuse(LIVE, None, POINT) is LIVE
    unlikely = fuse(LIVE, match(0.0), POINT)
    assert replace(unlikely, score=LIVE.score) == LIVE
    assert unlikely.score == pytest.approx(LIVE.score, abs=1e-4)


@pytest.mark.parametrize("verdict", [UNSURE, LIVE])
def test_a_sure_match_decides_when_it_is_heard(verdict: Verdict) -> None:
    fused = fuse(verdict, match(0.5), POINT)
    assert fused.verdict is VerdictKind.RECORDED
    assert fused.decided_at == 3.4
    assert fused.reason is Reason.NONE
    assert fused.score == pytest.approx(RECORDED_IF_KNOWN)


def test_a_verdict_of_recorded_keeps_its_moment() -> None:
    fused = fuse(RECORDED, match(0.5), POINT)
    assert (fused.verdict, fused.decided_at) == (VerdictKind.RECORDED, 1.6)
    assert fused.score > RECORDED.score


def test_a_likely_match_never_leaves_a_verdict_that_contradicts_the_score() -> None:
    fused = fuse(LIVE, match(EVEN_ODDS_AT + 0.02), POINT)
    assert 0.5 < fused.score < 0.9
    assert (fused.verdict, fused.decided_at) == (VerdictKind.UNKNOWN, None)
    assert fused.reason is Reason.UNSURE


def test_a_match_before_the_networks_first_step_counts_alone() -> None:
    fused = fuse(replace(UNSURE, score=math.nan), match(EVEN_ODDS_AT), POINT)
    assert fused.score == pytest.approx(0.5 * RECORDED_IF_KNOWN + 0.25)


def test_the_score_rises_with_the_match() -> None:
    scores = [fuse(UNSURE, match(evidence / 100), POINT).score for evidence in range(40)]
    assert scores == sorted(scores)


def test_a_known_recording_is_counted_and_told() -> None:
    with Store(":memory:") as store:
        id = store.add("campaign.wav", fingerprint(SPOKEN).codes, heard_at=100.0)
        known = KnownRecordings(store)
        call = played(cut(SPOKEN, 1, 4), seed=1)
        told = known.conclude(known.hear(call), UNSURE, "call", heard_at=200.0)
        assert told is not None
        assert (told.recording, told.name, told.times_heard) == (id, "campaign.wav", 1)
        assert told.offset == pytest.approx(1, abs=0.02)
        assert told.as_dict()["last_heard"] == 100.0
        recording = store.recording(id)
        assert recording is not None
        assert (recording.last_heard, recording.times_heard) == (200.0, 2)


@pytest.mark.parametrize(
    ("verdict", "learn", "n_learnt"),
    [
        (RECORDED, True, 1),
        (RECORDED, False, 0),
        (replace(RECORDED, score=0.92), True, 0),
        (LIVE, True, 0),
        (UNSURE, True, 0),
    ],
)
def test_only_a_surely_recorded_call_is_learnt(
    verdict: Verdict, learn: bool, n_learnt: int
) -> None:
    with Store(":memory:") as store:
        known = KnownRecordings(store, learn=learn)
        assert known.conclude(known.hear(SPOKEN), verdict, "call") is None
        assert len(store) == n_learnt


def test_too_little_is_not_learnt() -> None:
    with Store(":memory:") as store:
        known = KnownRecordings(store, learn=True)
        known.conclude(known.hear(cut(SPOKEN, 0, 1.5)), RECORDED, "call")
        assert len(store) == 0


def test_calls_at_the_same_time_teach_one_recording() -> None:
    with Store(":memory:") as store:
        known = KnownRecordings(store, learn=True)
        # All of them began before the first was over.
        matchers = [known.hear(played(SPOKEN, seed)) for seed in range(4)]
        for n, matcher in enumerate(matchers):
            known.conclude(matcher, RECORDED, f"call {n}", heard_at=float(n))
        (recording,) = store.recordings()
    assert recording.times_heard == 4
    assert (recording.first_heard, recording.last_heard) == (0.0, 3.0)
