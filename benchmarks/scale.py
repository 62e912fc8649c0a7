"""Measure what many recordings cost: ``python -m benchmarks.scale --folder FOLDER``.

Runs of ``audio-model score`` into run folders, over hard links of a few generated recordings of
30 s, of which 6 s are heard:

- ``long``: one run over all the files; the rate over time and its slope, the memory of all
  processes, and a second run that finds nothing to do;
- ``overhead``: plan, shards and Parquet beside a bare loop over ``Detector.score``, in one
  process, interleaved, by CPU time;
- ``workers``: two processes against one, interleaved;
- ``ray``: Ray against local processes, as many as there are CPUs, interleaved;
- ``resume``: killed at half and run again; each path exactly once.

A run's rate counts from its first finished shard to its last; the start is measured apart. Rates
are valid only on an idle machine, so the load is printed with them. A table gives time and price
for ``--planned`` recordings, by the formula of docs/cluster.md.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from audio_model.batch.options import DEFAULT_SHARD_SIZE
from audio_model.batch.plan import make_plan
from audio_model.batch.shards import Shard, score_shard
from audio_model.detector import Detector, ScoreOptions
from audio_model.sources.inputs import expand, walk
from audio_model.tables.columns import Wanted
from audio_model.tables.readers import read_rows
from audio_model.tables.rows import Columns
from benchmarks.command import add_output, parser_of, tell
from benchmarks.timing import Task, interleaved
from benchmarks.watched import Watched, command, make_recordings, watch

CPUS = os.cpu_count() or 1
CLUSTERS = (2, 16, 64, 256)
"""CPUs."""


@dataclass
class Scale:
    """All measurements; empty or None if left out."""

    load: float
    """The mean of the minute before: processes that wanted to run."""
    long: Watched | None = None
    names_a_second: float | None = None
    """Names a second from a folder into the plan, in the long run."""
    nothing_to_do_s: float | None = None
    overhead: float | None = None
    """CPU time of plan, shards and Parquet over that of the bare loop, less one."""
    workers: dict[str, list[Watched]] = field(default_factory=dict)
    """By the number of processes."""
    ray: dict[str, list[Watched]] = field(default_factory=dict)
    """By engine."""
    resumed: list[Watched] = field(default_factory=list)
    """Killed, and what was left."""


@dataclass(frozen=True)
class Rates:
    """The rates that a table of time and price is computed from."""

    one_cpu: float
    """Recordings a second."""
    efficiency: float
    """The efficiency of a cluster: Ray's rate over that of local processes."""
    listing: float
    """Names a second into the plan, by the process that was started."""
    first_shard_s: float
    """Until the first shard is finished, on a cluster that is up."""


@dataclass(frozen=True)
class Estimate:
    """The time and the price of a run."""

    hours: float
    price: float


def estimate(
    rates: Rates, recordings: int, cpus: int, price: float, shard_size: int = DEFAULT_SHARD_SIZE
) -> Estimate:
    """Time and price of a run, all CPUs paid for from its beginning to its end.

    ``price`` is that of one CPU for an hour.
    """
    each = rates.one_cpu * rates.efficiency
    listing_s = recordings / rates.listing
    scoring_s = recordings / (each * cpus)
    last_shard_s = shard_size / each
    hours = (listing_s + rates.first_shard_s + scoring_s + last_shard_s) / 3600
    return Estimate(hours, hours * cpus * price)


def rate(runs: Sequence[Watched]) -> float:
    """Return the median over runs, in recordings a second."""
    return median(run.rate for run in runs)


def rates_of(scale: Scale) -> Rates | None:
    """Return the rates; None if some were not measured."""
    if not (scale.workers and scale.ray and scale.names_a_second):
        return None
    return Rates(
        one_cpu=rate(scale.workers["1"]),
        efficiency=rate(scale.ray["ray"]) / rate(scale.ray["local"]),
        listing=scale.names_a_second,
        first_shard_s=median(run.first_shard_s for run in scale.ray["ray"]),
    )


def measure_long(scale: Scale, folder: Path, files: int) -> None:
    """Measure one run over all the files."""
    calls, results = folder / "calls", folder / "long"
    make_recordings(calls, files)
    scale.long = watch(calls, results, "--workers", str(CPUS))
    check_once(results, files)
    began = time.perf_counter()
    subprocess.run(command(calls, results), stderr=subprocess.DEVNULL, check=True)
    scale.nothing_to_do_s = time.perf_counter() - began
    began = time.perf_counter()
    make_plan(folder / "plan", expand([str(calls)]), DEFAULT_SHARD_SIZE)
    scale.names_a_second = files / (time.perf_counter() - began)


def measure_overhead(scale: Scale, folder: Path, files: int, rounds: int) -> None:
    """Measure runs into a folder beside a bare loop."""
    calls = folder / "few"
    make_recordings(calls, files)
    detector, options, columns = Detector.load(), ScoreOptions(), Columns(each_channel=False)

    def bare() -> None:
        for entry in walk(str(calls)):
            detector.score(entry.path)

    def sharded() -> None:
        shutil.rmtree(folder / "few-plan", ignore_errors=True)
        plan = make_plan(folder / "few-plan", expand([str(calls)]), DEFAULT_SHARD_SIZE)
        for number, size in enumerate(plan.sizes):
            output = folder / f"few-{number}.parquet"
            shard = Shard(size, plan.part(number), output, folder / "few-unfinished")
            score_shard(shard, detector, options, columns)

    # Short runs that differ by little: three times as many as of the long ones.
    timings = interleaved({"bare": Task(bare), "sharded": Task(sharded)}, 3 * rounds)
    scale.overhead = timings["sharded"].cpu_us / timings["bare"].cpu_us - 1


def measure_beside(
    folder: Path, files: int, rounds: int, ways: Mapping[str, Sequence[str]]
) -> dict[str, list[Watched]]:
    """Run each way ``rounds`` times, in turn, over the same files."""
    calls = folder / f"some-{files}"
    if not calls.exists():
        make_recordings(calls, files)
    runs: dict[str, list[Watched]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, options in ways.items():
            results = folder / "beside"
            runs[name].append(watch(calls, results, *options))
            check_once(results, files)
            shutil.rmtree(results)
    return runs


def measure_resume(scale: Scale, folder: Path, files: int) -> None:
    """Measure a run that is killed and resumed."""
    calls, results = folder / f"some-{files}", folder / "resumed"
    if not calls.exists():
        make_recordings(calls, files)
    half = files // DEFAULT_SHARD_SIZE // 2
    scale.resumed = [watch(calls, results, kill_after=half), watch(calls, results)]
    check_once(results, files)


def check_once(results: Path, files: int) -> None:
    """Raise ValueError unless so many paths are in the results, each once and without an error."""
    paths: set[object] = set()
    rows = 0
    for part in results.glob("part-*"):
        for _, values in read_rows(str(part), Wanted(("path", "error"))):
            if isinstance(values, str) or values["error"]:
                raise ValueError(f"{part}: {values}")
            paths.add(values["path"])
            rows += 1
    if not rows == len(paths) == files:
        raise ValueError(f"{results}: {rows} rows of {len(paths)} paths for {files} files")


def as_markdown(scale: Scale, planned: int, price: float) -> str:
    """Return the figures as Markdown."""
    lines = [f"{CPUS} CPUs; load before the runs {scale.load:.1f}.", ""]
    if scale.long is not None:
        run = scale.long
        lines += [
            f"| {run.recordings:,} recordings in one run | |",
            "|---|---:|",
            f"| recordings a second | {run.rate:,.0f} |",
            f"| the same for a day | {86_400 * run.rate / 1e6:.1f} million |",
            f"| change of the rate, last quarter over first | {100 * run.slope:+.1f} % |",
            f"| CPU time of a recording, all processes | {run.cpu_us:,.0f} µs |",
            "| memory of all processes at a tenth, half, the end | "
            + ", ".join(f"{run.memory_at(share):.0f}" for share in (0.1, 0.5, 0.95))
            + " MiB |",
            f"| names a second into the plan | {scale.names_a_second:,.0f} |",
            f"| the same command again, nothing to do | {scale.nothing_to_do_s:.1f} s |",
            "",
        ]
    lines += ["| | | to reach |", "|---|---:|---:|"]
    if scale.overhead is not None:
        lines.append(
            f"| plan, shards, Parquet over a bare loop | {100 * scale.overhead:+.1f} % | ≤ 5 % |"
        )
    if scale.workers:
        ratio = rate(scale.workers["2"]) / rate(scale.workers["1"])
        lines.append(f"| two workers over one | {ratio:.2f} × | ≥ 1.8 × |")
    if scale.ray:
        ratio = rate(scale.ray["ray"]) / rate(scale.ray["local"])
        lines.append(f"| Ray over local processes | {100 * ratio:.0f} % | ≥ 70 % |")
        for engine, runs in scale.ray.items():
            first_s = median(run.first_shard_s for run in runs)
            lines.append(f"| {engine}: from the command to the first shard | {first_s:.1f} s | |")
    if scale.resumed:
        killed, rest = scale.resumed
        lines.append(
            f"| killed after {killed.recordings:,}, then {rest.recordings:,} | each path once | |"
        )
    rates = rates_of(scale)
    if rates is not None:
        lines += [
            "",
            f"| CPUs | hours for {planned:,} | price at {price:g} a CPU and hour |",
            "|---:|---:|---:|",
        ]
        for cpus in CLUSTERS:
            of = estimate(rates, planned, cpus, price)
            lines.append(f"| {cpus} | {of.hours:.1f} | {of.price:,.2f} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print the figures."""
    parser = parser_of("scale", __doc__)
    parser.add_argument(
        "--folder", type=Path, required=True, help="a new folder; takes some gigabytes of names"
    )
    parser.add_argument("--files", type=int, default=200_000, help="files in the long run")
    parser.add_argument(
        "--beside", type=int, default=20_000, help="files in each of the other runs"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--planned", type=int, default=100_000_000, help="recordings to plan for")
    parser.add_argument("--price", type=float, default=0.045, help="price of a CPU for an hour")
    add_output(parser)
    kinds = ("long", "overhead", "workers", "ray", "resume")
    parser.add_argument("--only", nargs="+", choices=kinds, default=kinds)
    args = parser.parse_args(arguments)
    folder = args.folder.absolute()
    folder.mkdir(parents=True)
    scale = Scale(load=os.getloadavg()[0])
    if "long" in args.only:
        measure_long(scale, folder, args.files)
    if "overhead" in args.only:
        measure_overhead(scale, folder, args.beside // 10, args.rounds)
    if "workers" in args.only:
        counts = {str(count): ("--workers", str(count)) for count in (1, 2)}
        scale.workers = measure_beside(folder, args.beside, args.rounds, counts)
    if "ray" in args.only:
        engines = {kind: ("--engine", kind, "--workers", str(CPUS)) for kind in ("local", "ray")}
        scale.ray = measure_beside(folder, args.beside, args.rounds, engines)
    if "resume" in args.only:
        measure_resume(scale, folder, args.beside)
    tell(as_markdown(scale, args.planned, args.price), scale, args.output)
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
