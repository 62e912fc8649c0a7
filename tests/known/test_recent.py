import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audio_model.errors import UsageError
from audio_model.known import recent
from audio_model.known.fingerprint import fingerprint
from audio_model.known.matcher import match_whole
from audio_model.known.recent import RecentCalls, Retention
from audio_model.stream import PhoneCall
from tests.known.calls import played, spoken

HOUR = 3600.0


class Clock:
    """The time of day and of the process."""

    def __init__(self) -> None:
        self.now = 1_764_460_800.0

    def __call__(self) -> float:
        self.now += 2.0
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(recent, "time", clock)
    monkeypatch.setattr(recent, "monotonic", clock)
    return clock


def opened(folder: Path, keep: Retention = Retention()) -> RecentCalls:  # noqa: B008 (it is frozen)
    return RecentCalls(folder / "known.db", keep, busy_seconds=1.0, mapped=True)


def codes(seed: int) -> np.ndarray:
    return fingerprint(spoken(4, seed)).codes


def found(calls: RecentCalls, seed: int) -> bool:
    match = match_whole(calls, fingerprint(played(spoken(4, seed), seed)))
    return match is not None and match.sure


def test_a_call_is_found_and_told_apart_by_another_process(tmp_path: Path, clock: Clock) -> None:
    ours, theirs = opened(tmp_path), opened(tmp_path)
    ours.add(PhoneCall("a", 99.0, "952137", "139"), codes(1))
    theirs.add(PhoneCall("b"), codes(2))
    assert found(ours, 2) and found(theirs, 1) and not found(ours, 3)
    match = match_whole(theirs, fingerprint(played(spoken(4, 1), 1)))
    assert match is not None and match.recording.name == "a"
    facts = theirs.facts(match.recording)
    assert facts is not None and facts.time == 99.0 and facts.caller and facts.called
    other = match_whole(theirs, fingerprint(spoken(4, 2)))
    assert other is not None
    facts = theirs.facts(other.recording)
    assert facts is not None and facts.caller == b""
    ours.close()
    theirs.close()


def test_a_call_is_kept_once(tmp_path: Path, clock: Clock) -> None:
    calls = opened(tmp_path)
    for _ in range(3):
        calls.add(PhoneCall("a"), codes(1))
        ends = calls.ends()
    assert len(calls) == 1 and calls.ends() == ends
    calls.add(PhoneCall("b"), codes(2))
    assert len(calls) == 2 and calls.ends() != ends
    calls.close()


def test_calls_are_kept_for_half_of_the_time_and_no_longer_than_it(
    tmp_path: Path, clock: Clock
) -> None:
    calls = opened(tmp_path, Retention(hours=2))
    calls.add(PhoneCall("old"), codes(1))
    clock.now += 1.2 * HOUR
    calls.add(PhoneCall("new"), codes(2))
    assert found(calls, 1) and found(calls, 2)
    clock.now += 0.9 * HOUR
    assert not found(calls, 1) and found(calls, 2)
    assert len(list(tmp_path.glob("known.db.heard.*[0-9]"))) == 1
    clock.now += 9 * HOUR
    assert not found(calls, 2) and len(calls) == 0
    assert list(tmp_path.glob("known.db.heard.*")) == []
    calls.close()


def test_the_oldest_make_room(tmp_path: Path, clock: Clock) -> None:
    calls = opened(tmp_path, Retention(calls=8))
    for seed in range(14):
        calls.add(PhoneCall(str(seed)), codes(seed))
    assert len(calls) <= 8 and found(calls, 13) and found(calls, 10) and not found(calls, 0)
    calls.close()


def test_a_file_is_its_owners_alone_and_holds_no_audio(tmp_path: Path, clock: Clock) -> None:
    calls = opened(tmp_path)
    calls.add(PhoneCall("a", caller="13912345678"), codes(1))
    calls.close()
    (path,) = tmp_path.glob("known.db.heard.*")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert b"13912345678" not in path.read_bytes()


@pytest.mark.parametrize(
    "keep",
    [{"hours": 0}, {"hours": float("nan")}, {"calls": 1}, {"days": -1.0}, {"recordings": 0}],
)
def test_a_time_that_is_none_is_refused(keep: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="kept"):
        Retention(**keep)
