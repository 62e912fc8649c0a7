import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from audio_model.batch.plan import make_plan
from audio_model.batch.shards import Job, Shard
from audio_model.batch.tally import RunTally
from audio_model.batch.workers import LocalWorkers
from audio_model.detector import Detector, ScoreOptions
from audio_model.errors import ModelError, WorkerError
from audio_model.tables.rows import Columns, Entry
from tests.fake_detector import FakeDetector


def dies() -> Detector:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def is_refused() -> Detector:
    raise ModelError("m.onnx: not the same here")


def job(folder: Path, load: Callable[[], Detector] = FakeDetector.load) -> Job:  # type: ignore[assignment]
    return Job(load, ScoreOptions(), Columns(each_channel=False), folder)


def shards(folder: Path, count: int) -> list[Shard]:
    plan = make_plan(folder / "plan", [Entry(f"{n}.wav") for n in range(count)], 1)
    return [
        Shard(1, plan.part(n), folder / f"part-{n}.csv", folder / "unfinished" / str(n))
        for n in range(count)
    ]


def test_every_shard_is_told_once_when_its_result_is_there(tmp_path: Path) -> None:
    told = []
    given = shards(tmp_path, 5)
    with LocalWorkers(job(tmp_path), 2) as engine:
        for shard, tally in engine.score(iter(given)):
            assert shard.output.exists()
            assert isinstance(tally, RunTally)
            told.append(shard.output.name)
    assert sorted(told) == sorted(shard.output.name for shard in given)


def test_no_shard_is_taken_before_there_is_somebody_for_it(tmp_path: Path) -> None:
    taken = 0

    def counted() -> Iterator[Shard]:
        nonlocal taken
        for shard in shards(tmp_path, 6):
            taken += 1
            yield shard

    with LocalWorkers(job(tmp_path), 2) as engine:
        for done, _ in enumerate(engine.score(counted()), start=1):
            assert taken <= done + 1


def test_a_model_that_is_refused_ends_the_run_with_its_own_message(tmp_path: Path) -> None:
    with (
        LocalWorkers(job(tmp_path, is_refused), 2) as engine,
        pytest.raises(ModelError, match="not the same here"),
    ):
        list(engine.score(iter(shards(tmp_path, 3))))


def test_processes_that_die_at_their_start_are_not_replaced_for_ever(tmp_path: Path) -> None:
    with (
        LocalWorkers(job(tmp_path, dies), 1) as engine,
        pytest.raises(WorkerError, match=r"3 processes in a row .* \(exit status -9\)"),
    ):
        list(engine.score(iter(shards(tmp_path, 3))))
