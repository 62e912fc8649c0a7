"""Measure what the core costs: ``python -m benchmarks.cost``.

Measures the sizes of the model, the time of each stage from a file to a verdict for a clip of 4 s,
a stream, and a fresh process. Beside them stands the same work by librosa and torch. Stages run in
one thread, a fresh process in as many as its libraries choose. Prints Markdown; ``--output`` also
writes JSON. Load on the machine raises every figure, so the load is printed, too; ratios are the
most reliable.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import soundfile
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from audio_model import audio
from audio_model.decision import decide
from audio_model.detector import Detector
from audio_model.frontend import FRAMES_PER_SECOND, SAMPLE_RATE, log_mel
from audio_model.model import Model
from audio_model.steps import STEP_SAMPLES, Steps, level_db
from benchmarks.command import add_output, parser_of, tell
from benchmarks.machine import Machine, machine
from benchmarks.naive import NaivePipeline
from benchmarks.startup import Start, fresh_processes
from benchmarks.timing import Task, Timing, interleaved
from training.call_graph import front_end_flops
from training.markdown import table
from training.network import Network, NetworkConfig, count_flops
from training.settings import from_dict

CLIP_SECONDS = 4.0
FILE_SECONDS = 30.0
WIDE_RATE = 16_000
"""Hz, of the file that has to be resampled."""

WHOLE_WAY = "whole way: file of 16 kHz → verdict"
NAIVE_WAY = "the same by librosa + torch"
LIBRARIES = ("numpy", "onnxruntime", "soundfile", "soxr", "librosa", "torch")


@dataclass(frozen=True)
class Sizes:
    """``mflop``: million multiplications and additions for ``CLIP_SECONDS`` of audio."""

    parameters: int
    network_mflop: float
    front_end_mflop: float
    model_bytes: int


@dataclass(frozen=True)
class Costs:
    """All figures of the core's costs."""

    machine: Machine
    sizes: Sizes
    stages: dict[str, Timing]
    starts: dict[str, Start]

    @property
    def ratio(self) -> float:
        """Return the CPU time of librosa + torch over ours, from file to answer."""
        return self.stages[NAIVE_WAY].cpu_us / self.stages[WHOLE_WAY].cpu_us


def sizes_of(model: Model) -> Sizes:
    """Return the sizes of a model."""
    config = network_config(model)
    return Sizes(
        parameters=sum(p.numel() for p in Network(config).parameters()),
        network_mflop=count_flops(config, CLIP_SECONDS) / 1e6,
        front_end_mflop=front_end_flops() * CLIP_SECONDS * FRAMES_PER_SECOND / 1e6,
        model_bytes=model.path.stat().st_size,
    )


def network_config(model: Model) -> NetworkConfig:
    """Return the network's settings in a model file."""
    return from_dict(NetworkConfig, model.about["network"])


def write_recording(path: Path, sample_rate: int) -> None:
    """Write noise in syllables as 16-bit PCM."""
    n_samples = round(FILE_SECONDS * sample_rate)
    syllables = np.sin(2 * np.pi * 2 * np.arange(n_samples) / sample_rate) ** 2
    noise = np.random.default_rng(0).standard_normal(n_samples)
    soundfile.write(path, 0.1 * syllables * noise, sample_rate, subtype="PCM_16")


def stages_of(model: Model, folder: Path) -> dict[str, Task]:
    """Return the tasks to time, and write the recordings that they read into ``folder``."""
    narrow, wide = folder / "narrow.wav", folder / "wide.wav"
    write_recording(narrow, SAMPLE_RATE)
    write_recording(wide, WIDE_RATE)
    samples = audio.read(narrow, max_seconds=CLIP_SECONDS)
    wide_samples, _ = soundfile.read(wide, round(CLIP_SECONDS * WIDE_RATE), dtype="float32")
    detector = Detector(model)
    logit, heard, _ = model.run(samples[None], model.start())
    stream = detector.stream(max_seconds=CLIP_SECONDS)
    naive = NaivePipeline(network_config(model))

    def decision() -> None:
        steps = Steps(logit[0], heard[0], level_db(samples))
        decide(steps, detector.rule, detector.operating_point, CLIP_SECONDS)

    def follow() -> None:
        stream.reset()
        for start in range(0, len(samples), STEP_SAMPLES):
            stream.feed(samples[start : start + STEP_SAMPLES])

    return {
        "decode WAV, 8 kHz": Task(lambda: audio.read(narrow, max_seconds=CLIP_SECONDS)),
        "resample 16 → 8 kHz": Task(lambda: audio.to_model_rate(wide_samples, WIDE_RATE)),
        "log-mel by NumPy (reference; not on the way)": Task(lambda: log_mel(samples)),
        "model: log-mel + network": Task(lambda: model.run(samples[None], model.start())),
        "decision": Task(decision),
        WHOLE_WAY: Task(lambda: detector.score(wide, max_seconds=CLIP_SECONDS)),
        NAIVE_WAY: Task(lambda: naive.logit(wide, CLIP_SECONDS)),
        "stream, steps of 80 ms: 1 s of audio": Task(follow, units=CLIP_SECONDS),
    }


def programs(folder: Path, config: NetworkConfig) -> dict[str, str]:
    """Return programs, each from imports to the first answer on a recording of ``stages_of``."""
    path = str(folder / "wide.wav")
    return {
        "import → first score": f"""
from audio_model import Detector
Detector.load().score({path!r}, max_seconds={CLIP_SECONDS})
""",
        NAIVE_WAY: f"""
from pathlib import Path
from benchmarks.naive import NaivePipeline
from training.network import NetworkConfig
NaivePipeline({config!r}).logit(Path({path!r}), {CLIP_SECONDS})
""",
    }


def measure(rounds: int, starts: int) -> Costs:
    """Measure ``rounds`` runs of every stage and ``starts`` fresh processes of each kind."""
    model = Model.load()
    with TemporaryDirectory() as name:
        folder = Path(name)
        # The second thread of a matrix product would wait, at full power, for one of the others.
        with threadpool_limits(1):
            stages = interleaved(stages_of(model, folder), rounds)
        started = fresh_processes(programs(folder, network_config(model)), starts)
    return Costs(machine(LIBRARIES), sizes_of(model), stages, started)


def as_markdown(costs: Costs) -> str:
    """Return the figures as Markdown."""
    sizes, of = costs.sizes, costs.machine
    libraries = ", ".join(f"{name} {number}" for name, number in of.libraries.items())
    stages = [
        [name, f"{timing.cpu_us:,.0f}", f"{timing.wall_us:,.0f}", f"{timing.runs}"]
        for name, timing in costs.stages.items()
    ]
    stages.append(["librosa + torch over ours, CPU", f"{costs.ratio:.1f} ×", "", ""])
    starts = (
        [name, f"{start.cpu_s:.2f}", f"{start.wall_s:.2f}", f"{start.peak_rss_mb:.0f}",
         f"{start.runs}"]
        for name, start in costs.starts.items()
    )  # fmt: skip
    lines = [
        *table(
            ["model", ""],
            (
                ["parameters", f"{sizes.parameters:,}"],
                [f"network, {CLIP_SECONDS:g} s", f"{sizes.network_mflop:.1f} MFLOP"],
                [f"front end, {CLIP_SECONDS:g} s", f"{sizes.front_end_mflop:.1f} MFLOP"],
                ["model file", f"{sizes.model_bytes / 1e3:.0f} kB"],
            ),
        ),
        "",
        *table(
            [f"a clip of {CLIP_SECONDS:g} s", "CPU µs, median", "wall µs, median", "runs"], stages
        ),
        "",
        *table(
            ["a fresh process", "CPU s, median", "wall s, median", "peak RSS, MB", "runs"], starts
        ),
        "",
        f"{of.cores} cores of {of.processor}, load {of.load:.1f}; Python {of.python}, {libraries}.",
    ]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Measure the core's costs, print them and return the exit status."""
    parser = parser_of("cost", __doc__)
    parser.add_argument("--rounds", type=at_least_one, default=200, help="runs of every stage")
    parser.add_argument(
        "--starts", type=at_least_one, default=5, help="fresh processes of each kind"
    )
    add_output(parser)
    options = parser.parse_args(arguments)
    costs = measure(options.rounds, options.starts)
    tell(as_markdown(costs), costs, options.output)
    return 0


def at_least_one(text: str) -> int:
    """Parse a number of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("at least 1 is wanted")
    return value


if __name__ == "__main__":
    sys.exit(main())
