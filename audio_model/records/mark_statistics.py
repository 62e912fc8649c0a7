"""The figures of marks by day, week or month: of the desk, and of each source of handsets' marks.

A mark of the desk is counted when it was given, and one of a handset when it was said, which may be
long before it was imported. One of which that isn't known is in no period.
"""

import json
from collections.abc import Sequence

from audio_model.records.marks import Said
from audio_model.records.periods import Period
from audio_model.records.store import CallStore
from audio_model.records.tables import Cell, Table

_KINDS = tuple(each.value for each in Said)
MARK_COLUMNS = (
    *(
        "period",
        "marks",
        *_KINDS,
        "marked_by",
        "compared",
        "agreed",
        "heard_twice",
        "people_agreed",
    ),
)
SOURCE_COLUMNS = (
    *("period", "source", "marks", *_KINDS, "marked_by", "of_numbers", "settled", "desk_agreed"),
)

_COUNTS = f"count(*), {', '.join(f'total(m.mark = {kind!r})' for kind in _KINDS)}, "
_MEANS = "CASE m.mark WHEN 'wrong_number' THEN 'live' ELSE m.mark END"
_SPANS = "FROM json_each(:spans) AS p CROSS JOIN marks AS m "


def by_mark(store: CallStore, periods: Sequence[Period]) -> Table:
    """Return a row for each period: marks given at the desk, and who agreed with whom.

    ``compared`` are marks of calls of which the detector told something, too, and ``heard_twice``
    those of calls on which another person had decided before.
    """
    spans = {"spans": _spans(periods)}
    counts = store.rows(
        f"SELECT p.key, {_COUNTS} count(DISTINCT m.who), "
        "total(c.outcome IN ('recorded', 'live') AND m.mark != 'unsure'), "
        f"total(c.outcome = {_MEANS}) {_SPANS} INDEXED BY by_marked "
        "ON m.marked >= p.value ->> 0 AND m.marked < p.value ->> 1 AND m.source = '' "
        "JOIN calls AS c ON c.n = m.call GROUP BY p.key",
        spans,
    )
    pairs = store.rows(
        "SELECT p.key, count(*), "
        f"total({_MEANS} = CASE o.mark WHEN 'wrong_number' THEN 'live' ELSE o.mark END) "
        f"{_SPANS} INDEXED BY by_marked "
        "ON m.marked >= p.value ->> 0 AND m.marked < p.value ->> 1 AND m.source = '' "
        "AND m.mark != 'unsure' JOIN marks AS o ON o.call = m.call AND o.source = '' "
        "AND o.mark != 'unsure' AND (o.marked, o.n) < (m.marked, m.n) GROUP BY p.key",
        spans,
    )
    first = {int(row[0]): row[1:] for row in counts}
    second = {int(row[0]): row[1:] for row in pairs}
    none, no_pairs = (0,) * (len(_KINDS) + 4), (0, 0)
    rows: list[tuple[Cell, ...]] = [
        (each.name, *map(int, (*first.get(index, none), *second.get(index, no_pairs))))
        for index, each in enumerate(periods)
    ]
    return Table("by_mark", MARK_COLUMNS, rows)


def by_source(store: CallStore, periods: Sequence[Period]) -> Table:
    """Return a row for each period and source of handsets' marks that has any.

    ``settled`` are marks of calls that the desk has decided on, and ``desk_agreed`` those of them
    that say the same.
    """
    found = store.rows(
        f"SELECT p.key, m.source, {_COUNTS} count(DISTINCT m.who), total(m.call IS NULL), "
        "total(c.settled != '' AND m.mark != 'unsure'), "
        f"total(c.settled != '' AND c.settled = {_MEANS}) {_SPANS} INDEXED BY by_said "
        "ON m.time >= p.value ->> 0 AND m.time < p.value ->> 1 AND m.source != '' "
        "LEFT JOIN calls AS c ON c.n = m.call GROUP BY p.key, m.source ORDER BY p.key, m.source",
        {"spans": _spans(periods)},
    )
    rows: list[tuple[Cell, ...]] = [
        (periods[int(index)].name, str(source), *map(int, counts))
        for index, source, *counts in found
    ]
    return Table("by_source", SOURCE_COLUMNS, rows)


def _spans(periods: Sequence[Period]) -> str:
    return json.dumps([[each.start, each.end] for each in periods])
