"""Days, weeks and months of a time zone, as moments."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from enum import StrEnum

from audio_model.times import utc

MAX_PERIODS = 1000


class Unit(StrEnum):
    """A length of periods."""

    DAY = "day"
    WEEK = "week"
    """A week from Monday, as ISO 8601 counts."""
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of time."""

    name: str
    """``2026-11-29``, ``2026-W48`` or ``2026-11``."""
    start: float
    end: float
    """Seconds since 1970; the end is not in it."""
    day: date
    """Its first day."""


def period_of(moment: float, unit: Unit, zone: tzinfo) -> Period:
    """Return the period that a moment is in."""
    return _period(utc(moment).astimezone(zone).date(), unit, zone)


def before(period: Period, unit: Unit, zone: tzinfo) -> Period:
    """Return the period before another."""
    return _period(period.day - timedelta(days=1), unit, zone)


def periods(first: float, last: float, unit: Unit, zone: tzinfo) -> list[Period]:
    """Return the periods from one moment to another, at most the latest MAX_PERIODS."""
    found = [period_of(last, unit, zone)]
    while found[-1].start > first and len(found) < MAX_PERIODS:
        found.append(before(found[-1], unit, zone))
    return found[::-1]


def _period(day: date, unit: Unit, zone: tzinfo) -> Period:
    match unit:
        case Unit.DAY:
            name, start, end = day.isoformat(), day, day + timedelta(days=1)
        case Unit.WEEK:
            start = day - timedelta(days=day.weekday())
            year, week, _ = day.isocalendar()
            name, end = f"{year}-W{week:02d}", start + timedelta(days=7)
        case Unit.MONTH:
            start = day.replace(day=1)
            name, end = f"{day:%Y-%m}", (start + timedelta(days=32)).replace(day=1)
    return Period(name, _midnight(start, zone), _midnight(end, zone), start)


def _midnight(day: date, zone: tzinfo) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()
