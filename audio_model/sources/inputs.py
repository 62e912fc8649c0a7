"""List the recordings that the paths of a command line name, in order and lazily."""

import codecs
import fnmatch
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import chain, islice
from pathlib import Path

from audio_model.errors import AudioError
from audio_model.formats import AUDIO_SUFFIXES, suffix_of
from audio_model.sources.archives import kind_of
from audio_model.sources.manifests import is_manifest, read_manifest
from audio_model.sources.open import MemberPath, is_remote, open_archive
from audio_model.tables.rows import Entry

STANDARD_INPUT = "-"

_LONGEST_PATH = 4096
"""Bytes of a path with its closing NUL on Linux (PATH_MAX), the longest of the systems."""

_SORTED_AT_ONCE = 100_000
"""Names of a folder, 20 MB of them."""

_BLOCK = 1 << 16
_AUDIO = re.compile(
    rb"RIFF.{4}WAVE|OggS\0\x02|fLaC\0\0\0\x22|ID3[\x02-\x04]\0|#!AMR(-WB)?\n", re.DOTALL
)
"""How audio begins that was piped in instead of its path; hardly how a list of paths does."""


def expand(
    paths: Iterable[str],
    left_out: Counter[str] | None = None,
    columns: Mapping[str, str] | None = None,
) -> Iterator[Entry]:
    """Yield entries for files, folders, archives, manifests, glob patterns, URLs, and "-".

    "-" is a list on standard input. A URL that ends in / is a folder; archives are expanded where
    they are named, and left aside in folders. The members of an archive come in its order.

    What cannot be found or read among them becomes an entry with a problem, in its place. Files in
    folders and archives that are not taken for recordings are counted in ``left_out`` by the ending
    of their names. ``columns`` are names of columns in manifests, by ours.
    """
    if left_out is None:
        left_out = Counter()
    for path in paths:
        if path == STANDARD_INPUT:
            yield from read_list(descriptor=0)
        elif is_remote(path):
            yield from _expand_url(path, left_out)
        elif MemberPath.parse(path) is not None:
            yield Entry(path)
        elif _has_magic(path) and not os.path.lexists(path):
            yield from _expand_pattern(path, left_out, columns)
        else:
            yield from _expand_name(path, left_out, columns)


def _expand_name(
    path: str, left_out: Counter[str], columns: Mapping[str, str] | None
) -> Iterator[Entry]:
    if is_manifest(path):
        yield from read_manifest(path, columns)
    elif _is_folder(Path(path)):
        yield from walk(path, left_out)
    else:
        yield from _expand_file(path, left_out)


def _expand_url(url: str, left_out: Counter[str]) -> Iterator[Entry]:
    if url.endswith("/") or "/" not in url.partition("://")[2]:
        yield from _walk_remote(url, left_out)
    else:
        yield from _expand_file(url, left_out)


def _expand_file(path: str, left_out: Counter[str]) -> Iterator[Entry]:
    if (kind := kind_of(path)) is not None:
        yield from _expand_archive(kind, path, left_out)
    else:
        yield Entry(path)


def _walk_remote(url: str, left_out: Counter[str]) -> Iterator[Entry]:
    # Imported here: it is of use to few, and slow to load what it imports.
    from audio_model.sources.remote import list_objects

    empty = True
    try:
        for found in list_objects(url):
            if suffix_of(found) in AUDIO_SUFFIXES:
                empty = False
                yield Entry(found)
            elif not found.endswith("/"):
                left_out[suffix_of(found)] += 1
    except AudioError as error:
        yield Entry(url, problem=f"the folder cannot be listed: {error.message}")
    else:
        if empty:
            yield Entry(url, problem="the folder holds no audio files")


def _expand_archive(kind: str, path: str, left_out: Counter[str]) -> Iterator[Entry]:
    if MemberPath.parse(str(MemberPath(kind, "", path))) != MemberPath(kind, "", path):
        yield Entry(path, problem='has "::" in its name, which parts a member from its archive')
        return
    empty = True
    try:
        with closing(open_archive(kind, path)) as archive:
            for member in archive.members():
                problem = member.problem
                if kind_of(member.name) is not None:
                    problem = problem or "is an archive within an archive: unpack it"
                elif _is_apples(member.name):
                    continue
                elif suffix_of(member.name) not in AUDIO_SUFFIXES:
                    left_out[suffix_of(member.name)] += 1
                    continue
                empty = False
                member_path = str(MemberPath(kind, member.name, path))
                yield Entry(member_path, problem=problem, place=member.place)
    except AudioError as error:
        yield Entry(path, problem=error.message)
    except OSError as error:
        yield Entry(path, problem=error.strerror or str(error))
    else:
        if empty:
            yield Entry(path, problem="the archive holds no audio files")


def _is_apples(member: str) -> bool:
    """Return whether a member holds what macOS adds for each file: icons and no sound."""
    return member.startswith("__MACOSX/")


def walk(folder: str, left_out: Counter[str] | None = None) -> Iterator[Entry]:
    """Yield the recordings in a folder and below, known by their endings, sorted by path.

    In a folder with more than 100,000 names, each 100,000 are sorted apart in the order of the
    disk, so that memory does not grow with the folder. Each folder is visited once, however many
    symbolic links lead there.
    """
    visited: set[tuple[int, int]] = set()
    left_out = Counter() if left_out is None else left_out
    within = [(folder, _children(Path(folder), visited, left_out))]
    empty = True
    while within:
        path, children = within[-1]
        problem = ""
        try:
            path, is_folder = next(children)
        except StopIteration:
            within.pop()
            continue
        except OSError as error:
            within.pop()
            problem = f"the folder cannot be listed: {error.strerror}"
        else:
            if is_folder:
                within.append((path, _children(Path(path), visited, left_out)))
                continue
        empty = False
        yield Entry(path, problem=problem)
    if empty:
        yield Entry(folder, problem="the folder holds no audio files")


def _children(
    folder: Path, visited: set[tuple[int, int]], left_out: Counter[str]
) -> Iterator[tuple[str, bool]]:
    """Yield the recordings and folders in a folder, and whether each is a folder.

    Raises OSError.
    """
    status = folder.stat()
    if (status.st_dev, status.st_ino) in visited:
        return
    visited.add((status.st_dev, status.st_ino))
    # A small folder is closed before those below it are opened, however deep they go.
    with os.scandir(folder) as entries:
        while len(listed := list(islice(entries, _SORTED_AT_ONCE))) == _SORTED_AT_ONCE:
            yield from _sorted(folder, listed, left_out)
    yield from _sorted(folder, listed, left_out)


def _sorted(
    folder: Path, listed: list["os.DirEntry[str]"], left_out: Counter[str]
) -> Iterator[tuple[str, bool]]:
    children = []
    for entry in listed:
        is_folder = _is_folder(entry)
        if is_folder or suffix_of(entry.name) in AUDIO_SUFFIXES:
            children.append((entry.name, is_folder))
        else:
            left_out[suffix_of(entry.name)] += 1
    # With the separator behind folders, names sort as the whole paths do.
    children.sort(key=lambda child: child[0] + os.sep * child[1])
    for name, is_folder in children:
        yield str(folder / name), is_folder


def _expand_pattern(
    pattern: str, left_out: Counter[str], columns: Mapping[str, str] | None
) -> Iterator[Entry]:
    path = Path(pattern)
    parts = path.parts[1:] if path.anchor else path.parts
    found = False
    for match in _matches(Path(path.anchor), parts):
        # A folder's files are matched one by one by such a pattern.
        if "**" in parts and _has_magic(parts[-1]) and _is_folder(match):
            continue
        found = True
        yield from _expand_name(str(match), left_out, columns)
    if not found:
        yield Entry(pattern, problem="no such file, and no file matches this pattern")


def _matches(folder: Path, parts: Sequence[str]) -> Iterator[Path]:
    """Yield the sorted paths under a folder that match a pattern's parts by the shell's rules.

    glob.glob would hold every path in memory and follow a loop of symbolic links.
    """
    if not parts:
        yield folder
        return
    part, rest = parts[0], parts[1:]
    if not _has_magic(part):
        if os.path.lexists(folder / part):
            yield from _matches(folder / part, rest)
        return
    try:
        entries = sorted(_listed(folder), key=lambda entry: entry.name)
    except OSError:
        return
    visible = [entry for entry in entries if not entry.name.startswith(".")]
    if part == "**":
        yield from _matches(folder, rest or ("*",))
        for entry in visible:
            if _is_folder(entry) and not entry.is_symlink():
                yield from _matches(folder / entry.name, parts)
    else:
        for entry in entries if part.startswith(".") else visible:
            if fnmatch.fnmatch(entry.name, part):
                yield from _matches(folder / entry.name, rest)


def _has_magic(pattern: str) -> bool:
    return re.search(r"[*?[]", pattern) is not None


def _listed(folder: Path) -> list["os.DirEntry[str]"]:
    with os.scandir(folder) as entries:
        return list(entries)


def _is_folder(path: "Path | os.DirEntry[str]") -> bool:
    try:
        return path.is_dir()
    except OSError:  # a link to itself, a name too long, a parent that is closed to us
        return False


def read_list(descriptor: int) -> Iterator[Entry]:
    """Yield an entry for each path of a list: one a line, or NUL-terminated (find -print0).

    A list is NUL-terminated if a NUL comes within the length of the longest path, where a first
    path must have ended. Lines may end in CRLF; empty ones are skipped.
    """
    try:
        yield from _listed_paths(iter(lambda: os.read(descriptor, _BLOCK), b""))
    except OSError as error:
        yield Entry(STANDARD_INPUT, problem=f"standard input cannot be read: {error.strerror}")


def _listed_paths(blocks: Iterator[bytes]) -> Iterator[Entry]:
    head = b""
    while b"\0" not in head and len(head) <= _LONGEST_PATH and (block := next(blocks, b"")):
        head += block
    if _AUDIO.match(head):
        yield Entry(STANDARD_INPUT, problem="standard input holds audio, not a list of paths")
        return
    separator = b"\0"
    if separator not in head:
        separator = b"\n"
        head = head.removeprefix(codecs.BOM_UTF8)
    empty = True
    for item in _split(chain([head], blocks), separator):
        path = item if separator == b"\0" else item.removesuffix(b"\r")
        if len(path) > _LONGEST_PATH:
            yield Entry(STANDARD_INPUT, problem="the list holds an item too long for a path")
            return
        if path:
            empty = False
            yield Entry(os.fsdecode(path))
    if empty:
        yield Entry(STANDARD_INPUT, problem="the list on standard input is empty")


def _split(blocks: Iterable[bytes], separator: bytes) -> Iterator[bytes]:
    """Yield the items of a stream.

    An item that grows too long for a path is yielded as it is so far.
    """
    rest = b""
    for block in blocks:
        *items, rest = (rest + block).split(separator)
        yield from items
        if len(rest) > _LONGEST_PATH:
            yield rest
            rest = b""
    yield rest
