"""The store of known recordings: one SQLite file, searched by several processes while they add.

A recording's codes, one each 80 ms, stand in its row; :mod:`audio_model.known.index` finds them.
All changes happen in transactions: a killed process leaves what was committed and nothing else.
"""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from audio_model.errors import AudioModelError
from audio_model.known.fingerprint import CODES_PER_SECOND, Codes
from audio_model.known.index import POSITION_BITS, SCHEMA, Hits, Index

CODES_PER_POSITION = 5
"""One code in five is kept: one each 80 ms, a *position*."""

POSITIONS_PER_SECOND = CODES_PER_SECOND / CODES_PER_POSITION

_APPLICATION_ID = 0x6B6E6F77
_VERSION = 2
_MAPPED_BYTES = 1 << 40
"""All of the file may be mapped: pages in the system's cache are then read without being copied."""
_CACHED_KIB = 1 << 16
"""Of the pages of a file that is not mapped."""

_SCHEMA = """
CREATE TABLE recordings (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    first_position INTEGER NOT NULL UNIQUE,
    n_positions INTEGER NOT NULL,
    codes BLOB NOT NULL,
    first_heard REAL NOT NULL,
    last_heard REAL NOT NULL,
    times_heard INTEGER NOT NULL,
    learnt INTEGER NOT NULL,
    waiting INTEGER NOT NULL
);
CREATE INDEX waiting ON recordings (id) WHERE waiting;
"""
_COLUMNS = "id, name, first_position, n_positions, first_heard, last_heard, times_heard, learnt"


class StoreError(AudioModelError):
    """A store of known recordings is damaged, locked, full, or isn't one."""


@dataclass(frozen=True)
class Recording:
    """What a store tells of a recording."""

    id: int
    name: str
    first_position: int
    n_positions: int
    first_heard: float
    last_heard: float
    """Seconds since 1970."""
    times_heard: int
    learnt: bool
    """Whether it is a call that was learnt, and so has the name of that call."""

    @property
    def seconds(self) -> float:
        """Of audio, but for the half second that the last code looks ahead."""
        return self.n_positions / POSITIONS_PER_SECOND


class Store:
    """Known recordings. For one thread at a time; each process or thread opens its own.

    Any number of processes may read and write one file on a local disk. Raises StoreError from any
    method where the file is damaged, full, or locked for too long.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        create: bool = True,
        busy_seconds: float = 30.0,
        mapped: bool = True,
    ) -> None:
        """Open a store; ``":memory:"`` is one that is never written.

        Args:
            create: whether it is made if there is none. If not, the file need not be writable.
            busy_seconds: for which every method waits for a file that is locked.
            mapped: whether the file is read through memory, which is faster. Who cuts the file off
                then ends the process (SIGBUS), where otherwise a method raises StoreError.

        Raises StoreError if it is none, or if there is none and ``create`` is false.
        """
        self.path = str(path)
        if not create and not Path(path).is_file():
            raise StoreError(f"{self.path}: no such store of known recordings")
        with self._errors():
            self._db = sqlite3.connect(
                self.path if create else _uri(Path(path)),
                timeout=busy_seconds,
                isolation_level=None,
                check_same_thread=False,
                uri=not create,
            )
        self._index = Index(self._db)
        try:
            with self._errors():
                self._db.execute(f"PRAGMA mmap_size = {_MAPPED_BYTES if mapped else 0}")
                if not mapped:
                    self._db.execute(f"PRAGMA cache_size = -{_CACHED_KIB}")
                self._prepare()
        except StoreError:
            self._db.close()
            raise
        self._file = _identity(self.path)

    def _prepare(self) -> None:
        db = self._db
        # Of a power failure the last seconds are lost at worst; of a kill, nothing.
        db.execute("PRAGMA synchronous = NORMAL")
        if self._pragma("application_id") == 0 and self._is_empty():
            db.execute("PRAGMA journal_mode = WAL")
            with self.writing():
                # Another process may have made it meanwhile.
                if self._is_empty():
                    for statement in (_SCHEMA + SCHEMA).split(";"):
                        db.execute(statement)
                    db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
                    db.execute(f"PRAGMA user_version = {_VERSION}")
        if self._pragma("application_id") != _APPLICATION_ID:
            raise StoreError(f"{self.path}: not a store of known recordings")
        if (version := self._pragma("user_version")) != _VERSION:
            raise StoreError(f"{self.path}: made by another version of this program ({version})")

    def _pragma(self, name: str) -> int:
        return int(self._db.execute(f"PRAGMA {name}").fetchone()[0])

    def _is_empty(self) -> bool:
        return self._db.execute("SELECT 1 FROM sqlite_master").fetchone() is None

    def is_there(self) -> bool:
        """Whether the file still lies at its path: one that was removed can be read on."""
        return self._file is not None and _identity(self.path) == self._file

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __len__(self) -> int:
        """The number of recordings."""
        with self._errors():
            return int(self._db.execute("SELECT count(*) FROM recordings").fetchone()[0])

    def recordings(self) -> Iterator[Recording]:
        """All recordings, in the order in which they were added."""
        last = 0
        while True:
            # A few at a time, so that a slow reader keeps no old state of the file alive.
            with self._errors():
                rows = self._db.execute(
                    f"SELECT {_COLUMNS} FROM recordings WHERE id > ? ORDER BY id LIMIT 1000",
                    (last,),
                ).fetchall()
            if not rows:
                return
            last = rows[-1][0]
            yield from (_recording(row) for row in rows)

    def recording(self, id: int) -> Recording | None:
        """One recording; None if there is no such one (any more)."""
        with self._errors():
            row = self._db.execute(f"SELECT {_COLUMNS} FROM recordings WHERE id = ?", (id,))
            found = row.fetchone()
        return None if found is None else _recording(found)

    def named(self, name: str) -> list[Recording]:
        """The recordings of a name."""
        with self._errors():
            rows = self._db.execute(f"SELECT {_COLUMNS} FROM recordings WHERE name = ?", (name,))
            return [_recording(row) for row in rows]

    def at(self, position: int) -> tuple[Recording, Codes] | None:
        """The recording at a position, and its codes; None if it was removed."""
        with self._errors():
            row = self._db.execute(
                f"SELECT {_COLUMNS}, codes FROM recordings WHERE first_position <= ? "
                "ORDER BY first_position DESC LIMIT 1",
                (position,),
            ).fetchone()
        if row is None:
            return None
        recording = _recording(row[:-1])
        if position >= recording.first_position + recording.n_positions:
            return None
        return recording, np.frombuffer(row[-1], "<u8")

    def codes(self, id: int) -> Codes:
        """A recording's codes. Raises StoreError if there is no such one."""
        with self._errors():
            row = self._db.execute("SELECT codes FROM recordings WHERE id = ?", (id,)).fetchone()
        if row is None:
            raise StoreError(f"{self.path}: no recording {id}")
        return np.frombuffer(row[0], "<u8")

    def add(
        self, name: str, codes: Codes, heard_at: float | None = None, *, learnt: bool = False
    ) -> int:
        """Take a recording.

        Args:
            name: what it is called; need not be unique.
            codes: of consecutive hops, as of a :class:`~.fingerprint.Fingerprint`.
            heard_at: seconds since 1970, by default now.
            learnt: whether it is a call, and has its name.

        Returns:
            its id.

        Raises StoreError.
        """
        now = time.time() if heard_at is None else heard_at
        return self._add(name, codes[::CODES_PER_POSITION], now, now, 1, learnt=learnt)

    def _add(
        self, name: str, codes: Codes, first: float, last: float, times: int, *, learnt: bool
    ) -> int:
        if not codes.any():
            raise StoreError(f"{name}: nothing in it to know it by (too short, silent, or tones)")
        with self.writing():
            end = self._db.execute(
                "SELECT first_position + n_positions FROM recordings "
                "ORDER BY first_position DESC LIMIT 1"
            ).fetchone()
            start = 0 if end is None else end[0]
            if start + len(codes) >= 1 << POSITION_BITS:
                raise StoreError(f"{self.path}: the store is full")
            id = self._db.execute(
                "INSERT INTO recordings (name, first_position, n_positions, codes, first_heard, "
                "last_heard, times_heard, learnt, waiting) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1)",
                (
                    name,
                    start,
                    len(codes),
                    codes.astype("<u8").tobytes(),
                    first,
                    last,
                    times,
                    learnt,
                ),
            ).lastrowid
            self._index.added()
        assert id is not None
        return id

    def heard(self, id: int, at: float | None = None) -> None:
        """Count that a recording was heard once more, at seconds since 1970, by default now."""
        now = time.time() if at is None else at
        with self.writing():
            self._db.execute(
                "UPDATE recordings SET first_heard = min(first_heard, ?), "
                "last_heard = max(last_heard, ?), times_heard = times_heard + 1 WHERE id = ?",
                (now, now, id),
            )

    def remove(self, id: int) -> None:
        """Forget a recording. Raises StoreError if there is no such one."""
        with self.writing():
            codes = self.codes(id)
            first, waiting = self._db.execute(
                "SELECT first_position, waiting FROM recordings WHERE id = ?", (id,)
            ).fetchone()
            self._index.remove(codes, first, waiting)
            self._db.execute("DELETE FROM recordings WHERE id = ?", (id,))

    def merge(self, other: "Store") -> int:
        """Take all recordings of another store, or none; how many they are. Raises StoreError."""
        n = 0
        with self.writing():
            for recording in other.recordings():
                codes = other.codes(recording.id)
                first, last = recording.first_heard, recording.last_heard
                times, learnt = recording.times_heard, recording.learnt
                self._add(recording.name, codes, first, last, times, learnt=learnt)
                n += 1
        return n

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Several look-ups in one state of the store, whatever others write meanwhile."""
        with self._transaction("BEGIN"):
            yield

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Several changes as one: all of them or, after an error, none. No one else writes."""
        with self._transaction("BEGIN IMMEDIATE"):
            yield

    def search(self, codes: Codes, max_distance: int) -> Hits:
        """Where codes have the same key and 32 further bits that differ in few.

        Args:
            codes: what to look for, no two of the same key. [shape=(n_codes,)]
            max_distance: bits of the 32 that may differ.
        """
        with self._errors():
            return self._index.search(codes, max_distance)

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[None]:
        with self._errors():
            if self._db.in_transaction:
                yield
                return
            self._db.execute(begin)
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                # A full disk has ended the transaction already.
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                # Ids that were taken back are given anew.
                self._index.forget_waiting()
                raise

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(f"{self.path}: {error}") from error


def _uri(path: Path) -> str:
    """SQLite's name of a store that is there. Where nothing can be written, it is read as it is."""
    folder_is_fixed = not os.access(path.absolute().parent, os.W_OK)
    if folder_is_fixed and not Path(f"{path}-wal").exists():
        return f"{path.absolute().as_uri()}?immutable=1"
    return f"{path.absolute().as_uri()}?mode=rw"


def _identity(path: str) -> tuple[int, int] | None:
    """Which file lies at a path; None if there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _recording(row: tuple[Any, ...]) -> Recording:
    recording = Recording(*row)
    return replace(recording, learnt=bool(recording.learnt))
