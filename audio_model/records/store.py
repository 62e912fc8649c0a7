"""The store of calls: one SQLite file that a desk, ``serve`` and imports share.

A call has a place in the queue by what :mod:`audio_model.records.queue` says. One call
of a campaign stands in the queue for all of them: the one heard longest among those whose recording
was kept. The file holds numbers as they are, so only its owner can read it.
"""

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from audio_model.errors import UnknownCallError
from audio_model.files import target_of
from audio_model.ranges.numbers import normalise
from audio_model.ranges.tree import RangeCall
from audio_model.records.calls import CallRecord, CallVerdict, answer_of, segment_of
from audio_model.records.priority import Priority, Thresholds, priority_of
from audio_model.records.schema import FORMAT
from audio_model.sqlite import Durability, SqliteStore, storable
from audio_model.tables.results import Outcome
from audio_model.tables.rows import unescape

BATCH = 1000
"""Calls of one transaction, so that others may write between two."""
BUSY_SECONDS = 30.0
_CACHED_KIB = 1 << 16
"""Memory for pages: calls come into indexes of numbers and names, which have no order in time."""
_LOGGED_PAGES = 1 << 14
"""Pages in the log before it goes into the file: an import changes pages all over the file."""

_GIVEN = (
    *("id", "archive", "path", "channel", "caller", "number", "segment", "called", "time"),
    *("duration", "outcome", "score", "seconds", "speech_seconds", "decided_at", "reason"),
    *("error", "known", "known_name", "campaign", "act"),
)
_COLUMNS = ("n", *_GIVEN, "settled", "queue", "why")
_UPDATED = [name for name in _GIVEN if name != "id"]

RECORDED = "recorded"
ALLOWED = "allowed"
"""Marks of campaigns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCall(CallVerdict):
    """A call in the store."""

    n: int
    """Its number in the store, as in the addresses of its pages."""
    archive: int | None
    number: str
    """The caller's number as ranges know it."""
    segment: str
    campaign: int | None
    settled: str
    """The decision of people at the desk: ``recorded``, ``live`` or nothing yet."""
    queue: float | None
    """Its value in the queue (:class:`.Priority`); None if it is not in it."""
    why: str
    """Why it is in the queue."""

    def for_ranges(self, campaign: str) -> RangeCall | None:
        """Return the call as number ranges count it, with its campaign's name.

        It is None for a call without a time.
        """
        if self.time is None:
            return None
        return RangeCall(
            id=self.id,
            caller=self.caller,
            time=self.time,
            outcome=answer_of(self.outcome, self.reason),
            called=self.called,
            duration=self.duration,
            campaign=campaign,
            path=unescape(self.path),
            score=self.score,
        )


@dataclass(frozen=True, slots=True)
class StoredCampaign:
    """Calls that play one recording."""

    n: int
    name: str
    calls: int
    first: float | None
    last: float | None
    exemplar: int | None
    """The call that stands for it in the queue."""
    seconds: float
    """Seconds heard of the exemplar; -1 if its recording was not kept."""
    mark: str
    who: str
    marked: float | None
    note: str = ""
    """Why, in that person's words; empty where the mark came of a call's."""

    @property
    def decided(self) -> bool:
        """Return whether somebody decided on it, so that marks of its calls don't change it."""
        # Older stores kept no reasons; only a decision allows.
        return bool(self.note) or self.mark == ALLOWED


class CallStore(SqliteStore):
    """An open store of calls. It is for one thread at a time."""

    format = FORMAT
    durability = Durability.LAST_SECONDS
    private = True

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        create: bool = True,
        busy_seconds: float = BUSY_SECONDS,
    ) -> None:
        """Open a store, or make one. Raises StoreError."""
        super().__init__(path, create=create, busy_seconds=busy_seconds)

    def _prepare(self, busy_seconds: float | None) -> None:
        self._db.execute(f"PRAGMA cache_size = -{_CACHED_KIB}")
        self._db.execute(f"PRAGMA wal_autocheckpoint = {_LOGGED_PAGES}")
        super()._prepare(busy_seconds)

    def archive(self, path: str, asked: str) -> int:
        """Return the number of an archive. ``asked`` is how it was heard, as JSON."""
        path = str(target_of(path))
        with self.writing():
            self.do(
                "INSERT INTO archives VALUES (NULL, ?, ?, ?) ON CONFLICT (path) DO UPDATE "
                "SET asked = excluded.asked, imported = excluded.imported",
                (storable(path), asked, time.time()),
            )
            return int(self.one("SELECT n FROM archives WHERE path = ?", (storable(path),))[0])

    def add(
        self, calls: Iterable[CallRecord], archive: int | None, thresholds: Thresholds
    ) -> tuple[int, int]:
        """Add calls; a call whose id is known replaces the one before and keeps its marks.

        Returns how many are new, and how many are not.
        """
        n_new = n_known = 0
        with self.writing():
            for call in calls:
                campaign = self._campaign(call) if call.campaign else None
                before = self.one(
                    "SELECT n, campaign, settled FROM calls WHERE id = ?", (storable(call.id),)
                )
                values = _values(call, archive, campaign)
                priority = priority_of(call, thresholds)
                if before is None:
                    n = self._insert(values, priority)
                    n_new += 1
                else:
                    n = int(before[0])
                    self._update(n, values, priority, settled=bool(before[2]))
                    n_known += 1
                if before is not None and before[1] not in (None, campaign):
                    self._leave(int(before[1]), n)
                if campaign is not None:
                    joined = before is None or before[1] != campaign
                    self._join(campaign, n, call, joined=joined)
        return n_new, n_known

    def call(self, n: int) -> StoredCall:
        """Return a call by its number. Raises UnknownCallError."""
        row = self.one(f"SELECT {', '.join(_COLUMNS)} FROM calls WHERE n = ?", (n,))
        if row is None:
            raise UnknownCallError(f"the store has no call {n}")
        return _stored(row)

    def calls(self, where: str, values: Sequence[object] = ()) -> list[StoredCall]:
        """Return the calls of a condition, which may order and limit them."""
        return list(
            map(
                _stored, self.rows(f"SELECT {', '.join(_COLUMNS)} FROM calls WHERE {where}", values)
            )
        )

    def campaign(self, n: int) -> StoredCampaign | None:
        """Return a campaign by its number; None if there is none."""
        row = self.one("SELECT * FROM campaigns WHERE n = ?", (n,))
        return None if row is None else StoredCampaign(*row)

    def campaigns(self, limit: int) -> list[StoredCampaign]:
        """Return the campaigns, the largest first."""
        rows = self.rows("SELECT * FROM campaigns ORDER BY calls DESC, n LIMIT ?", (limit,))
        return [StoredCampaign(*row) for row in rows]

    def asked(self, archive: int | None) -> str:
        """Return how an archive was heard, as JSON."""
        row = self.one("SELECT asked FROM archives WHERE n = ?", (archive,))
        return "{}" if row is None else str(row[0])

    def _campaign(self, call: CallRecord) -> int:
        name = storable(call.campaign)
        self.do(
            "INSERT OR IGNORE INTO campaigns "
            "VALUES (NULL, ?, 0, NULL, NULL, NULL, -2, '', '', NULL, '')",
            (name,),
        )
        return int(self.one("SELECT n FROM campaigns WHERE name = ?", (name,))[0])

    def _insert(self, values: Sequence[object], priority: Priority | None) -> int:
        places = ", ".join("?" * len(values))
        queue, why = (None, "") if priority is None else (priority.value, priority.why)
        cursor = self.do(
            f"INSERT INTO calls VALUES (NULL, {places}, '', ?, ?)", (*values, queue, why)
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def _update(
        self, n: int, values: Sequence[object], priority: Priority | None, *, settled: bool
    ) -> None:
        pairs = ", ".join(f"{name} = ?" for name in _UPDATED)
        self.do(f"UPDATE calls SET {pairs} WHERE n = ?", (*values[1:], n))
        if priority is None:
            # There is nothing to hear of it any more.
            self.do("UPDATE calls SET queue = NULL, why = '' WHERE n = ?", (n,))
        elif not settled:
            self.do(
                "UPDATE calls SET queue = ?, why = ? WHERE n = ? "
                "AND NOT EXISTS (SELECT 1 FROM marks WHERE call = calls.n)",
                (priority.value, priority.why, n),
            )

    def _leave(self, campaign: int, n: int) -> None:
        """Count a call in its campaign no more, because it was found to be another's or none's.

        If it stood for the campaign in the queue, the one that was heard longest of the rest does.
        """
        self.do("UPDATE campaigns SET calls = calls - 1 WHERE n = ?", (campaign,))
        found = self.campaign(campaign)
        assert found is not None
        if found.exemplar != n:
            return
        rest = self.one(
            "SELECT n, CASE WHEN path != '' AND error = '' THEN coalesce(speech_seconds, 0) "
            "ELSE -1 END AS heard FROM calls WHERE campaign = ? ORDER BY heard DESC, n LIMIT 1",
            (campaign,),
        )
        stands, seconds = (None, -2.0) if rest is None else rest
        self.do(
            "UPDATE campaigns SET exemplar = ?, seconds = ? WHERE n = ?",
            (stands, seconds, campaign),
        )
        if stands is not None and not found.mark:
            self._stand(int(stands), found.calls)

    def _stand(self, n: int, calls: int) -> None:
        """Let a call stand in the queue for a campaign of so many, if it wants to be heard."""
        priority = Priority.of_campaign(calls)
        self.do(
            "UPDATE calls SET queue = ?, why = ? WHERE n = ? AND settled = '' AND path != '' "
            "AND error = '' AND NOT EXISTS (SELECT 1 FROM marks WHERE call = calls.n)",
            (priority.value, priority.why, n),
        )

    def _join(self, campaign: int, n: int, call: CallRecord, *, joined: bool) -> None:
        """Count a call in its campaign, and let the one heard longest stand in the queue."""
        before = StoredCampaign(*self.one("SELECT * FROM campaigns WHERE n = ?", (campaign,)))
        seconds = (call.speech_seconds or 0.0) if call.path and not call.error else -1.0
        stands = n if before.exemplar is None or seconds > before.seconds else before.exemplar
        size = before.calls + joined
        self.do(
            "UPDATE campaigns SET calls = ?, exemplar = ?, seconds = max(seconds, ?), "
            "first = coalesce(min(first, ?), first, ?), last = coalesce(max(last, ?), last, ?) "
            "WHERE n = ?",
            (size, stands, seconds, *(call.time,) * 4, campaign),
        )
        for each in {n} if before.exemplar == stands else {n, before.exemplar}:
            # The place of a marked call is that of its marks.
            self.do(
                "UPDATE calls SET queue = NULL, why = '' WHERE n = ? "
                "AND NOT EXISTS (SELECT 1 FROM marks WHERE call = calls.n)",
                (each,),
            )
        if not before.mark:
            self._stand(stands, size)


def _values(call: CallRecord, archive: int | None, campaign: int | None) -> list[object]:
    """Return a call as values of _GIVEN."""
    number = normalise(call.caller)
    others = {
        "archive": archive,
        "number": number.key,
        "segment": segment_of(number),
        "outcome": call.outcome.value,
        "campaign": campaign,
    }
    return [storable(others[name] if name in others else getattr(call, name)) for name in _GIVEN]


def _stored(row: Sequence[Any]) -> StoredCall:
    values = dict(zip(_COLUMNS, row, strict=True))
    values["outcome"] = Outcome(values["outcome"])
    return StoredCall(**values)
