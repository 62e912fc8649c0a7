"""The store of known recordings: one SQLite file, searched by several processes while they add.

A recording's codes, one each 80 ms, stand in its row; :mod:`audio_model.known.index` finds them.
All changes happen in transactions: a killed process leaves what was committed and nothing else.
"""

import math
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from audio_model.errors import StoreError
from audio_model.known.counts import JUDGED_EACH, Counted, CountedCalls, counted, digest
from audio_model.known.counts import SCHEMA as CALLS_SCHEMA
from audio_model.known.fingerprint import Codes
from audio_model.known.index import POSITION_BITS, Hits, Index
from audio_model.known.index import SCHEMA as INDEX_SCHEMA
from audio_model.known.index import UPGRADE_FROM_4 as INDEX_UPGRADE_FROM_4
from audio_model.known.matcher import match_kept
from audio_model.known.recording import (
    CODES_PER_POSITION,
    COLUMNS,
    EXPIRY_SCHEMA,
    NEVER_FIRST,
    NEVER_LAST,
    LearntBy,
    RecordingMark,
    StoredRecording,
    recording_of,
)
from audio_model.known.recording import SCHEMA as RECORDINGS_SCHEMA
from audio_model.sqlite import Durability, Format, SqliteStore

_EXPIRED_AT_ONCE = 20

_MAPPED_BYTES = 1 << 40
"""All of the file may be mapped: pages in the system's cache are then read without being copied."""
_CACHED_KIB = 1 << 16
"""Memory for the pages of a file that is not mapped."""

UPGRADE_FROM_4 = INDEX_UPGRADE_FROM_4 + EXPIRY_SCHEMA
"""What makes a store of format 4 one of format 5, and so each kind of store that is built on it."""
_FORMAT = Format(
    kind="store of known recordings",
    application_id=0x6B6E6F77,
    version=5,
    schema=RECORDINGS_SCHEMA + INDEX_SCHEMA + CALLS_SCHEMA + EXPIRY_SCHEMA,
    upgrades={4: UPGRADE_FROM_4},
)


class Store(SqliteStore):
    """Known recordings. For one thread at a time; each process or thread opens its own.

    Any number of processes may read and write one file on a local disk. Raises StoreError from any
    method where the file is damaged, full, or locked for too long.
    """

    format = _FORMAT
    durability = Durability.LAST_SECONDS

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
            path: the store's file.
            create: whether it is made if there is none. If not, neither the file nor the disk need
                be writable.
            busy_seconds: how long every method waits for a file that is locked.
            mapped: whether the file is read through memory, which is faster. If somebody then cuts
                the file off, the process ends (SIGBUS); otherwise a method raises StoreError.

        Raises StoreError if it is none, or if there is none and ``create`` is false.
        """
        self._mapped = mapped
        super().__init__(path, create=create, busy_seconds=busy_seconds)

    def _prepare(self, busy_seconds: float | None) -> None:
        self._index, self._counts = Index(self._db), CountedCalls(self._db)
        self._db.execute(f"PRAGMA mmap_size = {_MAPPED_BYTES if self._mapped else 0}")
        if not self._mapped:
            self._db.execute(f"PRAGMA cache_size = -{_CACHED_KIB}")
        super()._prepare(busy_seconds)

    def __len__(self) -> int:
        """Return the number of recordings."""
        with self._errors():
            return int(self._db.execute("SELECT count(*) FROM recordings").fetchone()[0])

    def recordings(self) -> Iterator[StoredRecording]:
        """Yield all recordings in the order in which they were added."""
        last = 0
        while True:
            # A few at a time, so that a slow reader keeps no old state of the file alive.
            with self._errors():
                rows = self._db.execute(
                    f"SELECT {COLUMNS} FROM recordings WHERE id > ? ORDER BY id LIMIT 1000",
                    (last,),
                ).fetchall()
            if not rows:
                return
            last = rows[-1][0]
            yield from (recording_of(row) for row in rows)

    def recording(self, id: int) -> StoredRecording | None:
        """Return one recording; None if it is not there, or not any more."""
        with self._errors():
            row = self._db.execute(f"SELECT {COLUMNS} FROM recordings WHERE id = ?", (id,))
            found = row.fetchone()
        return None if found is None else recording_of(found)

    def named(self, name: str) -> list[StoredRecording]:
        """Return the recordings of a name."""
        with self._errors():
            rows = self._db.execute(f"SELECT {COLUMNS} FROM recordings WHERE name = ?", (name,))
            return [recording_of(row) for row in rows]

    def at(self, position: int) -> tuple[StoredRecording, Codes] | None:
        """Return the recording at a position and its codes; None if it was removed."""
        with self._errors():
            row = self._db.execute(
                f"SELECT {COLUMNS}, codes FROM recordings WHERE first_position <= ? "
                "ORDER BY first_position DESC LIMIT 1",
                (position,),
            ).fetchone()
        if row is None:
            return None
        recording = recording_of(row[:-1])
        if position >= recording.first_position + recording.n_positions:
            return None
        return recording, np.frombuffer(row[-1], "<u8")

    def codes(self, id: int) -> Codes:
        """Return a recording's codes. Raises StoreError if there is no such recording."""
        with self._errors():
            row = self._db.execute("SELECT codes FROM recordings WHERE id = ?", (id,)).fetchone()
        if row is None:
            raise StoreError(f"{self.path}: no recording {id}")
        return np.frombuffer(row[0], "<u8")

    def add(
        self,
        name: str,
        codes: Codes,
        heard_at: float = math.nan,
        *,
        learnt: LearntBy = LearntBy.NOBODY,
        call: Counted | None = None,
    ) -> int:
        """Take a recording.

        Args:
            name: what it is called; need not be unique.
            codes: of consecutive hops, as of a :class:`~.fingerprint.Fingerprint`.
            heard_at: seconds since 1970; nan if nobody knows.
            learnt: by what; unless by nobody, the name is that of the call it was heard in.
            call: that call, as it counts; by default one of the recording's name.

        Returns:
            its id.

        Raises StoreError.
        """
        return self.take(name, codes[::CODES_PER_POSITION], heard_at, learnt=learnt, call=call)

    def take(
        self,
        name: str,
        kept: Codes,
        heard_at: float = math.nan,
        *,
        learnt: LearntBy = LearntBy.NOBODY,
        call: Counted | None = None,
    ) -> int:
        """Take a recording, as :meth:`add` does, by the codes of positions that a store keeps."""
        with self.writing():
            id = self._add(name, kept, heard_at, heard_at)
            if learnt:
                self._db.execute("UPDATE recordings SET learnt = ? WHERE id = ?", (learnt, id))
                self._counts.add(id, [counted(name, "", heard_at) if call is None else call])
        return id

    def _add(self, name: str, codes: Codes, first: float, last: float) -> int:
        if not codes.any():
            raise StoreError(
                f"{name}: too little to find it again by (too short, silent, or tones)"
            )
        with self.writing():
            start = self.end()
            if start + len(codes) >= 1 << POSITION_BITS:
                raise StoreError(f"{self.path}: the store is full")
            id = self._db.execute(
                "INSERT INTO recordings (name, first_position, n_positions, codes, first_heard, "
                "last_heard, times_heard, learnt, mark, waiting) "
                "VALUES (?, ?, ?, ?, ?, ?, 1, 0, '', 1)",
                (name, start, len(codes), codes.astype("<u8").tobytes(), *_heard(first, last)),
            ).lastrowid
            self._index.added(len(codes))
        assert id is not None
        return id

    def lengthen(self, id: int, kept: Codes) -> None:
        """Replace a recording's codes by a longer row of codes that contains them.

        Raises StoreError if there is no such recording.
        """
        with self.writing():
            self._unindex(id)
            self._db.execute(
                "UPDATE recordings SET first_position = ?, n_positions = ?, codes = ?, waiting = 1 "
                "WHERE id = ?",
                (self.end(), len(kept), kept.astype("<u8").tobytes(), id),
            )
            self._index.added(len(kept))

    def heard(self, id: int, at: float = math.nan, call: Counted | None = None) -> None:
        """Count that a recording was heard in one more call.

        Args:
            id: the recording's.
            at: seconds since 1970; nan if nobody knows.
            call: which. A call of a name is counted once, however often it is scored; one of which
                nothing is known, each time.
        """
        with self.writing():
            if call is not None and not self._counts.add(id, [call]):
                return
            self._db.execute(
                "UPDATE recordings SET first_heard = min(first_heard, ?), "
                "last_heard = max(last_heard, ?), times_heard = times_heard + 1 WHERE id = ?",
                (*_heard(at, at), id),
            )
            n = self._db.execute("SELECT times_heard FROM recordings WHERE id = ?", (id,))
            found = n.fetchone()
            if found and (found[0] <= JUDGED_EACH or found[0] % JUDGED_EACH == 0):
                common = self._counts.is_common(id)
                self._db.execute("UPDATE recordings SET common = ? WHERE id = ?", (common, id))

    def remove(self, id: int) -> None:
        """Forget a recording. Raises StoreError if it is not there."""
        with self.writing():
            self._unindex(id)
            self._db.execute("DELETE FROM recordings WHERE id = ?", (id,))
            self._counts.remove(id)

    def expire(self, seconds: float, most: int) -> int:
        """Forget learnt recordings that are not heard any more, and those that are too many.

        Recordings that were added by hand, or bear a mark, stay. Ages count from the last call. One
        of which no time is known has no age, and is the first of those that are too many.

        Args:
            seconds: for which a recording stays unheard.
            most: recordings that are learnt and stay, those heard last.

        Returns how many were forgotten. Raises StoreError.
        """
        learnt = "FROM recordings WHERE learnt AND mark = ''"
        with self.writing():
            n, latest = self._db.execute(f"SELECT count(*), max(last_heard) {learnt}").fetchone()
            if not n:
                return 0
            oldest = min(latest, time.time()) - seconds
            too_many = self._db.execute(
                f"SELECT id {learnt} ORDER BY last_heard LIMIT ?",
                (min(max(0, n - most), _EXPIRED_AT_ONCE),),
            ).fetchall()
            old = self._db.execute(
                f"SELECT id {learnt} AND last_heard > ? AND last_heard < ? LIMIT ?",
                (NEVER_LAST, oldest, _EXPIRED_AT_ONCE),
            ).fetchall()
            over = {id for (id,) in [*too_many, *old]}
            for id in over:
                self.remove(id)
        return len(over)

    def _unindex(self, id: int) -> None:
        codes = self.codes(id)
        first, waiting = self._db.execute(
            "SELECT first_position, waiting FROM recordings WHERE id = ?", (id,)
        ).fetchone()
        self._index.remove(codes, first, waiting)

    def end(self) -> int:
        """Return the position behind the last recording."""
        with self._errors():
            end = self._db.execute(
                "SELECT first_position + n_positions FROM recordings "
                "ORDER BY first_position DESC LIMIT 1"
            ).fetchone()
        return 0 if end is None else int(end[0])

    def mark(self, id: int, mark: RecordingMark) -> None:
        """Keep a person's mark on a recording. Raises StoreError if it is not there."""
        with self.writing():
            changed = self._db.execute("UPDATE recordings SET mark = ? WHERE id = ?", (mark, id))
            if not changed.rowcount:
                raise StoreError(f"{self.path}: no recording {id}")

    def merge(self, other: "Store") -> int:
        """Take the recordings of another store that this one lacks, and return how many they are.

        All are taken, or none. A recording is one that is here if it has exactly its codes, or if a
        call that played it would be known by it. The calls of both are counted, those that both
        have heard once. So merging a store again changes nothing. Raises StoreError.
        """
        n = 0
        # Before the change, for which other processes wait.
        known = self._known(other)
        with self.writing():
            ids = {digest(codes): id for id, codes in self._all_codes()}
            for theirs in other.recordings():
                codes = other.codes(theirs.id)
                theirs_is = digest(codes.tobytes())
                ours = self.recording(ids.get(theirs_is, known.get(theirs.id, 0)))
                if ours is None:
                    n += 1
                    first, last = theirs.first_heard, theirs.last_heard
                    id = ids[theirs_is] = self._add(theirs.name, codes, first, last)
                    ours = replace(theirs, id=id, times_heard=0)
                self._join(ours, theirs, other)
        return n

    def _known(self, other: "Store") -> dict[int, int]:
        """Return our recordings that are those of another store, by ids of theirs."""
        known = {}
        for theirs in other.recordings():
            match = match_kept(self, other.codes(theirs.id))
            if match is None or not match.sure:
                continue
            # What was learnt is a call, which counts for our recording whatever else it holds.
            is_call = theirs.learnt and not match.recording.may_recur
            if is_call or match.covers_call:
                known[theirs.id] = match.recording.id
        return known

    def calls(self, id: int) -> dict[bytes, Counted]:
        """Return the calls in which a recording was counted, by the digests of their names."""
        with self._errors():
            return self._counts.of(id)

    def _join(self, ours: StoredRecording, theirs: StoredRecording, other: "Store") -> None:
        """Add another store's counts of a recording to ours."""
        our_calls, their_calls = self.calls(ours.id), other.calls(theirs.id)
        # Those without a name can't be told apart.
        nameless = max(ours.times_heard - len(our_calls), theirs.times_heard - len(their_calls))
        self._counts.add(ours.id, their_calls.values())
        self._db.execute(
            "UPDATE recordings SET first_heard = min(first_heard, ?), "
            "last_heard = max(last_heard, ?), times_heard = ?, learnt = ?, "
            "mark = ?, common = ? WHERE id = ?",
            (
                *_heard(theirs.first_heard, theirs.last_heard),
                nameless + len(our_calls | their_calls),
                ours.learnt,
                ours.mark or theirs.mark,
                self._counts.is_common(ours.id),
                ours.id,
            ),
        )

    def _all_codes(self) -> Iterator[tuple[int, bytes]]:
        with self._errors():
            yield from self._db.execute("SELECT id, codes FROM recordings")

    def search(self, codes: Codes, max_distance: int, since: int = 0) -> Hits:
        """Return where codes have the same key and 32 further bits that differ in few.

        Args:
            codes: the codes to search for, no two of the same key. [shape=(n_codes,)]
            max_distance: bits of the 32 that may differ.
            since: the position from which on they are looked for.
        """
        with self._errors():
            return self._index.search(codes, max_distance, since)

    def _rolled_back(self) -> None:
        # Ids that were taken back are given anew.
        self._index.forget_waiting()


def _heard(first: float, last: float) -> tuple[float, float]:
    """Return the first and the last time that a recording was heard as the table has them."""
    never = (NEVER_FIRST, NEVER_LAST)
    unknown = (math.isnan(first), math.isnan(last))
    return never if any(unknown) else (first, last)
