"""Processes on this machine that score shards, and the watch over them.

A process that dies (a crash in a decoder, the kernel's OOM killer) is replaced and its shard begun
again; concurrent.futures would give up all the others with it.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Self, cast

from audio_model.batch.shards import Job, Shard, score_shard
from audio_model.batch.tally import RunTally
from audio_model.errors import AudioModelError, WorkerError
from audio_model.processes import MOST_FAILED_STARTS, be_a_worker, spawn


class LocalWorkers:
    """An engine of so many processes on this machine, each with a model of its own."""

    def __init__(self, job: Job, count: int) -> None:
        self._job, self._count = job, count
        self._busy: dict[Connection, _Worker] = {}
        self._dismissed: list[_Worker] = []
        self._failed_starts = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        workers = [*self._busy.values(), *self._dismissed]
        for worker in workers:
            worker.process.kill()
        for worker in workers:
            worker.process.join()
            worker.connection.close()

    def score(self, shards: Iterator[Shard]) -> Iterator[tuple[Shard, RunTally]]:
        """Score shards as :meth:`audio_model.batch.shards.Workers.score` says."""
        again: deque[Shard] = deque()
        while True:
            while len(self._busy) < self._count and (shard := _next(again, shards)) is not None:
                self._start(shard)
            if not self._busy:
                return
            for connection in wait(list(self._busy)):
                worker = self._busy[cast(Connection, connection)]
                try:
                    answer: RunTally | AudioModelError | None = worker.connection.recv()
                # OSError: it died in the middle of its answer.
                except (EOFError, OSError):
                    again.append(worker.shard)
                    self._bury(worker)
                    continue
                if isinstance(answer, AudioModelError):
                    raise answer
                if answer is None:
                    worker.ready = True
                    self._failed_starts = 0
                    continue
                yield worker.shard, answer
                if (shard := _next(again, shards)) is None:
                    self._dismissed.append(self._busy.pop(worker.connection))
                else:
                    worker.give(shard)

    def _start(self, shard: Shard) -> None:
        ours, theirs = Pipe()
        process = spawn(_work, self._job, theirs)
        theirs.close()
        self._busy[ours] = worker = _Worker(process, ours, shard)
        worker.give(shard)

    def _bury(self, worker: "_Worker") -> None:
        del self._busy[worker.connection]
        worker.connection.close()
        worker.process.join()
        if worker.ready:
            return
        self._failed_starts += 1
        if self._failed_starts == MOST_FAILED_STARTS:
            raise WorkerError(
                f"{self._failed_starts} processes in a row died before they had loaded the model "
                f"(exit status {worker.process.exitcode}); is there memory for {self._count} of "
                "them? Give a smaller --workers"
            )


@dataclass
class _Worker:
    process: BaseProcess
    connection: "Connection"
    shard: Shard
    ready: bool = False
    """Whether it has loaded its model."""

    def give(self, shard: Shard) -> None:
        self.shard = shard
        # Its death is noticed where its answer is read.
        with suppress(OSError):
            self.connection.send(shard)


def _next(again: deque[Shard], shards: Iterator[Shard]) -> Shard | None:
    return again.popleft() if again else next(shards, None)


def _work(job: Job, connection: "Connection") -> None:
    """Load the detector, then score a shard at a time until the other end closes."""
    be_a_worker()
    try:
        detector = job.begin()
        connection.send(None)
        while True:
            shard = connection.recv()
            connection.send(score_shard(shard, detector, job.options, job.columns))
    except EOFError:
        return
    except AudioModelError as error:
        connection.send(error)
