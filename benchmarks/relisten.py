"""Measure what hearing legs again finds and costs: ``python -m benchmarks.relisten MANIFEST``.

Long calls are made of a manifest's clips: a human all the time, a recording all the time, a human
who hands over to a recording, and a recording from which a human takes over. Prints Markdown.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import process_time

import numpy as np
from numpy.typing import NDArray

from audio_model import audio
from audio_model.decision import Verdict, VerdictKind
from audio_model.detector import Detector
from audio_model.formats import Encoding, RawFormat
from audio_model.frontend import SAMPLE_RATE, Samples
from audio_model.gateway.relisten import Relistener
from audio_model.stream import hear_together
from benchmarks.command import parser_of
from training.data.manifest import load

READ_SAMPLES = SAMPLE_RATE // 2
"""Samples in one read of a connection whose call was answered."""

FIRST_SECONDS = 4.0
LIVE, RECORDED = 0, 1
PARTS = {
    "a human": (LIVE, LIVE),
    "a recording": (RECORDED, RECORDED),
    "a human, then a recording": (LIVE, RECORDED),
    "a recording, then a human": (RECORDED, LIVE),
}


@dataclass(frozen=True)
class Found:
    """Calls of one kind, heard again."""

    kind: str
    n_calls: int
    to_recorded: int
    """Calls that were revised to recorded at any time."""
    to_live: int
    seconds_after: float
    """Median time from where the second part begins to the first right revision; nan if none."""
    cost: float
    """CPU time of hearing again, as a share of hearing all the time."""


class Alone:
    """An engine of one leg: what waits is heard at once."""

    def queue(self, leg: Relistener) -> None:
        """Hear the leg at once, without others."""
        stream = leg.stream
        while stream is not None and (n_steps := stream.decode()):
            (verdict,) = hear_together([stream], n_steps)
            leg.heard(verdict)
            stream = leg.stream


def measure(
    detector: Detector, voices: dict[int, list[Samples]], part_seconds: float, every: float
) -> Iterator[Found]:
    """Hear calls of every kind, one for each voice of their first part."""
    strict = detector.within_smallest_budget()
    for kind, (first, second) in PARTS.items():
        revised: list[list[tuple[float, VerdictKind]]] = []
        again_s = whole_s = 0.0
        for n, voice in enumerate(voices[first]):
            after = voice if first == second else voices[second][n % len(voices[second])]
            call = np.concatenate([_as_long(voice, part_seconds), _as_long(after, part_seconds)])
            began = process_time()
            _hear_all(detector, call)
            whole_s += process_time() - began
            said = detector.score_samples(call, SAMPLE_RATE, max_seconds=FIRST_SECONDS).verdict
            began = process_time()
            revised.append(_hear_again(strict, call, said, every))
            again_s += process_time() - began
        right = VerdictKind.RECORDED if second == RECORDED else VerdictKind.LIVE
        waits = [
            min(at - part_seconds for at, verdict in each if verdict is right)
            for each in revised
            if any(verdict is right for _, verdict in each)
        ]
        yield Found(
            kind=kind,
            n_calls=len(revised),
            to_recorded=_count(revised, VerdictKind.RECORDED),
            to_live=_count(revised, VerdictKind.LIVE),
            seconds_after=float(np.median(waits)) if waits and first != second else float("nan"),
            cost=again_s / whole_s,
        )


def _hear_again(
    detector: Detector, call: Samples, said: VerdictKind, every: float
) -> list[tuple[float, VerdictKind]]:
    """Return when a call was revised, and to what."""
    revised: list[tuple[float, VerdictKind]] = []
    at = round(FIRST_SECONDS * SAMPLE_RATE)

    def note(verdict: Verdict) -> None:
        revised.append((at / SAMPLE_RATE, verdict.verdict))

    again = Relistener(
        RawFormat(Encoding.S16LE),
        said,
        every,
        lambda: detector.stream(max_seconds=FIRST_SECONDS),
        Alone(),
        note,
    )
    pcm = _pcm(call)
    while at < len(pcm):
        read = pcm[at : at + READ_SAMPLES]
        at += len(read)
        again.feed(read.tobytes())
    return revised


def _hear_all(detector: Detector, call: Samples) -> None:
    """Hear a call all the time, in as large reads."""
    stream, pcm = detector.stream(max_seconds=len(call) / SAMPLE_RATE), _pcm(call)
    for at in range(0, len(pcm), READ_SAMPLES):
        stream.feed(pcm[at : at + READ_SAMPLES].tobytes())


def _pcm(samples: Samples) -> NDArray[np.int16]:
    return np.rint(samples * 32767).astype("<i2")


def _as_long(voice: Samples, seconds: float) -> Samples:
    return np.resize(voice, round(seconds * SAMPLE_RATE))


def _count(revised: Sequence[Sequence[tuple[float, VerdictKind]]], kind: VerdictKind) -> int:
    return sum(any(verdict is kind for _, verdict in each) for each in revised)


def voices_of(manifest: Path, every: int) -> dict[int, list[Samples]]:
    """Return all that each source says, joined, by its class. Raises AudioModelError."""
    sources: dict[tuple[int, str], list[Samples]] = {}
    for clip in load(manifest).clips:
        if clip.label is not None:
            spoken = audio.read(clip.path, max_seconds=6.5)
            sources.setdefault((clip.label, clip.source), []).append(spoken)
    by_class: dict[int, list[Samples]] = {LIVE: [], RECORDED: []}
    for (label, _), clips in sources.items():
        by_class[label].append(np.concatenate(clips))
    return {label: voices[::every] for label, voices in by_class.items()}


def main(arguments: list[str] | None = None) -> int:
    """Measure and print the figures as Markdown."""
    parser = parser_of("again", __doc__)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--every", type=int, default=1, help="take only each N-th voice")
    parser.add_argument("--part-seconds", type=float, default=45.0)
    parser.add_argument("--again-seconds", type=float, default=15.0)
    options = parser.parse_args(arguments)
    voices = voices_of(options.manifest, options.every)
    print(
        "| call | calls | revised to recorded | revised to live | s after the change (median) |"
        " CPU of hearing it all |"
    )
    print("|---|---:|---:|---:|---:|---:|")
    for found in measure(Detector.load(), voices, options.part_seconds, options.again_seconds):
        print(
            f"| {found.kind} | {found.n_calls} | {found.to_recorded} | {found.to_live} |"
            f" {found.seconds_after:.1f} | {found.cost:.0%} |"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
