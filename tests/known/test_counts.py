import math
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from audio_model.known.counts import SCHEMA, CountedCalls, counted

DAY = 86_400.0


@pytest.fixture
def counts() -> Iterator[CountedCalls]:
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript(SCHEMA)
        yield CountedCalls(db)


def test_a_call_is_noted_once(counts: CountedCalls) -> None:
    assert counts.add(1, [counted("a", "1", 0.0), counted("b", "1", 0.0)]) == 2
    assert counts.add(1, [counted("a", "2", 9.0)]) == 0
    assert counts.add(2, [counted("a", "2", 9.0)]) == 1
    assert len(counts.of(1)) == 2


@pytest.mark.parametrize(
    ("n_callers", "share", "common"), [(5, 0.3, True), (4, 1.0, False), (30, 0.2, False)]
)
def test_what_live_voices_follow_is_common(
    counts: CountedCalls, n_callers: int, share: float, common: bool
) -> None:
    counts.add(1, [counted(f"live {n}", f"{n}", 0.0, goes_on=True) for n in range(n_callers)])
    others = round(n_callers * (1 / share - 1))
    counts.add(1, [counted(f"other {n}", f"9{n}", 0.0) for n in range(others)])
    assert counts.is_common(1) is common


def test_one_caller_who_goes_on_is_no_announcement(counts: CountedCalls) -> None:
    counts.add(1, [counted(f"{n}", "952137", 0.0, goes_on=True) for n in range(30)])
    assert not counts.is_common(1)


@pytest.mark.parametrize(
    ("days", "callers", "common"), [(4, 80, True), (1, 2000, False), (4, 8, False)]
)
def test_what_everybody_plays_day_after_day_is_common(
    counts: CountedCalls, days: int, callers: int, common: bool
) -> None:
    """A campaign from random numbers is a burst; one of some numbers may go on for days."""
    counts.add(1, [counted(f"{n}", f"1{n % callers}", DAY * (n % days)) for n in range(2000)])
    assert counts.is_common(1) is common


def test_a_call_of_no_known_time_says_nothing_of_days(counts: CountedCalls) -> None:
    untimed = [counted(f"untimed {n}", f"2{n}", math.nan) for n in range(2000)]
    counts.add(1, [counted(f"{n}", f"1{n}", DAY * (n % 4)) for n in range(80)] + untimed)
    assert counts.is_common(1)
    counts.add(2, [counted(f"{n}", f"1{n}", DAY * (n % 2)) for n in range(80)] + untimed)
    assert not counts.is_common(2)
