"""The queue: the call that a person hears next, and nobody else meanwhile."""

import math
import time
from dataclasses import dataclass

from audio_model.records.priority import Priority, QueueReason
from audio_model.records.store import CallStore, StoredCall
from audio_model.times import DAY_SECONDS

LEASE_SECONDS = 600.0
"""How long a call belongs to one person after it was last shown."""

_BINS = 10
_REFERENCE_DAYS = 28
_DRIFT_RATIO = 2.0
"""A bin of scores has drifted if it is at least this many times as frequent as before."""
_DRIFT_SURE = 4.0
"""A bin has drifted if its count is also this many standard deviations above the usual one."""
_DRIFT_CALLS = 20
"""Calls of one bin and day that are put forward; people hear no more than some of them."""


@dataclass(frozen=True)
class QueueProgress:
    """How far the people at the desk are."""

    waiting: int
    """Calls in the queue, whoever is hearing them."""
    marked: int
    """Calls that somebody has marked."""
    marked_today: int
    """Since the moment that was asked about."""
    own_today: int


def lease(store: CallStore, who: str, now: float | None = None) -> StoredCall | None:
    """Give a person the next call; None if there is none left.

    The call that the person holds already comes first. A call that the person has marked or skipped
    is not given again, and neither is one that somebody else holds.
    """
    now = time.time() if now is None else now
    with store.writing():
        store.do("DELETE FROM leases WHERE until < ?", (now,))
        found = store.calls(
            "n IN (SELECT call FROM leases WHERE who = ?) AND queue IS NOT NULL LIMIT 1", (who,)
        ) or store.calls(
            "queue IS NOT NULL AND NOT EXISTS (SELECT 1 FROM leases WHERE call = calls.n) "
            "AND NOT EXISTS (SELECT 1 FROM skips WHERE call = calls.n AND who = ?1) "
            "AND NOT EXISTS (SELECT 1 FROM marks WHERE call = calls.n AND source = '' AND who = ?1)"
            " ORDER BY queue DESC, n LIMIT 1",
            (who,),
        )
        if found:
            take(store, found[0].n, who, now)
    return found[0] if found else None


def take(store: CallStore, call: int, who: str, now: float | None = None) -> bool:
    """Give a call to one person for a while, in place of the one that they hold.

    Returns False, and changes nothing, if somebody else has it.
    """
    now = time.time() if now is None else now
    with store.writing():
        store.do(
            "INSERT INTO leases VALUES (?1, ?2, ?3) ON CONFLICT (call) DO UPDATE "
            "SET who = ?2, until = ?3 WHERE who = ?2 OR until < ?4",
            (call, who, now + LEASE_SECONDS, now),
        )
        if holder(store, call, now) != who:
            return False
        store.do("DELETE FROM leases WHERE who = ? AND call != ?", (who, call))
    return True


def holder(store: CallStore, call: int, now: float) -> str:
    """Return the name of whoever hears a call now; empty if nobody does."""
    row = store.one("SELECT who FROM leases WHERE call = ? AND until >= ?", (call, now))
    return "" if row is None else str(row[0])


def release(store: CallStore, call: int, who: str) -> None:
    """Let others have a call that a person holds. If somebody else holds it by now, it stays so."""
    store.do("DELETE FROM leases WHERE call = ? AND who = ?", (call, who))


def skip(store: CallStore, call: int, who: str) -> None:
    """Leave a call to others."""
    with store.writing():
        store.do("INSERT OR IGNORE INTO skips VALUES (?, ?)", (call, who))
        release(store, call, who)


def progress(store: CallStore, who: str, since: float) -> QueueProgress:
    """Return how far the desk is. ``since`` is when the person's day began."""
    (waiting,) = store.one("SELECT count(*) FROM calls WHERE queue IS NOT NULL")
    (marked,) = store.one("SELECT count(DISTINCT call) FROM marks WHERE source = ''")
    return QueueProgress(int(waiting), int(marked), *marked_since(store, who, since))


def marked_since(store: CallStore, who: str, since: float) -> tuple[int, int]:
    """Return the desk's marks since a moment, and how many of them are a person's."""
    all_of_them, own = store.one(
        "SELECT count(*), total(who = ?) FROM marks WHERE source = '' AND marked >= ?", (who, since)
    )
    return int(all_of_them), int(own)


def put(store: CallStore, call: int, priority: Priority | None) -> None:
    """Put a call into the queue, or take it out."""
    value, why = (None, "") if priority is None else (priority.value, priority.why.value)
    store.do("UPDATE calls SET queue = ?, why = ? WHERE n = ?", (value, why, call))


def find_drift(store: CallStore, since: float) -> int:
    """Put calls forward whose scores have become more frequent; returns how many.

    Of each day since a moment, each tenth of the scores is compared with its share in the four
    weeks before, as far as there are any. Of calls that came since the last time, no more are put
    forward than make a day's number full.
    """
    first = int(since // DAY_SECONDS)
    counts: dict[int, list[int]] = {}
    for day, bin, n in store.rows(
        f"SELECT CAST(time / {DAY_SECONDS} AS INT) AS day, "
        f"min(CAST(score * {_BINS} AS INT), {_BINS - 1}) AS bin, count(*) "
        "FROM calls WHERE time >= ? AND score IS NOT NULL GROUP BY day, bin",
        ((first - _REFERENCE_DAYS) * DAY_SECONDS,),
    ):
        counts.setdefault(day, [0] * _BINS)[bin] += n
    moved = 0
    for day in sorted(counts):
        if day < first:
            continue
        before = [counts[each] for each in range(day - _REFERENCE_DAYS, day) if each in counts]
        usual = [sum(column) for column in zip(*before, strict=True)] if before else []
        for bin, n in enumerate(counts[day]):
            if not usual or not (ratio := _ratio(n, sum(counts[day]), usual[bin], sum(usual))):
                continue
            moved += _put_forward(store, day, bin, ratio)
    return moved


def _ratio(n: int, of: int, usual: int, of_usual: int) -> float:
    """Return how many times its usual share a bin has; 0 where that may be chance."""
    expected = of * (usual + 1) / (of_usual + _BINS)
    if n < _DRIFT_RATIO * expected or n - expected < _DRIFT_SURE * math.sqrt(expected + 1):
        return 0.0
    return n / expected


def _put_forward(store: CallStore, day: int, bin: int, ratio: float) -> int:
    priority = Priority.of(QueueReason.DRIFT, math.log10(ratio) / 3)
    high = (bin + 1) / _BINS if bin < _BINS - 1 else 2.0
    within = (day * DAY_SECONDS, (day + 1) * DAY_SECONDS, bin / _BINS, high)
    with store.writing():
        (there,) = store.one(
            "SELECT count(*) FROM calls WHERE why = ? AND time >= ? AND time < ? AND score >= ? "
            "AND score < ?",
            (QueueReason.DRIFT.value, *within),
        )
        return store.do(
            "UPDATE calls SET queue = ?, why = ? WHERE n IN (SELECT n FROM calls WHERE why = ? "
            "AND queue IS NOT NULL AND time >= ? AND time < ? AND score >= ? AND score < ? "
            "ORDER BY time DESC LIMIT ?)",
            (
                priority.value,
                priority.why.value,
                QueueReason.NEAR.value,
                *within,
                max(0, _DRIFT_CALLS - there),
            ),
        ).rowcount
