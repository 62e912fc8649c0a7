"""Measure what a late voice changes: ``python -m benchmarks.late``.

Each clip is heard as it is, and after seconds of silence, comfort noise and ringback. Such a lead
should change no verdict; the changes are counted. Prints Markdown.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import process_time

import numpy as np

from audio_model import audio
from audio_model.decision import Verdict, VerdictKind
from audio_model.detector import Detector
from audio_model.errors import AudioError
from audio_model.frontend import SAMPLE_RATE, Samples
from audio_model.stream import DEFAULT_WAIT_SECONDS
from benchmarks.command import parser_of
from training.markdown import table

ROOT = Path(__file__).parents[1]
CLIP_SECONDS = 6.5
LEAD_SECONDS = (2.0, 3.0, 5.0, 8.0)


@dataclass(frozen=True)
class Outcome:
    """Clips behind one lead, beside the same clips without it."""

    lead: str
    seconds: float
    n_clips: int
    changed: int
    """Verdicts that are other ones."""
    reversed: int
    """Changed verdicts that went from recorded to live or the other way round."""
    score_moved: float
    """By how much a score differs in the mean."""
    unheard: int
    """Clips with voice of which nothing was heard behind the lead."""
    cpu_ms: float
    """CPU time a clip."""


def leads(seconds: float) -> Iterator[tuple[str, Samples]]:
    """Yield what comes before a voice: its name, and so many seconds of it."""
    t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    noise = np.random.default_rng(1).standard_normal(len(t))
    rings: Mapping[str, tuple[tuple[int, ...], tuple[float, ...]]] = {
        # Source: ITU-T E.180, supplement 2: tones in Hz; seconds on, off, on, off.
        "ringback, China": ((450,), (1, 4)),
        "ringback, Europe": ((425,), (1, 4)),
        "ringback, USA": ((440, 480), (2, 4)),
        "ringback, UK": ((400, 450), (0.4, 0.2, 0.4, 2)),
    }
    yield "silence", np.zeros(len(t), np.float32)
    yield "comfort noise, -60 dBFS", (1e-3 * noise).astype(np.float32)
    yield "noise, -45 dBFS", (10 ** (-45 / 20) * noise).astype(np.float32)
    for name, (tones, cadence) in rings.items():
        ends = np.cumsum(cadence)
        rings_now = np.searchsorted(ends, t % ends[-1], side="right") % 2 == 0
        wave = 0.1 / len(tones) * sum(np.sin(2 * np.pi * hz * t) for hz in tones)
        yield name, np.asarray(wave * rings_now, np.float32)


def measure(
    detector: Detector, clips: Sequence[Samples], seconds: Sequence[float], wait_seconds: float
) -> Iterator[Outcome]:
    """Hear all clips behind every lead."""
    nothing = np.zeros(0, np.float32)
    alone, cpu_ms = _hear(detector, clips, nothing, wait_seconds)
    yield Outcome("nothing", 0, len(clips), 0, 0, 0.0, 0, cpu_ms)
    opposite = {VerdictKind.LIVE, VerdictKind.RECORDED}
    for length in seconds:
        for name, lead in leads(length):
            late, cpu_ms = _hear(detector, clips, lead, wait_seconds)
            pairs = list(zip(alone, late, strict=True))
            yield Outcome(
                lead=name,
                seconds=length,
                n_clips=len(clips),
                changed=sum(a.verdict is not b.verdict for a, b in pairs),
                reversed=sum({a.verdict, b.verdict} == opposite for a, b in pairs),
                score_moved=float(np.nanmean([abs(a.score - b.score) for a, b in pairs])),
                unheard=sum(a.speech_seconds > 0 and not b.speech_seconds for a, b in pairs),
                cpu_ms=cpu_ms,
            )


def _hear(
    detector: Detector, clips: Sequence[Samples], lead: Samples, wait_seconds: float
) -> tuple[list[Verdict], float]:
    began = process_time()
    verdicts = [
        detector.score_samples(np.concatenate([lead, clip]), SAMPLE_RATE, wait_seconds=wait_seconds)
        for clip in clips
    ]
    return verdicts, 1000 * (process_time() - began) / len(clips)


def load(folder: Path, every: int) -> list[Samples]:
    """Read the recordings of a folder, or each N-th of a manifest. Raises AudioError."""
    if folder.is_dir():
        paths = sorted(path for path in folder.iterdir() if path.suffix in audio.AUDIO_SUFFIXES)
    else:
        from training.data.manifest import load as load_manifest

        paths = [clip.path for clip in load_manifest(folder).clips]
    clips = []
    for path in paths[::every]:
        try:
            clips.append(audio.read(path, max_seconds=CLIP_SECONDS))
        except AudioError as error:
            print(f"left out: {error}", file=sys.stderr)
    return clips


def as_markdown(outcomes: Sequence[Outcome]) -> str:
    """Return the figures as Markdown."""
    head = [
        "before the voice", "s", "clips", "verdicts changed", "reversed", "score moved (mean)",
        "not heard", "CPU ms a clip",
    ]  # fmt: skip
    rows = (
        [each.lead, f"{each.seconds:g}", f"{each.n_clips}", f"{each.changed}", f"{each.reversed}",
         f"{each.score_moved:.3f}", f"{each.unheard}", f"{each.cpu_ms:.2f}"]
        for each in outcomes
    )  # fmt: skip
    return "\n".join(table(head, rows))


def main(arguments: list[str] | None = None) -> int:
    """Measure late voices and print the figures."""
    parser = parser_of("late", __doc__)
    parser.add_argument("clips", type=Path, nargs="?", default=ROOT / "samples")
    parser.add_argument(
        "--every", type=int, default=1, help="take only each N-th clip of a manifest"
    )
    parser.add_argument("--seconds", type=float, nargs="+", default=LEAD_SECONDS)
    parser.add_argument("--wait-seconds", type=float, default=DEFAULT_WAIT_SECONDS)
    options = parser.parse_args(arguments)
    clips = load(options.clips, options.every)
    outcomes = measure(Detector.load(), clips, options.seconds, options.wait_seconds)
    print(as_markdown(list(outcomes)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
