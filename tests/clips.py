"""Recordings and small corpora on the disk."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import soundfile

from tests import sounds


def write(path: Path, samples: sounds.Samples) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        soundfile.write(file, samples, sounds.SAMPLE_RATE, format="WAV", subtype="FLOAT")
    return path


def write_corpus(
    folder: Path,
    *,
    voices: int = 16,
    clips_each: int = 1,
    seconds: float = 2.0,
    n_tones: int = 3,
    corpora: int = 1,
    first: int = 0,
    name: str = "manifest.csv",
) -> Path:
    """Write so many recorded voices and live callers, and tones; return their manifest's path.

    Voices are numbered from ``first`` on and dealt to so many ``corpora`` of each class.
    """
    rows = []

    def add(name: str, label: str, source: str, corpus: str, samples: sounds.Samples) -> None:
        write(folder / name, samples)
        kind = "" if label else "tone"
        rows.append({
            "path": name, "label": label, "source": source, "corpus": corpus, "kind": kind,
        })  # fmt: skip

    for voice in range(first, first + voices):
        for n in range(clips_each):
            for label, played in (("live", False), ("recorded", True)):
                samples = sounds.voice(seconds, 100 * voice + n, played=played)
                corpus = f"{label}{voice % corpora}"
                add(f"{label}/{voice}-{n}.wav", label, f"{label}{voice}", corpus, samples)
    for n in range(n_tones):
        add(f"tones/{n}.wav", "", f"tone{n}", "tones", sounds.tone(seconds, 400 + 100 * n))
    return write_manifest(folder / name, rows)


def write_manifest(path: Path, rows: Sequence[Mapping[str, str]]) -> Path:
    """Write a manifest with the columns of its first row."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path
