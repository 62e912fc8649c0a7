"""The index of a store of known recordings: from a code's key to where codes with it are.

*Postings* of eight bytes each say where. New recordings wait, and are searched in memory, until
there are enough to be worth the writing; then their postings go to the lowest level of the index,
and a level that is full goes to the next, sixteen times as large (a log-structured merge tree:
O'Neil et al., 1996). So adding costs little however large the store is.
"""

import json
import sqlite3
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audio_model.known.fingerprint import KEY_MASK, N_KEY_BITS, NOTHING, Codes

POSITION_BITS = 32
SCHEMA = """
CREATE TABLE levels (level INTEGER PRIMARY KEY, n_postings INTEGER NOT NULL);
CREATE TABLE postings (id INTEGER PRIMARY KEY, positions BLOB NOT NULL);
"""

_WAITING_POSTINGS = 1 << 16
_LEVEL_FACTOR = 16
"""A level of the index grows to so many times what comes into it at once."""

_KEY_SHIFT = 8
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


@dataclass(frozen=True)
class Hits:
    """Where a store has codes like those asked for."""

    asked: NDArray[np.int64]
    """Which of the codes. [shape=(n_hits,)]"""
    positions: NDArray[np.int64]
    """Positions in the store. [shape=(n_hits,)]"""


class Index:
    """The index in one store's database. Raises sqlite3.Error; changes need a transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._own_changes = 0
        self.forget_waiting()

    def forget_waiting(self) -> None:
        """What waits is to be read anew: a transaction has been taken back."""
        self._version: tuple[int, int] | None = None
        self._waiting_ids: list[tuple[int, int]] = []
        """Id and first position of each recording that waits; positions may change."""
        self._waiting_keys = np.zeros(0, np.uint16)
        self._waiting_postings = np.zeros(0, np.uint64)

    def added(self) -> None:
        """A recording came and waits. What waits moves into the index, if there is enough of it."""
        self._own_changes += 1
        self._index_waiting()

    def remove(self, codes: Codes, first_position: int, waiting: bool) -> None:
        """A recording goes. ``waiting``: whether it has not come into the index yet."""
        self._own_changes += 1
        if not waiting:
            end = first_position + len(codes)
            self._remove_postings(np.unique(_keys(codes)), first_position, end)

    def search(self, codes: Codes, max_distance: int) -> Hits:
        """Where codes have the same key and 32 further bits that differ in few.

        Args:
            codes: what to look for, no two of the same key. [shape=(n_codes,)]
            max_distance: bits of the 32 that may differ.
        """
        keys = _keys(codes)
        order = np.argsort(keys)
        keys, wanted = keys[order], _further_bits(codes[order])
        self._refresh_waiting()
        asked, postings = self._postings(keys)
        begins = np.searchsorted(self._waiting_keys, keys, "left")
        counts = np.searchsorted(self._waiting_keys, keys, "right") - begins
        waiting = np.repeat(begins - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
        postings = np.concatenate([postings, self._waiting_postings[waiting]])
        asked = np.concatenate([asked, np.repeat(np.arange(len(keys)), counts)])
        distances = np.bitwise_count((postings ^ wanted[asked]) >> np.uint64(POSITION_BITS))
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
        version = (
            int(self._db.execute("PRAGMA data_version").fetchone()[0]),
            self._own_changes,
        )
        if version == self._version:
            return
        ids = self._db.execute(
            "SELECT id, first_position FROM recordings WHERE waiting ORDER BY id"
        ).fetchall()
        n_known = len(self._waiting_ids)
        if ids[:n_known] != self._waiting_ids:
            n_known = 0
            self._waiting_keys = np.zeros(0, np.uint16)
            self._waiting_postings = np.zeros(0, np.uint64)
        if len(ids) > n_known:
            keys, postings = self._read_waiting(ids[n_known][0])
            keys = np.concatenate([self._waiting_keys, keys])
            # Of 16 bits, this is a radix sort.
            order = np.argsort(keys, kind="stable")
            self._waiting_keys = keys[order]
            self._waiting_postings = np.concatenate([self._waiting_postings, postings])[order]
        self._waiting_ids, self._version = ids, version

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


_POSITION_MASK = np.uint64((1 << POSITION_BITS) - 1)


def _keys(codes: Codes) -> Keys:
    return (codes & KEY_MASK).astype(np.uint16)


def _ranges(keys: Keys) -> str:
    """The lowest id that each key's postings have, as JSON."""
    return json.dumps((keys.astype(np.int64) << _KEY_SHIFT).tolist())


def _further_bits(codes: Codes) -> Postings:
    """The 32 bits behind the key, at the place where postings have them."""
    return (codes >> np.uint64(N_KEY_BITS)) << np.uint64(POSITION_BITS)
