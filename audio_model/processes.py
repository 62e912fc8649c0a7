"""Processes on this machine: count them, start them, and spread work over them.

A worker process ends when its parent does, even if the parent is killed and can't say so.
"""

import math
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager, suppress
from itertools import islice
from multiprocessing import get_context, resource_tracker
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TypeVar

from audio_model.errors import WorkerError

Item = TypeVar("Item")
Done = TypeVar("Done")

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")
_ATTEMPTS = 2
_AT_ONCE = 512
"""Items whose answers are held in memory."""
_CHUNK = 8
"""Items that a process is given at once."""
MOST_FAILED_STARTS = 3
"""Processes in a row that may die before they are ready for their work."""


def usable_cpus() -> int:
    """Return the CPUs this process may use: those it is bound to, within a container's quota."""
    bound = len(os.sched_getaffinity(0))
    try:
        quota, period = _CPU_QUOTA.read_text().split()
        return min(bound, max(1, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError):  # no control group of version 2, or "max"
        return bound


def map_on_all_cpus(
    function: Callable[[Item], Done], items: Iterable[Item], lost: Callable[[Item], Done]
) -> Iterator[Done]:
    """Yield the function of each item in the order of the items.

    A few items are done in this process; many are spread over all CPUs, where neither a function
    nor an item may hold what can't be pickled.

    Args:
        function: what is done with an item.
        items: may be endless.
        lost: the answer for an item of which two processes have died that had nothing else to do.
            What a dying process takes along is done again.

    Raises WorkerError if processes die before they can begin.
    """
    waiting = iter(items)
    some = list(islice(waiting, _AT_ONCE))
    workers = min(usable_cpus(), len(some) // _CHUNK)
    if workers < 2:
        while some:
            yield from map(function, some)
            some = list(islice(waiting, _AT_ONCE))
        return
    with ExitStack() as pools:
        pool = pools.enter_context(_pool(workers))
        while some:
            n_done = 0
            try:
                with _deaf_children():
                    answers = pool.map(function, some, chunksize=_CHUNK)
                for answer in answers:
                    yield answer
                    n_done += 1
            except BrokenProcessPool:
                pools.close()
                yield from _one_by_one(function, some[n_done:], lost)
                pool = pools.enter_context(_pool(workers))
            some = list(islice(waiting, _AT_ONCE))


def _one_by_one(
    function: Callable[[Item], Done], items: Iterable[Item], lost: Callable[[Item], Done]
) -> Iterator[Done]:
    """Yield the function of each item, done alone in a process, so that a death names its item."""
    with ExitStack() as pools:
        pool = _started(pools)
        for item in items:
            for _ in range(_ATTEMPTS):
                try:
                    answer = pool.submit(function, item).result()
                    break
                except BrokenProcessPool:
                    pool = _started(pools)
            else:
                answer = lost(item)
            yield answer


def _started(pools: ExitStack) -> ProcessPoolExecutor:
    """Return a pool of one process that is ready, in place of the one before."""
    for _ in range(MOST_FAILED_STARTS):
        pools.close()
        pool = pools.enter_context(_pool(1))
        with suppress(BrokenProcessPool), _deaf_children():
            pool.submit(int).result()
            return pool
    raise WorkerError(
        f"{MOST_FAILED_STARTS} processes in a row died before they could begin; is there memory "
        "for them? What was done before is kept"
    )


def _pool(workers: int) -> ProcessPoolExecutor:
    # A pool whose worker was killed ends the others by SIGTERM.
    return ProcessPoolExecutor(
        workers,
        mp_context=get_context("spawn"),
        initializer=be_a_worker,
        initargs=([signal.SIGINT],),
    )


def spawn(work: Callable[..., None], *arguments: object) -> BaseProcess:
    """Start a process for work that begins with :func:`be_a_worker`. It ends with this one."""
    process = get_context("spawn").Process(target=work, args=arguments, daemon=True)
    with _deaf_children():
        process.start()
    return process


@contextmanager
def _deaf_children() -> Iterator[None]:
    """Block Ctrl-C and SIGTERM in processes that are started, until :func:`be_a_worker`.

    Ctrl-C goes to all processes of a terminal: none may end before it can ignore it. Raises
    WorkerError if none can be started.
    """
    # It unblocks the signals that it finds blocked when it starts by itself, with a process.
    resource_tracker.ensure_running()
    former = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    except OSError as error:
        raise WorkerError(f"no process can be started: {error.strerror or error}") from error
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)


def be_a_worker(ignored: Iterable[signal.Signals] = _SIGNALS) -> None:
    """Leave Ctrl-C and SIGTERM to the process that started this one, and end when it is gone.

    A signal of the two that is not ``ignored`` acts on this process as usual.
    """
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    _die_with_parent()


def _die_with_parent() -> None:
    """End this worker process as soon as the process that started it is gone.

    The parent holds one end of a pipe (the sentinel of ``multiprocessing``), which the system
    closes however the parent ends. In a process without such a parent nothing happens.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, name="die with parent", daemon=True).start()
