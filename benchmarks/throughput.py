"""Measure how fast recordings are scored, from file to row: ``python -m benchmarks.throughput``.

It hears the first 4 s of files of 30 s in one process and one thread. One run interleaves:

- the whole way by format, beside librosa + torch with the same network: the fair pipeline decodes
  4 s at 8 kHz, the default one is what ``librosa.load(path)`` does unasked. Ours hears one file at
  a time, and several together as ``score --output`` does;
- the share of each stage, and Silero VAD on the same audio as a peer;
- what the machine allows: those bytes from the page cache, and the network's multiplications and
  additions at the rate of a matrix product of the same run.

Read the ratios of CPU time: load on the machine raises every figure, and is printed, too.

These were measured on two cores of an AMD EPYC (Zen 4, AVX-512), and left out because they did not
pay:

- an FFT instead of matrix products in the front end: for 400 frames the transform alone takes
  170 µs (SciPy) to 310 µs (NumPy), the products on folded frames 90 µs;
- one convolution over the samples instead of frames and products: 235 µs for 206;
- frames mirrored where time is not the last axis: 0.99 of the graph's time with frames folded in
  half for a clip, where it is 0.91 with time last; for a step of 16 calls 0.94 and 1.01;
- ONNX Runtime without arena, memory pattern or reuse, or with denormals as zero: no difference
  beyond the noise; without the NCHWc layout 1,250 µs for 1,100;
- calls in runs of 32 instead of 16: nothing less for each;
- spectra of hops, put together to those of frames by convolutions of sixteen channels, in place of
  folded frames: 0.96 to 0.99 of the front end's time for a clip, 1.11 for a step of 16 calls;
- products of two dimensions with their bias and rectifier (Gemm): reshaping takes what they save;
- levels of steps from sums of squares: 11 for 14 µs;
- OpenVINO 2026.4, one thread: 1.3 to 1.5 times ONNX Runtime's time for clips, 1.8 for a step of 16
  calls; in bfloat16 1.1 to 1.5 and 2.3, and logits move by 0.01;
- the second and third convolution in 8 bits (QDQ, U8S8, per channel, calibrated on 200 clips):
  0.79 of the time for a clip, 0.80 for a step of 16 calls, and packets of any size agree as ever.
  On the unmet corpora after 4 s the equal error rate changes by 0.0 points as recorded, 0.7 in the
  matched channel and 0.1 on random lines, where 0.2 were allowed; the calibration error by 0.004
  at most. With the products over time in 8 bits as well the time is 0.82 for 0.87, and logits move
  by 0.037 for 0.026 (standard deviations).
  Calibrated on 100 other clips, beside today's graph: 0.92 of the time for a clip and for a step of
  16 calls, error rates 0.1 points lower or the same, logits move by 0.022. The third alone takes
  0.98. What calibrates it would have to come along with every export;
- runs of 2 to 16 recordings of one length, in place of 8: within 2 % of one another for each
  recording; in pieces of 12 or 25 steps nothing less;
- sixteen recordings read ahead by a thread while the network hears the sixteen before: 1.03 of the
  wall time, for 640 files of WAV at 8 kHz and for as many of µ-law. On two cores two threads take
  0.58 and 0.62 of the wall time of one, two processes 0.48 and 0.55 (medians of five turns, a
  script that is not in the repository; two cores of an AMD EPYC with AVX2);
- half a second less read of each file at first: 5 % less for FLAC. The scores of late voices then
  differ in the eighth digit;
- a resampler that is kept for the next file: 120 for 127 µs;
- FFmpeg for FLAC: no quicker. Of a file at 16 kHz libFLAC takes 40 % of the time, and soxr 20 %.
"""

import os
import sys
import warnings
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnxruntime
import silero_vad
import soundfile
import torch
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from audio_model import audio
from audio_model.batch.malloc import keep_freed_memory
from audio_model.decision import decide
from audio_model.detector import Detector, ScoreOptions
from audio_model.frontend import HISTORY_SAMPLES, SAMPLE_RATE
from audio_model.model import Model
from audio_model.scoring import TOGETHER, score_entries
from audio_model.steps import Steps, level_db
from audio_model.tables.rows import Columns, Entry, Row
from audio_model.tables.writers import RowWriter, open_output
from benchmarks import naive
from benchmarks.command import add_output, parser_of, tell
from benchmarks.cost import (
    CLIP_SECONDS,
    FILE_SECONDS,
    LIBRARIES,
    WIDE_RATE,
    Sizes,
    at_least_one,
    network_config,
    sizes_of,
)
from benchmarks.machine import Machine, machine
from benchmarks.timing import Task, Timing, interleaved
from training.call_graph import StreamingLogMel
from training.markdown import table

BATCH = 8
REPEATS = 4
"""Runs of a task on end in each round: in a long job the caches hold what the last file needed."""
_GEMM_SIZE = 512


@dataclass(frozen=True)
class Format:
    """``target``: how many times the fair pipeline ours should be."""

    file: str
    sample_rate: int
    container: str
    subtype: str
    target: float | None


FORMATS = {
    "WAV, PCM, 8 kHz": Format("pcm8.wav", SAMPLE_RATE, "WAV", "PCM_16", 5),
    "WAV, PCM, 16 kHz": Format("pcm16.wav", WIDE_RATE, "WAV", "PCM_16", 5),
    "WAV, µ-law": Format("mulaw.wav", SAMPLE_RATE, "WAV", "ULAW", 5),
    "FLAC, 16 kHz": Format("a.flac", WIDE_RATE, "FLAC", "PCM_16", 4),
    "MP3, 16 kHz": Format("a.mp3", WIDE_RATE, "MP3", "MPEG_LAYER_III", 4),
    "Opus, 16 kHz": Format("a.opus", WIDE_RATE, "OGG", "OPUS", None),
}
OURS, BESIDE, FAIR, DEFAULT = "ours", "ours, beside others", "fair", "default"
"""Ours is timed one file at a time, as the others are, and as ``score --output`` hears files."""

OPEN = "open, 8 kHz WAV"
READ = "open and decode, 8 kHz WAV"
RESAMPLE = "resample 16 → 8 kHz"
LOG_MEL = "log-mel"
MODEL = "log-mel + network"
DECIDE = "decide"
WRITE = "write a row"
BATCHED = f"log-mel + network, {BATCH} files together"
LIBROSA_LOG_MEL = "log-mel by librosa"
SILERO = "Silero VAD on the same 4 s"
PAGE_CACHE = "the same bytes from the page cache"
SGEMM = "sgemm"


@dataclass(frozen=True)
class Throughput:
    """All figures of scoring, file to row."""

    machine: Machine
    sizes: Sizes
    whole: dict[str, dict[str, Timing]]
    """Format to pipeline to its time."""
    stages: dict[str, Timing]

    def cpu_us(self, stage: str) -> float:
        """Return a stage's CPU microseconds."""
        return self.stages[stage].cpu_us

    def ratio(self, format_name: str, pipeline: str, ours: str = OURS) -> float:
        """Return the CPU time of a naive pipeline over one of ours."""
        times = self.whole[format_name]
        return times[pipeline].cpu_us / times[ours].cpu_us

    @property
    def sgemm_gflops(self) -> float:
        """Return the rate of a matrix product."""
        return 2 * _GEMM_SIZE**3 / self.cpu_us(SGEMM) / 1e3

    def share_of_sgemm(self, model: str) -> float:
        """Return the network's share of the rate of a matrix product, without the log-mel."""
        network_us = self.cpu_us(model) - self.cpu_us(LOG_MEL)
        return self.sizes.network_mflop * 1e3 / network_us / self.sgemm_gflops


def write_recordings(folder: Path) -> None:
    """Write one file of each of ``FORMATS``: noise in syllables."""
    random = np.random.default_rng(0)
    for file in FORMATS.values():
        n_samples = round(FILE_SECONDS * file.sample_rate)
        syllables = np.sin(2 * np.pi * 2 * np.arange(n_samples) / file.sample_rate) ** 2
        samples = 0.1 * syllables * random.standard_normal(n_samples)
        soundfile.write(
            folder / file.file, samples, file.sample_rate, file.subtype, format=file.container
        )


def whole_way(model: Model, folder: Path) -> dict[tuple[str, str], Task]:
    """Return the tasks from file to verdict, of each format and pipeline."""
    detector, librosa_torch = Detector(model), naive.NaivePipeline(network_config(model))
    tasks = {}
    for name, file in FORMATS.items():
        path = folder / file.file
        tasks[name, OURS] = Task(partial(detector.score, path, max_seconds=CLIP_SECONDS))
        beside = partial(_score_beside, detector, [Entry(str(path))] * TOGETHER)
        tasks[name, BESIDE] = Task(beside, units=TOGETHER)
        tasks[name, FAIR] = Task(partial(librosa_torch.logit, path, CLIP_SECONDS))
        tasks[name, DEFAULT] = Task(partial(librosa_torch.logit_by_default, path, CLIP_SECONDS))
    return tasks


def _score_beside(detector: Detector, entries: list[Entry]) -> None:
    for _ in score_entries(entries, detector, ScoreOptions(max_seconds=CLIP_SECONDS)):
        pass


def stages_of(model: Model, folder: Path, writer: RowWriter) -> dict[str, Task]:
    """Return the tasks of each stage."""
    narrow = folder / FORMATS["WAV, PCM, 8 kHz"].file
    wide, _ = soundfile.read(
        folder / FORMATS["WAV, PCM, 16 kHz"].file, round(CLIP_SECONDS * WIDE_RATE), dtype="float32"
    )
    samples = audio.read(narrow, max_seconds=CLIP_SECONDS)
    detector = Detector(model)
    logit, heard, _ = model.run(samples[None], model.start())
    together = np.repeat(samples[None], BATCH, axis=0)
    front_end, with_history = _front_end(folder), np.pad(samples, (HISTORY_SAMPLES, 0))[None]
    row = Row(Entry(str(narrow)), detector.score(narrow, max_seconds=CLIP_SECONDS))
    vad, tensor = silero_vad.load_silero_vad(onnx=True), torch.from_numpy(samples)[None]
    square = np.random.default_rng(0).random((_GEMM_SIZE, _GEMM_SIZE), np.float32)

    def decision() -> None:
        steps = Steps(logit[0], heard[0], level_db(samples))
        decide(steps, detector.rule, detector.operating_point, CLIP_SECONDS)

    return {
        OPEN: Task(lambda: audio.channel_count(narrow)),
        READ: Task(lambda: audio.read(narrow, max_seconds=CLIP_SECONDS)),
        RESAMPLE: Task(lambda: audio.to_model_rate(wide, WIDE_RATE)),
        LOG_MEL: Task(lambda: front_end.run(None, {"samples": with_history})),
        MODEL: Task(lambda: model.run(samples[None], model.start())),
        DECIDE: Task(decision),
        WRITE: Task(lambda: writer.write(row)),
        BATCHED: Task(lambda: model.run(together, model.start(BATCH)), units=BATCH),
        LIBROSA_LOG_MEL: Task(lambda: naive.log_mel(samples, SAMPLE_RATE)),
        SILERO: Task(lambda: vad.audio_forward(tensor, SAMPLE_RATE)),
        PAGE_CACHE: Task(lambda: _read_bytes(narrow, 2 * len(samples))),
        SGEMM: Task(lambda: square @ square),
    }


def _front_end(folder: Path) -> onnxruntime.InferenceSession:
    """Return the model's front end as a graph of its own."""
    path = folder / "front_end.onnx"
    with warnings.catch_warnings():
        # PyTorch warns that this exporter is the old one; the model goes through it, too.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            StreamingLogMel(),
            (torch.zeros(1, HISTORY_SAMPLES + SAMPLE_RATE),),
            path,
            input_names=["samples"],
            dynamic_axes={"samples": {1: "samples"}},
            dynamo=False,
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _repeated(task: Task) -> Task:
    def run() -> None:
        for _ in range(REPEATS):
            task.run()

    return Task(run, task.units * REPEATS)


def _read_bytes(path: Path, n_bytes: int) -> bytes:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.read(descriptor, n_bytes)
    finally:
        os.close(descriptor)


def measure(rounds: int) -> Throughput:
    """Time everything, interleaved."""
    # As `audio-model score` does; the naive pipelines profit as well.
    keep_freed_memory()
    model = Model.load()
    with TemporaryDirectory() as name, threadpool_limits(1):
        folder = Path(name)
        write_recordings(folder)
        whole = whole_way(model, folder)
        with closing(open_output(str(folder / "rows.parquet"), Columns(each_channel=False))) as out:
            stages = stages_of(model, folder, out)
            tasks = {**stages, **{" ".join(key): task for key, task in whole.items()}}
            timings = interleaved({name: _repeated(task) for name, task in tasks.items()}, rounds)
    by_format: dict[str, dict[str, Timing]] = {name: {} for name in FORMATS}
    for name, pipeline in whole:
        by_format[name][pipeline] = timings[f"{name} {pipeline}"]
    return Throughput(
        machine(LIBRARIES), sizes_of(model), by_format, {stage: timings[stage] for stage in stages}
    )


def as_markdown(result: Throughput) -> str:
    """Return the figures as Markdown."""
    head = [
        "first 4 s of 30 s", "ours, CPU µs", "wall µs", "files/s of CPU", "fair naive, CPU µs",
        "default naive", "fair ÷ ours", "wanted", "default ÷ ours",
        f"ours, {TOGETHER} files together", "fair ÷ that", "default ÷ that",
    ]  # fmt: skip
    whole = []
    for name, times in result.whole.items():
        ours, fair, default = times[OURS], times[FAIR], times[DEFAULT]
        target = FORMATS[name].target
        whole.append([
            name, f"{ours.cpu_us:,.0f}", f"{ours.wall_us:,.0f}", f"{1e6 / ours.cpu_us:,.0f}",
            f"{fair.cpu_us:,.0f}", f"{default.cpu_us:,.0f}", f"{result.ratio(name, FAIR):.1f}",
            "" if target is None else f"{target:g}", f"{result.ratio(name, DEFAULT):.1f}",
            f"{times[BESIDE].cpu_us:,.0f}", f"{result.ratio(name, FAIR, BESIDE):.1f}",
            f"{result.ratio(name, DEFAULT, BESIDE):.1f}",
        ])  # fmt: skip
    whole_us = result.whole["WAV, PCM, 8 kHz"][OURS].cpu_us
    stages = []
    for stage, timing in result.stages.items():
        on_the_way = stage in (OPEN, READ, LOG_MEL, MODEL, DECIDE, WRITE)
        share = f"{timing.cpu_us / whole_us:.0%}" if on_the_way else ""
        stages.append([stage, f"{timing.cpu_us:,.1f}", share])
    rate, sizes, of = result.sgemm_gflops, result.sizes, result.machine
    floor_us = (sizes.network_mflop + sizes.front_end_mflop) * 1e3 / rate
    lines = [
        *table(head, whole),
        "",
        *table(["stage", "CPU µs", "of an 8 kHz WAV"], stages),
        "",
        f"sgemm reaches {rate:.0f} GFLOP/s. At that rate the network's {sizes.network_mflop:.1f} "
        f"MFLOP and the front end's {sizes.front_end_mflop:.1f} take {floor_us:,.0f} µs.",
        f"The network reaches {result.share_of_sgemm(MODEL):.0%} of it, {BATCH} files together "
        f"{result.share_of_sgemm(BATCHED):.0%}; librosa's log-mel takes "
        f"{result.cpu_us(LIBROSA_LOG_MEL) / result.cpu_us(LOG_MEL):.1f} × ours.",
        f"{of.cores} cores of {of.processor}, load {of.load:.1f}; Python {of.python}, "
        + ", ".join(f"{name} {number}" for name, number in of.libraries.items())
        + ".",
    ]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Measure scoring, print the figures and return the exit status."""
    parser = parser_of("throughput", __doc__)
    parser.add_argument("--rounds", type=at_least_one, default=20, help="runs of everything")
    add_output(parser)
    options = parser.parse_args(arguments)
    result = measure(options.rounds)
    tell(as_markdown(result), result, options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
