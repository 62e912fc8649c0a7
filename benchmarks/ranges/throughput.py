"""Print how many calls a second one core writes into a store, as Markdown."""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from audio_model.ranges.store import RangeStore
from audio_model.ranges.tree import RangeCall
from benchmarks.ranges.settings import Settings
from benchmarks.ranges.world import OUTCOMES, simulate

BATCHES = (1, 10, 100, 1000)


@dataclass(frozen=True)
class Rate:
    """Calls a second, by the clock and by the processor's time."""

    batch: int
    wall: float
    cpu: float
    database_bytes: int
    """For each call that was written."""


def measure(calls: Sequence[RangeCall], batch: int, folder: Path) -> Rate:
    """Write calls in batches; each is on the disk before the next begins."""
    path = folder / f"{batch}.db"
    store = RangeStore(path)
    wall, cpu = time.perf_counter(), time.process_time()
    for start in range(0, len(calls), batch):
        store.hear(calls[start : start + batch])
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    store.close()
    return Rate(batch, len(calls) / wall, len(calls) / cpu, path.stat().st_size // len(calls))


def main(arguments: list[str] | None = None) -> int:
    """Measure the store and print the figures."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ranges.throughput", description=__doc__
    )
    parser.add_argument("--calls", type=int, default=20_000, help="calls in each measurement")
    parser.add_argument("--folder", type=Path, help="folder of the stores, on the disk to measure")
    options = parser.parse_args(arguments)
    settings = Settings(calls=200_000, campaigns=5)
    day = simulate(settings)
    calls = [
        RangeCall(str(n), day.callers[caller], told, OUTCOMES[outcome], called=f"138{n:08d}")
        for n, (caller, told, outcome) in enumerate(
            zip(day.caller.tolist(), day.told.tolist(), day.outcome.tolist(), strict=True)
        )
    ]
    # The middle of the day, where campaigns are under way.
    calls = calls[len(calls) // 2 :][: options.calls]
    print("| calls in a batch | calls a second | calls a CPU second | bytes a call |")
    print("|---:|---:|---:|---:|")
    with TemporaryDirectory(dir=options.folder) as folder:
        for batch in BATCHES:
            # Single calls wait for the disk: fewer tell as much.
            some = calls if batch > 1 else calls[: len(calls) // 10]
            rate = measure(some, batch, Path(folder))
            print(
                f"| {batch} | {rate.wall:,.0f} | {rate.cpu:,.0f} | {rate.database_bytes:,} |",
                flush=True,
            )
    print(f"\nload {os.getloadavg()[0]:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
