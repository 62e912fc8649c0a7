"""The figures of a store of calls: by day, week or month, by segment, by campaign, and of marks.

A call is recorded or live as people say; where nobody has said anything, as its campaign was
marked; else as the detector says. Every figure is a table of plain values.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import tzinfo

import numpy as np

from audio_model.ranges.breaker import Change
from audio_model.ranges.store import RangeStore
from audio_model.ranges.tree import State
from audio_model.records.call_columns import ColumnReader
from audio_model.records.counting import Counts, Opening, Openings, count, count_segments, distinct
from audio_model.records.mark_statistics import by_mark, by_source
from audio_model.records.periods import Period, Unit, before
from audio_model.records.store import CallStore
from audio_model.records.tables import Cell, Table

MAX_CAMPAIGNS = 100
_CHANGES = 100_000

PERIOD_COLUMNS = (
    *("period", "calls", "recorded", "live", "unknown", "error", "recorded_share", "numbers"),
    *("people", "recorded_numbers", "recorded_people", "blocked", "growth", "recorded_growth"),
)
SEGMENT_COLUMNS = (
    *("segment", "calls", "recorded", "recorded_share", "numbers", "people", "recorded_numbers"),
    *("recorded_people", "growth", "recorded_growth"),
)
CAMPAIGN_COLUMNS = (*("campaign", "calls", "numbers", "people", "first", "last", "mark", "growth"),)


def by_period(
    columns: ColumnReader,
    periods: Sequence[Period],
    openings: Iterable[Opening],
    unit: Unit,
    zone: tzinfo,
) -> Table:
    """Return a row for each period: calls, outcomes, numbers, and growth on the period before.

    Args:
        columns: reads the calls of the store.
        periods: in their order, without a gap.
        openings: when ranges were open. A call that came under one counts as blocked, and so does
            one whose own row says ``block``.
        unit: the unit of the periods.
        zone: the zone of the days.
    """
    rows: list[tuple[Cell, ...]] = []
    last: Counts | None = None
    under = Openings(columns.store, openings)
    all_periods = [before(periods[0], unit, zone), *periods] if periods else []
    for period in all_periods:
        calls = columns.between(period.start, period.end)
        now = count(calls)
        if last is not None:
            outcomes = (now.recorded, now.live, now.unknown, now.error)
            rows.append(
                (
                    *(period.name, now.calls, *outcomes, _share(now.recorded, now.calls)),
                    *(now.numbers, now.people, now.recorded_numbers, now.recorded_people),
                    int(np.count_nonzero(calls.blocked | under.covered(calls))),
                    *(_growth(now.calls, last.calls), _growth(now.recorded, last.recorded)),
                )
            )
        last = now
    return Table("by_period", PERIOD_COLUMNS, rows)


def by_segment(columns: ColumnReader, period: Period, last: Period) -> Table:
    """Return a row for each segment of numbers that called in a period.

    Wide segments stand above their parts. Service numbers have rows 95, 952 and 9521: each wider
    one has the sum of its parts, except for people, whom several of its parts have called.
    """
    now, then = (count_segments(columns.between(each.start, each.end)) for each in (period, last))
    rows: list[tuple[Cell, ...]] = []
    for segment in sorted(now, key=_by_family(now)):
        found, earlier = now[segment], then.get(segment, Counts())
        rows.append(
            (
                *(segment, found.calls, found.recorded, _share(found.recorded, found.calls)),
                *(found.numbers, found.people, found.recorded_numbers, found.recorded_people),
                _growth(found.calls, earlier.calls),
                _growth(found.recorded, earlier.recorded),
            )
        )
    return Table("by_segment", SEGMENT_COLUMNS, rows)


def by_campaign(columns: ColumnReader, period: Period, last: Period) -> Table:
    """Return the largest campaigns of a period."""
    calls = columns.between(period.start, period.end)
    sizes = np.bincount(calls.campaign)
    earlier = np.bincount(columns.between(last.start, last.end).campaign, minlength=len(sizes))
    sizes[:1] = 0  # Calls of no campaign.
    largest = [int(n) for n in np.argsort(-sizes, kind="stable")[:MAX_CAMPAIGNS] if sizes[n]]
    order = np.argsort(calls.campaign, kind="stable")
    of_campaign = calls.campaign[order]
    rows: list[tuple[Cell, ...]] = []
    for n in largest:
        found = columns.store.campaign(n)
        if found is None:
            continue
        part = order[slice(*np.searchsorted(of_campaign, (n, n + 1)))]
        rows.append(
            (
                *(
                    found.name,
                    len(part),
                    distinct(calls.number[part]),
                    distinct(calls.called[part]),
                ),
                *(float(calls.time[part[0]]), float(calls.time[part[-1]]), found.mark),
                _growth(len(part), int(earlier[n])),
            )
        )
    return Table("by_campaign", CAMPAIGN_COLUMNS, rows)


@dataclass(frozen=True)
class StoreStatistics:
    """All tables of a store."""

    tables: list[Table]
    period: Period
    """The one that segments and campaigns are of: the last in which calls came."""
    before: Period


def count_all(
    store: CallStore,
    periods: Sequence[Period],
    openings: Iterable[Opening],
    unit: Unit,
    zone: tzinfo,
) -> StoreStatistics:
    """Count the calls and marks of some periods; takes what :func:`by_period` does.

    The store must not change meanwhile: call it within ``store.reading()``. Raises StoreError.
    """
    calls = ColumnReader(store)
    over_time = by_period(calls, periods, openings, unit, zone)
    place = over_time.columns.index("calls")
    heard = [each for each, row in zip(periods, over_time.rows, strict=True) if row[place]]
    period = (heard or periods)[-1]
    last = before(period, unit, zone)
    tables = [
        over_time,
        by_segment(calls, period, last),
        by_campaign(calls, period, last),
        by_mark(store, periods),
        by_source(store, periods),
    ]
    return StoreStatistics(tables, period, last)


@dataclass(frozen=True)
class Span:
    """The time between the first and the last call of a store."""

    first: float
    last: float
    """Times of the first and last call."""
    end: float
    """Time of the last call or mark: an archive of last month is marked today."""


def span(store: CallStore) -> Span | None:
    """Return the time between the first and the last call; None if no call's time is known."""
    first, last = store.one("SELECT min(time), max(time) FROM calls")
    (marked,) = store.one("SELECT max(marked) FROM marks")
    return None if first is None else Span(first, last, max(last, marked or last))


def openings_of(ranges: RangeStore) -> list[Opening]:
    """Return when the ranges of a store were open, by its latest changes. Raises StoreError."""
    return openings(ranges.changes(limit=_CHANGES), time.time())


def openings(changes: Iterable[Change], now: float) -> list[Opening]:
    """Return when ranges were open, by their changes in any order."""
    found: list[Opening] = []
    begun: dict[str, float] = {}
    for change in sorted(changes, key=lambda change: change.time):
        if change.before is State.OPEN and change.prefix in begun:
            found.append(Opening(change.prefix, begun.pop(change.prefix), change.time))
        if change.after is State.OPEN:
            begun[change.prefix] = change.time
    return [*found, *(Opening(prefix, start, now) for prefix, start in begun.items())]


def _by_family(counts: dict[str, Counts]) -> Callable[[str], tuple[int, str, str]]:
    """Order segments: the family with the most calls first, in it the wide before their parts."""

    def key(segment: str) -> tuple[int, str, str]:
        family = segment[:2] if segment[:2] in ("95", "96") else segment
        return -counts.get(family, Counts()).calls, family, segment

    return key


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _growth(now: int, before: int) -> float | None:
    """Return growth as a share: 0.25 is a quarter more; None where there was nothing before."""
    return round(now / before - 1, 4) if before else None
