"""Jobs run, in this process or others, and their errors come back."""

import os
from pathlib import Path

import pytest

from audio_model.errors import UsageError
from training.jobs import side_by_side


def write_pid(folder: Path, name: str) -> None:
    (folder / name).write_text(str(os.getpid()), encoding="utf-8")


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
