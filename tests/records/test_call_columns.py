"""What is counted from columns equals a recount of the calls, whatever was done to them."""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from audio_model.records import call_columns, marks, statistics
from audio_model.records.call_columns import ColumnReader
from audio_model.records.counting import Opening
from audio_model.records.marks import Said
from audio_model.records.periods import Unit, before, periods
from audio_model.records.schema import _SCHEMA as SCHEMA
from audio_model.records.store import CallStore
from tests.records.made import NOON, THRESHOLDS, call, number_of, store_of

KATHMANDU = ZoneInfo("Asia/Kathmandu")  # 5:45 ahead
NUMBERS = ["95213001", "95213002", "95223001", "95588", "13912345678", "+4420", "anonymous", "9521"]
TIMES = [NOON + hours * 3600 + seconds for hours in (0, 6, 7, 30) for seconds in (0.25, 899.5)]

calls = st.builds(
    call,
    st.sampled_from(["a", "b", "c", "d", "e"]),
    st.sampled_from(["recorded", "live", "unknown", "error"]),
    time=st.sampled_from([None, *TIMES]),
    caller=st.sampled_from(NUMBERS),
    called=st.sampled_from(["", "13800138000", "13800138001"]),
    campaign=st.sampled_from(["", "loan", "prize"]),
    act=st.sampled_from(["", "block"]),
)
deeds = st.one_of(
    st.tuples(st.just("add"), calls),
    st.tuples(st.just("mark"), st.sampled_from(list(Said)), st.integers(1, 5)),
    st.tuples(st.just("undo")),
    st.tuples(st.just("campaign"), st.sampled_from(["recorded", "allowed", ""]), st.integers(1, 2)),
    st.tuples(st.just("refresh")),
    st.tuples(st.just("remove"), st.integers(1, 5)),
)
openings = st.lists(
    st.builds(
        Opening,
        st.sampled_from(["95", "9521", "95213001", "?", "+86139"]),
        st.sampled_from(TIMES),
        st.sampled_from(TIMES),
    ),
    max_size=3,
)


def do(store: CallStore, deed: tuple[Any, ...]) -> None:
    """Do one thing that may change figures."""
    there = [row[0] for row in store.rows("SELECT n FROM calls")]
    match deed:
        case ("add", record):
            store.add([record], None, THRESHOLDS)
        case ("mark", said, n) if n in there:
            marks.give(store, n, "wang", said)
        case ("undo",):
            marks.undo(store, "wang")
        case ("campaign", mark, n) if store.campaign(n) is not None:
            marks.mark_campaign(store, n, mark, "li", NOON)
        case ("refresh",):
            call_columns.refresh(store)
        case ("remove", n) if store.one("SELECT 1 FROM deeds WHERE call = ?", (n,)) is None:
            store.do("DELETE FROM calls WHERE n = ?", (n,))


def recount(store: CallStore, start: float, end: float) -> list[dict[str, Any]]:
    """The calls of a span as they are, each with what it comes to."""
    found = []
    for time, number, called, segment, outcome, settled, name, mark, act in store.rows(
        "SELECT c.time, c.number, c.called, c.segment, c.outcome, c.settled, g.name, g.mark, "
        "c.act FROM calls AS c LEFT JOIN campaigns AS g ON g.n = c.campaign"
    ):
        if time is not None and start <= time < end:
            said = settled or ("recorded" if mark == "recorded" else outcome)
            found.append(
                {
                    **{"time": time, "number": number, "called": called, "segment": segment},
                    **{"outcome": said, "campaign": name, "act": act},
                }
            )
    return found


def counts(found: Iterable[dict[str, Any]]) -> tuple[int, ...]:
    """Calls, recorded ones, who called, who was called, and so of the recorded ones."""
    found = list(found)
    recorded = [each for each in found if each["outcome"] == "recorded"]
    return (
        *(len(found), len(recorded)),
        *(len({each["number"] for each in found}), len({c["called"] for c in found} - {""})),
        *(len({each["number"] for each in recorded}), len({c["called"] for c in recorded} - {""})),
    )


@settings(max_examples=40, deadline=None)
@given(st.lists(deeds, max_size=25), openings)
def test_figures_are_those_of_a_recount(done: list[tuple[Any, ...]], opened: list[Opening]) -> None:
    store = store_of()
    for deed in done:
        do(store, deed)
    days = periods(TIMES[0], TIMES[-1], Unit.DAY, KATHMANDU)
    with store.reading():
        columns = ColumnReader(store)
        by_day = statistics.by_period(columns, days, opened, Unit.DAY, KATHMANDU)
        for day, row in zip(days, by_day.rows, strict=True):
            told = dict(zip(by_day.columns, row, strict=True))
            found = recount(store, day.start, day.end)
            names = ("calls", "recorded", "numbers", "people", "recorded_numbers")
            assert (*(told[name] for name in names), told["recorded_people"]) == counts(found)
            for outcome in ("live", "unknown", "error"):
                assert told[outcome] == sum(each["outcome"] == outcome for each in found)
            assert told["blocked"] == sum(
                each["act"] == "block"
                or any(
                    each["number"].startswith(range.prefix)
                    and range.start <= each["time"] < range.end
                    for range in opened
                )
                for each in found
            )
        day = days[0]
        last = before(day, Unit.DAY, KATHMANDU)
        found = recount(store, day.start, day.end)
        wide = {"95", "952", "955"}
        segments = {each["segment"] for each in found}
        segments |= {each for each in wide if any(name.startswith(each) for name in segments)}
        by_segment = statistics.by_segment(columns, day, last)
        assert {row[0] for row in by_segment.rows} == segments
        for name, n, recorded, _, *distinct, _, _ in by_segment.rows:
            assert (n, recorded, *distinct) == counts(
                each
                for each in found
                if each["segment"] == name or (name in wide and each["segment"].startswith(name))
            )
        by_campaign = {row[0]: row for row in statistics.by_campaign(columns, day, last).rows}
        assert set(by_campaign) == {each["campaign"] for each in found} - {None}
        for campaign, row in by_campaign.items():
            own = [each for each in found if each["campaign"] == campaign]
            calls, _, numbers, people, *_ = counts(own)
            times = [each["time"] for each in own]
            assert row[1:6] == (calls, numbers, people, min(times), max(times))


def test_a_mark_makes_no_quarter_anew_and_a_call_its_own_alone() -> None:
    store = store_of(*(call(str(n), time=NOON + 900 * n, campaign="loan") for n in range(5)))
    assert call_columns.refresh(store) == 5
    marks.give(store, 1, "wang", Said.RECORDED)
    assert call_columns.refresh(store) == 0
    store.add([call("3", "live", time=NOON + 900 * 3, campaign="loan")], None, THRESHOLDS)
    store.add([call("4", time=NOON + 900 * 4, campaign="loan")], None, THRESHOLDS)
    assert call_columns.refresh(store) == 1
    columns = ColumnReader(store).between(NOON, NOON + 9000)
    assert [call_columns.OUTCOMES[code] for code in columns.outcome] == ["recorded"] * 5


def test_the_calls_of_an_older_store_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "desk.db"
    store_of(call("a"), call("b", time=None), path=path).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for name in ("call_came", "call_went", "call_changed"):
            db.execute(f"DROP TRIGGER {name}")
        for name in ("quarters", "segments", "stale", "taught"):
            db.execute(f"DROP TABLE {name}")
        for name in ("by_settled", "by_said", "settled_in"):
            db.execute(f"DROP INDEX {name}")
        db.execute("ALTER TABLE campaigns DROP COLUMN note")
        db.execute("ALTER TABLE learnt ADD COLUMN was TEXT NOT NULL DEFAULT ''")
        db.execute("PRAGMA user_version = 1")
    with CallStore(path) as store:
        assert len(ColumnReader(store).between(NOON, NOON + 1)) == 1
        assert call_columns.refresh(store) == 1
        assert len(ColumnReader(store).between(NOON, NOON + 1)) == 1
        assert number_of(store, "b") == 2
        assert (
            SCHEMA.count("CREATE")
            == store.one("SELECT count(*) FROM sqlite_schema WHERE sql IS NOT NULL")[0]
        )
