"""Fetch corpora from their public origins: ``python -m training.corpora.public --output DIR``.

The table of corpora is ``public.toml`` beside this file. It gives for each a repository and commit,
or addresses with their SHA-256, the files, and what the manifest says about them. Each file is cut
like the corpora of the shipped weights: from shortly before the first speech, at most 6.5 s, 8 kHz,
mono, 16 bit, as FLAC, at its own level. A second run makes only what is missing.
"""

import argparse
import csv
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path, PurePosixPath

import numpy as np
from tqdm import tqdm

from audio_model import audio
from audio_model.audio import Channel
from audio_model.errors import AudioError, AudioModelError, UsageError
from audio_model.frontend import HOP_LENGTH, SAMPLE_RATE, Samples
from training.augment.levels import active_frames
from training.corpora import fetch
from training.corpora.errors import CorpusError
from training.corpora.write import MAX_SECONDS, MIN_SECONDS, Folder, is_silent
from training.settings import from_dict

TABLE = Path(__file__).with_suffix(".toml")
SEARCHED_SECONDS = 30.0
"""How much of a file is searched for its first speech."""
ONSET_FRAMES = 5
"""Active frames among ten by which speech is told from a click."""


@dataclass(frozen=True)
class Address:
    """A file at an address."""

    url: str
    sha256: str


@dataclass(frozen=True)
class PublicCorpus:
    """A corpus as the table has it; see ``public.toml`` for what each setting means."""

    label: str
    kind: str
    licence: str
    repository: str = ""
    commit: str = ""
    files: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    speakers: tuple[str, ...] = ()
    addresses: tuple[Address, ...] = ()
    language: str = ""
    source: str = ""
    group: str = ""
    call: str = ""
    channel: Channel = Channel.MIX
    lead_seconds: float = 0.3
    min_seconds: float = MIN_SECONDS
    clips_each: int = 0
    may_train: bool = True


@dataclass(frozen=True)
class Row:
    """The manifest's row for one file."""

    file: Path
    path: str
    cells: Mapping[str, str] = field(default_factory=dict)


def load(path: Path) -> dict[str, PublicCorpus]:
    """Read the table. Raises CorpusError that names the corpus and the setting."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CorpusError(f"{path}: not TOML: {error}") from error
    corpora = {}
    for name, values in tables.items():
        if not isinstance(values, dict):
            raise CorpusError(f"{path}: {name}: {values!r} is not a table of a corpus")
        try:
            corpora[name] = from_dict(PublicCorpus, values, (Channel,))
        except (UsageError, ValueError) as error:
            raise CorpusError(f"{path}: {name}: {error}") from error
        _check(f"{path}: {name}", corpora[name])
    return corpora


def _check(where: str, corpus: PublicCorpus) -> None:
    if corpus.label not in ("live", "recorded", ""):
        raise CorpusError(f"{where}: label is {corpus.label!r}: live, recorded, or empty")
    if bool(corpus.repository) == bool(corpus.addresses):
        raise CorpusError(f"{where}: give a repository or addresses")
    if corpus.repository and not (re.fullmatch(r"[0-9a-f]{40}", corpus.commit) and corpus.files):
        raise CorpusError(f"{where}: a repository needs a commit of 40 digits, and files")
    for name in ("source", "group", "call", "language"):
        pattern = getattr(corpus, name)
        try:
            if "(" in pattern and re.compile(pattern).groups != 1:
                raise CorpusError(f"{where}: {name} needs one pair of parentheses")
        except re.error as error:
            raise CorpusError(f"{where}: {name}: {error}") from error


def fetched(name: str, corpus: PublicCorpus, downloads: Path) -> tuple[Path, list[Path]]:
    """Return the folder of a corpus's originals, and its files. Raises CorpusError."""
    folder = downloads / name
    if corpus.repository:
        wanted = (*corpus.files, *corpus.speakers)
        return folder, fetch.repository(
            corpus.repository, corpus.commit, wanted, folder, corpus.without
        )
    files = [
        fetch.file(each.url, each.sha256, folder / each.url.rpartition("/")[2])
        for each in corpus.addresses
    ]
    return folder, files


def rows(name: str, corpus: PublicCorpus, folder: Path, files: Iterable[Path]) -> list[Row]:
    """Return the manifest's row for each file, in an order that no name decides.

    Names of clips, and of what tells a speaker in a file's name, are digests: they carry neither a
    person's number nor the order of the originals.
    """
    tables = {file for pattern in corpus.speakers for file in folder.glob(pattern)}
    speaker_of = dict(pair for table in sorted(tables) for pair in _speakers(table))
    found = []
    for file in files:
        if file in tables or (tables and file.name not in speaker_of):
            continue
        within = file.relative_to(folder).as_posix()
        source = _named(name, corpus.source, within)
        if tables:
            source = f"{name}:{_digest(name, speaker_of[file.name])}"
        cells = {
            "label": corpus.label and str(int(corpus.label == "recorded")),
            "corpus": name,
            "source": source,
            "group": _named(name, corpus.group, within) if corpus.group else source,
            "call": _digest(name, _found(corpus.call, within)) if corpus.call else "",
            "language": _found(corpus.language, within),
            "kind": corpus.kind,
            "licence": corpus.licence,
            "may_train": "yes" if corpus.may_train else "no",
        }
        found.append(Row(file, f"{name}/{_digest(name, within)}.flac", cells))
    return sorted(found, key=lambda row: row.path)


def _speakers(table: Path) -> Iterator[tuple[str, str]]:
    """Yield the name of each file with its speaker. Raises CorpusError."""
    with table.open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        if not {"path", "client_id"} <= set(rows.fieldnames or ()):
            raise CorpusError(f"{table}: it has no columns path and client_id")
        for row in rows:
            yield PurePosixPath(row["path"]).name, row["client_id"]


def _found(pattern: str, path: str) -> str:
    """Return the part of a path in a pattern's parentheses. A pattern without any is the answer."""
    if "(" not in pattern:
        return pattern
    match = re.search(pattern, path)
    if match is None:
        raise CorpusError(f"{path}: nothing in its path fits {pattern}")
    return match[1]


def _named(corpus: str, pattern: str, path: str) -> str:
    """Return the name of a source or group: the corpus's own, or one of those that it holds."""
    if "(" not in pattern:
        return pattern or corpus
    return f"{corpus}:{_digest(corpus, _found(pattern, path))}"


def _digest(*parts: str) -> str:
    return blake2b("\0".join(parts).encode(), digest_size=6).hexdigest()


def cut(file: Path, corpus: PublicCorpus) -> Samples:
    """Return a file's clip: from shortly before the first speech on. [shape=(n_samples,)]

    Raises CorpusError if it holds no speech, or too little.
    """
    try:
        samples = audio.read(file, max_seconds=SEARCHED_SECONDS, channel=corpus.channel)
    except AudioError as error:
        raise CorpusError(str(error)) from error
    active = active_frames(samples)
    steady = np.convolve(active, np.ones(2 * ONSET_FRAMES))[2 * ONSET_FRAMES - 1 :]
    begun = np.flatnonzero((steady >= ONSET_FRAMES) & active[: len(steady)])
    if not len(begun) or is_silent(samples):
        raise CorpusError(f"{file}: no speech in its first {SEARCHED_SECONDS:g} s")
    start = max(0, int(begun[0]) * HOP_LENGTH - round(corpus.lead_seconds * SAMPLE_RATE))
    clip = samples[start:][: int(MAX_SECONDS * SAMPLE_RATE)]
    if len(clip) < corpus.min_seconds * SAMPLE_RATE:
        raise CorpusError(f"{file}: {len(clip) / SAMPLE_RATE:.2f} s from its first speech on")
    # A codec may decode above full scale, where 16 bits would clip.
    return np.asarray(clip / max(1.0, float(np.abs(clip).max())), np.float32)


def build(name: str, corpus: PublicCorpus, folder: Folder, downloads: Path) -> tuple[int, int]:
    """Make a corpus's missing clips. Returns how many, and how many files have none.

    Raises CorpusError if the originals can't be fetched.
    """
    originals, files = fetched(name, corpus, downloads)
    made = left_out = 0
    of_source: Counter[str] = Counter()
    for row in tqdm(rows(name, corpus, originals, files), unit="clip", disable=None):
        source = row.cells["source"]
        if corpus.clips_each and of_source[source] >= corpus.clips_each:
            continue
        if row.path not in folder.made:
            try:
                clip = cut(row.file, corpus)
            except CorpusError:
                left_out += 1
                continue
            folder.put(row.path, clip, row.cells)
            made += 1
        of_source[source] += 1
    (folder.path / name / "SOURCE.md").write_text(_about(name, corpus), encoding="utf-8")
    return made, left_out


def _about(name: str, corpus: PublicCorpus) -> str:
    lines = [f"# {name}", "", f"{corpus.kind}. {corpus.licence}.", "", "## Origin"]
    if corpus.repository:
        lines.append(f"- {corpus.repository} at {corpus.commit}: {', '.join(corpus.files)}")
    lines += [f"- {each.url} SHA-256 `{each.sha256}`" for each in corpus.addresses]
    lines += ["", "## Cut", f"- From {corpus.lead_seconds:g} s before the first speech on, at most"]
    lines += [f"  {MAX_SECONDS:g} s, by `training.corpora.public`."]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the corpora and return the exit status, 2 after an error."""
    try:
        corpora = load(TABLE)
    except CorpusError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    parser = argparse.ArgumentParser(prog="python -m training.corpora.public", description=__doc__)
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("data/public"),
        metavar="DIR",
        help="folder of the corpora (default: %(default)s)",
    )
    parser.add_argument(
        "--corpus",
        nargs="+",
        choices=corpora,
        default=list(corpora),
        metavar="C",
        help="only these corpora (default: all)",
    )
    parser.add_argument("--list", action="store_true", help="list the table, and fetch nothing")
    options = parser.parse_args(arguments)
    if options.list:
        for name in options.corpus:
            print(f"{name}: {corpora[name].kind}. {corpora[name].licence}")
        return 0
    failed = False
    try:
        folder = Folder(options.output)
        for name in options.corpus:
            try:
                made, left_out = build(name, corpora[name], folder, options.output / "downloads")
            except CorpusError as error:
                failed = True
                print(f"error: {name}: {error}", file=sys.stderr)
                continue
            print(f"{name}: {made} clips made, {left_out} files without enough speech")
    except AudioModelError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 2 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
