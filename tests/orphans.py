"""A program that spreads endless work over two processes and prints who does it, until killed."""

import itertools
import os
import signal
import time

from audio_model import processes


def work(_: int) -> int:
    """Take a moment, and say which process took it."""
    time.sleep(0.01)
    return os.getpid()


def work_or_wait(n: int) -> int:
    """Say which process took one of the first items; the others take longer."""
    time.sleep(0.1 if n < 8 else 1)
    return os.getpid()


def die_of_thirteen(n: int) -> int:
    """Return a number, but end at once at thirteen, as a process without memory does."""
    return die() if n == 13 else n


def die(*_: object) -> int:
    """End this process at once."""
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


if __name__ == "__main__":
    # A shell lets what it starts in the background ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    processes.usable_cpus = lambda: 2
    for pid in processes.map_on_all_cpus(work, itertools.count(), work):
        print(pid, flush=True)
