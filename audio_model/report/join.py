"""Verdicts joined with call records.

A record is found by one key, in this order of certainty: the recording's path, the call's id, or
its number and time. Where several records match, or several recordings want one record, no match
is chosen. Everything waits in a temporary database, so memory does not grow with the records.
"""

import json
import posixpath
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from itertools import takewhile
from urllib.parse import unquote, urlsplit

from audio_model.ranges import written
from audio_model.ranges.numbers import UNREADABLE, WITHHELD, normalise
from audio_model.sources.open import MemberPath
from audio_model.tables.cells import word
from audio_model.times import read

_MOST_TOKENS = 16
_SHOWN = 5
"""Places of records that are named where several would do."""
_TOKEN = re.compile(r"[^\W_]+(?:\.[^\W_]+)*")
"""A word of a file's name; Asterisk's ids have a dot in them."""


_WEB = ("http://", "https://", "file://")


class Key(StrEnum):
    """The key by which a record is found."""

    PATH = "path"
    """The recording's path; where folders differ, its name, and as many of them as are the same."""
    CALL = "call"
    """The call's id: a column of the results, or a part of the recording's name."""
    NUMBER = "number"
    """The caller's number and the time, and the called number where both tell it."""


NEEDED = {Key.PATH: ("path",), Key.CALL: ("call",), Key.NUMBER: ("caller", "time")}
"""Columns of the records, and for numbers of the results, too."""


class Joined(StrEnum):
    """The result of the join for one recording."""

    FOUND = "found"
    AMBIGUOUS = "ambiguous"
    NONE = "none"


@dataclass(frozen=True)
class JoinedRecord:
    """The record of a recording, or why there is none."""

    joined: Joined
    record: int = 0
    """Its number, where one was found."""
    problem: str = ""
    exact: bool = False
    """Whether it was found by the whole key, not by a file's name alone."""


class RecordTable:
    """Call records, however many, and which recording each of them is of."""

    def __init__(self, seconds: float) -> None:
        """Make an empty table of records.

        Args:
            seconds: how far a record's time may differ from a recording's.
        """
        self._seconds = seconds
        self._db = sqlite3.connect("")
        self._db.execute(
            "CREATE TABLE records "
            "(n INTEGER PRIMARY KEY, place, path, name, id, caller, called, time, cells, "
            "digest UNIQUE)"
        )
        for column in ("path", "name", "id", "caller, time"):
            self._db.execute(f"CREATE INDEX by_{column[:4]} ON records ({column})")
        self._db.execute("CREATE TABLE taken (record, path, exact, PRIMARY KEY (record, path))")

    def __len__(self) -> int:
        (n,) = self._db.execute("SELECT count(*) FROM records").fetchone()
        return int(n)

    def close(self) -> None:
        """Let go of everything."""
        self._db.close()

    def add(self, place: str, values: Mapping[str, object]) -> None:
        """Keep a record; one that was there already, cell by cell, is kept once.

        Raises ValueError for one whose time is none.
        """
        path, called = word(values, "path"), word(values, "called")
        time = read(values["time"])[0] if word(values, "time") else None
        cells = json.dumps(values, default=str)
        self._db.execute(
            "INSERT OR IGNORE INTO records VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                place,
                _storable(path) or None,
                _storable(_name_of(path)) or None,
                _storable(word(values, "call")) or None,
                caller_of(values),
                written.same(called) if called else None,
                time,
                cells,
                blake2b(cells.encode(), digest_size=16).digest(),
            ),
        )

    def cells(self, record: int) -> dict[str, object]:
        """Return a record's values."""
        (cells,) = self._db.execute("SELECT cells FROM records WHERE n = ?", [record]).fetchone()
        values: dict[str, object] = json.loads(cells)
        return values

    def match(self, values: Mapping[str, object], key: Key) -> JoinedRecord:
        """Find the record of a row of results. Raises ValueError for a time that is none."""
        exact = True
        match key:
            case Key.PATH:
                path = word(values, "path")
                found = self._find("path = ?", [_storable(path)])
                exact = bool(found)
                found = found or self._by_name(path)
            case Key.CALL:
                found = self._by_call(values)
            case Key.NUMBER:
                if caller_of(values) is None:
                    return JoinedRecord(Joined.NONE, problem="the caller's number is not known")
                if not word(values, "time"):
                    return JoinedRecord(Joined.NONE, problem="the time is not known")
                found = self._by_number(values)
        if not found:
            return JoinedRecord(Joined.NONE, problem="no record")
        if len(found) > 1:
            return self._ambiguous("records", [place for _, place in found])
        return JoinedRecord(Joined.FOUND, found[0][0], exact=exact)

    def take(self, match: JoinedRecord, path: str) -> None:
        """Note that a recording has a record."""
        values = (match.record, _storable(path), match.exact)
        self._db.execute("INSERT OR IGNORE INTO taken VALUES (?, ?, ?)", values)

    def settled(self, match: JoinedRecord) -> JoinedRecord:
        """Return a match as it stands when all were noted: a record is of one recording alone.

        A record that has a recording's whole path does not match other recordings of the same file
        name.
        """
        if match.joined is not Joined.FOUND:
            return match
        found = self._db.execute(
            "SELECT path, exact FROM taken WHERE record = ? ORDER BY path", [match.record]
        ).fetchall()
        exact = [path for path, whole in found if whole]
        if exact and not match.exact:
            return JoinedRecord(Joined.NONE, problem="no record")
        paths = exact or [path for path, _ in found]
        return match if len(paths) == 1 else self._ambiguous("recordings", paths)

    def n_without(self) -> int:
        """Return how many records were found for no recording."""
        (n,) = self._db.execute(
            "SELECT count(*) FROM records WHERE n NOT IN (SELECT record FROM taken)"
        ).fetchone()
        return int(n)

    def _by_name(self, path: str) -> list[tuple[int, str]]:
        """Return the records of a recording's name, those alone that share most of its folders."""
        rows = self._db.execute(
            "SELECT n, place, path FROM records WHERE name = ? ORDER BY n",
            [_storable(_name_of(path))],
        ).fetchall()
        parts = _parts_of(_storable(path))
        shared = [_shared_end(parts, _parts_of(each)) for _, _, each in rows]
        most = max(shared, default=0)
        return [(n, place) for (n, place, _), k in zip(rows, shared, strict=True) if k == most]

    def _by_call(self, values: Mapping[str, object]) -> list[tuple[int, str]]:
        if call := word(values, "call"):
            return self._find("id = ?", [_storable(call)])
        found: dict[int, str] = {}
        for part in _parts(posixpath.basename(_plain(word(values, "path")))):
            found.update(self._find("id = ?", [_storable(part)]))
        return list(found.items())

    def _by_number(self, values: Mapping[str, object]) -> list[tuple[int, str]]:
        time, called = read(values["time"])[0], word(values, "called")
        where = "caller = ? AND time BETWEEN ? AND ?"
        bounds: list[object] = [caller_of(values), time - self._seconds, time + self._seconds]
        if called:
            where += " AND (called IS NULL OR called = ?)"
            bounds.append(written.same(called))
        return self._find(where, bounds)

    def _find(self, where: str, values: Sequence[object]) -> list[tuple[int, str]]:
        return self._db.execute(
            f"SELECT n, place FROM records WHERE {where} ORDER BY n", values
        ).fetchall()

    def _ambiguous(self, what: str, places: Sequence[str]) -> JoinedRecord:
        shown = ", ".join(places[:_SHOWN]) + (", ..." if len(places) > _SHOWN else "")
        return JoinedRecord(Joined.AMBIGUOUS, problem=f"{len(places)} {what}: {shown}")


def choose_key(records: Iterable[str], results: Iterable[str]) -> Key | None:
    """Return the surest key for tables of these columns; None if none will do."""
    names, ours = set(records), set(results)
    for key, needed in NEEDED.items():
        if names >= set(needed) and (key is not Key.NUMBER or ours >= set(needed)):
            return key
    return None


def merged(
    ours: Mapping[str, object], record: Mapping[str, object], names: Mapping[str, str]
) -> dict[str, object]:
    """Return a row of results with what its record says, under the names of ``names``."""
    row = dict(ours)
    for name, value in record.items():
        if name in names:
            row[names[name]] = value
    return row


def caller_of(values: Mapping[str, object]) -> str | None:
    """Return the caller's number, made comparable; None if it can't be read."""
    key = normalise(word(values, "caller")).key
    return None if key in (WITHHELD, UNREADABLE) else key


def _parts(name: str) -> Iterator[str]:
    """Yield what a name may hold as an id: all of it but its ending, and runs of its parts."""
    stem = posixpath.splitext(name)[0]
    yield stem
    spans = [found.span() for found in _TOKEN.finditer(stem)][:_MOST_TOKENS]
    for first, (start, _) in enumerate(spans):
        for _, end in spans[first:]:
            if (start, end) != (0, len(stem)):
                yield stem[start:end]


def _name_of(path: str) -> str:
    return _parts_of(path)[-1]


def _parts_of(path: str) -> list[str]:
    """Return folders and name of a path, a member's, or a web address, whatever their capitals."""
    return _plain(path).casefold().split("/")


def _plain(path: str) -> str:
    """Return a path with slashes, of a member the one in its archive.

    A web address loses its query and its escapes.
    """
    member = MemberPath.parse(path)
    inside = path if member is None else member.member
    if inside.lower().startswith(_WEB):
        inside = unquote(urlsplit(inside).path)
    return inside.replace("\\", "/")


def _shared_end(one: Sequence[str], other: Sequence[str]) -> int:
    """Return how many of their last parts two paths share."""
    pairs = zip(reversed(one), reversed(other), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _storable(text: str) -> str:
    # Undecodable bytes of names are lone surrogates, which no database takes.
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()
