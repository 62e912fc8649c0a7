import argparse
import csv
import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audio_model import cli
from audio_model.errors import ResultsError, UsageError
from audio_model.report import join_command

DAY = 1_764_331_200
VERDICTS = ("recorded", "live", "unknown")


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    join_command.add_arguments(parser)
    status: int = join_command.run(parser.parse_args(arguments))
    return status


def write(path: Path, rows: Sequence[Sequence[object]], separator: str = ",") -> str:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=separator).writerows(rows)
    return str(path)


def verdicts(folder: Path, paths: Sequence[str], **more: Sequence[object]) -> str:
    rows = [["path", "verdict", "score", *more]]
    for n, path in enumerate(paths):
        rows.append([path, VERDICTS[n % 3], "0.5", *(str(each[n]) for each in more.values())])
    return write(folder / "v.csv", rows)


def joined(folder: Path, *arguments: str, status: int = 0) -> list[dict[str, str]]:
    output = folder / "joined.csv"
    assert run(*arguments, "--output", str(output)) == status
    with output.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def test_by_path_each_verdict_has_its_record_whole(tmp_path: Path) -> None:
    results = verdicts(tmp_path, ["calls/1.wav", "calls/2.wav"], language=["zh", "en"])
    header = ["path", "caller", "time", "trunk", "attestation", "queue"]
    records: list[list[object]] = [
        [*header],
        ["calls/2.wav", "95588", DAY, "pstn", "", "a"],
        ["calls/1.wav", "95213", DAY + 1, "voip", "TN-Validation-Passed-A", "b"],
    ]
    rows = joined(tmp_path, results, write(tmp_path / "cdr.csv", records))
    assert [row["trunk"] for row in rows] == ["voip", "pstn"]
    assert rows[0] | {"join": "found", "join_problem": "", "language": "zh"} == rows[0]
    assert (rows[0]["attestation"], rows[0]["queue"]) == ("TN-Validation-Passed-A", "b")


def test_names_alone_do_where_they_are_the_only_ones(tmp_path: Path) -> None:
    paths = ["/a/x/1.wav", "zip://in/2.wav::calls.zip", "b/3.wav", "c/3.wav", "d/4.wav", "e/4.wav"]
    records = [["path", "trunk"], ["1.wav", "p"], ["rec/2.wav", "q"], ["3.wav", "r"]]
    records += [["e/4.wav", "s"]]
    file = write(tmp_path / "cdr.csv", records)
    rows = joined(tmp_path, verdicts(tmp_path, paths), file, status=1)
    assert [row["join"] for row in rows] == [
        *("found", "found", "ambiguous", "ambiguous", "none", "found")
    ]
    assert rows[2]["join_problem"] == "2 recordings: b/3.wav, c/3.wav"
    assert [row["trunk"] for row in rows] == ["p", "q", "", "", "", "s"]


def test_paths_of_other_systems_are_found_by_as_many_folders_as_they_share(tmp_path: Path) -> None:
    pairs = {
        "/rec/2026/b.wav": "D:\\rec\\2026\\b.wav",
        "/rec/2026/c.wav": "C.WAV",
        "/rec/x/d.wav": "x/d.wav",
        "/rec/y/d.wav": "y/d.wav",
        "/rec/2026/f g.wav": "file:///rec/2026/f%20g.wav",
        "zip://in/h.wav::/rec/calls.zip": "h.wav",
        "/rec/2026/i.wav": "https://pbx.example/rec/i.wav?token=1",
        "/rec/z/j.wav": "elsewhere/j.wav",
    }
    records = [["path", "trunk"], *([theirs, theirs] for theirs in pairs.values())]
    records += [["other/j.wav", "other"]]
    file = write(tmp_path / "cdr.csv", records)
    rows = joined(tmp_path, verdicts(tmp_path, list(pairs)), file, status=1)
    assert {row["path"]: row["trunk"] for row in rows} == {**pairs, "/rec/z/j.wav": ""}
    assert rows[-1]["join"] == "ambiguous"


def test_by_the_calls_id_in_a_column_or_in_the_recordings_name(tmp_path: Path) -> None:
    records = [["uniqueid", "trunk"], ["1732456789.42", "p"], ["1732456789.4", "q"], ["77", "r"]]
    records += [["Ab-C1", "s"]]
    file = write(tmp_path / "cdr.csv", records)
    names = ["out-95588-1732456789.42.wav", "1732456789.4.wav", "x_1732456789.wav", "a77.wav"]
    names += ["in-Ab-C1.wav"]
    columns = ("--columns", "call=uniqueid")
    rows = joined(tmp_path, verdicts(tmp_path, names), file, *columns, status=1)
    assert [row["join"] for row in rows] == ["found", "found", "none", "none", "found"]
    assert [row["trunk"] for row in rows] == ["p", "q", "", "", "s"]
    results = verdicts(tmp_path, names[:4], call=["77", "1732456789.4", "", "9"])
    rows = joined(tmp_path, results, file, *columns, status=1)
    assert [row["trunk"] for row in rows] == ["r", "q", "", ""]


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_records_and_campaigns_may_be_any_table(tmp_path: Path, suffix: str) -> None:
    def put(name: str, rows: list[dict[str, object]]) -> str:
        path = tmp_path / f"{name}{suffix}"
        if suffix == ".parquet":
            pq.write_table(pa.Table.from_pylist(rows), path)
        else:
            path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
        return str(path)

    records = [
        {"src": 13912345678.0, "start": float(DAY), "trunk": "p", "attestation": "A"},
        {"src": "+8695588", "start": DAY + 9.5, "trunk": "q", "attestation": None},
    ]
    if suffix == ".parquet":
        records = [{**row, "src": str(row["src"])} for row in records]
    cdr = put("cdr", records)
    campaigns = put("campaigns", [{"path": "b.wav", "campaign": 7}])
    results = verdicts(
        tmp_path, ["a.wav", "b.wav"], caller=["13912345678", "95588"], time=[DAY + 1, DAY + 9]
    )
    columns = ("--columns", "caller=src,time=start", "--campaigns", campaigns)
    rows = joined(tmp_path, results, cdr, *columns)
    assert [(row["trunk"], row["attestation"], row["campaign"]) for row in rows] == [
        *(("p", "A", ""), ("q", "", "7")),
    ]


def test_by_number_and_time_however_they_are_written(tmp_path: Path) -> None:
    results = verdicts(
        tmp_path,
        [f"{n}.wav" for n in range(6)],
        caller=["+86 139-1234-5678", "95213", "95588", "anonymous", "95213", "02161234567"],
        called=["", "13800000001", "", "", "13800000009", ""],
        time=[DAY, DAY + 10, DAY + 100, DAY, DAY + 10, "soon"],
    )
    records: list[list[object]] = [
        ["Caller", "called", "time", "trunk"],
        ["'013912345678", "13800000000", f"{DAY + 4}000", "p"],
        ["0086 95213", "+8613800000001", DAY + 11, "q"],
        ["95588", "13800000002", DAY + 97, "r"],
        ["95588", "13800000003", DAY + 103, "s"],
        ["anonymous", "13800000004", DAY, "t"],
    ]
    file = write(tmp_path / "cdr.csv", records, ";")
    rows = joined(tmp_path, results, file, status=1)
    assert [row["join"] for row in rows] == [
        *("found", "found", "ambiguous", "none", "none", "none")
    ]
    assert [row["trunk"] for row in rows] == ["p", "q", "", "", "", ""]
    assert rows[2]["join_problem"] == "2 records: cdr.csv, line 4, cdr.csv, line 5"
    assert rows[3]["join_problem"] == "the caller's number is not known"
    assert "time is" in rows[5]["join_problem"]
    assert rows[0]["record_caller"] == "'013912345678"
    near = joined(tmp_path, results, file, "--seconds", "2", status=1)
    assert [row["join"] for row in near] == ["none", "found", *["none"] * 4]


def test_one_record_is_not_given_to_two_recordings(tmp_path: Path) -> None:
    times = [DAY, DAY + 2]
    results = verdicts(tmp_path, ["a.wav", "b.wav"], caller=["95588"] * 2, time=times)
    file = write(tmp_path / "cdr.csv", [["caller", "time"], ["95588", DAY + 1]])
    rows = joined(tmp_path, results, file, status=1)
    assert [row["join"] for row in rows] == ["ambiguous"] * 2
    assert rows[0]["join_problem"] == "2 recordings: a.wav, b.wav"


def test_both_channels_of_a_call_have_its_record(tmp_path: Path) -> None:
    results = verdicts(tmp_path, ["a.wav", "a.wav"], channel=["left", "right"])
    file = write(tmp_path / "cdr.csv", [["path", "trunk"], ["a.wav", "p"]])
    assert [row["trunk"] for row in joined(tmp_path, results, file)] == ["p", "p"]


def test_a_record_that_was_exported_twice_is_one(tmp_path: Path) -> None:
    cdr = [["path", "trunk"], ["a.wav", "p"]]
    one, two = write(tmp_path / "1.csv", cdr), write(tmp_path / "2.csv", cdr)
    assert joined(tmp_path, verdicts(tmp_path, ["a.wav"]), one, two)[0]["trunk"] == "p"
    changed = write(tmp_path / "2.csv", [*cdr[:1], ["a.wav", "q"]])
    row = joined(tmp_path, verdicts(tmp_path, ["a.wav"]), one, changed, status=1)[0]
    assert (row["join"], row["trunk"]) == ("ambiguous", "")


def test_campaigns_come_by_path(tmp_path: Path) -> None:
    results = verdicts(tmp_path, ["a.wav", "b.wav"])
    cdr = write(tmp_path / "cdr.csv", [["path", "trunk"], ["a.wav", "p"], ["b.wav", "q"]])
    campaigns = write(tmp_path / "c.csv", [["path", "campaign", "offset"], ["b.wav", "3", "1.5"]])
    rows = joined(tmp_path, results, cdr, "--campaigns", campaigns)
    assert [row["campaign"] for row in rows] == ["", "3"]
    assert "offset" not in rows[0]


def test_the_table_is_one_for_report_and_ranges(tmp_path: Path) -> None:
    n = 40
    paths = [f"{index}.wav" for index in range(n)]
    cdr: list[list[object]] = [["path", "caller", "time", "trunk", "attestation"]]
    cdr += [[p, "95213001", DAY + i, f"t{i}", "ABC"[i % 3]] for i, p in enumerate(paths)]
    cdr[3][4] = ""
    joined(tmp_path, verdicts(tmp_path, paths), write(tmp_path / "cdr.csv", cdr))
    file, html = str(tmp_path / "joined.csv"), tmp_path / "r.html"
    assert cli.main(["report", file, "--output", str(html), "--no-sound"]) == 0
    text = html.read_text(encoding="utf-8")
    assert all(f"By {name}" in text for name in ("trunk", "attestation"))
    assert cli.main(["ranges", "count", file, "--output", str(tmp_path / "r.csv")]) == 0
    assert "95213001" in (tmp_path / "r.csv").read_text()


def test_what_cannot_be_joined_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = verdicts(tmp_path, ["a.wav"])
    bare = write(tmp_path / "cdr.csv", [["src", "calldate"], ["95588", DAY]])
    output = ("--output", str(tmp_path / "j.csv"))
    with pytest.raises(UsageError, match="--columns"):
        run(results, bare, *output)
    named = ("--columns", "caller=src,time=calldate")
    with pytest.raises(UsageError, match="the results have no column caller or time"):
        run(results, bare, *named, "--by", "number", *output)
    with pytest.raises(UsageError, match="the records have no column path"):
        run(results, bare, *named, "--by", "path", *output)
    with pytest.raises(UsageError, match=r"\.csv"):
        run(results, bare, "--output", str(tmp_path / "j.parquet"))
    with pytest.raises(ResultsError, match="cannot be read"):
        run(results, str(tmp_path / "none.csv"), *output)
    assert not (tmp_path / "j.csv").exists()
    damaged = write(tmp_path / "d.csv", [["path", "time"], ["a.wav", "soon"], ["a.wav", DAY]])
    assert joined(tmp_path, results, damaged, status=1)[0]["join"] == "found"
    said = capsys.readouterr().err
    assert "line 2: time is" in said
    assert "1 have their record" in said
