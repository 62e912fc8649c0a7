"""The value of a table's cell, whichever format the table came in."""

import json
import math
import re
import unicodedata
from collections.abc import Mapping

_FORMULA_STARTS = frozenset("=+-@\t\r\uff1d\uff0b\uff0d\uff20")
"""Characters after which a spreadsheet may run or compute a cell. Source: OWASP, "CSV
Injection"."""
_PLAIN = re.compile(r"[+-]?(?:\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)?", re.ASCII)
"""Numbers of both kinds, and a dash: they stay as they are, for all who read them."""


_LABELS = {
    **dict.fromkeys(("recorded", "1", "1.0", "\u5f55\u97f3"), 1),
    **dict.fromkeys(("live", "0", "0.0", "\u771f\u4eba"), 0),
}
"""The words for both classes. A data frame writes 1.0 where a label is missing elsewhere."""
_SHOWN = 40
"""Characters of a bad cell in a message."""


def guarded(cell: object) -> object:
    """Return a cell as it stands in CSV: behind an apostrophe if a spreadsheet might run it."""
    if not isinstance(cell, str) or (cell[:1] not in _FORMULA_STARTS and cell[:1] != "'"):
        return cell
    first = cell.lstrip("'")[:1]
    runs = first in _FORMULA_STARTS and first and _PLAIN.fullmatch(cell) is None
    return f"'{cell}" if runs else cell


def unguarded(cell: str) -> str:
    """Return a cell of CSV without the apostrophe that :func:`guarded` put before it."""
    return cell[1:] if cell[:1] == "'" and guarded(cell[1:]) == cell else cell


def as_text(value: object) -> str:
    """Return a cell's value as text; empty for None."""
    if isinstance(value, float) and value.is_integer():
        # A number that a spreadsheet or Parquet took for a quantity.
        value = int(value)
    return "" if value is None else str(value)


def text(values: Mapping[str, object], name: str) -> str:
    """Return a cell as text; empty if it is not there."""
    return as_text(values.get(name))


def word(values: Mapping[str, object], name: str) -> str:
    """Return a cell as text, without the spaces around it."""
    return text(values, name).strip()


def label(values: Mapping[str, object], name: str) -> int | None:
    """Return a class: 1 recorded, 0 live, None for an empty cell.

    Raises ValueError that names any other word.
    """
    said = word(values, name)
    if not said:
        return None
    found = _LABELS.get(unicodedata.normalize("NFKC", said).lower())
    if found is None:
        raise ValueError(f"{name} is {said[:_SHOWN]!r}, neither recorded nor live")
    return found


def number(values: Mapping[str, object], name: str) -> float | None:
    """Return a cell as a finite number; None if it is empty. Raises ValueError that names it."""
    value = values.get(name)
    if value is None or not str(value).strip():
        return None
    try:
        found = float(str(value))
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        # JSON has no word for nan and inf.
        said = f"{value:g}" if isinstance(value, float) else json.dumps(value, default=str)
        raise ValueError(f"{name} is {said[:_SHOWN]}")
    return found
