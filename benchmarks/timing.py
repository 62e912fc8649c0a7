"""Timing of small tasks beside each other: interleaved, in random order, wall and CPU time."""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

WARM_UPS = 3


@dataclass(frozen=True)
class Task:
    """Something to time; its figures are those of one run divided by ``units``."""

    run: Callable[[], object]
    units: float = 1.0


@dataclass(frozen=True)
class Timing:
    """Medians over ``runs``, microseconds a unit."""

    cpu_us: float
    """CPU time of all threads of the process, which a busy machine disturbs least."""
    wall_us: float
    runs: int


def interleaved(tasks: Mapping[str, Task], rounds: int, seed: int = 0) -> dict[str, Timing]:
    """Time each task ``rounds`` times.

    Every round runs all tasks in a new random order, so that a slow moment of the machine falls
    on all of them alike and none always finds the caches as the same neighbour left them.
    """
    for task in tasks.values():
        for _ in range(WARM_UPS):
            task.run()
    rng = random.Random(seed)
    order = list(tasks)
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in tasks}
    for _ in range(rounds):
        rng.shuffle(order)
        for name in order:
            run = tasks[name].run
            wall, cpu = time.perf_counter(), time.process_time()
            run()
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            times[name].append((cpu, wall))
    timings = {}
    for name, task in tasks.items():
        cpu_s, wall_s = (median(column) for column in zip(*times[name], strict=True))
        timings[name] = Timing(1e6 * cpu_s / task.units, 1e6 * wall_s / task.units, rounds)
    return timings
