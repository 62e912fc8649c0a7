"""Count over the columns of calls: outcomes, callers, and called numbers."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audio_model.records.call_columns import NOBODY, OUTCOMES, CallColumns, code_of
from audio_model.records.store import CallStore
from audio_model.tables.results import Outcome

_RECORDED = OUTCOMES.index(Outcome.RECORDED)
_FAMILIES = ("95", "96")
_FAMILY_LENGTHS = (2, 3)
"""Digits of the wider segments of service numbers: 95 and 952."""
_AFTER_ALL = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts of calls."""

    calls: int = 0
    recorded: int = 0
    live: int = 0
    unknown: int = 0
    error: int = 0
    numbers: int = 0
    """Distinct callers."""
    people: int = 0
    """Distinct called numbers."""
    recorded_numbers: int = 0
    recorded_people: int = 0


@dataclass(frozen=True)
class Opening:
    """A time for which a range was open."""

    prefix: str
    start: float
    end: float


def distinct(codes: NDArray[np.uint64]) -> int:
    """Return how many numbers there are, without NOBODY."""
    # np.unique would hash them, which takes ten times as long as a sort.
    ordered = np.sort(codes[codes != NOBODY])
    return int(np.count_nonzero(ordered[1:] != ordered[:-1])) + bool(len(ordered))


def count(calls: CallColumns) -> Counts:
    """Count all calls of some columns."""
    return _count(calls.outcome, calls.number, calls.called)


def count_segments(calls: CallColumns) -> dict[str, Counts]:
    """Count the calls of each segment, and of the wider ones that hold several."""
    names = sorted(calls.segments)
    ranks = np.argsort(np.argsort(np.array(calls.segments, dtype=object))).astype(np.uint16)
    rank = ranks[calls.segment]
    order = np.argsort(rank, kind="stable")
    sizes = np.bincount(rank, minlength=len(names))
    outcome, number, called = calls.outcome[order], calls.number[order], calls.called[order]
    spans: dict[str, tuple[int, int]] = {}
    start = 0
    for name, size in zip(names, map(int, sizes), strict=True):
        # Names that begin alike stand next to each other, so a wide segment is a span, too.
        for group in _groups(name) if size else ():
            spans[group] = (spans.get(group, (start, 0))[0], start + size)
        start += size
    return {
        group: _count(outcome[first:last], number[first:last], called[first:last])
        for group, (first, last) in spans.items()
    }


class Openings:
    """Ranges that were open, and which calls came meanwhile."""

    def __init__(self, store: CallStore, openings: Iterable[Opening]) -> None:
        self._store = store
        self._times: dict[str, list[tuple[float, float]]] = {}
        for each in openings:
            self._times.setdefault(each.prefix, []).append((each.start, each.end))
        self._callers: dict[str, NDArray[np.uint64]] = {}

    def covered(self, calls: CallColumns) -> NDArray[np.bool_]:
        """Return whether each call came while a range of its number was open."""
        found = np.zeros(len(calls), dtype=bool)
        order: NDArray[np.intp] | None = None
        for prefix, times in self._times.items():
            spans = np.searchsorted(calls.time, times)
            spans = spans[spans[:, 0] < spans[:, 1]]
            if not len(spans):
                continue
            if order is None:
                order = np.argsort(calls.number, kind="stable")
                numbers = calls.number[order]
            callers = self._callers_in(prefix)
            firsts, lasts = (np.searchsorted(numbers, callers, side) for side in ("left", "right"))
            places = np.sort(order[_ranges(firsts, lasts)])
            for start, end in np.searchsorted(places, spans):
                found[places[start:end]] = True
        return found

    def _callers_in(self, prefix: str) -> NDArray[np.uint64]:
        if prefix not in self._callers:
            rows = self._store.rows(
                "SELECT DISTINCT number FROM calls INDEXED BY by_number "
                "WHERE number >= ? AND number < ?",
                (prefix, prefix + _AFTER_ALL),
            )
            codes = (code_of(str(row[0])) for row in rows)
            self._callers[prefix] = np.fromiter(codes, dtype=np.uint64)
        return self._callers[prefix]


def _count(
    outcome: NDArray[np.uint8], number: NDArray[np.uint64], called: NDArray[np.uint64]
) -> Counts:
    of_outcome = dict(
        zip(OUTCOMES, map(int, np.bincount(outcome, minlength=len(OUTCOMES))), strict=True)
    )
    recorded = outcome == _RECORDED
    return Counts(
        calls=len(outcome),
        recorded=of_outcome[Outcome.RECORDED],
        live=of_outcome[Outcome.LIVE],
        unknown=of_outcome[Outcome.UNKNOWN],
        error=of_outcome[Outcome.ERROR],
        numbers=distinct(number),
        people=distinct(called),
        recorded_numbers=distinct(number[recorded]),
        recorded_people=distinct(called[recorded]),
    )


def _groups(segment: str) -> Iterator[str]:
    yield segment
    if segment.startswith(_FAMILIES):
        for length in _FAMILY_LENGTHS:
            if length < len(segment):
                yield segment[:length]


def _ranges(firsts: NDArray[np.intp], lasts: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the numbers from each first to before its last, one range behind the other."""
    sizes = lasts - firsts
    places: NDArray[np.intp] = np.repeat(firsts - np.cumsum(sizes) + sizes, sizes)
    places += np.arange(len(places))
    return places
