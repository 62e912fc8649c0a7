"""Jobs run, in this process or others, and their errors come back."""

import os
import signal
import time
from pathlib import Path

import pytest

from audio_model.errors import AudioModelError, UsageError
from training.jobs import side_by_side


def write_pid(folder: Path, name: str) -> None:
    part = folder / f"{name}.part"
    part.write_text(str(os.getpid()), encoding="utf-8")
    part.rename(folder / name)


def fail(folder: Path, name: str) -> None:
    raise UsageError(f"{name} can't")


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_every_job_is_done(tmp_path: Path, workers: int) -> None:
    side_by_side(write_pid, [(tmp_path, name) for name in "abc"], workers)
    pids = [(tmp_path / name).read_text(encoding="utf-8") for name in "abc"]
    assert all((pid != str(os.getpid())) == (workers > 1) for pid in pids)


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_comes_back_as_itself(tmp_path: Path, workers: int) -> None:
    with pytest.raises(UsageError, match="can't"):
        side_by_side(fail, [(tmp_path, "a"), (tmp_path, "b")], workers)


def test_one_job_needs_no_process(tmp_path: Path) -> None:
    side_by_side(write_pid, [(tmp_path, "a")], 2)
    assert (tmp_path / "a").read_text(encoding="utf-8") == str(os.getpid())


def die(folder: Path, name: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_process_that_was_killed_is_told(tmp_path: Path) -> None:
    with pytest.raises(AudioModelError, match="status -9"):
        side_by_side(die, [(tmp_path, "a"), (tmp_path, "b")], 2)


def fail_or_wait(folder: Path, name: str) -> None:
    if name == "a":
        while not (folder / "b").exists():
            time.sleep(0.01)
        raise UsageError("a can't")
    write_pid(folder, name)
    time.sleep(60)


def test_an_error_ends_the_others_at_once(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(UsageError, match="a can't"):
        side_by_side(fail_or_wait, [(tmp_path, name) for name in "abc"], 2)
    assert time.monotonic() - began < 50
    assert not (tmp_path / "c").exists()
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "b").read_text(encoding="utf-8")), 0)
