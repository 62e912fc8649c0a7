"""Processes that learn on one store at once, and one that is killed while it does."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from audio_model.known.follow import KnownRecordings
from audio_model.known.recording import LearntBy
from audio_model.known.store import Store
from audio_model.stream import PhoneCall
from tests.known.calls import played, spoken
from tests.known.learner import CALLS_A_MESSAGE

ROOT = Path(__file__).parents[2]
MESSAGES = 5
CALLS = MESSAGES * CALLS_A_MESSAGE


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "known.db"


def learner(path: Path, first: int, step: int) -> "subprocess.Popen[str]":
    numbers = map(str, (first, step, CALLS))
    return subprocess.Popen(
        [sys.executable, "-m", "tests.known.learner", str(path), *numbers],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


def times_heard(path: Path) -> Counter[int]:
    """How many calls of each message are counted; each must be one recording."""
    with Store(path, create=False) as store:
        recordings = list(store.recordings())
    assert {recording.learnt for recording in recordings} == {LearntBy.REPETITION}
    messages = [int(known.name.removeprefix("call ")) // CALLS_A_MESSAGE for known in recordings]
    assert len(set(messages)) == len(messages)
    heard = [recording.times_heard for recording in recordings]
    return Counter(dict(zip(messages, heard, strict=True)))


def test_two_processes_learn_one_recording_of_each_message(path: Path) -> None:
    both = [learner(path, first, 2) for first in (0, 1)]
    for one in both:
        assert one.communicate(timeout=120)[0].split()
        assert one.returncode == 0
    counts = times_heard(path)
    assert sorted(counts) == list(range(MESSAGES))
    # Two that are heard at the same moment may both be kept as the first one.
    assert all(CALLS_A_MESSAGE - 1 <= n <= CALLS_A_MESSAGE for n in counts.values())


def test_what_was_learnt_before_a_kill_is_known_and_learning_goes_on(path: Path) -> None:
    killed = learner(path, 0, 1)
    assert killed.stdout is not None
    n_over = next(int(line) for line in killed.stdout if int(line) >= CALLS // 2) + 1
    os.kill(killed.pid, signal.SIGKILL)
    n_over += len(killed.stdout.read().split())
    killed.wait()
    killed.stdout.close()
    for file in path.parent.glob("known.db*"):
        if not file.name.endswith(("-wal", "-shm")):
            database = sqlite3.connect(file)
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            database.close()
    assert n_over - 1 <= sum(times_heard(path).values()) <= n_over + 1
    known = KnownRecordings(path, learn=True)
    follower = known.follow(PhoneCall("behind it"))
    follower.hear(played(spoken(4, 0), seed=99))
    follower.flush()
    assert follower.weighs
    known.close()
    goes_on = learner(path, n_over, 1)
    goes_on.communicate(timeout=120)
    assert goes_on.returncode == 0
    assert sorted(times_heard(path)) == list(range(MESSAGES))
