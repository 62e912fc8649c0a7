"""Speech to be known and speech that must not match, and the lines that queries come through."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.random import Generator

from audio_model import audio
from audio_model.errors import UsageError
from audio_model.frontend import SAMPLE_RATE, Samples
from training.augment import Codec, add_bed, coloured_noise, encode, level, loudness
from training.augment.packets import PACKET_SAMPLES

MAX_SECONDS = 60.0
LEAST_SECONDS = 4.2
"""The least length of a recording: queries of several lengths and offsets are cut from it."""

CODECS = tuple(codec for codec in Codec if codec not in (Codec.ADPCM, Codec.G723))
_BEEPS_HZ = (425.0, 440.0, 450.0, 1000.0, 1400.0)


@dataclass(frozen=True)
class Clip:
    """Something said once."""

    path: str
    source: str
    """The voice."""
    samples: Samples


@dataclass(frozen=True)
class Speech:
    """The clips to measure with."""

    recorded: Sequence[Clip]
    live: Sequence[Clip]


def load(folder: Path) -> Speech:
    """Load the clips of a folder's ``manifest.csv``: columns path, label, source.

    Music is left out. Raises UsageError if there is no manifest, AudioError for a clip that can't
    be read.
    """
    manifest = folder / "manifest.csv"
    if not manifest.is_file():
        raise UsageError(f"{folder} has no manifest.csv")
    recorded, live = [], []
    with manifest.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["label"] not in ("0", "1", "live", "recorded") or row.get("corpus") == "music":
                continue
            samples = audio.read(folder / row["path"], max_seconds=MAX_SECONDS)
            clip = Clip(row["path"], row.get("source") or row["path"], samples)
            if row["label"] in ("0", "live"):
                live.append(clip)
            elif len(samples) >= LEAST_SECONDS * SAMPLE_RATE:
                recorded.append(clip)
    return Speech(recorded, live)


@dataclass(frozen=True)
class Line:
    """The line of a query."""

    codec: Codec | None
    """None: one drawn for each query, never the one that the recording came through."""
    snr_db: float
    loss: float
    """Share of packets lost, one at a time."""


@dataclass(frozen=True)
class Query:
    """A cut of a recording as a call brings it."""

    clip: int
    offset: float
    """Second of the recording at which the call begins; a beep before it counts as call."""
    samples: Samples


def as_learnt(clip: Clip, rng: Generator) -> tuple[Samples, Codec]:
    """Return a recording as it was heard first: at some level, through some codec."""
    codec = Codec(str(rng.choice([Codec.MULAW, Codec.ALAW, Codec.AMR_NB, Codec.OPUS])))
    return encode(level(clip.samples, -26 + rng.uniform(-6, 6)), codec, rng), codec


def query(
    clips: Sequence[Clip], index: int, seconds: float, line: Line, learnt: Codec, rng: Generator
) -> Query:
    """Return a cut with speech in at least half of it.

    Every second one has a beep before it.
    """
    samples = clips[index].samples
    length = round(seconds * SAMPLE_RATE)
    for _ in range(20):
        begin = int(rng.integers(max(1, len(samples) - length + 1)))
        cut = samples[begin : begin + length]
        frames = np.square(cut[: len(cut) // 80 * 80].reshape(-1, 80)).mean(axis=1)
        if (frames > 0.01 * loudness(samples) ** 2).mean() > 0.5:
            break
    cut = level(cut, -26 + rng.uniform(-8, 8))
    cut = add_bed(cut, coloured_noise(len(cut), rng), line.snr_db)
    beep = _beep(rng) if rng.random() < 0.5 else np.zeros(0, np.float32)
    codec = line.codec
    if codec is None:
        codec = Codec(str(rng.choice([other for other in CODECS if other is not learnt])))
    call = lose(encode(np.concatenate([beep, cut]), codec, rng), line.loss, rng)
    return Query(index, (begin - len(beep)) / SAMPLE_RATE, call)


def lose(samples: Samples, share: float, rng: Generator) -> Samples:
    """Lose packets of 20 ms: half are silent, half repeat the one before, fading."""
    out = samples.copy()
    for start in range(PACKET_SAMPLES, len(out) - PACKET_SAMPLES + 1, PACKET_SAMPLES):
        if rng.random() < share:
            previous = out[start - PACKET_SAMPLES : start]
            out[start : start + PACKET_SAMPLES] = 0.7 * previous if rng.random() < 0.5 else 0
    return out


def _beep(rng: Generator) -> Samples:
    time = np.arange(int(rng.uniform(0.2, 1.5) * SAMPLE_RATE)) / SAMPLE_RATE
    return np.asarray(0.1 * np.sin(2 * np.pi * rng.choice(_BEEPS_HZ) * time), np.float32)
