"""Call records: the columns of a table for caller, called number, time and verdict."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping

from audio_model import times
from audio_model.decision import VerdictKind
from audio_model.errors import UsageError, printable
from audio_model.formats import suffix_of
from audio_model.ranges import written
from audio_model.ranges.rates import outcome
from audio_model.ranges.tree import RangeCall
from audio_model.tables import cells
from audio_model.tables.columns import Wanted
from audio_model.tables.readers import TABLE_SUFFIXES, DamagedRow, parse_table

REQUIRED_COLUMNS = ("caller", "time", "verdict")
OPTIONAL_COLUMNS = ("called", "reason", "score", "duration", "campaign", "known", "call", "path")


def read_calls(
    file: str,
    columns: Mapping[str, str] | None = None,
    forms: Counter[times.Form] | None = None,
) -> Iterator[RangeCall | DamagedRow]:
    """Return the calls of a table, in its order, as they are read.

    Columns are REQUIRED_COLUMNS and, where they are, OPTIONAL_COLUMNS; others are ignored. That is
    what ``score`` writes for a manifest that carries the call records' columns, and what ``serve``
    tells in its final events. A call without a campaign has the known recording that it repeats as
    one. ``time`` is what :func:`audio_model.times.read` reads; ``duration`` is in seconds. A call
    without an id has its path as one, or the place of its row.

    Args:
        file: CSV, JSON lines or Parquet.
        columns: names of columns in the file, by ours.
        forms: counts how times were written.

    Raises:
        UsageError: the name's ending is of no known format.
        ResultsError: the file cannot be read as a whole, or lacks a column.
    """
    if suffix_of(file) not in TABLE_SUFFIXES:
        raise UsageError(f"call records must end in {', '.join(TABLE_SUFFIXES)}: {printable(file)}")

    def parse(values: Mapping[str, object], where: str) -> RangeCall:
        return parse_call(values, f"{file}, {where}", forms)

    return parse_table(file, Wanted(REQUIRED_COLUMNS, OPTIONAL_COLUMNS, columns), parse)


def parse_call(
    values: Mapping[str, object], place: str, forms: Counter[times.Form] | None = None
) -> RangeCall:
    """Return a row's values as a call. Raises ValueError.

    ``place`` is its id if it has none.
    """
    verdict = values.get("verdict")
    if verdict not in list(VerdictKind):
        raise ValueError(f"verdict is {json.dumps(verdict, default=str)}")
    path = cells.text(values, "path")
    moment, form = times.read(values.get("time"))
    if forms is not None:
        forms[form] += 1
    return RangeCall(
        id=cells.text(values, "call") or path or place,
        caller=cells.text(values, "caller"),
        time=moment,
        outcome=outcome(VerdictKind(str(verdict)), cells.text(values, "reason")),
        called=written.same(cells.text(values, "called")),
        duration=cells.number(values, "duration"),
        campaign=cells.text(values, "campaign") or _known(values),
        path=path,
        score=cells.number(values, "score"),
    )


def _known(values: Mapping[str, object]) -> str:
    """Return the recording that a call repeats: a column of ``score``, an object of ``serve``."""
    known = values.get("known")
    return (
        cells.text(known, "recording")
        if isinstance(known, Mapping)
        else cells.text(values, "known")
    )
