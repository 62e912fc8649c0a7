"""What a cell of a table says, whichever format the table came in."""

import json
import math
from collections.abc import Mapping


def text(values: Mapping[str, object], name: str) -> str:
    """Return a cell as text; empty if it is not there."""
    value = values.get(name)
    if isinstance(value, float) and value.is_integer():
        # A number that a spreadsheet or Parquet took for a quantity.
        value = int(value)
    return "" if value is None else str(value)


def number(values: Mapping[str, object], name: str) -> float | None:
    """Return a cell as a finite number; None if it is empty. Raises ValueError that names it."""
    value = values.get(name)
    if value is None or value == "":
        return None
    try:
        found = float(str(value))
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise ValueError(f"{name} is {json.dumps(value, default=str)}")
    return found
