"""Times as text: seconds since 1970 printed in UTC, and read back however tables write them."""

import json
import math
from datetime import UTC, datetime


def utc(seconds: float) -> datetime:
    """Return a moment in seconds since 1970 as a date and time in UTC."""
    return datetime.fromtimestamp(seconds, UTC)


def iso(seconds: float) -> str:
    """Return a moment in seconds since 1970 as ISO 8601 in UTC, to the second.

    It is empty for nan, a moment that nobody knows.
    """
    return "" if math.isnan(seconds) else utc(seconds).isoformat(timespec="seconds")


def iso_now() -> str:
    """Return the present moment as :func:`iso` writes it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def parse(value: object) -> float:
    """Return a table's value as seconds since 1970.

    Args:
        value: a date and time, seconds since 1970 as a number or as text, or ISO 8601. Without a
            zone it is in the machine's own.

    Raises ValueError if it is none of these.
    """
    if isinstance(value, datetime):
        return value.timestamp()
    text = "" if value is None else str(value).strip()
    try:
        seconds = float(text)
    except ValueError:
        try:
            return datetime.fromisoformat(text).timestamp()
        except (ValueError, OverflowError, OSError):
            seconds = math.nan
    if not math.isfinite(seconds):
        raise ValueError(f"time is {json.dumps(text)}: seconds since 1970 or ISO 8601")
    return seconds
