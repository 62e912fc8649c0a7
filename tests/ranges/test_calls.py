import json
from collections import Counter
from pathlib import Path

import arro3.io
import pytest
from arro3.core import Array, DataType, RecordBatch, RecordBatchReader

from audio_model.errors import ResultsError, UsageError
from audio_model.ranges.calls import parse_call, read_calls
from audio_model.ranges.rates import CallAnswer
from audio_model.ranges.tree import RangeCall
from audio_model.tables.readers import DamagedRow
from audio_model.times import Form

ROW = {"caller": "95213001", "time": "1700000000.5", "verdict": "recorded"}


def write(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_result_table_with_carried_call_records_is_read(tmp_path: Path) -> None:
    file = write(
        tmp_path / "verdicts.csv",
        "path,verdict,score,reason,caller,time,called,duration,campaign,colour\n"
        "a.wav,recorded,0.97,,95213001,2024-11-24T10:00:00+08:00,13800000000,7.5,K1,red\n"
        "b.wav,unknown,,silence,13912345678,1732413601,,,,blue\n",
    )
    first, second = read_calls(file)
    assert first == RangeCall(
        id="a.wav",
        caller="95213001",
        time=1732413600.0,
        outcome=CallAnswer.RECORDED,
        called="13800000000",
        duration=7.5,
        campaign="K1",
        path="a.wav",
        score=0.97,
    )
    assert isinstance(second, RangeCall)
    assert (second.outcome, second.duration, second.score) == (CallAnswer.UNHEARD, None, None)


def test_live_events_are_read(tmp_path: Path) -> None:
    event: dict[str, object] = {
        "event": "final",
        "call": "abc",
        "verdict": "unknown",
        "reason": "unsure",
    }
    event |= {"caller": "+8613912345678", "called": "95588", "time": 1.7e9}
    (call,) = read_calls(write(tmp_path / "events.jsonl", json.dumps(event) + "\n"))
    assert isinstance(call, RangeCall)
    assert (call.id, call.time, call.outcome) == ("abc", 1.7e9, CallAnswer.UNSURE)


def test_a_known_recording_is_a_campaign(tmp_path: Path) -> None:
    table = write(
        tmp_path / "verdicts.csv",
        "path,verdict,caller,time,campaign,known\n"
        "a.wav,recorded,95213001,1700000000,,7\nb.wav,recorded,95213001,1700000000,K1,7\n"
        "c.wav,live,95213001,1700000000,,\n",
    )
    event = {
        "caller": "95588",
        "time": 1700000000,
        "verdict": "recorded",
        "known": {"recording": 7},
    }
    events = write(tmp_path / "events.jsonl", json.dumps(event) + "\n")
    calls = [*read_calls(table), *read_calls(events)]
    assert [c.campaign for c in calls if isinstance(c, RangeCall)] == ["7", "K1", "", "7"]


def test_numbers_that_parquet_took_for_quantities_stay_numbers(tmp_path: Path) -> None:
    columns = {
        "caller": Array([13912345678.0], DataType.float64()),
        "time": Array([1.7e9], DataType.float64()),
        "verdict": Array(["live"], DataType.utf8()),
    }
    batch = RecordBatch.from_pydict({**columns})
    file = tmp_path / "calls.parquet"
    arro3.io.write_parquet(RecordBatchReader.from_batches(batch.schema, [batch]), str(file))
    (call,) = read_calls(str(file))
    assert isinstance(call, RangeCall)
    assert call.number.key == "+8613912345678"


def test_a_call_without_an_id_has_its_place(tmp_path: Path) -> None:
    file = write(
        tmp_path / "c.csv", "caller,time,verdict\n95588,1700000000,live\n95588,1700000000,live\n"
    )
    ids = [call.id for call in read_calls(file) if isinstance(call, RangeCall)]
    assert ids == [f"{file}, line 2", f"{file}, line 3"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"time": "yesterday"}, "time"),
        ({"time": ""}, "time"),
        ({"time": "nan"}, "time"),
        ({"time": "9" * 400}, "time"),
        ({"verdict": "maybe"}, "verdict"),
        ({"verdict": None}, "verdict"),
        ({"duration": "long"}, "duration"),
        ({"score": "inf"}, "score"),
    ],
)
def test_what_is_wrong_with_a_row_is_told(change: dict[str, object], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_call({**ROW, **change}, "here")


def test_a_damaged_row_does_not_end_the_file(tmp_path: Path) -> None:
    file = write(
        tmp_path / "c.csv", "caller,time,verdict\n95588,x,live\n95588,1\n95588,1700000002,live\n"
    )
    rows = list(read_calls(file))
    assert [isinstance(row, DamagedRow) for row in rows] == [True, True, False]
    assert "line 2: time" in str(rows[0])


def test_files_that_are_none_are_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="must end in"):
        list(read_calls(write(tmp_path / "calls.xlsx", "")))
    with pytest.raises(ResultsError, match="No such file"):
        list(read_calls(str(tmp_path / "none.csv")))
    with pytest.raises(ResultsError, match='no column named "caller"'):
        list(read_calls(write(tmp_path / "c.csv", "time,verdict\n")))


def test_columns_go_by_other_names_and_capitals(tmp_path: Path) -> None:
    table = "主叫号码;呼叫时间;Verdict;CALLED\r\n'13912345678;1700000000000;live;95588.0\r\n"
    file = tmp_path / "c.csv"
    file.write_bytes(table.encode("gbk"))
    forms: Counter[Form] = Counter()
    names = {"caller": "主叫号码", "time": "呼叫时间"}
    (call,) = read_calls(str(file), names, forms)
    assert isinstance(call, RangeCall)
    assert (call.number.key, call.time, call.called) == ("+8613912345678", 1.7e9, "95588")
    assert forms == {Form.MILLISECONDS: 1}
    with pytest.raises(ResultsError, match='no column named "time"'):
        list(read_calls(str(file), {"caller": "主叫号码"}))


def test_a_time_that_is_not_plausible_names_its_row(tmp_path: Path) -> None:
    file = write(tmp_path / "c.csv", "caller,time,verdict\n95588,1.76E+12,live\n95588,12,live\n")
    assert [str(row).partition(": ")[2][:22] for row in read_calls(file)] == [
        'line 2: time is "1.76E',
        'line 3: time is "12": ',
    ]
