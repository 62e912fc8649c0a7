import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from audio_model import processes
from audio_model.processes import map_on_all_cpus, usable_cpus


@pytest.mark.parametrize(
    ("quota", "expected"),
    [("max 100000", 64), ("150000 100000", 2), ("20000 100000", 1), ("9900000 100000", 64)],
)
def test_a_containers_quota_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str, expected: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
    monkeypatch.setattr(processes, "_CPU_QUOTA", tmp_path / "cpu.max")
    assert usable_cpus() == 64
    (tmp_path / "cpu.max").write_text(quota)
    assert usable_cpus() == expected


@pytest.mark.parametrize("cpus", [1, 2])
@pytest.mark.parametrize("count", [0, 3, 40])
def test_answers_come_in_order_from_however_many_processes(
    monkeypatch: pytest.MonkeyPatch, cpus: int, count: int
) -> None:
    monkeypatch.setattr(processes, "usable_cpus", lambda: cpus)
    assert list(map_on_all_cpus(abs, range(-count, 0), abs)) == list(range(count, 0, -1))


@pytest.fixture
def parent() -> Iterator[subprocess.Popen[str]]:
    """Start a parent of two workers, in a session of its own, as a terminal does."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.orphans"],
        cwd=Path(__file__).parents[1],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as parent:
        yield parent
        parent.kill()


def test_a_killed_parent_takes_its_workers_along(parent: subprocess.Popen[str]) -> None:
    workers = _workers(parent)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    _assert_gone(workers)


def test_workers_leave_ctrl_c_to_their_parent(parent: subprocess.Popen[str]) -> None:
    workers = _workers(parent)
    os.killpg(parent.pid, signal.SIGINT)
    _, errors = parent.communicate(timeout=60)
    assert "KeyboardInterrupt" in errors
    assert "SpawnProcess" not in errors
    _assert_gone(workers)


def test_the_work_of_a_worker_that_is_killed_is_done_again() -> None:
    """The other one waits for a lock that nobody gives back."""
    code = (
        "answers = processes.map_on_all_cpus(orphans.work_or_wait, range(20), str);"
        "first = next(answers); os.kill(first, signal.SIGKILL);"
        "others = list(answers); print(len(others), all(type(each) is int for each in others))"
    )
    assert _run(code) == "19 True"


def test_an_item_that_processes_die_of_is_named_and_the_others_are_done() -> None:
    code = (
        "answers = processes.map_on_all_cpus(orphans.die_of_thirteen, range(20), 'lost {}'.format);"
        "print(*answers)"
    )
    expected = ["lost 13" if n == 13 else str(n) for n in range(20)]
    assert _run(code) == " ".join(expected)


def test_processes_that_die_before_they_begin_are_an_error() -> None:
    code = (
        "processes.be_a_worker = orphans.die;"
        "from audio_model.errors import WorkerError\n"
        "try: list(processes.map_on_all_cpus(abs, range(20), abs))\n"
        "except WorkerError as error: print(error)"
    )
    assert _run(code).startswith("3 processes in a row died before they could begin")


def _run(code: str) -> str:
    """Run code with two CPUs in a process of its own, and return what it prints."""
    begin = (
        "import os, signal; from audio_model import processes; from tests import orphans;"
        "processes.usable_cpus = lambda: 2;"
    )
    done = subprocess.run(
        [sys.executable, "-c", begin + code],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert not done.stderr
    return done.stdout.strip()


def _workers(parent: subprocess.Popen[str]) -> set[int]:
    assert parent.stdout is not None
    workers = {int(parent.stdout.readline()) for _ in range(8)} - {parent.pid}
    assert workers
    return workers


def _assert_gone(workers: set[int]) -> None:
    until = time.monotonic() + 60
    while (left := {pid for pid in workers if _runs(pid)}) and time.monotonic() < until:
        time.sleep(0.02)
    assert not left


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
