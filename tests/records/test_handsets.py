import sqlite3
from contextlib import closing
from datetime import UTC
from pathlib import Path

import pytest

from audio_model.errors import UsageError
from audio_model.records import handsets, marks
from audio_model.records.mark_statistics import by_source
from audio_model.records.marks import Said
from audio_model.records.periods import Unit, periods
from audio_model.records.store import CallStore
from tests.records.made import NOON, call, store_of


def table(folder: Path, *rows: str, header: str = "number,time,mark,who") -> str:
    path = folder / "marks.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return str(path)


def test_marks_find_their_calls_by_number_and_time(tmp_path: Path) -> None:
    store = store_of(call("early", time=NOON - 300), call("late", time=NOON + 10))
    rows = [
        f"95213742,{NOON:.0f},录音,phone-1",
        f"+86 139 1234 5678,{NOON:.0f},live,phone-2",
        "95213742,,recorded,phone-3",
    ]
    taken = handsets.import_marks(store, table(tmp_path, *rows), "app", 0.7)
    assert (taken.calls, taken.numbers, taken.unmatched, taken.damaged) == (1, 2, 0, 0)
    (mark,) = marks.of_call(store, 2)
    assert (mark.said, mark.who, mark.source, mark.trust) == (Said.RECORDED, "phone-1", "app", 0.7)
    assert [each.who for each in marks.of_number(store, "95213742")] == ["phone-3"]


def test_when_a_mark_without_a_time_was_said_stays_unknown(tmp_path: Path) -> None:
    path = tmp_path / "desk.db"
    rows = ["a,live,phone-1,", f"a,live,phone-2,{NOON:.0f}"]
    with store_of(call("a"), path=path) as store:
        marked = table(tmp_path, *rows, header="call,mark,who,time")
        assert handsets.import_marks(store, marked, "app", 0.7).untimed == 1
        marks.give(store, 1, "wang", Said.LIVE, NOON + 5)
        told = [(each.who, each.time) for each in marks.of_call(store, 1)]
        assert sorted(told) == [("phone-1", None), ("phone-2", NOON), ("wang", NOON + 5)]
        period = periods(NOON, NOON + 1, Unit.MONTH, UTC)
        assert by_source(store, period).rows[0][2] == 1
    with closing(sqlite3.connect(path)) as db, db:
        # As the former format had it, in which the time of the import was taken.
        db.execute("UPDATE marks SET time = marked WHERE time IS NULL")
        db.execute("PRAGMA user_version = 5")
    with CallStore(path) as store:
        assert sorted((each.who, each.time) for each in marks.of_call(store, 1)) == sorted(told)
        marks.give(store, 1, "wang", Said.RECORDED)
        assert len(marks.of_call(store, 1)) == 3


def test_a_bad_row_is_told_with_its_line_and_the_others_are_taken(tmp_path: Path) -> None:
    store = store_of(call("a"))
    rows = [
        "a,maybe,phone-1,",
        "a,live,,",
        "a,live,phone-2,7",
        "a,live,phone-3,nan",
        "nowhere,live,phone-4,",
        "a,live,phone-5,0.9",
    ]
    path = table(tmp_path, *rows, header="call,mark,who,trust")
    taken = handsets.import_marks(store, path, "app", 0.7)
    assert (taken.calls, taken.unmatched, taken.damaged) == (1, 1, 4)
    assert [each.where for each in taken.problems] == [f"line {n}" for n in (2, 3, 4, 5)]
    assert "maybe" in str(taken.problems[0])


def test_a_second_mark_of_one_handset_takes_the_place_of_the_first(tmp_path: Path) -> None:
    store = store_of(call("a"))
    rows = ["a,live,phone-1", "a,recorded,phone-1"]
    handsets.import_marks(store, table(tmp_path, *rows, header="call,mark,who"), "app", 0.7)
    assert [each.said for each in marks.of_call(store, 1)] == [Said.RECORDED]


@pytest.mark.parametrize("trust", [0.2, 1.0, float("nan")])
def test_a_trust_that_is_no_chance_is_refused(tmp_path: Path, trust: float) -> None:
    with pytest.raises(UsageError, match="trust"):
        handsets.import_marks(store_of(), table(tmp_path), "app", trust)
