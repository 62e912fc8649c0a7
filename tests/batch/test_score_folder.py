"""Runs into a folder, killed and stopped in every way: each recording is there exactly once."""

import json
import os
import random
import resource
import signal
import time
from pathlib import Path

import psutil
import pytest

from tests.batch import runs


def test_all_is_scored_in_order_and_told(tmp_path: Path) -> None:
    names = runs.make(tmp_path / "calls", 25)
    code, error = runs.score(tmp_path, "--workers", "2", "--shard-size", "10")
    assert code == 0
    assert error.startswith("25 recordings: 25 recorded, 0 live, 0 unknown, 0 errors; ")
    assert runs.scored(tmp_path) == names
    assert [part.name for part in runs.parts(tmp_path)] == [
        "part-000000.csv",
        "part-000001.csv",
        "part-000002.csv",
    ]
    run = runs.manifest(tmp_path)
    assert run["asked"]["paths"] == [str(tmp_path / "calls")]
    assert run["asked"]["shard_size"] == 10
    assert run["planned"] == {"shards": 3, "recordings": 25}
    assert run["counts"]["recordings"] == run["counts"]["recorded"] == 25
    (session,) = run["sessions"]
    assert session["started"] <= session["ended"] <= run["finished"]
    assert session["versions"]["onnxruntime"]
    assert not (tmp_path / "out" / "unfinished").exists()


def test_a_second_run_does_nothing(tmp_path: Path) -> None:
    runs.make(tmp_path / "calls", 5)
    assert runs.score(tmp_path)[0] == 0
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.*")}
    runs.make(tmp_path / "calls", 8)
    code, error = runs.score(tmp_path)
    assert (code, error.count("\n")) == (0, 1)
    assert error.startswith("in out/: 5 recordings: 5 recorded, 0 live, 0 unknown, 0 errors; ")
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.*")} == before


@pytest.mark.slow
def test_shards_that_outlived_their_run_are_noted(tmp_path: Path) -> None:
    """Workers of a killed run may finish the last shards when nobody is left to note it."""
    runs.make(tmp_path / "calls", 5)
    assert runs.score(tmp_path, "--shard-size", "2")[0] == 0
    file = tmp_path / "out" / "run.json"
    whole = runs.manifest(tmp_path)
    killed = whole | {"counts": whole["counts"] | {"recordings": 2}, "finished": None}
    file.write_text(json.dumps(killed | {"finished_shards": 1}))
    assert runs.score(tmp_path, "--shard-size", "2")[0] == 0
    run = runs.manifest(tmp_path)
    assert run["counts"] == whole["counts"]
    assert run["finished"] and run["finished_shards"] == 3


@pytest.mark.slow
def test_a_run_goes_on_from_another_folder(tmp_path: Path) -> None:
    names = runs.make(tmp_path / "calls", 5)
    assert runs.score(tmp_path, "--shard-size", "2")[0] == 0
    (tmp_path / "out" / "part-000001.csv").unlink()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    process = runs.start(
        elsewhere,
        "--shard-size",
        "2",
        path=str(tmp_path / "calls"),
        output=f"{tmp_path / 'out'}/",
    )
    assert runs.finish(process)[0] == 0
    assert runs.scored(tmp_path) == names


@pytest.mark.slow
def test_errors_are_rows_and_counted(tmp_path: Path) -> None:
    runs.make(tmp_path / "calls", 4)
    (tmp_path / "calls" / "broken.wav").touch()
    (tmp_path / "calls" / "gone.wav").symlink_to("nowhere")
    assert runs.score(tmp_path, "--shard-size", "2")[0] == 1
    errors = [row["error"] for row in runs.rows(tmp_path)]
    assert errors == ["", "", "", "", "ZeroDivisionError: in the decoder", "is a broken link"]
    assert runs.manifest(tmp_path)["counts"]["errors"] == 2
    assert runs.score(tmp_path, "--shard-size", "2")[0] == 1


@pytest.mark.slow
def test_killed_once_and_run_again(tmp_path: Path) -> None:
    names = runs.make(tmp_path / "calls", 60)
    options = ("--workers", "2", "--shard-size", "5")
    process = runs.start(tmp_path, *options, seconds=0.2)
    runs.until(lambda: len(runs.parts(tmp_path)) > 2)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    before = len(runs.parts(tmp_path))
    code, error = runs.score(tmp_path, *options)
    assert code == 0
    assert runs.scored(tmp_path) == names
    assert error.splitlines()[0].startswith(f"now: {60 - 5 * before} recordings: ")
    run = runs.manifest(tmp_path)
    assert run["counts"]["recordings"] == 60
    assert [session["ended"] is None for session in run["sessions"]] == [True, False]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_killed_at_any_moment_each_recording_is_there_once(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    names = runs.make(tmp_path / "calls", 400)
    options = ("--workers", "2", "--shard-size", "7")
    for _ in range(12):
        process = runs.start(tmp_path, *options, seconds=0.002)
        time.sleep(rng.uniform(0, 1.2))
        if rng.random() < 0.5:
            os.killpg(process.pid, signal.SIGKILL)
        else:  # its workers live on for a moment
            process.kill()
        process.communicate()
        found = runs.scored(tmp_path)
        assert len(found) == len(set(found))
        assert all(len(part.read_text().splitlines()) in (2, 8) for part in runs.parts(tmp_path))
    assert runs.score(tmp_path, *options)[0] == 0
    assert runs.scored(tmp_path) == names
    assert runs.manifest(tmp_path)["counts"]["recordings"] == 400
    assert not (tmp_path / "out" / "unfinished").exists()
    assert not (tmp_path / "out" / "plan.partial").exists()


def test_workers_do_not_outlive_the_run(tmp_path: Path) -> None:
    runs.make(tmp_path / "calls", 60)
    process = runs.start(tmp_path, "--workers", "2", "--shard-size", "30", seconds=0.5)
    runs.until(lambda: len(runs.workers(process)) == 2)
    orphans = runs.workers(process)
    process.kill()
    process.communicate()
    _, alive = psutil.wait_procs(orphans, timeout=60)
    assert alive == []


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_nothing(tmp_path: Path) -> None:
    names = runs.make(tmp_path / "calls", 80)
    process = runs.start(tmp_path, "--workers", "2", "--shard-size", "8", seconds=0.1)
    runs.until(lambda: runs.parts(tmp_path))
    runs.workers(process)[0].kill()
    code, error = runs.finish(process)
    assert (code, error.count("\n")) == (0, 1)
    assert runs.scored(tmp_path) == names
    assert all(row["error"] == "" for row in runs.rows(tmp_path))


@pytest.mark.slow
def test_a_recording_that_kills_twice_is_an_error(tmp_path: Path) -> None:
    runs.make(tmp_path / "calls", 10)
    for name in ("00003-deadly.wav", "deadly.wav", "deadly2.wav"):
        (tmp_path / "calls" / name).touch()
    code, _ = runs.score(tmp_path, "--workers", "2", "--shard-size", "7")
    assert code == 1
    errors = {row["path"]: row["error"] for row in runs.rows(tmp_path) if row["error"]}
    assert set(errors) == {"calls/deadly.wav", "calls/deadly2.wav"}
    assert all("died of it, twice" in error for error in errors.values())
    assert len(runs.scored(tmp_path)) == len(set(runs.scored(tmp_path))) == 13


@pytest.mark.slow
def test_a_recording_that_kills_once_is_scored(tmp_path: Path) -> None:
    runs.make(tmp_path / "calls", 3)
    (tmp_path / "calls" / "deadly-once.wav").touch()
    assert runs.score(tmp_path)[0] == 0
    assert (tmp_path / "calls" / "died").exists()
    assert runs.scored(tmp_path)[-1] == "calls/deadly-once.wav"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "to_all"),
    [
        (signal.SIGINT, True),  # Ctrl-C in a terminal
        (signal.SIGTERM, True),  # systemd
        (signal.SIGTERM, False),  # Kubernetes
    ],
)
def test_a_signal_lets_the_shards_at_hand_be_finished(
    tmp_path: Path, number: signal.Signals, to_all: bool
) -> None:
    names = runs.make(tmp_path / "calls", 150)
    options = ("--workers", "2", "--shard-size", "5")
    process = runs.start(tmp_path, *options, seconds=0.2)
    runs.until(lambda: runs.parts(tmp_path))
    (os.killpg if to_all else os.kill)(process.pid, number)
    code, error = runs.finish(process)
    done = len(runs.scored(tmp_path))
    assert (code, done % 5) == (128 + number, 0)
    assert 5 <= done < 150
    assert error.splitlines()[-1] == (
        f"audio-model: interrupted: {done} of 150 recordings; the same command goes on from there"
    )
    assert not (tmp_path / "out" / "unfinished").exists()
    assert runs.manifest(tmp_path)["counts"]["recordings"] == done
    assert runs.manifest(tmp_path)["finished"] is None
    assert runs.score(tmp_path, *options)[0] == 0
    assert runs.scored(tmp_path) == names


def test_a_second_signal_stops_at_once(tmp_path: Path) -> None:
    runs.make(tmp_path / "calls", 100)
    process = runs.start(tmp_path, "--workers", "2", seconds=60)
    runs.until(lambda: list((tmp_path / "out").glob("unfinished/*/*/*/position")))
    # Two of a kind are one, if the first is still to be seen.
    process.send_signal(signal.SIGINT)
    time.sleep(0.2)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    code, error = runs.finish(process)
    assert (code, error.splitlines()) == (
        143,
        ["audio-model: stopped at once; the same command goes on from there"],
    )
    assert not (tmp_path / "out" / "unfinished").exists()


@pytest.mark.slow
def test_a_full_disk_ends_the_run_which_goes_on_when_there_is_room(tmp_path: Path) -> None:
    names = runs.make(tmp_path / "calls", 100)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    code, error = runs.finish(runs.start(tmp_path, limit=limit))
    assert (code, error.count("\n")) == (3, 1)
    assert "cannot write" in error and "File too large" in error
    assert runs.parts(tmp_path) == []
    assert not (tmp_path / "out" / "unfinished").exists()
    assert runs.score(tmp_path)[0] == 0
    assert runs.scored(tmp_path) == names


def test_a_plan_that_was_not_finished_is_made_anew(tmp_path: Path) -> None:
    runs.make(tmp_path / "calls", 100)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2048, 2048))

    code, error = runs.finish(runs.start(tmp_path, limit=limit))
    assert (code, "cannot write" in error, "plan.partial" in error) == (3, True, True)
    assert (tmp_path / "out" / "plan.partial").exists()
    (tmp_path / "out" / "run.json.partial").write_text("{half")
    names = runs.make(tmp_path / "calls", 110)
    assert runs.score(tmp_path)[0] == 0
    assert runs.scored(tmp_path) == names


def test_two_runs_in_one_folder_are_refused(tmp_path: Path) -> None:
    runs.make(tmp_path / "calls", 50)
    process = runs.start(tmp_path, seconds=60)
    runs.until((tmp_path / "out" / "run.json").exists)
    code, error = runs.score(tmp_path)
    assert (code, error) == (
        2,
        f"audio-model: {tmp_path}/out: another process is scoring into it\n",
    )
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
