"""Import marks in bulk: a table of what people marked on their handsets."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from audio_model import times
from audio_model.errors import UsageError, printable
from audio_model.formats import suffix_of
from audio_model.ranges.numbers import normalise
from audio_model.records import marks
from audio_model.records.batches import batches
from audio_model.records.calls import has_number
from audio_model.records.damaged import DamagedRows
from audio_model.records.marks import Mark, Said
from audio_model.records.store import CallStore
from audio_model.sqlite import storable
from audio_model.tables import cells
from audio_model.tables.columns import Wanted
from audio_model.tables.readers import TABLE_SUFFIXES, DamagedRow, read_table

COLUMNS = ("mark", "who", "time", "call", "number", "trust")
"""``mark``, ``who`` and a call or a number are needed; ``number`` with a time finds the call."""
NEAR_SECONDS = 600.0
"""How far a mark's time may be from the call that it is of."""

_CLASSES = (Said.LIVE, Said.RECORDED)
"""By label."""
_OTHERS = {
    **{each.value: each for each in Said},
    **{"wrong number": Said.WRONG_NUMBER, "不确定": Said.UNSURE, "打错": Said.WRONG_NUMBER},
}
"""Words for what is no class."""


@dataclass
class Taken(DamagedRows):
    """The result of an import of marks."""

    calls: int = 0
    """Marks of calls in the store."""
    numbers: int = 0
    """Marks of numbers, of which no call was found."""
    unmatched: int = 0
    """Marks of calls that the store doesn't have, and that tell no number."""
    untimed: int = 0
    """Marks that were taken without a time: it isn't known when they were said."""

    @property
    def counts(self) -> dict[str, int]:
        """Return how many marks were taken and left out, by what became of them."""
        names = ("calls", "numbers", "unmatched", "damaged", "untimed")
        return {name: getattr(self, name) for name in names}


def import_marks(
    store: CallStore,
    file: str,
    source: str,
    trust: float,
    columns: Mapping[str, str] | None = None,
) -> Taken:
    """Take marks from a table. A row that can't be read is reported, and the rest is taken.

    A second mark on a call or a number replaces the first: the person has changed their mind.

    Args:
        store: the store of calls.
        file: CSV, JSON lines or Parquet with COLUMNS.
        source: the origin of the marks: an app, a call centre.
        trust: chance that such a mark is right, where a row has none of its own.
        columns: names of columns in the file, by ours.

    Raises UsageError, ResultsError and StoreError.
    """
    taken = Taken()
    for so_far in importing(store, file, source, trust, columns):
        taken = so_far
    return taken


def importing(
    store: CallStore,
    file: str,
    source: str,
    trust: float,
    columns: Mapping[str, str] | None = None,
) -> Iterator[Taken]:
    """Do as ``import_marks``, and yield what is taken so far after each batch.

    Others may use the store between two batches.
    """
    if not source.strip() or len(source) > 64:
        raise UsageError("the source of marks has a name of 1 to 64 characters")
    if not 0.5 <= trust < 1:
        raise UsageError("trust must be from 0.5 (a mark proves nothing) to below 1")
    if suffix_of(file) not in TABLE_SUFFIXES:
        raise UsageError(f"marks must end in {', '.join(TABLE_SUFFIXES)}: {printable(file)}")
    taken = Taken()
    rows = read_table(file, Wanted(("mark", "who"), COLUMNS, columns))
    for batch in batches(rows):
        with store.writing():
            for where, values in batch:
                problem = (
                    values
                    if isinstance(values, str)
                    else _take(store, values, source, trust, taken)
                )
                if problem:
                    taken.leave_out(DamagedRow(file, where, problem))
        yield taken


def _take(
    store: CallStore, values: Mapping[str, object], source: str, trust: float, taken: Taken
) -> str:
    """Keep a row's mark and return the problem with it, if there is one."""
    said = _said(values)
    who = _text(values, "who")
    if said is None:
        return f"mark is {printable(_text(values, 'mark')[:40])!r}"
    if not who or len(who) > 200:
        return "who marked it is not told" if not who else "who is longer than 200 characters"
    try:
        moment = times.parse(values["time"]) if values.get("time") not in (None, "") else None
        own = cells.number(values, "trust")
    except ValueError as error:
        return str(error)
    if own is None:
        own = trust
    if not 0.5 <= own < 1:
        return f"trust is {own:g}: it must be 0.5 to below 1"
    number = normalise(_text(values, "number"))
    call = _find(store, _text(values, "call"), number.key, moment)
    key = "" if not has_number(number) or number.flag is not None else number.key
    if call is None and not key:
        taken.unmatched += 1
        return ""
    marks.write(store, Mark(source, who, said, own, moment, call, key), time.time())
    taken.untimed += moment is None
    if call is None:
        taken.numbers += 1
    else:
        taken.calls += 1
        marks.settle_handsets(store, call)
    return ""


def _said(values: Mapping[str, object]) -> Said | None:
    try:
        label = cells.label(values, "mark")
    except ValueError:
        return _OTHERS.get(cells.word(values, "mark").lower())
    return None if label is None else _CLASSES[label]


def _find(store: CallStore, id: str, number: str, moment: float | None) -> int | None:
    """Return the call of a mark, by its id or, for a number, the nearest in time."""
    if id:
        row = store.one("SELECT n FROM calls WHERE id = ?", (id,))
    elif moment is not None:
        row = store.one(
            "SELECT n FROM calls WHERE number = ? AND time BETWEEN ? AND ? "
            "ORDER BY abs(time - ?) LIMIT 1",
            (number, moment - NEAR_SECONDS, moment + NEAR_SECONDS, moment),
        )
    else:
        row = None
    return None if row is None else int(row[0])


def _text(values: Mapping[str, object], name: str) -> str:
    return str(storable(cells.text(values, name)))
