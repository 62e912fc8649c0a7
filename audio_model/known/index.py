"""The index of a store of known recordings: from a code's key to the places of its codes.

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
CREATE TABLE level_postings (id INTEGER PRIMARY KEY, positions BLOB NOT NULL);
CREATE TABLE waiting (n_positions INTEGER NOT NULL, n_departures INTEGER NOT NULL);
INSERT INTO waiting VALUES (0, 0);
CREATE INDEX recordings_waiting ON recordings (first_position) WHERE waiting;
"""
UPGRADE_FROM_4 = """
CREATE TABLE level_postings (id INTEGER PRIMARY KEY, positions BLOB NOT NULL);
INSERT INTO level_postings
SELECT ((id & 255) << 16) | (id >> 8), positions FROM postings ORDER BY 1;
DROP TABLE postings;
DROP INDEX waiting;
CREATE TABLE waiting (n_positions INTEGER NOT NULL, n_departures INTEGER NOT NULL);
INSERT INTO waiting SELECT total(n_positions), 0 FROM recordings WHERE waiting;
CREATE INDEX recordings_waiting ON recordings (first_position) WHERE waiting;
"""
"""What makes the index of a store of format 4 one of format 5, where rows of a level lie together.

The table has another name, so that a process of the version before, which may still run, fails and
writes nothing wrong.
"""

_WAITING_POSTINGS = 1 << 16
_LEVEL_FACTOR = 16
"""A level of the index grows to so many times what comes into it at once."""

_LAST_POSTINGS = 1 << 11
"""Postings that came last are sorted apart from the others that wait, up to so many."""

_LEVEL_SHIFT = N_KEY_BITS
"""A row's id is its level, and below that its key."""
_POSTINGS_OF_IDS = """
SELECT level_postings.id, positions FROM json_each(?) AS ids CROSS JOIN level_postings
ON level_postings.id = ids.value
"""
_TELLING_POSTINGS = f"{_POSTINGS_OF_IDS} AND length(positions) <= ?"

_MOST_POSTINGS = 1 << 12
"""A level's row with more is not searched. Among 25 million postings so large are 6 % of the rows
that calls look up, and they hold 59 % of the postings: the keys that speech has most often cost the
most and tell the least, as the commonest words of a text do."""

_APPEND = """
ON CONFLICT (id) DO UPDATE SET positions = CAST(positions || excluded.positions AS BLOB)
"""

Keys = NDArray[np.uint16]
Postings = NDArray[np.uint64]
"""Thirty-two further bits of a code above the 32 bits of its position."""
Found = tuple[NDArray[np.int64], NDArray[np.int64], Postings]
"""Which of the keys that were asked for are found, in an order of their own, how many postings each
has, and these one behind another."""


@dataclass(frozen=True)
class Hits:
    """Places where a store has codes like those searched for."""

    asked: NDArray[np.int64]
    """The index of the code that was asked for. [shape=(n_hits,)]"""
    positions: NDArray[np.int64]
    """Positions in the store. [shape=(n_hits,)]"""


class Index:
    """The index in one store's database. Raises sqlite3.Error; changes need a transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._own_changes = 0
        self.forget_waiting()

    def forget_waiting(self) -> None:
        """Read the waiting recordings anew after a transaction was taken back."""
        self._version: tuple[int, int] | None = None
        self._n_departures = -1
        self._levels: list[int] = []
        self._waiting, self._last = _NONE, _NONE
        self._waiting_begin = self._waiting_end = 0
        """The position from which on, and up to which, what waits has been read."""

    def added(self, n_positions: int) -> None:
        """Let a new recording wait, and move those that wait into the index if they are enough."""
        self._own_changes += 1
        (n_waiting,) = self._db.execute(
            "UPDATE waiting SET n_positions = n_positions + ? RETURNING n_positions", (n_positions,)
        ).fetchone()
        if n_waiting >= _WAITING_POSTINGS:
            self._index_waiting()

    def remove(self, codes: Codes, first_position: int, waiting: bool) -> None:
        """Remove a recording. ``waiting`` says that it has not come into the index yet."""
        self._own_changes += 1
        if waiting:
            self._depart(len(codes))
        else:
            end = first_position + len(codes)
            self._remove_postings(np.unique(_keys(codes)), first_position, end)

    def search(self, codes: Codes, max_distance: int, since: int = 0) -> Hits:
        """Return where codes have the same key and 32 further bits that differ in few.

        Keys that very many codes of the store have are left out.

        Args:
            codes: the codes to search for, no two of the same key. [shape=(n_codes,)]
            max_distance: bits of the 32 that may differ.
            since: the position from which on they are looked for.
        """
        keys = _keys(codes)
        order = np.argsort(keys)
        keys, wanted = keys[order], (codes[order] >> np.uint64(N_KEY_BITS)).astype(np.uint32)
        self._refresh()
        asked, positions = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        places = [part.of(keys) for part in (self._waiting, self._last) if len(part.keys)]
        # The last recordings still wait, and the levels, which take longest, have none of them.
        some_wait = self._waiting_begin < self._waiting_end
        if self._levels and not (some_wait and since >= self._waiting_begin):
            places.append(self._postings(keys))
        for found, counts, postings in places:
            # The further bits of a posting are the higher half of it.
            distances = np.bitwise_count(postings.view("<u4")[1::2] ^ wanted[found].repeat(counts))
            near = np.flatnonzero(distances <= max_distance)
            hits = (postings[near] & _POSITION_MASK).astype(np.int64)
            if since:
                near, hits = near[hits >= since], hits[hits >= since]
            asked.append(order[found[counts.cumsum().searchsorted(near, "right")]])
            positions.append(hits)
        return Hits(np.concatenate(asked), np.concatenate(positions))

    def _postings(self, keys: Keys) -> Found:
        """Return the index's postings of keys."""
        rows = self._db.execute(_TELLING_POSTINGS, (self._ids(keys), 8 * _MOST_POSTINGS)).fetchall()
        ids, blobs = zip(*rows, strict=True) if rows else ((), ())
        row_keys = (np.array(ids, np.int64) & _KEY_IN_ID).astype(np.uint16)
        counts = np.fromiter(map(len, blobs), np.int64, len(blobs)) // 8
        return keys.searchsorted(row_keys), counts, np.frombuffer(b"".join(blobs), "<u8")

    def _ids(self, keys: Keys) -> str:
        """Return the ids of the keys' rows in all levels, as JSON."""
        levels = np.array(self._levels, np.int64)[:, None] << _LEVEL_SHIFT
        return json.dumps((levels | keys).ravel().tolist())

    def _refresh(self) -> None:
        """Read the levels and the waiting recordings as they are now."""
        version = (
            int(self._db.execute("PRAGMA data_version").fetchone()[0]),
            self._own_changes,
        )
        if version == self._version:
            return
        (n_departures,) = self._db.execute("SELECT n_departures FROM waiting").fetchone()
        if n_departures != self._n_departures:
            levels = self._db.execute("SELECT level FROM levels WHERE n_postings ORDER BY level")
            self._levels = [level for (level,) in levels]
            self._waiting, self._last, self._waiting_end = _NONE, _NONE, 0
        keys, postings, begin, end = self._read_waiting(self._waiting_end)
        if not self._waiting_end:
            self._waiting_begin = begin
        self._waiting_end = end
        self._last = self._last.with_more(keys, postings)
        if len(self._last.keys) > _LAST_POSTINGS:
            self._waiting = self._waiting.with_more(self._last.keys, self._last.postings)
            self._last = _NONE
        self._n_departures, self._version = n_departures, version

    def _depart(self, n_positions: int) -> None:
        """Count so many positions as no longer waiting."""
        self._db.execute(
            "UPDATE waiting SET n_positions = n_positions - ?, n_departures = n_departures + 1",
            (n_positions,),
        )

    def _read_waiting(self, since: int = 0) -> tuple[Keys, Postings, int, int]:
        """Return the codes that wait from a position on, where they begin, and where they end."""
        rows = self._db.execute(
            "SELECT first_position, codes FROM recordings WHERE waiting AND first_position >= ? "
            "ORDER BY first_position",
            (since,),
        ).fetchall()
        keys, postings = [np.zeros(0, np.uint16)], [np.zeros(0, np.uint64)]
        begin = rows[0][0] if rows else since
        end = begin
        for first, blob in rows:
            codes = np.frombuffer(blob, "<u8")
            telling = codes != NOTHING
            end = first + len(codes)
            positions = np.arange(first, end, dtype=np.uint64)[telling]
            keys.append(_keys(codes[telling]))
            postings.append(_further_bits(codes[telling]) | positions)
        return np.concatenate(keys), np.concatenate(postings), begin, end

    def _index_waiting(self) -> None:
        keys, postings, _, _ = self._read_waiting()
        order = np.argsort(keys, kind="stable")
        keys, postings = keys[order], postings[order]
        starts = np.flatnonzero(np.diff(keys.astype(np.int64), prepend=-1))
        parts = np.split(postings, starts[1:])
        self._db.executemany(
            f"INSERT INTO level_postings VALUES (?, ?) {_APPEND}",
            (
                (key, part.astype("<u8").tobytes())
                for key, part in zip(keys[starts].tolist(), parts, strict=True)
            ),
        )
        self._db.execute("UPDATE recordings SET waiting = 0 WHERE waiting")
        self._db.execute("UPDATE waiting SET n_positions = 0, n_departures = n_departures + 1")
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
            first = level << _LEVEL_SHIFT
            of_level = f"id BETWEEN {first} AND {first + _KEY_IN_ID}"
            self._db.execute(
                f"INSERT INTO level_postings SELECT id + {_KEY_IN_ID + 1}, positions "
                f"FROM level_postings WHERE {of_level} ORDER BY id {_APPEND}"
            )
            self._db.execute(f"DELETE FROM level_postings WHERE {of_level}")
            self._db.execute("UPDATE levels SET n_postings = 0 WHERE level = ?", (level,))
            level, full, n_new = level + 1, full * _LEVEL_FACTOR, n_postings

    def _remove_postings(self, keys: Keys, begin: int, end: int) -> None:
        self._refresh()
        rows = self._db.execute(_POSTINGS_OF_IDS, (self._ids(keys),)).fetchall()
        for id, blob in rows:
            postings = np.frombuffer(blob, "<u8")
            positions = postings & _POSITION_MASK
            kept = postings[(positions < begin) | (positions >= end)]
            if len(kept) < len(postings):
                self._db.execute(
                    "UPDATE level_postings SET positions = ? WHERE id = ?", (kept.tobytes(), id)
                )


@dataclass(frozen=True)
class _Sorted:
    """Postings in memory, in the order of their keys."""

    keys: Keys
    postings: Postings

    def with_more(self, keys: Keys, postings: Postings) -> "_Sorted":
        """Return these and others."""
        if not len(keys):
            return self
        keys = np.concatenate([self.keys, keys])
        # For 16 bits this is a radix sort.
        order = np.argsort(keys, kind="stable")
        return _Sorted(keys[order], np.concatenate([self.postings, postings])[order])

    def of(self, keys: Keys) -> Found:
        """Return the postings of keys."""
        begins = self.keys.searchsorted(keys, "left")
        counts = self.keys.searchsorted(keys, "right") - begins
        found = np.flatnonzero(counts)
        counts = counts[found]
        ends = counts.cumsum()
        within = np.arange(ends[-1] if len(ends) else 0) - (ends - counts).repeat(counts)
        return found, counts, self.postings[begins[found].repeat(counts) + within]


_NONE = _Sorted(np.zeros(0, np.uint16), np.zeros(0, np.uint64))
_POSITION_MASK = np.uint64((1 << POSITION_BITS) - 1)
_KEY_IN_ID = (1 << _LEVEL_SHIFT) - 1


def _keys(codes: Codes) -> Keys:
    return (codes & KEY_MASK).astype(np.uint16)


def _further_bits(codes: Codes) -> Postings:
    """Return the 32 bits behind the key, at the place where postings have them."""
    return (codes >> np.uint64(N_KEY_BITS)) << np.uint64(POSITION_BITS)
