import argparse
import codecs
import csv
from pathlib import Path

import pytest

from audio_model.errors import OutputError, UnknownCallError, UsageError
from audio_model.ranges import command
from audio_model.ranges.describe import HISTORY_COLUMNS, RANGE_COLUMNS
from audio_model.ranges.page import page
from audio_model.ranges.rates import CallAnswer, MarkedAs
from audio_model.ranges.store import RangeStore
from audio_model.ranges.tree import RangeCall
from audio_model.times import parse
from tests.ranges_made import calls
from training.data import manifest

BLOCK = [f"952137{n:02d}" for n in range(100)]
HONEST = [f"952131{n:02d}" for n in range(5)]
VERDICTS = {
    CallAnswer.RECORDED: ("recorded", ""),
    CallAnswer.LIVE: ("live", ""),
    CallAnswer.UNSURE: ("unknown", "unsure"),
    CallAnswer.UNHEARD: ("unknown", "silence"),
}


def ranges(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args(arguments))


def write_calls(path: Path, heard: list[RangeCall]) -> str:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "caller", "called", "time", "verdict", "reason"])
        for call in heard:
            row = (f"{call.id}.wav", call.caller, call.called, call.time, *VERDICTS[call.outcome])
            writer.writerow(row)
    return str(path)


def archive() -> list[RangeCall]:
    bad = list(calls(BLOCK, 150, share=1.0, name="bad"))
    good = list(calls(HONEST, 150, share=0.0, start=1_000_000_000.5, name="good"))
    return [call for pair in zip(bad, good, strict=True) for call in pair]


def rows_by_prefix(path: Path) -> dict[str, dict[str, str]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        return {row["prefix"]: row for row in csv.DictReader(file)}


def test_an_archive_becomes_a_table_of_rows_by_prefix(tmp_path: Path) -> None:
    file = write_calls(tmp_path / "calls.csv", archive())
    assert ranges("count", file, "--output", str(tmp_path / "ranges.csv")) == 0
    table = rows_by_prefix(tmp_path / "ranges.csv")
    assert tuple(table["95213"]) == RANGE_COLUMNS
    assert (table["95213"]["calls"], table["952137"]["state"]) == ("300", "open")
    assert table["95213"]["state"] == "closed"
    assert float(table["952137"]["share_low"]) > 0.5 > float(table["95213"]["share_low"])


def test_the_order_of_files_and_rows_does_not_matter(tmp_path: Path) -> None:
    heard = archive()
    one = write_calls(tmp_path / "one.csv", heard)
    later = write_calls(tmp_path / "later.csv", heard[150:][::-1])
    early = write_calls(tmp_path / "early.csv", heard[:150][::-1])
    assert ranges("count", one, "--output", str(tmp_path / "a.csv")) == 0
    assert ranges("count", later, early, "--output", str(tmp_path / "b.csv")) == 0
    a, b = rows_by_prefix(tmp_path / "a.csv"), rows_by_prefix(tmp_path / "b.csv")
    assert {prefix: row["calls"] for prefix, row in a.items()} == {
        prefix: row["calls"] for prefix, row in b.items()
    }


def test_a_store_is_gone_on_with(tmp_path: Path) -> None:
    store = str(tmp_path / "ranges.db")
    heard = archive()
    for n, part in enumerate((heard[:200], heard[200:], heard)):
        file = write_calls(tmp_path / f"{n}.csv", part)
        assert ranges("count", file, "--output", str(tmp_path / "r.csv"), "--store", store) == 0
    assert rows_by_prefix(tmp_path / "r.csv")["95213"]["calls"] == "300"


def test_damaged_rows_are_told_and_the_rest_is_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = Path(write_calls(tmp_path / "calls.csv", archive()))
    file.write_text(file.read_text() + "x.wav,95588,,never,live,\n" * 30)
    assert ranges("count", str(file), "--output", str(tmp_path / "r.csv")) == 1
    said = capsys.readouterr().err
    assert "time is" in said
    assert "and 20 more rows" in said
    assert rows_by_prefix(tmp_path / "r.csv")["95213"]["calls"] == "300"


def test_no_table_is_left_where_it_cannot_be_written(tmp_path: Path) -> None:
    file = write_calls(tmp_path / "calls.csv", archive())
    with pytest.raises(OutputError, match="nowhere"):
        ranges("count", file, "--output", str(tmp_path / "nowhere" / "r.csv"))
    with pytest.raises(UsageError, match=r"\.csv"):
        ranges("count", file, "--output", str(tmp_path / "r.parquet"))
    with pytest.raises(UsageError, match="honest share"):
        ranges("count", file, "--output", str(tmp_path / "r.csv"), "--honest-share", "0.96")


def marked_store(tmp_path: Path) -> str:
    path = str(tmp_path / "ranges.db")
    store = RangeStore(path)
    for name in ("a", "b", "unheard"):
        (tmp_path / f"{name}.wav").touch()
        kept = str(tmp_path / f"{name}.wav") if name != "unheard" else ""
        store.hear([RangeCall(name, "95213001", 1e6, CallAnswer.UNSURE, path=kept)])
    store.close()
    return path


def test_a_manifest_of_marks_names_what_exists(tmp_path: Path) -> None:
    (tmp_path / "a.zip").touch()
    (tmp_path / "b.wav").touch()
    there = ["s3://b/3.wav", f"zip://x.wav::{tmp_path}/a.zip", f"{tmp_path}/b.wav"]
    store = RangeStore(str(tmp_path / "r.db"))
    for n, path in enumerate([*there, "gone.wav"]):
        store.hear([RangeCall(str(n), "95213001", 1e9, CallAnswer.UNSURE, path=path)])
        store.mark(str(n), MarkedAs.LIVE, 1e9)
    store.close()
    marks = tmp_path / "m.csv"
    assert ranges("export", str(tmp_path / "r.db"), str(marks)) == 0
    with marks.open(newline="") as file:
        assert [row["path"] for row in csv.DictReader(file)] == there


def test_marks_become_a_manifest_that_training_reads(tmp_path: Path) -> None:
    store = marked_store(tmp_path)
    for call, mark in (("a", "recorded"), ("b", "live"), ("unheard", "live")):
        assert ranges("mark", store, call, mark) == 0
    assert ranges("export", store, str(tmp_path / "marks.csv")) == 0
    clips = manifest.load(tmp_path / "marks.csv").clips
    assert [(clip.path.name, clip.label, clip.source) for clip in clips] == [
        ("a.wav", 1, "recorded 95213001"),
        ("b.wav", 0, "live 95213001"),
    ]


def test_recordings_that_serve_kept_are_found(tmp_path: Path) -> None:
    store = marked_store(tmp_path)
    ranges("mark", store, "unheard", "live")
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "unknown-20241124T000000.000Z-twilio-unheard-caller.wav").touch()
    export = tmp_path / "marks.csv"
    assert ranges("export", store, str(export), "--audio", str(kept)) == 0
    assert "unheard-caller.wav" in export.read_text()


def test_a_mark_says_what_is_wrong(tmp_path: Path) -> None:
    store = marked_store(tmp_path)
    with pytest.raises(UnknownCallError, match="nobody"):
        ranges("mark", store, "nobody", "live")
    with pytest.raises(UsageError, match="there is no store"):
        ranges("mark", str(tmp_path / "none.db"), "a", "live")
    with pytest.raises(UsageError, match="there is no store"):
        ranges("export", str(tmp_path / "none.db"), str(tmp_path / "marks.csv"))
    with pytest.raises(SystemExit):
        ranges("mark", store, "a")
    assert not (tmp_path / "none.db").exists()


def test_history_has_what_the_end_no_longer_shows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    heard = archive()
    later = list(calls(["13912345678"], 20, share=0.0, start=heard[-1].time + 90_000, name="x"))
    file = write_calls(tmp_path / "calls.csv", heard + later)
    table, history = tmp_path / "ranges.csv", tmp_path / "history.csv"
    assert ranges("count", file, "--output", str(table), "--history", str(history)) == 0
    row = rows_by_prefix(table)["952137"]
    assert (row["state"], row["times_opened"], row["kind"]) == ("closed", "1", "service")
    with history.open(newline="", encoding="utf-8-sig") as text:
        rows = list(csv.DictReader(text))
    assert tuple(rows[0]) == HISTORY_COLUMNS
    assert [parse(each["time"]) for each in rows] == sorted(parse(each["time"]) for each in rows)
    (opened,) = [each for each in rows if each["after"] == "open"]
    assert int(opened["calls_blocked"]) == int(row["calls_blocked"]) > 50
    assert float(opened["evidence"]) >= float(opened["open_at"])
    assert int(opened["recorded"]) >= 3
    assert f"{len(rows)} changes of breakers, 0 held" in capsys.readouterr().err
    with pytest.raises(UsageError, match=r"\.csv"):
        ranges("count", file, "--output", str(table), "--history", str(tmp_path / "h.txt"))


def test_tables_bear_the_mark_that_spreadsheets_look_for(tmp_path: Path) -> None:
    file = write_calls(tmp_path / "calls.csv", archive())
    out = [str(tmp_path / name) for name in ("r.csv", "h.csv")]
    assert ranges("count", file, "--output", out[0], "--history", out[1]) == 0
    assert all(Path(name).read_bytes().startswith(codecs.BOM_UTF8) for name in out)


def test_a_range_that_opened_is_in_the_table_however_few_calls_it_has(tmp_path: Path) -> None:
    heard = [RangeCall(str(n), "95213777", 1e9 + n, CallAnswer.RECORDED) for n in range(9)]
    file = write_calls(tmp_path / "calls.csv", heard)
    assert ranges("count", file, "--output", str(tmp_path / "r.csv")) == 0
    assert [row["state"] for row in rows_by_prefix(tmp_path / "r.csv").values()] == ["open"]


def test_implausible_numbers_are_told_with_their_reasons(tmp_path: Path) -> None:
    odd = [*["9521370011"] * 12, *["9521"] * 3, "95300112"]
    heard = [RangeCall(str(n), each, 1e9 + n, CallAnswer.LIVE) for n, each in enumerate(odd)]
    file = write_calls(tmp_path / "calls.csv", heard)
    assert ranges("count", file, "--output", str(tmp_path / "r.csv"), "--min-calls", "1") == 0
    table = rows_by_prefix(tmp_path / "r.csv")
    assert table["?952"]["kind"] == "implausible"
    assert table["?952"]["reasons"] == "too_long 12; wrong_length 3"


def test_a_store_and_the_summary_agree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    heard = archive()
    early = write_calls(tmp_path / "early.csv", heard[:200])
    late = write_calls(tmp_path / "late.csv", heard)
    rest = ("--output", str(tmp_path / "r.csv"), "--store", str(tmp_path / "r.db"))
    assert ranges("count", early, *rest) == 0
    assert "200 calls in" in capsys.readouterr().err
    assert ranges("count", late, *rest) == 0
    said = capsys.readouterr().err
    assert "100 calls (200 were known) on top of 200 in" in said
    state = rows_by_prefix(tmp_path / "r.csv")["952137"]["state"]
    # An older file comes late: what a later call of the store's holds is told, and stays held.
    assert ranges("count", early, *rest) == 0
    said = capsys.readouterr().err
    assert "0 calls (200 were known) on top of 300" in said
    assert "0 changes of breakers" in said
    assert rows_by_prefix(tmp_path / "r.csv")["952137"]["state"] == state == "open"


def test_calls_of_before_what_a_store_has_heard_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rest = ("--output", str(tmp_path / "r.csv"), "--store", str(tmp_path / "r.db"))
    now = list(calls(HONEST, 5, share=0.0, start=1_000_100_000.0, name="now"))
    old = list(calls(HONEST, 5, share=0.0, start=1_000_000_000.0, name="old"))
    assert ranges("count", write_calls(tmp_path / "now.csv", now), *rest) == 0
    assert "store has" not in capsys.readouterr().err
    assert ranges("count", write_calls(tmp_path / "old.csv", old), *rest) == 0
    assert "the store has calls until" in capsys.readouterr().err


def test_a_store_keeps_its_policy_unless_another_is_asked_for(tmp_path: Path) -> None:
    file = write_calls(tmp_path / "calls.csv", archive())
    path = str(tmp_path / "ranges.db")
    rest = ("--output", str(tmp_path / "r.csv"), "--store", path)
    assert ranges("count", file, *rest, "--honest-share", "0.3") == 0
    assert ranges("count", file, *rest) == 0
    store = RangeStore(path)
    assert store.policy.test.honest == 0.3
    store.close()


def test_it_says_how_times_were_read_and_takes_other_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "calls.csv"
    rows = "".join(f"95213001;1760000{n:03d}000;recorded\n" for n in range(12))
    file.write_text("主叫号码;时间;verdict\n" + rows, encoding="gbk")
    html = tmp_path / "r.html"
    names = ("--columns", "caller=主叫号码,time=时间")
    rest = ("--output", str(tmp_path / "r.csv"), "--page", str(html))
    assert ranges("count", str(file), *rest, *names) == 0
    assert "12 times are read as milliseconds since 1970" in capsys.readouterr().err
    assert "2025" in html.read_text(encoding="utf-8")


@pytest.mark.parametrize("moment", [-1e18, -1e6, 0.0, 1.76e12, 1e300])
def test_a_page_is_made_of_whatever_times_a_store_holds(tmp_path: Path, moment: float) -> None:
    store = RangeStore(str(tmp_path / "r.db"))
    heard = [RangeCall(f"c{n}", "95213001", moment + n, CallAnswer.RECORDED) for n in range(30)]
    store.hear(heard)
    assert page(store, moment).startswith("<!")
    store.close()
