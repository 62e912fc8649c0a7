import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from audio_model.decision import Verdict, VerdictKind
from audio_model.detector import Detector
from audio_model.errors import StoreError
from audio_model.known import follow
from audio_model.known.fingerprint import fingerprint
from audio_model.known.follow import KnownFollower, KnownRecordings
from audio_model.known.recent import Retention
from audio_model.known.recording import RecordingMark
from audio_model.known.store import Store
from audio_model.stream import PhoneCall
from tests.known.calls import Samples, cut, played, spoken
from tests.known.test_fuse import LIVE, RECORDED, UNSURE
from tests.verdicts import assert_same

SPOKEN = spoken(6, seed=0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "known.db"
    with Store(path) as store:
        store.add("campaign.wav", fingerprint(SPOKEN).codes, heard_at=100.0)
    return path


@pytest.fixture
def knowing(path: Path, detector: Detector) -> Iterator[Detector]:
    knowing = detector.knowing(KnownRecordings(path))
    yield knowing
    knowing.close()


def heard(known: KnownRecordings, samples: Samples, call: str = "call") -> KnownFollower:
    follower = known.follow(PhoneCall(call))
    follower.hear(samples)
    follower.flush()
    return follower


def times_heard(path: Path) -> list[int]:
    with Store(path, create=False) as store:
        return [recording.times_heard for recording in store.recordings()]


def test_a_known_recording_is_recorded_and_told(knowing: Detector, detector: Detector) -> None:
    call = played(cut(SPOKEN, 1, 4), seed=1)
    verdict = knowing.score_samples(call, 8000)
    assert verdict.verdict is VerdictKind.RECORDED and verdict.score > 0.98
    known = verdict.evidence.known
    assert known is not None
    assert (known.name, known.times_heard, known.first_heard) == ("campaign.wav", 1, 100.0)
    assert known.offset == pytest.approx(1, abs=0.02)
    assert replace(verdict.evidence, known=None) == detector.score_samples(call, 8000).evidence


def test_what_is_not_known_is_heard_as_without_a_store(
    knowing: Detector, detector: Detector
) -> None:
    call = spoken(5, seed=9)
    assert_same(knowing.score_samples(call, 8000), detector.score_samples(call, 8000))


@pytest.mark.parametrize("size", [160, 999, 5000, 10**6])
def test_packets_of_any_size_give_the_verdict_of_the_whole(knowing: Detector, size: int) -> None:
    call = played(cut(SPOKEN, 1, 4), seed=1)
    stream = knowing.stream()
    said = []
    for start in range(0, len(call), size):
        if (changed := stream.feed(call[start : start + size])) is not None:
            said.append((start, changed))
    final, whole = stream.flush(), knowing.score_samples(call, 8000)
    assert (final.verdict, final.decided_at, final.score) == (
        whole.verdict,
        whole.decided_at,
        pytest.approx(whole.score, abs=1e-6),
    )
    assert final.evidence.known == whole.evidence.known
    start, told = said[-1]
    assert told.verdict is VerdictKind.RECORDED and told.evidence.known is not None
    assert told.decided_at is not None and start <= told.decided_at * 8000 <= start + size


def test_a_stream_begins_anew(knowing: Detector) -> None:
    stream = knowing.stream()
    stream.feed(played(SPOKEN, seed=2))
    assert stream.flush().evidence.known is not None
    stream.reset()
    stream.feed(spoken(5, seed=9))
    assert stream.flush().evidence.known is None


def test_reading_changes_nothing(path: Path, knowing: Detector) -> None:
    knowing.score_samples(played(SPOKEN, seed=1), 8000, call="a")
    assert times_heard(path) == [1]


def test_who_learns_counts(path: Path) -> None:
    known = KnownRecordings(path, learn=True)
    known.conclude(heard(known, played(cut(SPOKEN, 1, 4), seed=1)), LIVE, at=200.0)
    known.close()
    assert times_heard(path) == [2]


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
    path: Path, verdict: Verdict, learn: bool, n_learnt: int
) -> None:
    known = KnownRecordings(path, learn=learn)
    known.conclude(heard(known, spoken(6, seed=5)), verdict)
    known.close()
    assert len(times_heard(path)) == 1 + n_learnt


def test_too_little_is_not_learnt(path: Path) -> None:
    known = KnownRecordings(path, learn=True)
    known.conclude(heard(known, spoken(1.5, seed=5)), RECORDED)
    known.close()
    assert times_heard(path) == [1]


def test_who_learns_forgets_what_is_not_heard_any_more(path: Path) -> None:
    keep = Retention(days=30, recordings=2)
    for n, day in enumerate((0, 10, 35, 36, 37)):
        known = KnownRecordings(path, learn=True, keep=keep)
        known.conclude(heard(known, spoken(6, seed=20 + n), f"call {n}"), RECORDED, 86_400.0 * day)
        known.close()
        with Store(path) as store:
            names = [recording.name for recording in store.recordings()]
        # At most two, and none that was not heard for 30 days.
        first = (0, 0, 1, 2, 3)[n]
        assert names == ["campaign.wav", *(f"call {m}" for m in range(first, n + 1))]


def test_a_call_is_counted_once(path: Path) -> None:
    for _ in range(2):
        known = KnownRecordings(path, learn=True)
        for call, seed in (("a", 1), ("b", 2), ("a", 3)):
            follower = heard(known, played(cut(SPOKEN, 1, 4), seed), call)
            known.conclude(follower, LIVE, at=200.0)
        known.close()
    assert times_heard(path) == [3]


def test_what_is_allowed_says_nothing_and_teaches_nothing(
    path: Path, knowing: Detector, detector: Detector
) -> None:
    with Store(path) as store:
        store.mark(1, RecordingMark.ALLOWED)
    call = played(cut(SPOKEN, 1, 4), seed=1)
    assert_same(knowing.score_samples(call, 8000), detector.score_samples(call, 8000))
    pupil = KnownRecordings(path, learn=True)
    pupil.conclude(heard(pupil, call), RECORDED)
    pupil.close()
    assert times_heard(path) == [1]


def test_calls_at_the_same_time_teach_one_recording(tmp_path: Path) -> None:
    known = KnownRecordings(tmp_path / "new.db", learn=True)
    # All of them began before the first was over.
    followers = [heard(known, played(SPOKEN, seed), f"call {seed}") for seed in range(4)]
    for n, follower in enumerate(followers):
        known.conclude(follower, RECORDED, at=float(n))
    known.close()
    assert times_heard(tmp_path / "new.db") == [4]


def test_a_call_that_was_learnt_is_not_known_to_itself(tmp_path: Path) -> None:
    known = KnownRecordings(tmp_path / "new.db", learn=True)
    known.conclude(heard(known, SPOKEN, "a.wav"), RECORDED)
    assert not heard(known, SPOKEN, "a.wav").weighs
    assert heard(known, SPOKEN, "b.wav").weighs
    known.close()


def test_a_recording_that_was_added_is_known_by_its_own_name(path: Path) -> None:
    """The first thing that anyone tries: add a file, then score it."""
    known = KnownRecordings(path)
    assert heard(known, SPOKEN, "campaign.wav").weighs
    known.close()


def test_a_store_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no such store"):
        KnownRecordings(tmp_path / "none.db")
    assert not (tmp_path / "none.db").exists()


class TestFailures:
    """A store beside calls owes each of them its answer."""

    @pytest.fixture
    def failures(self) -> list[None]:
        return []

    @pytest.fixture
    def guarded(self, path: Path, failures: list[None]) -> Iterator[KnownRecordings]:
        known = KnownRecordings(path, on_failure=lambda: failures.append(None))
        yield known
        known.close()

    @pytest.fixture
    def clock(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        clock = [0.0]
        monkeypatch.setattr(follow, "monotonic", lambda: clock[0])
        return clock

    def test_a_removed_store_is_told_of_once_and_taken_up_again(
        self,
        path: Path,
        guarded: KnownRecordings,
        failures: list[None],
        clock: list[float],
        detector: Detector,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        knowing = detector.knowing(guarded)
        assert knowing.score_samples(SPOKEN, 8000).evidence.known is not None
        path.rename(path.with_name("away.db"))
        for _ in range(3):
            assert_same(knowing.score_samples(SPOKEN, 8000), detector.score_samples(SPOKEN, 8000))
        clock[0] = 6.0
        assert_same(knowing.score_samples(SPOKEN, 8000), detector.score_samples(SPOKEN, 8000))
        assert len(failures) == 2
        path.with_name("away.db").rename(path)
        clock[0] = 12.0
        assert knowing.score_samples(SPOKEN, 8000).evidence.known is not None
        assert [record.levelno for record in caplog.records] == [logging.ERROR, logging.WARNING]

    def test_a_store_that_breaks_within_a_call_costs_it_nothing(
        self, path: Path, guarded: KnownRecordings, failures: list[None], detector: Detector
    ) -> None:
        stream = detector.knowing(guarded).stream()
        stream.feed(SPOKEN[:8000])
        with path.open("r+b") as file:
            file.truncate(4096)
            file.write(b"\xff" * 4096)
        stream.feed(SPOKEN[8000:])
        assert_same(stream.flush(), detector.score_samples(SPOKEN, 8000))
        assert failures == [None]

    def test_without_on_failure_it_is_raised(self, path: Path, detector: Detector) -> None:
        knowing = detector.knowing(KnownRecordings(path))
        path.write_bytes(b"\xff" * 8192)
        with pytest.raises(StoreError, match=r"known\.db"):
            knowing.score_samples(SPOKEN, 8000)
        knowing.close()

    def test_learning_that_fails_is_counted(
        self, path: Path, failures: list[None], caplog: pytest.LogCaptureFixture
    ) -> None:
        pupil = KnownRecordings(path, learn=True, on_failure=lambda: failures.append(None))
        follower = heard(pupil, spoken(6, seed=5))
        path.write_bytes(b"no store any more" * 999)
        pupil.conclude(follower, RECORDED)
        assert len(failures) == 1 and len(caplog.records) == 1
        pupil.close()


@pytest.mark.parametrize("level", [np.nan, np.inf])
def test_samples_that_are_none_match_nothing(path: Path, level: float) -> None:
    known = KnownRecordings(path)
    with np.errstate(invalid="ignore"):
        assert not heard(known, np.full(32_000, level, np.float32)).weighs
    known.close()
