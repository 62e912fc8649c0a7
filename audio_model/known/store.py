"""The store of known recordings: one SQLite file, searched by several processes while they add.

A recording's codes, one each 80 ms, stand in its row. The index holds, for each value of a code's
key, where codes with that key are: *postings* of eight bytes each. New recordings wait, and are
searched in memory, until there are enough to be worth the writing; then their postings go to the
lowest level of the index, and a level that is full goes to the next, sixteen times as large (a
log-structured merge tree: O'Neil et al., 1996). So adding costs little however large the store is.
All this happens in transactions: a killed process leaves what was committed and nothing else.
"""

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from audio_model.errors import AudioModelError
from audio_model.known.fingerprint import CODES_PER_SECOND, KEY_MASK, N_KEY_BITS, NOTHING, Codes

CODES_PER_POSITION = 5
"""One code in five is kept: one each 80 ms, a *position*."""

POSITIONS_PER_SECOND = CODES_PER_SECOND / CODES_PER_POSITION

_APPLICATION_ID = 0x6B6E6F77
_VERSION = 1
_BUSY_SECONDS = 30.0
_MAPPED_BYTES = 1 << 40
"""All of the file may be mapped: pages in the system's cache are then read without being copied."""

_WAITING_POSTINGS = 1 << 16
_LEVEL_FACTOR = 16
"""A level of the index grows to so many times what comes into it at once."""

_KEY_SHIFT = 8
_POSITION_BITS = 32
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
    waiting INTEGER NOT NULL
);
CREATE INDEX waiting ON recordings (id) WHERE waiting;
CREATE TABLE levels (level INTEGER PRIMARY KEY, n_postings INTEGER NOT NULL);
CREATE TABLE postings (id INTEGER PRIMARY KEY, positions BLOB NOT NULL);
"""
_COLUMNS = "id, name, first_position, n_positions, first_heard, last_heard, times_heard"
_POSTINGS_OF_KEYS = """
SELECT postings.id, positions FROM json_each(?) AS keys CROSS JOIN postings
ON postings.id BETWEEN keys.value AND keys.value + 255
"""

_APPEND = """
ON CONFLICT (id) DO UPDATE SET positions = CAST(positions || excluded.positions AS BLOB)
"""

Keys = NDArray[np.uint16]
Postings = NDArray[np.uint64]
"""Thirty-two further bits of a code above the 32 bits of its position."""


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

    @property
    def seconds(self) -> float:
        """Of audio, but for the half second that the last code looks ahead."""
        return self.n_positions / POSITIONS_PER_SECOND


@dataclass(frozen=True)
class Hits:
    """Where a store has codes like those asked for."""

    asked: NDArray[np.int64]
    """Which of the codes. [shape=(n_hits,)]"""
    positions: NDArray[np.int64]
    """Positions in the store. [shape=(n_hits,)]"""


class Store:
    """Known recordings. For one thread; each process or thread opens its own.

    Any number of processes may read and write one file on a local disk. Raises StoreError from any
    method where the file is damaged, full, or locked for half a minute.
    """

    def __init__(self, path: str | Path, *, create: bool = True) -> None:
        """Open a store; ``":memory:"`` is one that is never written.

        Raises StoreError if it is none, or if there is none and ``create`` is false.
        """
        self.path = str(path)
        if not create and not Path(path).is_file():
            raise StoreError(f"{self.path}: no such store of known recordings")
        with self._errors():
            self._db = sqlite3.connect(self.path, timeout=_BUSY_SECONDS, isolation_level=None)
        self._own_changes = 0
        self._waiting_version: tuple[int, int] | None = None
        self._waiting_ids: list[int] = []
        self._waiting_keys = np.zeros(0, np.uint16)
        self._waiting_postings = np.zeros(0, np.uint64)
        try:
            with self._errors():
                self._prepare()
        except StoreError:
            self._db.close()
            raise

    def _prepare(self) -> None:
        db = self._db
        db.execute(f"PRAGMA mmap_size = {_MAPPED_BYTES}")
        # Of a power failure the last seconds are lost at worst; of a kill, nothing.
        db.execute("PRAGMA synchronous = NORMAL")
        if self._pragma("application_id") == 0 and self._is_empty():
            db.execute("PRAGMA journal_mode = WAL")
            with self.writing():
                # Another process may have made it meanwhile.
                if self._is_empty():
                    for statement in _SCHEMA.split(";"):
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
            yield from (Recording(*row) for row in rows)

    def recording(self, id: int) -> Recording | None:
        """One recording; None if there is no such one (any more)."""
        with self._errors():
            row = self._db.execute(f"SELECT {_COLUMNS} FROM recordings WHERE id = ?", (id,))
            found = row.fetchone()
        return None if found is None else Recording(*found)

    def named(self, name: str) -> list[Recording]:
        """The recordings of a name."""
        with self._errors():
            rows = self._db.execute(f"SELECT {_COLUMNS} FROM recordings WHERE name = ?", (name,))
            return [Recording(*row) for row in rows]

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
        recording = Recording(*row[:-1])
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

    def add(self, name: str, codes: Codes, heard_at: float | None = None) -> int:
        """Take a recording.

        Args:
            name: what it is called; need not be unique.
            codes: of consecutive hops, as of a :class:`~.fingerprint.Fingerprint`.
            heard_at: seconds since 1970, by default now.

        Returns:
            its id.

        Raises StoreError.
        """
        now = time.time() if heard_at is None else heard_at
        return self._add(name, codes[::CODES_PER_POSITION], now, now, 1)

    def _add(self, name: str, codes: Codes, first: float, last: float, times: int) -> int:
        if not codes.any():
            raise StoreError(f"{name}: nothing in it to know it by (too short, silent, or tones)")
        with self.writing():
            end = self._db.execute(
                "SELECT first_position + n_positions FROM recordings "
                "ORDER BY first_position DESC LIMIT 1"
            ).fetchone()
            start = 0 if end is None else end[0]
            if start + len(codes) >= 1 << _POSITION_BITS:
                raise StoreError(f"{self.path}: the store is full")
            id = self._db.execute(
                "INSERT INTO recordings (name, first_position, n_positions, codes, first_heard, "
                "last_heard, times_heard, waiting) VALUES (?, ?, ?, ?, ?, ?, ?, 1)",
                (name, start, len(codes), codes.astype("<u8").tobytes(), first, last, times),
            ).lastrowid
            self._own_changes += 1
            self._index_waiting()
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
            if not waiting:
                self._remove_postings(np.unique(_keys(codes)), first, first + len(codes))
            self._db.execute("DELETE FROM recordings WHERE id = ?", (id,))
            self._own_changes += 1

    def merge(self, other: "Store") -> int:
        """Take all recordings of another store, or none; how many they are. Raises StoreError."""
        n = 0
        with self.writing():
            for recording in other.recordings():
                codes = other.codes(recording.id)
                first, last = recording.first_heard, recording.last_heard
                self._add(recording.name, codes, first, last, recording.times_heard)
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
        keys = _keys(codes)
        order = np.argsort(keys)
        keys, wanted = keys[order], _further_bits(codes[order])
        with self._errors():
            self._refresh_waiting()
            asked, postings = self._postings(keys)
        begins = np.searchsorted(self._waiting_keys, keys, "left")
        counts = np.searchsorted(self._waiting_keys, keys, "right") - begins
        waiting = np.repeat(begins - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
        postings = np.concatenate([postings, self._waiting_postings[waiting]])
        asked = np.concatenate([asked, np.repeat(np.arange(len(keys)), counts)])
        distances = np.bitwise_count((postings ^ wanted[asked]) >> np.uint64(_POSITION_BITS))
        near = np.flatnonzero(distances <= max_distance)
        positions = (postings[near] & _POSITION_MASK).astype(np.int64)
        return Hits(order[asked[near]], positions)

    def _postings(self, keys: Keys) -> tuple[NDArray[np.int64], Postings]:
        """Postings of the index, and which of the keys, which are sorted, each has."""
        rows = self._db.execute(_POSTINGS_OF_KEYS, (_ranges(keys),)).fetchall()
        row_keys = np.array([id >> _KEY_SHIFT for id, _ in rows], np.uint16)
        counts = np.array([len(blob) // 8 for _, blob in rows], np.int64)
        postings = np.frombuffer(b"".join([blob for _, blob in rows]), "<u8")
        return np.repeat(np.searchsorted(keys, row_keys), counts), postings

    def _refresh_waiting(self) -> None:
        version = (self._pragma("data_version"), self._own_changes)
        if version == self._waiting_version:
            return
        rows = self._db.execute("SELECT id FROM recordings WHERE waiting ORDER BY id")
        ids = [id for (id,) in rows]
        n_known = len(self._waiting_ids)
        if ids[:n_known] != self._waiting_ids:
            n_known = 0
            self._waiting_keys = np.zeros(0, np.uint16)
            self._waiting_postings = np.zeros(0, np.uint64)
        if len(ids) > n_known:
            keys, postings = self._read_waiting(ids[n_known])
            keys = np.concatenate([self._waiting_keys, keys])
            # Of 16 bits, this is a radix sort.
            order = np.argsort(keys, kind="stable")
            self._waiting_keys = keys[order]
            self._waiting_postings = np.concatenate([self._waiting_postings, postings])[order]
        self._waiting_ids, self._waiting_version = ids, version

    def _read_waiting(self, first_id: int = 0) -> tuple[Keys, Postings]:
        rows = self._db.execute(
            "SELECT first_position, codes FROM recordings WHERE waiting AND id >= ?", (first_id,)
        )
        keys, postings = [np.zeros(0, np.uint16)], [np.zeros(0, np.uint64)]
        for first, blob in rows:
            codes = np.frombuffer(blob, "<u8")
            telling = codes != NOTHING
            positions = np.arange(first, first + len(codes), dtype=np.uint64)[telling]
            keys.append(_keys(codes[telling]))
            postings.append(_further_bits(codes[telling]) | positions)
        return np.concatenate(keys), np.concatenate(postings)

    def _index_waiting(self) -> None:
        """Move what waits into the index, if there is enough of it."""
        n = self._db.execute("SELECT total(n_positions) FROM recordings WHERE waiting").fetchone()
        if n[0] < _WAITING_POSTINGS:
            return
        keys, postings = self._read_waiting()
        order = np.argsort(keys, kind="stable")
        keys, postings = keys[order], postings[order]
        starts = np.flatnonzero(np.diff(keys.astype(np.int64), prepend=-1))
        parts = np.split(postings, starts[1:])
        self._db.executemany(
            f"INSERT INTO postings VALUES (?, ?) {_APPEND}",
            (
                (key << _KEY_SHIFT, part.astype("<u8").tobytes())
                for key, part in zip(keys[starts].tolist(), parts, strict=True)
            ),
        )
        self._db.execute("UPDATE recordings SET waiting = 0 WHERE waiting")
        self._raise_levels(len(postings))

    def _raise_levels(self, n_new: int) -> None:
        """Count postings that came into the lowest level; move full levels into the next."""
        level, full = 0, _WAITING_POSTINGS * _LEVEL_FACTOR
        while True:
            (n_postings,) = self._db.execute(
                "INSERT INTO levels VALUES (?, ?) ON CONFLICT (level) DO UPDATE "
                "SET n_postings = n_postings + excluded.n_postings RETURNING n_postings",
                (level, n_new),
            ).fetchone()
            if n_postings < full:
                return
            of_level = f"id & {(1 << _KEY_SHIFT) - 1} = {level}"
            self._db.execute(
                f"INSERT INTO postings SELECT id + 1, positions FROM postings WHERE {of_level} "
                f"{_APPEND}"
            )
            self._db.execute(f"DELETE FROM postings WHERE {of_level}")
            self._db.execute("UPDATE levels SET n_postings = 0 WHERE level = ?", (level,))
            level, full, n_new = level + 1, full * _LEVEL_FACTOR, n_postings

    def _remove_postings(self, keys: Keys, begin: int, end: int) -> None:
        rows = self._db.execute(_POSTINGS_OF_KEYS, (_ranges(keys),)).fetchall()
        for id, blob in rows:
            postings = np.frombuffer(blob, "<u8")
            positions = postings & _POSITION_MASK
            kept = postings[(positions < begin) | (positions >= end)]
            if len(kept) < len(postings):
                self._db.execute(
                    "UPDATE postings SET positions = ? WHERE id = ?", (kept.tobytes(), id)
                )

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
                self._waiting_ids, self._waiting_version = [-1], None
                raise

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(f"{self.path}: {error}") from error


_POSITION_MASK = np.uint64((1 << _POSITION_BITS) - 1)


def _keys(codes: Codes) -> Keys:
    return (codes & KEY_MASK).astype(np.uint16)


def _ranges(keys: Keys) -> str:
    """The lowest id that each key's postings have, as JSON."""
    return json.dumps((keys.astype(np.int64) << _KEY_SHIFT).tolist())


def _further_bits(codes: Codes) -> Postings:
    """The 32 bits behind the key, at the place where postings have them."""
    return (codes >> np.uint64(N_KEY_BITS)) << np.uint64(_POSITION_BITS)
