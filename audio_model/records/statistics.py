"""The figures of a store of calls: by day, week or month, by segment, by campaign, and of marks.

A call is recorded or live as people say; where nobody has said anything, as its campaign was
marked; else as the detector says. Every figure is a table of plain values.
"""

import csv
import io
import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import tzinfo

from audio_model.ranges.breaker import Change
from audio_model.ranges.tree import State
from audio_model.records.periods import Period, Unit, before
from audio_model.records.store import CallStore
from audio_model.times import iso

Cell = str | int | float | None

MAX_CAMPAIGNS = 100
_MOMENTS = ("first", "last")
_AFTER_ALL = "\U0010ffff"

_OUTCOME = "coalesce(nullif(c.settled, ''), CASE g.mark WHEN 'recorded' THEN g.mark END, c.outcome)"
_JOINED = (
    "FROM json_each(:spans) AS p CROSS JOIN calls AS c INDEXED BY by_time "
    "ON c.time >= p.value ->> 0 AND c.time < p.value ->> 1 "
    "LEFT JOIN campaigns AS g ON g.n = c.campaign"
)
_COUNTS = (
    f"count(*), total({_OUTCOME} = 'recorded'), total({_OUTCOME} = 'live'), "
    f"total({_OUTCOME} = 'unknown'), total({_OUTCOME} = 'error'), "
    "count(DISTINCT c.number), count(DISTINCT nullif(c.called, '')), "
    f"count(DISTINCT CASE WHEN {_OUTCOME} = 'recorded' THEN c.number END), "
    f"count(DISTINCT CASE WHEN {_OUTCOME} = 'recorded' THEN nullif(c.called, '') END)"
)


@dataclass(frozen=True)
class Table:
    """One figure."""

    name: str
    """For the name of a file: ``by_segment``."""
    columns: tuple[str, ...]
    rows: list[tuple[Cell, ...]]

    def csv(self) -> str:
        """The table as CSV that a spreadsheet opens: shares as numbers, moments in ISO 8601.

        No cell is a formula.
        """
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\r\n")
        writer.writerow(self.columns)
        moments = [index for index, name in enumerate(self.columns) if name in _MOMENTS]
        for row in self.rows:
            cells = list(row)
            for index in moments:
                cells[index] = iso(float(cells[index] or math.nan))
            writer.writerow(map(_safe, cells))
        return text.getvalue()


@dataclass(frozen=True)
class Opening:
    """A time for which a range was open."""

    prefix: str
    start: float
    end: float


PERIOD_COLUMNS = (
    *("period", "calls", "recorded", "live", "unknown", "error", "recorded_share", "numbers"),
    *("people", "recorded_numbers", "recorded_people", "blocked", "growth", "recorded_growth"),
)
SEGMENT_COLUMNS = (
    *("segment", "calls", "recorded", "recorded_share", "numbers", "people", "recorded_numbers"),
    *("recorded_people", "growth", "recorded_growth"),
)
CAMPAIGN_COLUMNS = (*("campaign", "calls", "numbers", "people", "first", "last", "mark", "growth"),)
MARK_COLUMNS = (
    *("period", "marks", "recorded", "live", "unsure", "wrong_number", "people", "compared"),
    "agreed",
)


def by_period(
    store: CallStore,
    periods: Sequence[Period],
    openings: Iterable[Opening],
    unit: Unit,
    zone: tzinfo,
) -> Table:
    """A row for each period: calls, what they were, who called whom, and growth on the one before.

    Args:
        store: of the calls.
        periods: in their order, without a gap.
        openings: when ranges were open. A call that came under one counts as blocked, and so does
            one whose own row says ``block``.
        unit: of the periods.
        zone: whose days they are.
    """
    if not periods:
        return Table("by_period", PERIOD_COLUMNS, [])
    all_periods = [before(periods[0], unit, zone), *periods]
    counts = dict(_counts(store, "p.key", all_periods))
    blocked = _blocked(store, all_periods, openings)
    rows: list[tuple[Cell, ...]] = []
    for index, period in enumerate(all_periods[1:], start=1):
        now = counts.get(index, _NONE)
        last = counts.get(index - 1, _NONE)
        calls, recorded, live, unknown, error, numbers, people, their_numbers, their_people = now
        rows.append(
            (
                *(period.name, calls, recorded, live, unknown, error, _share(recorded, calls)),
                *(numbers, people, their_numbers, their_people, blocked.get(index, 0)),
                *(_growth(calls, last[0]), _growth(recorded, last[1])),
            )
        )
    return Table("by_period", PERIOD_COLUMNS, rows)


def by_segment(store: CallStore, period: Period, last: Period) -> Table:
    """A row for each segment of numbers that called in a period, wide ones above their parts.

    Of service numbers there are 95, 952 and 9521: each wider one has the sum of its parts.
    """
    now, then = (_segments(store, each) for each in (period, last))
    rows: list[tuple[Cell, ...]] = []
    for segment in sorted(now, key=_by_family(now)):
        calls, recorded, _, _, _, numbers, people, their_numbers, their_people = now[segment]
        earlier = then.get(segment, _NONE)
        rows.append(
            (
                *(segment, calls, recorded, _share(recorded, calls), numbers, people),
                *(their_numbers, their_people),
                *(_growth(calls, earlier[0]), _growth(recorded, earlier[1])),
            )
        )
    return Table("by_segment", SEGMENT_COLUMNS, rows)


def by_campaign(store: CallStore, period: Period, last: Period) -> Table:
    """The largest campaigns of a period."""
    rows = store.rows(
        "SELECT g.name, count(*) AS size, count(DISTINCT c.number), "
        "count(DISTINCT nullif(c.called, '')), min(c.time), max(c.time), g.mark, "
        "(SELECT count(*) FROM calls AS d WHERE d.campaign = g.n AND d.time >= ?3 AND d.time < ?4) "
        "FROM calls AS c INDEXED BY by_time JOIN campaigns AS g ON g.n = c.campaign "
        "WHERE c.time >= ?1 AND c.time < ?2 GROUP BY g.n ORDER BY size DESC, g.n LIMIT ?5",
        (period.start, period.end, last.start, last.end, MAX_CAMPAIGNS),
    )
    return Table(
        "by_campaign",
        CAMPAIGN_COLUMNS,
        [(*row[:-1], _growth(row[1], row[-1])) for row in rows],
    )


def by_mark(store: CallStore, periods: Sequence[Period]) -> Table:
    """A row for each period: marks given at the desk, and agreement with the detector."""
    kinds = ("recorded", "live", "unsure", "wrong_number")
    rows = store.rows(
        f"SELECT p.key, count(*), {', '.join(f'total(m.mark = {kind!r})' for kind in kinds)}, "
        "count(DISTINCT m.who), total(c.outcome IN ('recorded', 'live') AND m.mark != 'unsure'), "
        "total(c.outcome = CASE m.mark WHEN 'wrong_number' THEN 'live' ELSE m.mark END) "
        "FROM json_each(:spans) AS p CROSS JOIN marks AS m INDEXED BY by_marked "
        "ON m.marked >= p.value ->> 0 AND m.marked < p.value ->> 1 AND m.source = '' "
        "JOIN calls AS c ON c.n = m.call GROUP BY p.key",
        {"spans": _spans(periods)},
    )
    counts = {row[0]: tuple(map(int, row[1:])) for row in rows}
    none = (0,) * (len(MARK_COLUMNS) - 1)
    return Table(
        "by_mark",
        MARK_COLUMNS,
        [(each.name, *counts.get(index, none)) for index, each in enumerate(periods)],
    )


def span(store: CallStore) -> tuple[float, float] | None:
    """When the first and the last call of the store were; None if no time is known."""
    first, last = store.one("SELECT min(time), max(time) FROM calls")
    return None if first is None else (first, last)


def openings(changes: Iterable[Change], now: float) -> list[Opening]:
    """When ranges were open, by their changes in any order."""
    found: list[Opening] = []
    begun: dict[str, float] = {}
    for change in sorted(changes, key=lambda change: change.time):
        if change.before is State.OPEN and change.prefix in begun:
            found.append(Opening(change.prefix, begun.pop(change.prefix), change.time))
        if change.after is State.OPEN:
            begun[change.prefix] = change.time
    return [*found, *(Opening(prefix, start, now) for prefix, start in begun.items())]


_NONE = (0,) * 9
_Counts = tuple[int, ...]


def _counts(store: CallStore, group: str, periods: Sequence[Period]) -> list[tuple[int, _Counts]]:
    rows = store.rows(f"SELECT {group}, {_COUNTS} {_JOINED} GROUP BY 1", {"spans": _spans(periods)})
    return [(row[0], tuple(map(int, row[1:]))) for row in rows]


def _segments(store: CallStore, period: Period) -> dict[str, _Counts]:
    """Counts by segment; the people of wider segments are counted anew, for they overlap."""
    found: dict[str, _Counts] = {}
    for group, where in (
        ("c.segment", "1"),
        ("substr(c.segment, 1, 3)", _HAS_FAMILY),
        ("substr(c.segment, 1, 2)", _HAS_FAMILY),
    ):
        rows = store.rows(
            f"SELECT {group}, {_COUNTS} {_JOINED} WHERE {where} GROUP BY 1",
            {"spans": _spans([period])},
        )
        for segment, *counts in rows:
            found.setdefault(segment, tuple(map(int, counts)))
    return found


_HAS_FAMILY = "c.segment GLOB '9[56]*'"


def _by_family(counts: dict[str, _Counts]) -> Callable[[str], tuple[int, str, str]]:
    """Order segments: the family with the most calls first, in it the wide before their parts."""

    def key(segment: str) -> tuple[int, str, str]:
        family = segment[:2] if segment[:2] in ("95", "96") else segment
        return -counts.get(family, _NONE)[0], family, segment

    return key


def _blocked(
    store: CallStore, periods: Sequence[Period], openings: Iterable[Opening]
) -> dict[int, int]:
    ranges = [(each.prefix, each.prefix + _AFTER_ALL, each.start, each.end) for each in openings]
    rows = store.rows(
        "SELECT p.key, count(*) FROM (SELECT n, time FROM calls INDEXED BY by_time "
        "WHERE act = 'block' AND time >= :first AND time < :last UNION "
        "SELECT c.n, c.time FROM json_each(:ranges) AS r "
        "CROSS JOIN calls AS c INDEXED BY by_number "
        "ON c.number >= r.value ->> 0 AND c.number < r.value ->> 1 AND c.time >= r.value ->> 2 "
        "AND c.time < r.value ->> 3) AS b JOIN json_each(:spans) AS p "
        "ON b.time >= p.value ->> 0 AND b.time < p.value ->> 1 GROUP BY p.key",
        {
            "ranges": json.dumps(ranges),
            "spans": _spans(periods),
            "first": periods[0].start,
            "last": periods[-1].end,
        },
    )
    return dict(rows)


def _spans(periods: Sequence[Period]) -> str:
    return json.dumps([[each.start, each.end] for each in periods])


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _growth(now: int, before: int) -> float | None:
    """Growth as a share: 0.25 is a quarter more; None where there was nothing before."""
    return round(now / before - 1, 4) if before else None


def _safe(cell: Cell) -> Cell:
    # A spreadsheet would run what begins so as a formula. Our own readers drop the apostrophe.
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@")) else cell
