"""The place where processes of one port find each other, and what they read there of each other."""

import errno
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from audio_model.errors import UsageError
from audio_model.gateway.siblings import counts, seats
from audio_model.gateway.siblings.seats import Seats, folder_of

ROOT = Path(__file__).parents[3]
HOLDS_A_SEAT = """
import sys, time
from pathlib import Path
from audio_model.gateway.siblings.seats import Seats
seats = Seats(Path(sys.argv[1]))
seats.tell("legs", 7)
print(seats.number, flush=True)
time.sleep(60)
"""


def test_each_takes_the_lowest_seat_and_reads_what_the_others_have(tmp_path: Path) -> None:
    first, second, third = Seats(tmp_path), Seats(tmp_path), Seats(tmp_path)
    for each in (first, second, third):
        each.look()
    assert [first.number, second.number, third.number] == [0, 1, 2]
    assert (first.others, second.others, third.others) == ((1, 2), (0, 2), (0, 1))
    assert first.elsewhere("legs") == 0
    second.tell("legs", 3)
    third.tell("legs", 4)
    third.tell("legs of acme", 2)
    assert (first.elsewhere("legs"), second.elsewhere("legs"), third.elsewhere("legs")) == (7, 4, 3)
    assert (first.elsewhere("legs of acme"), third.elsewhere("legs of acme")) == (2, 0)
    second.leave()
    first.look()
    assert (first.others, first.elsewhere("legs")) == ((2,), 4)
    # A seat that was given back is taken again, and its numbers begin anew.
    again = Seats(tmp_path)
    first.look()
    assert (again.number, first.others, first.elsewhere("legs")) == (1, (1, 2), 4)
    again.tell("legs of bolt", 1)
    again.tell("legs", 5)
    assert (first.elsewhere("legs"), first.elsewhere("legs of bolt")) == (9, 1)
    for each in (first, third, again):
        each.leave()


def test_a_process_that_is_killed_or_stopped_leaves_its_seat_or_keeps_it(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS_A_SEAT, str(tmp_path)], stdout=subprocess.PIPE, cwd=ROOT
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"0\n"
        here = Seats(tmp_path)
        assert (here.number, here.others, here.elsewhere("legs")) == (1, (0,), 7)
        process.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        here.look()
        # Its legs are open all the same, and nobody waits for it.
        assert (here.others, here.elsewhere("legs")) == ((0,), 7)
        assert time.monotonic() - began < 20
        process.kill()
        process.wait()
        here.look()
        assert (here.others, here.elsewhere("legs")) == ((), 0)
        here.leave()


def test_a_folder_that_is_deleted_is_noticed(tmp_path: Path) -> None:
    first = Seats(tmp_path)
    assert not first.lost
    (tmp_path / "0").unlink()
    assert first.lost
    second = Seats(tmp_path)
    assert (second.number, second.others) == (0, ())
    # The first one takes a seat again, and both see each other.
    again = Seats(tmp_path)
    again.tell("legs", 2)
    second.look()
    assert (again.number, second.elsewhere("legs")) == (1, 2)
    first.leave()
    second.look()
    assert second.others == (1,)
    again.leave()
    second.leave()


def test_no_more_processes_than_there_are_seats(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seats, "MAX_SEATS", 1)
    only = Seats(tmp_path)
    with pytest.raises(UsageError, match="1 processes share this port"):
        Seats(tmp_path)
    only.leave()


def test_more_kinds_than_there_is_room_for_are_counted_by_each_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(counts, "MAX_KINDS", 2)
    monkeypatch.setattr(counts, "_BYTES", 32)
    seat, other = Seats(tmp_path), Seats(tmp_path)
    for kind in ("a", "b", "c", "d"):
        seat.tell(kind, 1)
    assert caplog.text.count("more than 2 tenants") == 1
    seat.tell("a", 2)
    assert [other.elsewhere(kind) for kind in ("a", "b", "c")] == [2, 1, 0]
    seat.leave()
    other.leave()


def test_a_folder_without_room_is_refused_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory that a full disk can't hold would end the process when it is written to."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(UsageError, match="No space left"):
        Seats(tmp_path)


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder with a path as short as a socket's must be, which pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="seats-") as made:
        yield Path(made)


def test_the_folder_is_of_the_address_and_of_nobody_else(
    short_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short_path))
    folder = folder_of("::1", 8080)
    assert folder == short_path / "audio-model" / "::1-8080"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert folder_of("127.0.0.1", 8080) != folder
    monkeypatch.setenv("RUNTIME_DIRECTORY", f"{short_path}/service:{short_path}/other")
    assert folder_of("::1", 8080) == short_path / "service" / "audio-model" / "::1-8080"
    monkeypatch.delenv("RUNTIME_DIRECTORY")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short_path / ("x" * 90)))
    with pytest.raises(UsageError, match="too long"):
        folder_of("::1", 8080)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short_path))
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(UsageError, match="another user's"):
        folder_of("::1", 8080)
