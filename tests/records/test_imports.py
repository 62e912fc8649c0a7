from pathlib import Path

import pytest

from audio_model.errors import ResultsError
from audio_model.ranges.numbers import normalise
from audio_model.records import imports, marks
from audio_model.records.calls import read_archive, segment_of
from audio_model.records.marks import Said
from audio_model.records.store import CallStore
from audio_model.tables.readers import DamagedRow
from tests.records import made
from tests.records.made import THRESHOLDS, call, number_of, queue, store_of

HEADER = "path,verdict,score,reason,error,caller,called,time,campaign\n"


def results(folder: Path, *rows: str, name: str = "r.csv", header: str = HEADER) -> str:
    path = folder / name
    path.write_text(header + "\n".join(rows) + "\n", encoding="utf-8")
    return str(path)


def test_results_become_calls_with_the_caller_and_the_moment(tmp_path: Path) -> None:
    path = results(
        tmp_path,
        "a.wav,recorded,0.97,,,'95213742,13800138000,2026-03-01T08:00:00+08:00,",
        "b.wav,unknown,,error,broken,,,,",
    )
    with CallStore(":memory:") as store:
        done = imports.import_archive(store, path, made.THRESHOLDS)
        first, second = store.calls("1 ORDER BY n")
    assert (done.new, done.known, done.damaged, done.untimed) == (2, 0, 0, 1)
    assert (first.number, first.segment, first.called) == ("95213742", "9521", "13800138000")
    assert first.time == 1_772_323_200
    assert Path(first.path).is_absolute() and first.path.endswith("a.wav")
    assert (second.number, second.queue) == ("withheld", None)


def test_recordings_that_are_not_where_results_say_are_told(tmp_path: Path) -> None:
    (tmp_path / "here.wav").write_bytes(b"RIFF")
    (tmp_path / "calls.zip").write_bytes(b"PK")
    rows = [f"{tmp_path}/{name},live,0.1,,,139,,," for name in ("here.wav", "gone.wav", "lost.wav")]
    rows += [f"zip://a.wav::{tmp_path}/calls.zip,live,0.1,,,139,,,", "s3://b/a.wav,live,0.1,,,1,,,"]
    with CallStore(":memory:") as store:
        done = imports.import_archive(store, results(tmp_path, *rows), made.THRESHOLDS)
    assert (done.looked_for, done.missing) == (5, 2)
    assert done.missing_path == f"{tmp_path}/gone.wav"


def test_a_time_that_cannot_be_read_is_a_row_with_a_reason_and_nothing_else_is_lost(
    tmp_path: Path,
) -> None:
    path = results(
        tmp_path,
        "a.wav,live,0.1,,,139,,10/09/2025,",
        "b.wav,maybe,0.1,,,139,,,",
        "c.wav,live,0.1,,,13912345678,,1790000000,",
    )
    with CallStore(":memory:") as store:
        done = imports.import_archive(store, path, made.THRESHOLDS)
    assert (done.new, done.damaged) == (1, 2)
    assert [each.where for each in done.problems] == ["line 2", "line 3"]
    assert "10/09/2025" in str(done.problems[0])


def test_a_date_of_zeros_is_no_time(tmp_path: Path) -> None:
    path = results(tmp_path, "a.wav,live,0.1,,,139,,0000-00-00 00:00:00,")
    with CallStore(":memory:") as store:
        done = imports.import_archive(store, path, made.THRESHOLDS)
    assert (done.new, done.untimed, done.damaged) == (1, 1, 0)


def test_the_same_results_again_change_verdicts_and_count_nothing_twice(tmp_path: Path) -> None:
    rows = ["a.wav,unknown,0.5,unsure,,95213742,,1790000000,7"] * 1
    with CallStore(":memory:") as store:
        imports.import_archive(store, results(tmp_path, *rows), made.THRESHOLDS)
        rows = ["a.wav,recorded,0.99,,,95213742,,1790000000,7"]
        again = imports.import_archive(store, results(tmp_path, *rows), made.THRESHOLDS)
        (call,) = store.calls("1")
        (campaign,) = store.campaigns(5)
    assert (again.new, again.known) == (0, 1)
    assert (call.outcome, campaign.calls) == ("recorded", 1)


def test_a_campaigns_bare_number_is_its_archives_own(tmp_path: Path) -> None:
    with CallStore(":memory:") as store:
        for name in ("one.csv", "two.csv"):
            row = f"{name}.wav,recorded,0.9,,,95213742,,1790000000,1"
            imports.import_archive(store, results(tmp_path, row, name=name), made.THRESHOLDS)
        assert [each.calls for each in store.campaigns(5)] == [1, 1]


def test_a_call_that_is_heard_anew_leaves_the_campaign_that_it_was_thought_to_be_of() -> None:
    store = store_of(
        call("a", campaign="loan", speech_seconds=5.0),
        call("b", campaign="loan", speech_seconds=3.0),
        call("c", campaign="loan", speech_seconds=4.0),
    )
    assert queue(store) == ["a"]
    store.add([call("a", campaign="prize"), call("b", path="")], None, THRESHOLDS)
    loan, prize = sorted(store.campaigns(9), key=lambda each: each.name)
    assert (loan.calls, loan.exemplar, loan.seconds) == (1, number_of(store, "c"), 4.0)
    assert (prize.calls, prize.exemplar) == (1, number_of(store, "a"))
    assert set(queue(store)) == {"a", "c"}
    store.add([call("c")], None, THRESHOLDS)
    loan = next(each for each in store.campaigns(9) if each.name == "loan")
    assert (loan.calls, loan.exemplar) == (0, None)


def test_what_people_asked_for_stays_when_a_call_is_heard_anew() -> None:
    store = store_of(call("a"), call("b"))
    marks.give(store, number_of(store, "a"), "wang", Said.UNSURE)
    assert store.call(1).why == "second"
    store.add([call("a", score=0.4)], None, THRESHOLDS)
    assert store.call(1).why == "second"
    store.add([call("b", path="")], None, THRESHOLDS)
    assert queue(store) == ["a"]


def test_a_known_recording_is_one_campaign_wherever_it_is_heard(tmp_path: Path) -> None:
    with CallStore(":memory:") as store:
        for name in ("one.csv", "two.csv"):
            row = f"{name}.wav,recorded,0.9,17,loan"
            header = "path,verdict,score,known,known_name\n"
            path = results(tmp_path, row, name=name, header=header)
            imports.import_archive(store, path, made.THRESHOLDS)
        (campaign,) = store.campaigns(5)
    assert (campaign.name, campaign.calls) == ("known 17", 2)


def test_columns_of_other_names_are_mapped(tmp_path: Path) -> None:
    header = "path,verdict,score,主叫号码,呼叫时间\n"
    path = results(tmp_path, "a.wav,live,0.1,139 1234 5678,20260301080000", header=header)
    (call,) = read_archive(path, {"caller": "主叫号码", "time": "呼叫时间"})
    assert not isinstance(call, DamagedRow)
    assert normalise(call.caller).key == "+8613912345678" and call.time is not None


def test_what_is_no_result_is_refused_by_name(tmp_path: Path) -> None:
    with CallStore(":memory:") as store, pytest.raises(ResultsError, match=r"nothing\.csv"):
        imports.import_archive(store, str(tmp_path / "nothing.csv"), made.THRESHOLDS)


@pytest.mark.parametrize(
    ("number", "segment"),
    [
        ("95213742", "9521"),
        ("95588", "9558"),
        ("13912345678", "+86139"),
        ("010-12345678", "implausible"),
        ("+49 30 901820", "foreign"),
        ("匿名", "withheld"),
        ("95213742001122", "?9521"),
        ("95588(1)", "?malformed"),
    ],
)
def test_segments(number: str, segment: str) -> None:
    if segment == "implausible":
        assert segment_of(normalise(number)) in ("landline", "?+861")
        return
    assert segment_of(normalise(number)) == segment


def test_the_call_that_taught_a_recording_is_of_its_campaign(tmp_path: Path) -> None:
    header = HEADER.replace("campaign", "known,campaign")
    path = results(
        tmp_path,
        "taught.wav,recorded,0.97,,,139,,,,1",
        "again.wav,recorded,0.97,,,139,,,7,1",
        "third.wav,recorded,0.97,,,139,,,7,1",
        # Two recordings: nobody can tell which one the first call plays.
        "any.wav,recorded,0.97,,,139,,,,2",
        "this.wav,recorded,0.97,,,139,,,8,2",
        "that.wav,recorded,0.97,,,139,,,9,2",
        "alone.wav,live,0.1,,,139,,,,",
        header=header,
    )
    with CallStore(":memory:") as store:
        imports.import_archive(store, path, made.THRESHOLDS)
        found = {each.name: each.calls for each in store.campaigns(9)}
    assert found == {"known 7": 3, f"2 of {path}": 1, "known 8": 1, "known 9": 1}
