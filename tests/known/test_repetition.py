"""What two calls hold is a recording, unless they are one call or it may recur."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from audio_model.decision import Verdict, VerdictKind
from audio_model.detector import Detector
from audio_model.known.fingerprint import PATCH_SAMPLES
from audio_model.known.follow import KnownFollower, KnownRecordings
from audio_model.known.recording import LearntBy, RecordingMark, StoredRecording
from audio_model.known.store import Store
from audio_model.stream import PhoneCall
from tests.known.calls import Samples, cut, played, slipped, spoken
from tests.known.test_fuse import LIVE, RECORDED, UNSURE

MESSAGE = spoken(5, seed=0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "known.db"


@pytest.fixture
def known(path: Path) -> Iterator[KnownRecordings]:
    known = KnownRecordings(path, learn=True)
    yield known
    known.close()


def hear(
    known: KnownRecordings, samples: Samples, call: PhoneCall | str, network: Verdict = UNSURE
) -> KnownFollower:
    follower = known.follow(call if isinstance(call, PhoneCall) else PhoneCall(call))
    follower.hear(samples)
    follower.flush()
    follower.conclude(network)
    return follower


def repeats(follower: KnownFollower) -> bool:
    assert follower.repetition is not None
    return follower.repetition.match is not None


def learnt(path: Path) -> list[StoredRecording]:
    with Store(path, create=False) as store:
        return list(store.recordings())


def test_the_second_call_is_recorded_and_so_are_those_behind_it(
    path: Path, detector: Detector
) -> None:
    knowing = detector.knowing(KnownRecordings(path, learn=True))
    verdicts = [
        knowing.score_samples(
            played(MESSAGE, seed), 8000, call=PhoneCall(f"call {seed}", 1000.0 + 60 * seed)
        )
        for seed in range(4)
    ]
    knowing.close()
    assert verdicts[0].evidence.known is None
    for n, verdict in enumerate(verdicts[1:], 2):
        evidence = verdict.evidence.known
        assert verdict.verdict is VerdictKind.RECORDED and evidence is not None
        assert verdict.decided_at is not None and verdict.decided_at < 4.5
        assert evidence.repetition == f"{n} calls since 1970-01-01T00:16:40+00:00"
        assert evidence.as_dict()["repeated"] == evidence.repetition
        assert (evidence.recording, evidence.name) == (1, "call 0")
    (recording,) = learnt(path)
    assert (recording.learnt, recording.times_heard) == (LearntBy.REPETITION, 4)
    assert recording.last_heard == 1180.0


def test_a_stream_tells_it_while_the_call_goes_on(path: Path, detector: Detector) -> None:
    knowing = detector.knowing(KnownRecordings(path, learn=True))
    knowing.score_samples(played(MESSAGE, 1), 8000, call="a")
    stream = knowing.stream(call="b")
    said = []
    for start in range(0, len(MESSAGE), 160):
        if (changed := stream.feed(played(MESSAGE, 2)[start : start + 160])) is not None:
            said.append((start / 8000, changed))
    at, verdict = next(each for each in said if each[1].evidence.known is not None)
    assert verdict.verdict is VerdictKind.RECORDED and at < 4.5
    assert stream.flush().decided_at == verdict.decided_at
    knowing.close()


def test_calls_that_are_cut_elsewhere_and_slip_share_what_they_share(
    known: KnownRecordings, path: Path
) -> None:
    message = spoken(8, seed=0)
    hear(known, played(cut(message, 0, 6), 1), "a")
    assert repeats(hear(known, played(slipped(cut(message, 1.5, 6), 4.5, 60), 2), "b"))
    (recording,) = learnt(path)
    assert recording.seconds == pytest.approx(4.5, abs=0.8)


def test_only_what_both_hold_is_learnt(known: KnownRecordings, path: Path) -> None:
    for seed in (1, 2):
        own_voice = spoken(3, seed=10 + seed)
        hear(known, played(np.concatenate([cut(MESSAGE, 0, 4), own_voice]), seed), f"call {seed}")
    (recording,) = learnt(path)
    assert recording.seconds == pytest.approx(4, abs=0.7)
    # Whoever is heard behind it is not known by it.
    reader = KnownRecordings(path)
    follower = reader.follow(PhoneCall("the same voice"))
    follower.hear(spoken(3, seed=11))
    follower.flush()
    assert not follower.weighs
    reader.close()


def test_different_calls_repeat_nothing(known: KnownRecordings, path: Path) -> None:
    assert not any(repeats(hear(known, spoken(5, seed), f"call {seed}")) for seed in range(12))
    assert learnt(path) == []


def test_of_two_processes_one_finds_what_both_hear_at_once(path: Path) -> None:
    ours, theirs = KnownRecordings(path, learn=True), KnownRecordings(path, learn=True)
    followers = [ours.follow(PhoneCall("a")), theirs.follow(PhoneCall("b"))]
    for seed, follower in enumerate(followers):
        follower.hear(played(MESSAGE, seed))
        follower.flush()
        assert not repeats(follower)
    for follower in followers:
        follower.conclude(UNSURE)
    assert [repeats(follower) for follower in followers] == [False, True]
    assert repeats(hear(ours, played(MESSAGE, 5), "c")) or learnt(path)[0].times_heard == 3
    ours.close()
    theirs.close()


def test_of_two_legs_at_once_one_finds_the_other_at_its_end(path: Path) -> None:
    known = KnownRecordings(path, learn=True)
    waiting: list[Callable[[], None]] = []
    followers = [known.follow(PhoneCall(name), spread=waiting.append) for name in ("a", "b")]
    for seed, follower in enumerate(followers):
        follower.hear(played(MESSAGE, seed))
        follower.flush()
    for look in waiting:
        look()
    assert not any(map(repeats, followers))
    for follower in followers:
        follower.conclude(UNSURE)
    assert [repeats(follower) for follower in followers] == [False, True]
    (recording,) = learnt(path)
    assert recording.times_heard == 2
    known.close()


class TestOneCall:
    """Two that hold the same samples, and are one."""

    def alike(
        self, known: KnownRecordings, first: PhoneCall, second: PhoneCall, *, late: float = 0.0
    ) -> bool:
        hear(known, played(MESSAGE, 1), first)
        return repeats(hear(known, played(cut(MESSAGE, late, 5), 2), second))

    def test_legs_and_a_second_scoring_have_its_name(self, known: KnownRecordings) -> None:
        assert not self.alike(known, PhoneCall("a", 100.0), PhoneCall("a", 900.0))

    @pytest.mark.parametrize(("begins", "late"), [(1000.0, 0.0), (1001.0, 1.0), (1002.5, 0.0)])
    def test_a_forwarded_call_comes_at_the_same_moment(
        self, known: KnownRecordings, begins: float, late: float
    ) -> None:
        first = PhoneCall("a", 1000.0, "13912345678", "95588")
        second = PhoneCall("b", begins, "95588", "13800000000")
        assert not self.alike(known, first, second, late=late)

    def test_a_campaign_calls_others_within_seconds(self, known: KnownRecordings) -> None:
        assert self.alike(known, PhoneCall("a", 1000.0), PhoneCall("b", 1005.0))

    @pytest.mark.parametrize(("minutes", "again"), [(5, False), (60, True)])
    def test_what_is_sent_again_is_between_the_same_numbers(
        self, known: KnownRecordings, minutes: float, again: bool
    ) -> None:
        first = PhoneCall("a", 1000.0, "952137", "13912345678")
        second = PhoneCall("b", 1000.0 + 60 * minutes, "952137", "13912345678")
        assert self.alike(known, first, second) is again

    def test_an_archive_that_lies_elsewhere_is_the_same(self, known: KnownRecordings) -> None:
        call = played(MESSAGE, 1)
        hear(known, call, "/archive/7.wav")
        assert not repeats(hear(known, call, "/moved/7.wav"))
        assert repeats(hear(known, call, "/moved/8.wav"))

    def test_a_legs_echo_does_not_hide_the_next_call(self, known: KnownRecordings) -> None:
        hear(known, played(MESSAGE, 1), "a")
        hear(known, played(MESSAGE, 2), "a")
        assert repeats(hear(known, played(MESSAGE, 3), "b"))


class TestWhatMayRecur:
    def test_what_a_person_allowed_is_not_learnt_from_two_calls(
        self, known: KnownRecordings, path: Path
    ) -> None:
        with Store(path) as store:
            from audio_model.known.fingerprint import fingerprint

            store.mark(
                store.add("announcement", fingerprint(cut(MESSAGE, 0, 4)).codes),
                RecordingMark.ALLOWED,
            )
        for seed in (1, 2, 3):
            call = np.concatenate([cut(MESSAGE, 0, 4), spoken(2, seed=10 + seed)])
            assert not hear(known, played(call, seed), f"call {seed}").weighs
        assert len(learnt(path)) == 1

    def preamble(self, known: KnownRecordings, n: int, network: Verdict) -> KnownFollower:
        call = np.concatenate([cut(MESSAGE, 0, 4), spoken(3, seed=50 + n)])
        return hear(known, played(call, n), PhoneCall(f"call {n}", caller=f"1391234{n}"), network)

    def test_behind_an_announcement_callers_are_live(
        self, known: KnownRecordings, path: Path, detector: Detector
    ) -> None:
        point = detector.operating_point
        for n in range(7):
            follower = self.preamble(known, n, LIVE)
            # A live voice behind it is not blocked for it, from the first call on.
            assert follower.fuse(LIVE, point).verdict is not VerdictKind.RECORDED
        (recording,) = learnt(path)
        assert recording.common
        assert not self.preamble(known, 8, LIVE).weighs
        with Store(path) as store:
            store.mark(recording.id, RecordingMark.CAMPAIGN)
        assert self.preamble(known, 9, UNSURE).weighs

    def test_a_campaign_of_which_few_are_said_to_be_live_stays_one(
        self, known: KnownRecordings, path: Path
    ) -> None:
        for n in range(16):
            self.preamble(known, n, LIVE if n % 8 == 1 else UNSURE)
        assert not learnt(path)[0].common


class TestErrors:
    """None breeds."""

    def test_a_caller_whose_voice_is_replayed_is_heard_as_before(
        self, known: KnownRecordings, path: Path
    ) -> None:
        victim = spoken(5, seed=7)
        hear(known, played(victim, 1), "the victim", LIVE)
        assert repeats(hear(known, played(victim, 2), "a replay"))
        assert repeats(hear(known, played(victim, 3), "another")) or len(learnt(path)) == 1
        # What the victim says next, and even the first call scored again.
        assert not hear(known, spoken(5, seed=8), "the victim again", LIVE).weighs
        assert not hear(known, played(victim, 1), "the victim", LIVE).weighs

    def test_a_poisoned_store_knows_what_it_holds_and_nothing_else(
        self, known: KnownRecordings, path: Path
    ) -> None:
        for n in range(3):
            for seed in (1, 2):
                hear(known, played(spoken(5, seed=100 + n), seed), f"poison {n} {seed}", RECORDED)
        poison = len(learnt(path))
        for n in range(8):
            assert not hear(known, spoken(5, seed=200 + n), f"caller {n}", LIVE).weighs
        assert len(learnt(path)) == poison == 3


def test_all_that_was_heard_is_looked_for_ahead_of_a_verdict(known: KnownRecordings) -> None:
    message = spoken(8, seed=5)
    hear(known, played(message, 1), "a")
    follower = known.follow(PhoneCall("b"))
    # The second of the rounds ends in half of what there is.
    follower.hear(np.concatenate([np.zeros(12_000, np.float32), played(cut(message, 2, 2.5), 2)]))
    assert follower.matcher is not None and follower.matcher.seconds == 3.04
    assert not repeats(follower)
    follower.look_ahead()
    assert repeats(follower)
    follower.look_ahead()
    follower.flush()
    assert repeats(follower) and len(follower.matcher.codes) == (32_000 - PATCH_SAMPLES) // 128 + 1
