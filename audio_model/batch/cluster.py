"""Ray: the same shards, scored by actors on many machines; ``pip install "audio-model[cluster]"``.

Actors rather than Ray Data: no row leaves the process that made it, so that its object store would
have nothing to hold, and what outlives the driver are the shards on disk. All machines must see the
run's folder, and local recordings, under one path.
"""

import logging
import os
import signal
import socket
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Self

import ray
from ray.exceptions import RayError, RayTaskError

from audio_model.batch.shards import Job, Shard, score_shard
from audio_model.batch.tally import RunTally
from audio_model.detector import Detector
from audio_model.errors import AudioModelError, UsageError, WorkerError
from audio_model.processes import MOST_FAILED_STARTS, usable_cpus

_POLL_SECONDS = 0.2
_CONNECT_SECONDS = 10.0


class RayWorkers:
    """An engine of actors on a Ray cluster, each with one CPU and a model of its own."""

    def __init__(self, job: Job, count: int | None, address: str | None) -> None:
        """Start the actors.

        Args:
            job: the work of the run, which each actor gets.
            count: how many actors; by default one for each CPU of the cluster.
            address: the cluster's, or None to start one on this machine for as long as this runs.
        """
        self._job, self._count, self._address = job, count, address
        self._busy: dict[Any, _Actor] = {}
        """By the reference to the answer that is awaited."""
        self._failed_starts = 0

    def __enter__(self) -> Self:
        _connect(self._address, self._count or usable_cpus())
        try:
            self._shared_job = ray.put(self._job)
            for _ in range(self._count or _cluster_cpus()):
                self._hire()
            # A cluster may have to grow first; the others are given work as they come.
            while not self._answered():
                pass
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        for actor in self._busy.values():
            with suppress(RayError):
                ray.kill(actor.handle)
        ray.shutdown()

    def score(self, shards: Iterator[Shard]) -> Iterator[tuple[Shard, RunTally]]:
        """Score shards as :meth:`audio_model.batch.shards.Workers.score` says."""
        again: deque[Shard] = deque()
        exhausted = False
        while not exhausted or again or any(actor.shard for actor in self._busy.values()):
            for reference in self._answered():
                actor = self._busy.pop(reference)
                try:
                    answer = _get(reference)
                except _DiedError as error:
                    if actor.shard is not None:
                        again.append(actor.shard)
                    self._replace(actor, error)
                    continue
                self._failed_starts = 0
                if answer is not None and actor.shard is not None:
                    yield actor.shard, answer
                if (shard := again.popleft() if again else next(shards, None)) is not None:
                    self._busy[actor.handle.score.remote(shard)] = _Actor(actor.handle, shard)
                else:
                    exhausted = True
                    ray.kill(actor.handle)

    def _answered(self) -> list[Any]:
        try:
            answered, _ = ray.wait(list(self._busy), timeout=_POLL_SECONDS)
        except SystemError as error:
            # What a signal's handler raises comes out of Ray's extension as the cause of this.
            if error.__cause__ is None:
                raise
            raise error.__cause__ from None
        return answered

    def _hire(self) -> None:
        # A machine that is lost takes its actors along; new ones start where there is room.
        handle: Any = ray.remote(num_cpus=1, max_restarts=0)(_Scorer).remote(self._shared_job)
        self._busy[handle.begin.remote()] = _Actor(handle, None)

    def _replace(self, actor: "_Actor", error: "_DiedError") -> None:
        if actor.shard is None:
            self._failed_starts += 1
            if self._failed_starts == MOST_FAILED_STARTS:
                raise WorkerError(
                    f"{self._failed_starts} actors in a row died before they had loaded the "
                    f"model: {error}"
                )
        self._hire()


class _DiedError(Exception):
    """An actor died, or was lost; the message is one line."""


@dataclass(frozen=True)
class _Actor:
    handle: Any
    shard: Shard | None
    """None: it is loading its model."""


class _Scorer:
    """An actor that scores shards.

    An error of the whole run is an answer, too.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._detector: Detector | None = None

    def begin(self) -> AudioModelError | None:
        try:
            self._detector = self._job.begin()
        except AudioModelError as error:
            return error
        return None

    def score(self, shard: Shard) -> RunTally | AudioModelError:
        assert self._detector is not None, "begun first"
        try:
            return score_shard(shard, self._detector, self._job.options, self._job.columns)
        except AudioModelError as error:
            return error


def _get(reference: Any) -> RunTally | None:
    try:
        answer: RunTally | AudioModelError | None = ray.get(reference)
    except RayTaskError:
        raise
    except RayError as error:
        raise _DiedError(" ".join(str(error).split())) from error
    if isinstance(answer, AudioModelError):
        raise answer
    return answer


def _connect(address: str | None, local_cpus: int) -> None:
    # Calls are private: nothing about them, or about the machine, is sent anywhere.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    where: dict[str, Any] = {"address": address}
    if address is not None:
        _check_reachable(address)
    else:
        where = {
            "address": "local",
            "num_cpus": local_cpus,
            "include_dashboard": False,
            "_node_ip_address": "127.0.0.1",
        }
    with _own_signal_handlers():
        try:
            ray.init(**where, logging_level=logging.ERROR, log_to_driver=False)
        except (ConnectionError, RuntimeError, ValueError, RayError) as error:
            message = " ".join(str(error).split())
            raise UsageError(f"--ray-address {address}: {message}") from error


def _check_reachable(address: str) -> None:
    """Raise UsageError at once if no cluster answers. Ray would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():  # "auto" and the like
        return
    try:
        socket.create_connection((host, int(port)), _CONNECT_SECONDS).close()
    except OSError as error:
        raise UsageError(f"--ray-address {address}: nobody answers: {error}") from error


def _cluster_cpus() -> int:
    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return max(1, int(resources.get("CPU", 1)))


@contextmanager
def _own_signal_handlers() -> Iterator[None]:
    """Keep the handlers of this process; Ray's would end it in the middle of a shard."""
    former = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
