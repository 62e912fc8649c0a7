"""What a fresh process costs from its first instruction to its first result."""

import json
import random
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]

# Linux keeps VmHWM for the program itself. The maximum that getrusage tells includes the memory
# of the process that started it.
_REPORT = """
import json, pathlib, time
status = pathlib.Path("/proc/self/status").read_text()
peak_kb = int(status.split("VmHWM:")[1].split()[0])
print(json.dumps({"cpu_s": time.process_time(), "peak_kb": peak_kb}))
"""


@dataclass(frozen=True)
class Start:
    """Medians over ``runs`` processes."""

    cpu_s: float
    wall_s: float
    """With the end of the process."""
    peak_rss_mb: float
    """MiB."""
    runs: int


def fresh_processes(programs: Mapping[str, str], rounds: int, seed: int = 0) -> dict[str, Start]:
    """Run each Python program in ``rounds`` new processes, in random order.

    One run of each comes before, uncounted: it brings the files into memory. Raises
    CalledProcessError if a program fails.
    """
    for program in programs.values():
        _run(program)
    rng = random.Random(seed)
    order = list(programs)
    results: dict[str, list[tuple[float, float, float]]] = {name: [] for name in programs}
    for _ in range(rounds):
        rng.shuffle(order)
        for name in order:
            results[name].append(_run(programs[name]))
    starts = {}
    for name, runs in results.items():
        cpu_s, wall_s, peak_rss_mb = (median(column) for column in zip(*runs, strict=True))
        starts[name] = Start(cpu_s, wall_s, peak_rss_mb, rounds)
    return starts


def _run(program: str) -> tuple[float, float, float]:
    """Run a program and return CPU seconds, wall seconds and MiB."""
    wall = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", program + _REPORT],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    wall = time.perf_counter() - wall
    report = json.loads(done.stdout)
    return report["cpu_s"], wall, report["peak_kb"] / 1024
