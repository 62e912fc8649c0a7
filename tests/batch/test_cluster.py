"""A Ray cluster of several processes on this machine, whose processes are killed."""

import os
import signal
import socket
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

from tests.batch import runs

pytestmark = [
    pytest.mark.slow,
    pytest.mark.peer,
    pytest.mark.skipif(not find_spec("ray"), reason="--engine ray is NOT TESTED: Ray is missing"),
]

OPTIONS = ("--engine", "ray", "--workers", "3", "--shard-size", "10")


def actors(process: subprocess.Popen[str]) -> list[psutil.Process]:
    found = []
    for child in psutil.Process(process.pid).children(recursive=True):
        try:
            if child.cmdline()[:1] and child.cmdline()[0].startswith("ray::_Scorer"):
                found.append(child)
        except psutil.NoSuchProcess:
            continue
    return found


def test_all_is_scored_and_what_was_done_is_not_done_again(tmp_path: Path) -> None:
    names = runs.make(tmp_path / "calls", 95)
    code, error = runs.score(tmp_path, *OPTIONS)
    assert code == 0
    assert error.startswith("95 recordings: 95 recorded")
    assert runs.scored(tmp_path) == names
    (session,) = runs.manifest(tmp_path)["sessions"]
    assert (session["engine"], session["workers"]) == ("ray", 3)
    removed = runs.parts(tmp_path)[4]
    removed.unlink()
    # The shards are the same, whoever scores them.
    code, error = runs.score(tmp_path, "--shard-size", "10")
    assert (code, error.splitlines()[0].split(": ")[:2]) == (0, ["now", "10 recordings"])
    assert runs.scored(tmp_path) == names


def test_actors_that_are_killed_cost_nothing(tmp_path: Path) -> None:
    names = runs.make(tmp_path / "calls", 600)
    process = runs.start(tmp_path, *OPTIONS, seconds=0.03)
    killed: set[int] = set()
    for done in (3, 12, 25):
        runs.until(lambda done=done: len(runs.parts(tmp_path)) >= done)  # type: ignore[misc]
        victim = next(actor for actor in actors(process) if actor.pid not in killed)
        victim.kill()
        killed.add(victim.pid)
    code, _ = runs.finish(process)
    assert (code, len(killed)) == (0, 3)
    assert runs.scored(tmp_path) == names
    assert all(row["error"] == "" for row in runs.rows(tmp_path))


def test_a_recording_that_kills_twice_is_an_error(tmp_path: Path) -> None:
    runs.make(tmp_path / "calls", 30)
    for name in ("deadly.wav", "deadly-once.wav"):
        (tmp_path / "calls" / name).touch()
    assert runs.score(tmp_path, *OPTIONS)[0] == 1
    errors = {row["path"]: row["error"] for row in runs.rows(tmp_path) if row["error"]}
    assert list(errors) == ["calls/deadly.wav"]
    assert len(set(runs.scored(tmp_path))) == len(runs.scored(tmp_path)) == 32


def test_all_of_it_killed_and_run_again(tmp_path: Path) -> None:
    names = runs.make(tmp_path / "calls", 400)
    process = runs.start(tmp_path, *OPTIONS, seconds=0.03)
    runs.until(lambda: len(runs.parts(tmp_path)) > 4)
    ours = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.communicate()
    found = runs.scored(tmp_path)
    assert len(found) == len(set(found)) < 400
    assert runs.score(tmp_path, *OPTIONS)[0] == 0
    assert runs.scored(tmp_path) == names
    # Ray's own processes see that their driver is gone.
    psutil.wait_procs(ours, timeout=60)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_the_shards_at_hand_be_finished(
    tmp_path: Path, number: signal.Signals
) -> None:
    runs.make(tmp_path / "calls", 600)
    process = runs.start(tmp_path, *OPTIONS, seconds=0.03)
    runs.until(lambda: len(runs.parts(tmp_path)) > 2)
    process.send_signal(number)
    code, error = runs.finish(process)
    done = len(runs.scored(tmp_path))
    assert code == 128 + number
    assert 30 <= done < 600 and done % 10 == 0
    assert "; the same command goes on from there" in error
    assert runs.manifest(tmp_path)["counts"]["recordings"] == done
    assert not (tmp_path / "out" / "unfinished").exists()


def test_a_second_signal_stops_at_once(tmp_path: Path) -> None:
    runs.make(tmp_path / "calls", 30)
    process = runs.start(tmp_path, *OPTIONS, seconds=250)
    runs.until(lambda: list((tmp_path / "out").glob("unfinished/*/*/*/position")))
    # Two of a kind are one, if the first is still to be seen.
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    started = time.monotonic()
    assert runs.finish(process)[0] == 143
    assert time.monotonic() - started < 200


def test_a_cluster_that_is_not_there_is_said_in_one_line(tmp_path: Path) -> None:
    runs.make(tmp_path / "calls", 1)
    code, error = runs.score(tmp_path, *OPTIONS, "--ray-address", "127.0.0.1:1")
    assert code == 2
    assert error.splitlines()[-1].startswith("audio-model: --ray-address 127.0.0.1:1: nobody")


def test_a_cluster_that_runs_already_is_used_and_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "0123456789abcdef0123456789abcdef")
    names = runs.make(tmp_path / "calls", 50)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    ray = str(Path(sys.executable).with_name("ray"))
    port = address.rpartition(":")[2]
    flags = f"--node-ip-address=127.0.0.1 --port={port} --num-cpus=2 --include-dashboard=false"
    head = subprocess.Popen(
        [ray, "start", "--head", "--block", "--disable-usage-stats", *flags.split()],
        env=os.environ | {"PYTHONPATH": str(runs.ROOT), "FAKE_SECONDS": "0"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        options = ("--engine", "ray", "--shard-size", "10", "--ray-address", address)
        # The head answers before its machine can be used.
        runs.until(lambda: runs.score(tmp_path, *options)[0] == 0 or head.poll())
        assert runs.scored(tmp_path) == names
        assert head.poll() is None
        assert answers(address)
    finally:
        started = [psutil.Process(head.pid), *psutil.Process(head.pid).children(recursive=True)]
        for process in started:
            process.kill()
        head.wait()


def answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0
