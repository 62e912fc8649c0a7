"""A folder of made clips: FLAC files, ``manifest.csv`` and ``SOURCE.md``."""

import csv
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import soundfile
import soxr

from audio_model.frontend import SAMPLE_RATE, Samples
from training.corpora.draw import Reading
from training.corpora.engine import Origin, SpeechEngine
from training.corpora.errors import CorpusError

COLUMNS = (
    *("path", "label", "corpus", "source", "group", "text", "call", "language"),
    *("duration_s", "kind", "licence", "may_train"),
)
MAX_SECONDS = 6.5
MIN_SECONDS = 1.0
SILENT = 0.002
"""Peak, re full scale: -54 dB. Speech that is weaker was not spoken."""


def to_telephone(samples: Samples, sample_rate: int) -> Samples:
    """Return the first ``MAX_SECONDS`` at 8 kHz, at the engine's level."""
    at_8k = soxr.resample(samples, sample_rate, SAMPLE_RATE, quality="HQ")
    return np.asarray(at_8k[: int(MAX_SECONDS * SAMPLE_RATE)], np.float32)


def is_silent(clip: Samples) -> bool:
    """Return whether no sample of a clip reaches ``SILENT``."""
    return float(np.abs(clip).max(initial=0)) < SILENT


class Folder:
    """The clips of a manifest, grown one by one; a row is written after its file is whole.

    Raises CorpusError if a manifest is there that has other columns, or no folder can be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.manifest = path / "manifest.csv"
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CorpusError(f"{path}: {error.strerror}") from error
        if not self.manifest.exists() or not self.manifest.stat().st_size:
            self._append(COLUMNS)
        with self.manifest.open(encoding="utf-8", newline="") as lines:
            rows = csv.DictReader(lines)
            if tuple(rows.fieldnames or ()) != COLUMNS:
                raise CorpusError(f"{self.manifest}: it is not a manifest of made clips")
            self.made = {row["path"] for row in rows}

    def add(self, reading: Reading, samples: Samples, sample_rate: int) -> None:
        """Write one clip. Raises CorpusError if it is silent or too short to be speech."""
        clip = to_telephone(samples, sample_rate)
        what = f"{reading.voice.source} speaking {reading.script.id}"
        if len(clip) < MIN_SECONDS * SAMPLE_RATE:
            raise CorpusError(f"{what}: {len(clip) / SAMPLE_RATE:.2f} s of audio")
        if is_silent(clip):
            raise CorpusError(f"{what}: it is silent")
        voice = reading.voice
        cells = {"label": "1", "corpus": voice.corpus, "source": voice.source, "group": voice.group}
        cells |= {"text": reading.script.id, "language": voice.language, "kind": voice.kind}
        cells |= {"licence": voice.licence, "may_train": "yes" if voice.may_train else "no"}
        self.put(reading.path, clip, cells)

    def put(self, path: str, clip: Samples, cells: Mapping[str, str]) -> None:
        """Write a clip of 8 kHz and its row, whose other cells are given by their columns."""
        file = self.path / path
        file.parent.mkdir(exist_ok=True)
        partial = file.with_suffix(".part")
        soundfile.write(partial, np.clip(clip, -1, 1), SAMPLE_RATE, "PCM_16", format="FLAC")
        partial.rename(file)
        row = {"path": path, "duration_s": f"{len(clip) / SAMPLE_RATE:.2f}", **cells}
        self._append([row.get(column, "") for column in COLUMNS])
        self.made.add(path)

    def _append(self, cells: Sequence[str]) -> None:
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow(cells)
        # One write each: two builders may fill the same folder at once.
        handle = os.open(self.manifest, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(handle, line.getvalue().encode())
        finally:
            os.close(handle)

    def describe(self, engine: SpeechEngine) -> None:
        """Write ``SOURCE.md`` into the folder of each of the engine's corpora."""
        for corpus in sorted({voice.corpus for voice in engine.voices}):
            folder = self.path / corpus
            folder.mkdir(exist_ok=True)
            voices = [voice for voice in engine.voices if voice.corpus == corpus]
            lines = [f"# {corpus}", "", f"{voices[0].kind}, made by `training.corpora`.", ""]
            lines += [f"- `{v.source}`: {v.language} {v.gender}".rstrip() for v in voices]
            lines += ["", "## Origin", *_origins(engine.origins)]
            (folder / "SOURCE.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _origins(origins: Iterable[Origin]) -> Iterable[str]:
    for origin in origins:
        yield f"- {origin.package} {origin.version}, {origin.licence}"
        yield from (f"  - `{name}` SHA-256 `{digest}`" for name, digest in origin.sha256)
