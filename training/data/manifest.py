"""The manifest: the table of clips that a model is trained and checked on.

A CSV as programs and spreadsheets write it, JSON lines or Parquet, one clip a row. Columns:

=========== ========= ==========================================================================
path        required  relative to the manifest's folder, or absolute
label       required  ``recorded`` or 1; ``live`` or 0; empty for neither (tones, ringback)
source      required  one voice, campaign, engine or speaker group
group       = source  what must never cross a split, when one voice has several sources
corpus      = folder  the collection; by default the first folder of ``path``, or ``own``
kind        empty     how the speech was made (``neural TTS``, ``voice actor``); balances the split
text        empty     id of the script that is spoken, if it is known
call        empty     id of the call, when several clips were cut from one
language    empty     language tag
duration_s  empty     seconds
licence     empty     licence of the audio
may_train   yes       ``no``: the licence lets the clip test a model, not train one
=========== ========= ==========================================================================

Other columns are ignored. ``source``, ``group`` and ``call`` are names in the whole manifest:
the same name in two corpora is the same voice or call.
"""

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b
from pathlib import Path, PurePath
from stat import S_ISREG

import numpy as np
from tqdm import tqdm

from audio_model import audio
from audio_model.errors import AudioError, AudioModelError, printable
from audio_model.formats import suffix_of
from audio_model.tables import cells
from audio_model.tables.columns import NotATable, Wanted
from audio_model.tables.readers import TABLE_SUFFIXES, read_rows

REQUIRED_COLUMNS = ("path", "label", "source")
OPTIONAL_COLUMNS = (
    *("group", "corpus", "kind", "text", "call", "language", "duration_s", "licence", "may_train"),
)
HASHED_COLUMNS = (
    *("name", "label", "source", "group", "corpus", "kind"),
    *("text", "call", "language", "may_train"),
)
YES_NO = {"yes": True, "": True, "no": False}
MAX_PROBLEMS_SHOWN = 20
HASHED_SECONDS = 60.0
"""Audio that is alike for so long is one recording to a model that hears a few seconds."""


class ManifestError(AudioModelError):
    """A manifest can't be used. The message names it, then has a line for each problem."""

    def __init__(self, path: str | os.PathLike[str], problems: Iterable[str]) -> None:
        self.path = path
        self.problems = tuple(problems)
        super().__init__(path, self.problems)

    def __str__(self) -> str:
        lines = [f"{printable(self.path)}: the manifest can't be used"]
        lines += self.problems[:MAX_PROBLEMS_SHOWN]
        if len(self.problems) > MAX_PROBLEMS_SHOWN:
            lines.append(f"and {len(self.problems) - MAX_PROBLEMS_SHOWN} more")
        return "\n  ".join(lines)


@dataclass(frozen=True)
class Clip:
    """One row of a manifest. ``label`` is 1 recorded, 0 live, None neither."""

    path: Path
    """Absolute."""
    name: str
    """The path relative to the manifest's root, with ``/``: the same on every machine."""
    label: int | None
    source: str
    group: str
    corpus: str
    kind: str = ""
    text: str = ""
    call: str = ""
    language: str = ""
    duration_s: float | None = None
    licence: str = ""
    may_train: bool = True

    @cached_property
    def audio_hash(self) -> str:
        """Return a hex digest of the first ``HASHED_SECONDS`` as 16-bit samples at 8 kHz.

        The audio is read once. Raises AudioError if the recording can't be read.
        """
        samples = audio.read(self.path, max_seconds=HASHED_SECONDS)
        pcm = np.clip(np.rint(samples * 32768.0), -32768, 32767).astype("<i2")
        return blake2b(pcm.tobytes(), digest_size=16).hexdigest()


@dataclass(frozen=True)
class Manifest:
    """The clips of one manifest file, in its order."""

    path: Path
    clips: tuple[Clip, ...]
    left_out: tuple[str, ...] = ()
    """Rows of no use, each with its reason, of a manifest that was not read strictly."""

    @cached_property
    def hash(self) -> str:
        """Return a hex digest of what training depends on: names, labels, split columns, audio.

        It does not depend on the order of the rows, the file's format or its place. Reads the audio
        of clips that ``deduplicate`` has not read. Raises AudioError.
        """
        rows = sorted(
            [*(getattr(clip, column) for column in HASHED_COLUMNS), clip.audio_hash]
            for clip in self.clips
        )
        return blake2b(json.dumps(rows).encode("ascii"), digest_size=16).hexdigest()


@dataclass(frozen=True)
class Duplicate:
    """A clip that was dropped, and the clip with the same audio that stayed."""

    dropped: Clip
    kept: Clip


@dataclass(frozen=True)
class Deduplicated:
    """A manifest in which no audio comes twice, and what was dropped for that."""

    manifest: Manifest
    duplicates: tuple[Duplicate, ...]


def load(
    path: str | os.PathLike[str],
    *,
    root: str | os.PathLike[str] | None = None,
    strict: bool = True,
) -> Manifest:
    """Read and check a manifest; see the module's table of columns.

    ``root`` is the folder that relative paths start from, by default the manifest's own.
    Raises ManifestError that lists every problem by line and column: missing column, bad label,
    missing file, duplicate path, empty source, one group with both labels, ``may_train`` that
    is neither yes nor no, ``duration_s`` that is no duration.

    Without ``strict`` rows with problems are left out, unless no row remains or one path has two
    labels. A missing file is no problem before its clip is read, and one group may have both
    labels: a number may call with recordings and with people.
    """
    file = Path(path)
    base = Path(root if root is not None else file.parent).absolute()
    clips: list[Clip] = []
    problems: list[str] = []
    first_of_path: dict[Path, tuple[str, Clip]] = {}
    places_of_group: dict[str, dict[int, str]] = {}
    for where, row in _rows(file, problems):
        clip, wrong = _clip(row, base, strict)
        problems += [f"{where}, {column}: {what}" for column, what in wrong.items()]
        if clip is None:
            continue
        place, first = first_of_path.setdefault(clip.path, (where, clip))
        if first is not clip:
            problems.append(f"{where}, path: {clip.name!r} is on {place} already")
            if not strict:
                _refuse_two_labels(file, first, clip)
                continue
        if strict and clip.label is not None:
            place_of_label = places_of_group.setdefault(clip.group, {})
            if place_of_label and clip.label not in place_of_label:
                problems.append(
                    f"{where}, group: {clip.group!r} has label {clip.label} here and "
                    f"{1 - clip.label} on {place_of_label[1 - clip.label]}"
                )
            place_of_label.setdefault(clip.label, where)
        clips.append(clip)
    if not clips and not problems:
        problems.append("it has no rows")
    if problems and (strict or not clips):
        raise ManifestError(file, problems)
    return Manifest(file, tuple(clips), tuple(problems))


def load_all(paths: Sequence[Path], *, strict: bool = True) -> Manifest:
    """Return several manifests as one, named by the first. Raises ManifestError.

    The rules of one manifest hold for all together: no two clips of one name, and no group under
    both labels. ``strict`` is as in :func:`load`.
    """
    manifests = [load(path, strict=strict) for path in paths]
    if not strict:
        return _joined(manifests)
    seen: dict[str, Path] = {}
    labels: dict[str, int] = {}
    for manifest in manifests:
        problems = []
        for clip in manifest.clips:
            if (first := seen.setdefault(clip.name, manifest.path)) != manifest.path:
                problems.append(f"path: {clip.name!r} is in {printable(first)} already")
            if clip.label is None:
                continue
            if labels.setdefault(clip.group, clip.label) != clip.label:
                problems.append(f"group: {clip.group!r} has both labels in these manifests")
        if problems:
            raise ManifestError(manifest.path, problems)
    clips = tuple(clip for manifest in manifests for clip in manifest.clips)
    return replace(manifests[0], clips=clips)


def _joined(manifests: Sequence[Manifest]) -> Manifest:
    """Return manifests that were not read strictly as one; a clip of several stays once."""
    first_of_path: dict[Path, Clip] = {}
    left_out: list[str] = []
    for manifest in manifests:
        left_out += [f"{printable(manifest.path)}, {problem}" for problem in manifest.left_out]
        for clip in manifest.clips:
            first = first_of_path.setdefault(clip.path, clip)
            if first is not clip:
                _refuse_two_labels(manifest.path, first, clip)
                left_out.append(f"{printable(manifest.path)}, {clip.name}: it is there already")
    names: set[str] = set()
    clips = []
    for clip in first_of_path.values():
        # Of two folders' clips of one name each keeps one of its own.
        clips.append(replace(clip, name=str(clip.path)) if clip.name in names else clip)
        names.add(clip.name)
    return Manifest(manifests[0].path, tuple(clips), tuple(left_out))


def _refuse_two_labels(file: Path, first: Clip, other: Clip) -> None:
    if {first.label, other.label} == {0, 1}:
        said = f"path: {other.name!r} is marked {_label_name(first)} and {_label_name(other)}"
        raise ManifestError(file, [said])


def deduplicate(manifest: Manifest) -> Deduplicated:
    """Keep one clip (the first by name) of those whose audio is the same, sample by sample.

    Reads every clip, with a progress bar on a terminal. Raises ManifestError for audio that
    can't be read and for the same audio under different labels.
    """
    kept: dict[str, Clip] = {}
    duplicates: list[Duplicate] = []
    problems: list[str] = []
    by_name = sorted(manifest.clips, key=lambda clip: clip.name)
    for clip in tqdm(by_name, desc="hashing audio", unit="clip", disable=None):
        try:
            digest = clip.audio_hash
        except AudioError as error:
            problems.append(f"path: {error}")
            continue
        first = kept.setdefault(digest, clip)
        if first is clip:
            continue
        duplicates.append(Duplicate(dropped=clip, kept=first))
        if first.label != clip.label:
            problems.append(
                f"label: {first.name!r} ({_label_name(first)}) and {clip.name!r} "
                f"({_label_name(clip)}) hold the same audio"
            )
    if problems:
        raise ManifestError(manifest.path, problems)
    dropped = {duplicate.dropped.name for duplicate in duplicates}
    clips = tuple(clip for clip in manifest.clips if clip.name not in dropped)
    return Deduplicated(replace(manifest, clips=clips), tuple(duplicates))


def _label_name(clip: Clip) -> str:
    return {1: "recorded", 0: "live", None: "neither"}[clip.label]


def _rows(file: Path, problems: list[str]) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield where each row is and its cells by column, and add broken rows to ``problems``."""
    if suffix_of(str(file)) not in TABLE_SUFFIXES:
        raise ManifestError(file, [f"a manifest's name ends in one of {', '.join(TABLE_SUFFIXES)}"])
    try:
        for where, values in read_rows(str(file), Wanted(REQUIRED_COLUMNS, OPTIONAL_COLUMNS)):
            if isinstance(values, str):
                problems.append(f"{where}: {values}")
            elif missing := [name for name in REQUIRED_COLUMNS if name not in values]:
                problems.append(f"{where}: no column {', '.join(missing)}")
            else:
                yield where, {name: _cell(value) for name, value in values.items()}
    except NotATable as error:
        problems.append(f"it {error}")
    except OSError as error:
        raise ManifestError(file, [f"it can't be read: {error.strerror}"]) from error


def _cell(value: object) -> str:
    """Return a value as it would stand in a CSV."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return cells.as_text(value)


def _clip(row: Mapping[str, str], root: Path, strict: bool) -> tuple[Clip | None, dict[str, str]]:
    """Return the row's clip, or None and each column's problem."""
    values = {column: cell.strip() for column, cell in row.items()}
    wrong: dict[str, str] = {}
    written = row["path"]
    # Links stay as they are: a data folder that links elsewhere keeps its relative names.
    path = Path(os.path.normpath(root / written))
    if strict and (not_a_file := _not_a_file(path)):
        wrong["path"] = f"{written!r}: {not_a_file}"
    label: int | None = None
    try:
        label = cells.label(values, "label")
    except ValueError:
        wrong["label"] = f"recorded, 1, live, 0 or nothing is wanted, not {values['label']!r}"
    if not values["source"]:
        wrong["source"] = "it is empty"
    may_train = values.get("may_train", "").lower()
    if may_train not in YES_NO:
        wrong["may_train"] = f"yes or no is wanted, not {values['may_train']!r}"
    duration_s = _seconds(values.get("duration_s", ""))
    if duration_s is not None and not 0 < duration_s < math.inf:
        wrong["duration_s"] = f"seconds above 0 are wanted, not {values['duration_s']!r}"
    if wrong:
        return None, wrong
    name = path.relative_to(root) if path.is_relative_to(root) else path
    folders = PurePath(written).parts[:-1]
    default_corpus = folders[0] if folders and folders[0] not in ("/", "..") else "own"
    clip = Clip(
        path=path,
        name=name.as_posix(),
        label=label,
        source=values["source"],
        group=values.get("group") or values["source"],
        corpus=values.get("corpus") or default_corpus,
        kind=values.get("kind", ""),
        text=values.get("text", ""),
        call=values.get("call", ""),
        language=values.get("language", ""),
        duration_s=duration_s,
        licence=values.get("licence", ""),
        may_train=YES_NO[may_train],
    )
    return clip, {}


def _not_a_file(path: Path) -> str:
    """Return why no recording can be read from ``path``; empty if it is a file."""
    try:
        return "" if S_ISREG(path.stat().st_mode) else "it is not a file"
    except OSError as error:
        return error.strerror or "it can't be read"
    except ValueError as error:
        return str(error)


def _seconds(cell: str) -> float | None:
    """Return the number in a cell; None if it is empty, nan if it is no number."""
    if not cell:
        return None
    try:
        return float(cell)
    except ValueError:
        return math.nan
