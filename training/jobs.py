"""Networks trained side by side: one process each, as many at a time as there are workers."""

import multiprocessing
import signal
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from threading import RLock

from tqdm import tqdm

from audio_model.errors import AudioModelError

Job = Callable[..., None]


def side_by_side(job: Job, calls: Sequence[tuple[object, ...]], workers: int) -> None:
    """``job(*call)`` for each call; in this process and in turn with fewer than two workers.

    An error of one, or an interruption, ends the others at once and is raised: what they had
    written stays, for a job goes on from there. Raises AudioModelError for a process that died.
    """
    if workers < 2 or len(calls) < 2:
        for call in calls:
            job(*call)
        return
    # Spawned, not forked: torch's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    waiting = list(calls)
    running: dict[int, tuple[SpawnProcess, Connection]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                receiver, sender = context.Pipe(duplex=False)
                process = context.Process(target=_run, args=(sender, job, waiting.pop(0)))
                # Ctrl-C reaches every process of the terminal; this one ends the others.
                handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
                process.start()
                signal.signal(signal.SIGINT, handler)
                sender.close()
                running[process.sentinel] = process, receiver
            for sentinel in wait(list(running)):
                assert isinstance(sentinel, int)
                _check(*running.pop(sentinel))
    finally:
        for process, _ in running.values():
            process.terminate()
            process.join()


def _run(sender: Connection, job: Job, call: tuple[object, ...]) -> None:
    # Its own lock is a semaphore, which a process that is ended would leave behind.
    tqdm.set_lock(RLock())
    try:
        job(*call)
    except AudioModelError as error:
        sender.send(error)


def _check(process: SpawnProcess, receiver: Connection) -> None:
    """Raises what ended a process before its job was done."""
    process.join()
    with receiver:
        try:
            error: AudioModelError = receiver.recv()
        except EOFError:
            if process.exitcode:
                raise AudioModelError(
                    f"a process at work ended with status {process.exitcode} (negative: a signal)"
                ) from None
        else:
            raise error
