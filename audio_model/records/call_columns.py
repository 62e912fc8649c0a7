"""The calls of a store as columns of numbers, one blob for each quarter hour.

Figures are counted from these columns. Counting a million rows takes SQLite minutes, and NumPy a
fraction of a second. Triggers of the schema note each quarter hour of which a call came, went or
changed, whoever changed it. :func:`refresh` makes those blobs anew, and what it has not come to is
read from the calls themselves. What people said of calls and campaigns is not in the blobs but
looked up, so a mark makes none anew. Quarters are of UTC; the moments in them are exact, so days
and months of any zone can be cut from them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from audio_model.records.batches import batches
from audio_model.records.schema import QUARTER_SECONDS
from audio_model.records.store import CallStore
from audio_model.tables.results import Outcome

OUTCOMES = (Outcome.UNKNOWN, Outcome.RECORDED, Outcome.LIVE, Outcome.ERROR)
"""By their code in a blob. These never change their places: stores have them."""
NOBODY = 0
"""The code of a called number that no one knows."""

_CODES = {outcome.value: code for code, outcome in enumerate(OUTCOMES)}
_CALL = np.dtype(
    [
        *(("time", "<f8"), ("number", "<u8"), ("called", "<u8"), ("n", "<i8")),
        *(("campaign", "<i4"), ("segment", "<u2"), ("outcome", "u1"), ("blocked", "u1")),
    ]
)
_QUARTERS = 5
"""Blobs that are made between two pauses for other writers."""
_KEPT_SPANS = 2
"""Spans that stay in memory: a period and the one before it are counted three times."""


@dataclass(frozen=True)
class CallColumns:
    """The calls of a span, in the order of time: arrays of one value for each call."""

    time: NDArray[np.float64]
    number: NDArray[np.uint64]
    """Codes of callers' numbers (:func:`code_of`)."""
    called: NDArray[np.uint64]
    """Codes of called numbers; NOBODY where no one knows it."""
    campaign: NDArray[np.int32]
    """Numbers of campaigns; 0 of a call without one."""
    segment: NDArray[np.uint16]
    """Places in ``segments``."""
    outcome: NDArray[np.uint8]
    """Codes of OUTCOMES, by people where they said something, else by the detector."""
    blocked: NDArray[np.bool_]
    """Whether blocking was advised when the call came."""
    segments: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.time)


@lru_cache(1 << 16)
def code_of(number: str) -> int:
    """Return 64 bits that stand for a number; NOBODY for an empty one.

    The chance that any two of a million numbers have the same code is 1 in 37 million.
    """
    if not number:
        return NOBODY
    digest = blake2b(number.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") or 1


def refresh(store: CallStore) -> int:
    """Make the blobs of changed quarters anew, and return how many. Raises StoreError.

    Each is a transaction of its own, so that others may write in between.
    """
    stale = [int(row[0]) for row in store.rows("SELECT quarter FROM stale ORDER BY quarter")]
    for batch in batches(stale, _QUARTERS):
        for quarter in batch:
            with store.writing():
                rows = _rows(store, quarter)
                store.do("DELETE FROM stale WHERE quarter = ?", (quarter,))
                store.do("DELETE FROM quarters WHERE quarter = ?", (quarter,))
                if rows:
                    names = sorted({(str(row[5]),) for row in rows})
                    for name in names:
                        store.do("INSERT OR IGNORE INTO segments (name) VALUES (?)", name)
                    blob = _packed(rows, _segments(store)).tobytes()
                    store.do("INSERT INTO quarters VALUES (?, ?)", (quarter, blob))
    return len(stale)


class ColumnReader:
    """Reads the calls of a span as columns. Use it within ``store.reading()``."""

    def __init__(self, store: CallStore) -> None:
        """Look up what is the same for all spans. Raises StoreError."""
        self.store = store
        self._spans: dict[tuple[float, float], CallColumns] = {}
        self._segments = _segments(store)
        self._stale = {int(row[0]) for row in store.rows("SELECT quarter FROM stale")}
        self._made = np.array(
            [row[0] for row in store.rows("SELECT quarter FROM quarters ORDER BY quarter")]
        )
        recorded = store.rows("SELECT n FROM campaigns WHERE mark = 'recorded'")
        self._recorded = np.array([row[0] for row in recorded], dtype=np.int32)

    def between(self, start: float, end: float) -> CallColumns:
        """Return the calls from ``start`` on and before ``end``. Raises StoreError."""
        found = self._spans.pop((start, end), None)
        if found is None:
            found = self._read(start, end)
        while len(self._spans) >= _KEPT_SPANS:
            del self._spans[next(iter(self._spans))]
        self._spans[start, end] = found
        return found

    def _read(self, start: float, end: float) -> CallColumns:
        calls = np.frombuffer(b"".join(self._blobs(start, end)), _CALL)
        calls = calls[slice(*np.searchsorted(calls["time"], (start, end)))]
        outcome = calls["outcome"].copy()
        campaign = np.ascontiguousarray(calls["campaign"])
        if len(calls):
            outcome[np.isin(campaign, self._recorded)] = _CODES["recorded"]
            _settle(self.store, calls, outcome, start, end)
        return CallColumns(
            time=np.ascontiguousarray(calls["time"]),
            number=np.ascontiguousarray(calls["number"]),
            called=np.ascontiguousarray(calls["called"]),
            campaign=campaign,
            segment=np.ascontiguousarray(calls["segment"]),
            outcome=outcome,
            blocked=calls["blocked"].astype(bool),
            segments=tuple(self._segments),
        )

    def _blobs(self, start: float, end: float) -> list[bytes]:
        """Return the blobs of a span, in their order; those that are stale as they should be."""
        first, last = int(start // QUARTER_SECONDS), int(end // QUARTER_SECONDS)
        begin, behind = np.searchsorted(self._made, (first, last + 1))
        pieces: dict[int, bytes] = {}
        if begin < behind:
            rows = self.store.rows(
                "SELECT quarter, calls FROM quarters WHERE quarter BETWEEN ? AND ?", (first, last)
            )
            pieces = dict(rows)
        for quarter in self._stale:
            if first <= quarter <= last:
                pieces[quarter] = _packed(_rows(self.store, quarter), self._segments).tobytes()
        return [pieces[quarter] for quarter in sorted(pieces)]


def _settle(
    store: CallStore,
    calls: NDArray[np.void],
    outcome: NDArray[np.uint8],
    start: float,
    end: float,
) -> None:
    """Put in people's decisions on single calls, which go before their campaign's mark."""
    settled = store.rows(
        "SELECT n, settled FROM calls INDEXED BY by_settled "
        "WHERE settled != '' AND time >= ? AND time < ?",
        (start, end),
    )
    if not settled:
        return
    order = np.argsort(calls["n"], kind="stable")
    places = np.searchsorted(calls["n"], [row[0] for row in settled], sorter=order)
    outcome[order[places]] = [_CODES[row[1]] for row in settled]


def _rows(store: CallStore, quarter: int) -> list[tuple[object, ...]]:
    return store.rows(
        "SELECT time, number, called, n, coalesce(campaign, 0), segment, outcome, act = 'block' "
        "FROM calls INDEXED BY by_time WHERE time >= ? AND time < ? ORDER BY time, n",
        (quarter * QUARTER_SECONDS, (quarter + 1) * QUARTER_SECONDS),
    )


def _packed(rows: Sequence[tuple[object, ...]], segments: dict[str, int]) -> NDArray[np.void]:
    """Return a quarter's calls as they stand in its blob; new segments get the next places."""
    return np.array(
        [
            (
                *(time, code_of(str(number)), code_of(str(called)), n, campaign),
                *(segments.setdefault(str(segment), len(segments)), _CODES[str(outcome)], blocked),
            )
            for time, number, called, n, campaign, segment, outcome, blocked in rows
        ],
        dtype=_CALL,
    )


def _segments(store: CallStore) -> dict[str, int]:
    """Return the places of the segments that blobs name, in their order."""
    rows = store.rows("SELECT name FROM segments ORDER BY n")
    return {str(name): place for place, (name,) in enumerate(rows)}
