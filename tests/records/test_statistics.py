import csv
import io
from zoneinfo import ZoneInfo

from audio_model.ranges.breaker import Change, Why
from audio_model.ranges.tree import State
from audio_model.records import marks, statistics
from audio_model.records.counting import Opening
from audio_model.records.marks import Said
from audio_model.records.periods import Unit, before, period_of, periods
from audio_model.records.quarters import Quarters
from audio_model.records.store import CallStore
from audio_model.times import parse
from tests.records.made import THRESHOLDS, call, number_of, store_of

SHANGHAI = ZoneInfo("Asia/Shanghai")
BERLIN = ZoneInfo("Europe/Berlin")


def test_a_day_is_the_zones_own_and_as_long_as_the_clocks_make_it() -> None:
    day = period_of(parse("2026-03-01T23:30:00Z"), Unit.DAY, SHANGHAI)
    assert (day.name, day.end - day.start) == ("2026-03-02", 86_400)
    short = period_of(parse("2026-03-29T10:00:00Z"), Unit.DAY, BERLIN)
    assert short.end - short.start == 23 * 3600


def test_weeks_begin_on_monday_and_months_follow_each_other() -> None:
    week = period_of(parse("2027-01-01T12:00:00Z"), Unit.WEEK, SHANGHAI)
    assert (week.name, week.day.isoformat()) == ("2026-W53", "2026-12-28")
    first, last = parse("2025-11-15T00:00:00Z"), parse("2026-02-01T00:00:00Z")
    names = [each.name for each in periods(first, last, Unit.MONTH, SHANGHAI)]
    assert names == ["2025-11", "2025-12", "2026-01", "2026-02"]


def month() -> CallStore:
    """Two calls in May; in June four recordings of 95213xxx, one live, one nobody can tell."""
    may, june = parse("2026-05-31T15:00:00Z"), parse("2026-05-31T17:00:00Z")
    return store_of(
        call("m1", "recorded", time=may),
        call("m2", "live", time=may, caller="13912345678"),
        *(
            call(
                f"j{n}",
                "recorded",
                time=june + n,
                caller=f"9521300{n % 2}",
                called=f"1380013800{n}",
            )
            for n in range(4)
        ),
        call("j4", "live", time=june, caller="95223001", called="13800138000"),
        call("j5", time=june, caller="13912345678", called=""),
        call("untimed", time=None),
    )


def table(found: statistics.Table) -> list[dict[str, object]]:
    return [dict(zip(found.columns, row, strict=True)) for row in found.rows]


def test_calls_are_counted_in_the_zones_months_with_their_growth() -> None:
    store = month()
    span = statistics.span(store)
    assert span is not None
    found = periods(*span, Unit.MONTH, SHANGHAI)
    may, june = table(statistics.by_period(Quarters(store), found, [], Unit.MONTH, SHANGHAI))
    assert (may["period"], may["calls"], may["recorded"], may["growth"]) == ("2026-05", 2, 1, None)
    assert (june["calls"], june["recorded"], june["live"], june["unknown"]) == (6, 4, 1, 1)
    assert (june["numbers"], june["people"]) == (4, 4)
    assert (june["recorded_numbers"], june["recorded_people"]) == (2, 4)
    assert (june["growth"], june["recorded_growth"]) == (2.0, 3.0)
    assert june["recorded_share"] == 0.6667


def test_what_people_say_goes_before_the_detector() -> None:
    store = month()
    marks.give(store, number_of(store, "j4"), "wang", Said.RECORDED)
    june = period_of(parse("2026-06-02T00:00:00Z"), Unit.MONTH, SHANGHAI)
    (row,) = table(statistics.by_period(Quarters(store), [june], [], Unit.MONTH, SHANGHAI))
    assert (row["recorded"], row["live"]) == (5, 0)


def test_a_campaigns_mark_counts_for_all_its_calls() -> None:
    store = store_of(*(call(str(n), campaign="loan") for n in range(5)))
    marks.give(store, 1, "wang", Said.RECORDED)
    moment = store.call(1).time
    assert moment is not None
    today = period_of(moment, Unit.DAY, SHANGHAI)
    (row,) = table(statistics.by_period(Quarters(store), [today], [], Unit.DAY, SHANGHAI))
    assert row["recorded"] == 5
    (campaign,) = table(
        statistics.by_campaign(Quarters(store), today, before(today, Unit.DAY, SHANGHAI))
    )
    assert (campaign["campaign"], campaign["calls"], campaign["mark"]) == ("loan", 5, "recorded")
    assert (
        "2026-09-21T14:13:20+00:00"
        in statistics.Table(
            "x",
            tuple(campaign),
            [tuple(campaign.values())],  # type: ignore[arg-type]
        ).csv()
    )


def test_segments_stand_under_their_families() -> None:
    store = month()
    june = period_of(parse("2026-06-02T00:00:00Z"), Unit.MONTH, SHANGHAI)
    rows = table(statistics.by_segment(Quarters(store), june, before(june, Unit.MONTH, SHANGHAI)))
    assert [(row["segment"], row["calls"]) for row in rows] == [
        *(("95", 5), ("952", 5), ("9521", 4), ("9522", 1), ("+86139", 1)),
    ]
    assert rows[0]["growth"] == 4.0 and rows[0]["people"] == 4
    assert rows[2]["growth"] == 3.0 and rows[3]["growth"] is None


def test_calls_under_an_open_range_are_blocked_once() -> None:
    store = month()
    store.add([call("told", time=parse("2026-06-01T00:00:00Z"), act="block")], None, THRESHOLDS)
    june = period_of(parse("2026-06-02T00:00:00Z"), Unit.MONTH, SHANGHAI)
    start = june.start
    both = [Opening("9521", start, start + 3603), Opening("952130", start, start + 3602)]
    (row,) = table(statistics.by_period(Quarters(store), [june], both, Unit.MONTH, SHANGHAI))
    assert row["blocked"] == 4


def test_openings_come_from_changes() -> None:
    def change(time: float, before: State, after: State) -> Change:
        return Change(time, "9521", before, after, Why.TIME, (), 0.0, {})

    changes = [
        change(30, State.HALF_OPEN, State.OPEN),
        change(20, State.OPEN, State.HALF_OPEN),
        change(10, State.WARNED, State.OPEN),
    ]
    assert statistics.openings(changes, 50) == [Opening("9521", 10, 20), Opening("9521", 30, 50)]


def test_marks_are_counted_when_they_were_given() -> None:
    store = month()
    now = parse("2026-07-05T00:00:00Z")
    for n, (id, said) in enumerate(
        [("j0", Said.RECORDED), ("j1", Said.LIVE), ("j5", Said.UNSURE), ("j4", Said.WRONG_NUMBER)]
    ):
        marks.give(store, number_of(store, id), ("wang", "li")[n % 2], said, now + n)
    july = period_of(now, Unit.MONTH, SHANGHAI)
    (row,) = table(statistics.by_mark(store, [july]))
    assert (row["marks"], row["people"], row["compared"], row["agreed"]) == (4, 2, 3, 2)


def test_csv_opens_in_a_spreadsheet_without_running_anything() -> None:
    found = statistics.Table("x", ("a", "b"), [("=1+1", 2), ("+86139", 0.5), ("9521", None)])
    rows = list(csv.reader(io.StringIO(found.csv())))
    assert rows == [["a", "b"], ["'=1+1", "2"], ["+86139", "0.5"], ["9521", ""]]
