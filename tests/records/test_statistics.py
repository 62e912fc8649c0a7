import csv
import io
from zoneinfo import ZoneInfo

from audio_model.ranges.breaker import Change, Why
from audio_model.ranges.tree import State
from audio_model.records import marks, statistics
from audio_model.records.call_columns import ColumnReader
from audio_model.records.counting import Opening
from audio_model.records.mark_statistics import by_mark, by_source
from audio_model.records.marks import Mark, Said
from audio_model.records.periods import Unit, before, period_of, periods
from audio_model.records.store import CallStore
from audio_model.records.tables import Table
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


def table(found: Table) -> list[dict[str, object]]:
    return [dict(zip(found.columns, row, strict=True)) for row in found.rows]


def test_calls_are_counted_in_the_zones_months_with_their_growth() -> None:
    store = month()
    span = statistics.span(store)
    assert span is not None
    found = periods(span.first, span.end, Unit.MONTH, SHANGHAI)
    may, june = table(statistics.by_period(ColumnReader(store), found, [], Unit.MONTH, SHANGHAI))
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
    (row,) = table(statistics.by_period(ColumnReader(store), [june], [], Unit.MONTH, SHANGHAI))
    assert (row["recorded"], row["live"]) == (5, 0)


def test_a_campaigns_mark_counts_for_all_its_calls() -> None:
    store = store_of(*(call(str(n), campaign="loan") for n in range(5)))
    marks.give(store, 1, "wang", Said.RECORDED)
    moment = store.call(1).time
    assert moment is not None
    today = period_of(moment, Unit.DAY, SHANGHAI)
    (row,) = table(statistics.by_period(ColumnReader(store), [today], [], Unit.DAY, SHANGHAI))
    assert row["recorded"] == 5
    (campaign,) = table(
        statistics.by_campaign(ColumnReader(store), today, before(today, Unit.DAY, SHANGHAI))
    )
    assert (campaign["campaign"], campaign["calls"], campaign["mark"]) == ("loan", 5, "recorded")
    assert "2026-09-21T22:13:20+08:00" in Table(
        "x",
        tuple(campaign),
        [tuple(campaign.values())],  # type: ignore[arg-type]
    ).csv(SHANGHAI)


def test_segments_stand_under_their_families() -> None:
    store = month()
    june = period_of(parse("2026-06-02T00:00:00Z"), Unit.MONTH, SHANGHAI)
    rows = table(
        statistics.by_segment(ColumnReader(store), june, before(june, Unit.MONTH, SHANGHAI))
    )
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
    (row,) = table(statistics.by_period(ColumnReader(store), [june], both, Unit.MONTH, SHANGHAI))
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
    (row,) = table(by_mark(store, [july]))
    assert (row["marks"], row["marked_by"], row["compared"], row["agreed"]) == (4, 2, 3, 2)


def test_what_two_people_say_of_a_call_is_counted_once_and_when_the_second_has_said_it() -> None:
    store = month()
    june, july = parse("2026-06-30T00:00:00Z"), parse("2026-07-05T00:00:00Z")
    given = [
        *(("j0", "wang", Said.RECORDED, june), ("j0", "li", Said.RECORDED, july)),
        *(("j4", "wang", Said.WRONG_NUMBER, july), ("j4", "li", Said.LIVE, july)),
        *(("j1", "wang", Said.RECORDED, july), ("j1", "li", Said.LIVE, july)),
        *(("j5", "wang", Said.UNSURE, july), ("j5", "li", Said.LIVE, july)),
    ]
    for id, who, said, now in given:
        marks.give(store, number_of(store, id), who, said, now)
    spans = [period_of(each, Unit.MONTH, SHANGHAI) for each in (june, july)]
    rows = table(by_mark(store, spans))
    assert [(row["heard_twice"], row["people_agreed"]) for row in rows] == [(0, 0), (3, 2)]
    assert [row["marks"] for row in rows] == [1, 7]


def test_marks_of_handsets_are_counted_by_source_when_they_were_said() -> None:
    store = month()
    may, june = parse("2026-05-20T00:00:00Z"), parse("2026-06-20T00:00:00Z")
    now = parse("2026-07-05T00:00:00Z")
    call = number_of(store, "j0")
    for who, source, said, moment, n in [
        *(("a", "app", Said.RECORDED, june, call), ("b", "app", Said.LIVE, june, call)),
        *(("c", "app", Said.UNSURE, may, None), ("a", "centre", Said.RECORDED, june, None)),
    ]:
        marks.write(store, Mark(source, who, said, 0.7, moment, n, "95213000"), now)
    marks.give(store, call, "wang", Said.RECORDED, now)
    spans = [period_of(each, Unit.MONTH, SHANGHAI) for each in (may, june, now)]
    rows = table(by_source(store, spans))
    assert [
        (row["period"], row["source"], row["marks"], row["marked_by"], row["of_numbers"])
        for row in rows
    ] == [
        ("2026-05", "app", 1, 1, 1),
        ("2026-06", "app", 2, 2, 0),
        ("2026-06", "centre", 1, 1, 1),
    ]
    assert (rows[1]["settled"], rows[1]["desk_agreed"]) == (2, 1)
    assert table(by_mark(store, spans))[2]["marks"] == 1


def test_figures_go_on_to_the_last_mark_and_segments_are_of_the_last_calls() -> None:
    store = month()
    august = parse("2026-08-02T12:00:00Z")
    marks.give(store, number_of(store, "j0"), "wang", Said.RECORDED, august)
    span = statistics.span(store)
    assert span is not None
    assert (span.end, span.last < span.end) == (august, True)
    found = periods(span.first, span.end, Unit.MONTH, SHANGHAI)
    figures = statistics.count_all(store, found, [], Unit.MONTH, SHANGHAI)
    assert (figures.period.name, figures.before.name) == ("2026-06", "2026-05")
    by_name = {each.name: table(each) for each in figures.tables}
    assert [row["calls"] for row in by_name["by_period"]] == [2, 6, 0, 0]
    assert [row["marks"] for row in by_name["by_mark"]] == [0, 0, 0, 1]
    assert by_name["by_segment"][0]["calls"] == 5


def test_csv_opens_in_a_spreadsheet_without_running_anything() -> None:
    found = Table("x", ("a", "b"), [("=1+1", 2), ("+86139", 0.5), ("9521", None)])
    rows = list(csv.reader(io.StringIO(found.csv(SHANGHAI))))
    assert rows == [["a", "b"], ["'=1+1", "2"], ["+86139", "0.5"], ["9521", ""]]
