"""Times as text: seconds since 1970 printed in UTC, and read back however tables write them."""

import json
import math
import re
import time
import unicodedata
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import StrEnum

DAY_SECONDS = 86_400
_FIRST_NUMBER = datetime(2000, 1, 1, tzinfo=UTC).timestamp()
"""The earliest moment of a bare number. Before it, .NET's ticks would pass for ns."""
_FIRST_DATE = datetime(1980, 1, 1, tzinfo=UTC).timestamp()
_FUTURE_SECONDS = 366 * DAY_SECONDS
"""How far behind the present a time may lie: clocks are wrong, and units are more so."""
_EARLIEST = datetime(1, 1, 2, tzinfo=UTC)
_LATEST = datetime(9999, 12, 30, tzinfo=UTC)
_SPREADSHEET_EPOCH = datetime(1899, 12, 30)


class Form(StrEnum):
    """A way in which a table writes a time."""

    DATE = "dates and times"
    SECONDS = "seconds since 1970"
    MILLISECONDS = "milliseconds since 1970"
    MICROSECONDS = "microseconds since 1970"
    NANOSECONDS = "nanoseconds since 1970"
    DIGITS = "YYYYMMDDhhmmss"
    SPREADSHEET_DAYS = "a spreadsheet's days since 1900"


_PER_SECOND = {
    Form.SECONDS: 1,
    Form.MILLISECONDS: 10**3,
    Form.MICROSECONDS: 10**6,
    Form.NANOSECONDS: 10**9,
}
_NUMBER = re.compile(r"\d+(?:[.,]\d*)?")
_GROUPED = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_DIGITS = re.compile(r"(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(?:(\d\d)(\d{3}|[.,]\d+)?)?)?[.,]?0*")
_PARTED_DIGITS = re.compile(r"(\d{8})[ _-](\d{4}|\d{6})")
_NAMED_ZONE = re.compile(r"(?<=[\dz])\[[a-z_/+-]+\]$", re.IGNORECASE)
"""The name of a zone that ISO 9557 puts behind an offset. The offset alone tells the moment."""
_NO_DATE = re.compile(r"0000-00-00(?:[ T]00:00:00(?:\.0+)?)?")
"""What MySQL writes where a table has no date."""
_DOTTED_CLOCK = re.compile(r"(\d{4}-\d\d-\d\d)[- ](\d\d)\.(\d\d)\.(\d\d)(?=\.|$)")
"""A clock as some databases write it."""
_JSON_DATE = re.compile(r"/Date\((\d+)\)/")
_MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july", "august", "september"),
    *("october", "november", "december"),
)
_CLOCK = (
    r"(?:[ T,]*(?P<before>am|pm|\u4e0a\u5348|\u4e0b\u5348)?\s*"
    r"(?P<hour>\d{1,2})[:\u65f6](?P<minute>\d{1,2})(?:[:\u5206](?P<second>\d{1,2})"
    r"(?:[.,](?P<part>\d+))?\u79d2?)?\u5206?\s*(?P<after>am|pm)?"
    r"\s*(?P<zone>z|(?:utc|gmt)?[+-]\d{1,2}(?::?\d\d)?|utc|gmt)?)?"
)
_WEEKDAY = r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,?\s+)?"
_MONTH = r"(?P<month>[a-z]{3,9})\.?"
_DATES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"(?P<year>\d{{4}})(?P<sign>[-/.])(?P<month>\d{{1,2}})(?P=sign)(?P<day>\d{{1,2}}){_CLOCK}",
        rf"(?P<year>\d{{4}})\u5e74(?P<month>\d{{1,2}})\u6708(?P<day>\d{{1,2}})\u65e5{_CLOCK}",
        rf"{_WEEKDAY}(?P<day>\d{{1,2}})[- ]{_MONTH}[- ](?P<year>\d{{4}}){_CLOCK}",
        rf"{_WEEKDAY}{_MONTH}\s+(?P<day>\d{{1,2}}),?\s+(?P<year>\d{{4}}){_CLOCK}",
        rf"{_WEEKDAY}{_MONTH}\s+(?P<day>\d{{1,2}}){_CLOCK}\s+(?P<year>\d{{4}})",
        # Cisco's gateways; a sign before it says that their clock was not set.
        rf"[*.]?{_CLOCK} {_WEEKDAY}{_MONTH} (?P<day>\d{{1,2}}) (?P<year>\d{{4}})",
    )
)
"""Dates whose parts can't be taken for each other: of 10/09/2025 nobody knows the month."""


def utc(seconds: float) -> datetime:
    """Return a moment in seconds since 1970 as a date and time in UTC.

    A moment beyond the years 1 to 9999 is the nearest one within them.
    """
    within = min(max(seconds, _EARLIEST.timestamp()), _LATEST.timestamp())
    return datetime.fromtimestamp(within, UTC)


def local(seconds: float) -> datetime:
    """Return a moment as :func:`utc` does, but in the machine's own zone (``TZ`` sets another)."""
    return utc(seconds).astimezone()


def zone_of(moment: datetime) -> str:
    """Return the zone of a moment's clock: ``UTC``, or ``UTC+08:00``."""
    ahead = moment.isoformat()[-len("+08:00") :]
    return "UTC" if ahead == "+00:00" else f"UTC{ahead}"


def iso(seconds: float, zone: tzinfo | None = UTC) -> str:
    """Return a moment in seconds since 1970 as ISO 8601, to the second.

    It is empty for nan, a moment that nobody knows.

    Args:
        seconds: since 1970.
        zone: whose clock it shows; None for the machine's own.
    """
    if math.isnan(seconds):
        return ""
    return utc(seconds).astimezone(zone).isoformat(timespec="seconds")


def iso_now() -> str:
    """Return the present moment as :func:`iso` writes it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def of_cell(value: object) -> float:
    """Return a table's value as :func:`parse` does; nan if it gives no time.

    An empty cell gives none, and neither do the zeros that MySQL writes where there is no date.
    Raises ValueError for a time that can't be read.
    """
    text = "" if value is None else str(value).strip()
    return math.nan if not text or _NO_DATE.fullmatch(text) else parse(value)


def parse(value: object) -> float:
    """Return a table's value as seconds since 1970, as :func:`read` does."""
    return read(value)[0]


def read(value: object) -> tuple[float, Form]:
    """Return a table's value as seconds since 1970, and how it was written.

    Units are told apart by what is plausible: a number is a moment from 2000 to a year from now in
    one of them alone, which the tests prove. A spreadsheet's days are those since 1900.

    Args:
        value: a date and time; seconds, milliseconds, microseconds or nanoseconds since 1970; a
            spreadsheet's days; YYYYMMDD, with hhmm, hhmmss or hhmmss and milliseconds; ISO 8601,
            or another date whose order of year, month and day is certain. Without a zone it is in
            the machine's own.

    Raises ValueError if it is none of these, or no plausible time.
    """
    text = "" if value is None else unicodedata.normalize("NFKC", str(value))
    text = "".join(char for char in text if unicodedata.category(char) != "Cf")
    text = text.strip(" \t\r\n'\"=")
    try:
        if isinstance(value, bool):
            found = None
        elif isinstance(value, datetime):
            found = (value.timestamp(), Form.DATE)
        elif isinstance(value, date):
            found = (datetime(value.year, value.month, value.day).timestamp(), Form.DATE)
        elif isinstance(value, float) and math.isfinite(value):
            found = _of_number(format(Decimal(repr(value)), "f"))
        elif _NUMBER.fullmatch(text) or _GROUPED.fullmatch(text):
            found = _of_number(text)
        else:
            found = _of_date(text)
    except (ValueError, OverflowError, OSError):
        found = None
    if found is None:
        raise ValueError(
            f"time is {json.dumps(text)}: seconds since 1970 or ISO 8601, or another date and time "
            "of a plausible year"
        )
    seconds, form = found
    if not _FIRST_DATE <= seconds <= time.time() + _FUTURE_SECONDS:
        raise ValueError(
            f"time is {json.dumps(text)}: as seconds since 1970 or ISO 8601 it is "
            f"{iso(seconds)}, which is not plausible"
        )
    return seconds, form


def _of_number(text: str) -> tuple[float, Form] | None:
    if (digits := _DIGITS.fullmatch(text)) is not None:
        try:
            return _of_digits(digits), Form.DIGITS
        except ValueError:
            pass  # Of no month, or no hour: a count of something.
    number = Decimal(text.replace(",", "" if _GROUPED.fullmatch(text) else "."))
    latest = time.time() + _FUTURE_SECONDS
    for form, per_second in _PER_SECOND.items():
        if _FIRST_NUMBER <= number / per_second <= latest:
            return float(number / per_second), form
    moment = _SPREADSHEET_EPOCH + timedelta(days=min(float(number), 1e6))
    # Days have fractions of ten digits or so in a table: no more is known than milliseconds.
    moment = datetime.min + timedelta(milliseconds=round((moment - datetime.min) / _MILLISECOND))
    seconds = moment.timestamp()
    return (seconds, Form.SPREADSHEET_DAYS) if _FIRST_NUMBER <= seconds <= latest else None


_MILLISECOND = timedelta(milliseconds=1)


def _of_digits(found: re.Match[str]) -> float:
    *parts, part = found.groups()
    fraction = float(f"0.{part.lstrip('.,')}") if part else 0.0
    moment = datetime(*(int(each or 0) for each in parts))  # type: ignore[arg-type]
    if not _FIRST_NUMBER - DAY_SECONDS <= moment.timestamp() <= time.time() + _FUTURE_SECONDS:
        raise ValueError
    return moment.timestamp() + fraction


def _of_date(text: str) -> tuple[float, Form] | None:
    if (ticks := _JSON_DATE.fullmatch(text)) is not None:
        return _of_number(ticks[1])
    if (parted := _PARTED_DIGITS.fullmatch(text)) is not None:
        return _of_number("".join(parted.groups()))
    if re.search(r"(?:z|[+-]\d\d:?\d\d)\[", text, re.IGNORECASE):
        text = _NAMED_ZONE.sub("", text)
    text = _DOTTED_CLOCK.sub(r"\1 \2:\3:\4", text.replace("\u2212", "-"))
    for pattern in _DATES:
        if (found := pattern.fullmatch(text)) is not None:
            return _moment(found).timestamp(), Form.DATE
    if re.match(r"\d{4}-", text) or re.match(r"\d{8}T", text):
        return datetime.fromisoformat(text).timestamp(), Form.DATE
    return None


def _month(name: str) -> str:
    """Return the number of a month by its name or the first letters of it. Raises ValueError."""
    (number,) = [n for n, month in enumerate(_MONTHS, start=1) if month.startswith(name)]
    return str(number)


def _moment(found: re.Match[str]) -> datetime:
    """Return the moment of a date of ``_DATES``. Raises ValueError if there is none such."""
    part = found.groupdict()
    month = part["month"] if part["month"].isdecimal() else _month(part["month"].lower())
    hour = int(part["hour"] or 0)
    half = (part["before"] or part["after"] or "").lower()
    if half:
        if not 1 <= hour <= 12 or (part["before"] and part["after"]):
            raise ValueError
        hour = hour % 12 + 12 * (half in ("pm", "\u4e0b\u5348"))
    zone: timezone | None = None
    if (written := (part["zone"] or "").lower()) in ("z", "utc", "gmt"):
        zone = UTC
    elif written:
        sign, hours, minutes = re.findall(r"([+-])(\d\d?):?(\d\d)?$", written)[0]
        ahead = timedelta(hours=int(hours), minutes=int(minutes or 0))
        zone = timezone(ahead if sign == "+" else -ahead)
    midnight = hour == 24 and not any(int(part[each] or 0) for each in ("minute", "second", "part"))
    if hour > 23 and not midnight:
        raise ValueError
    # 24:00 is the end of a day, ISO 8601 has it.
    return timedelta(days=midnight) + datetime(
        int(part["year"]),
        int(month),
        int(part["day"]),
        hour % 24,
        int(part["minute"] or 0),
        int(part["second"] or 0),
        int((part["part"] or "").ljust(6, "0")[:6]),
        zone,
    )
