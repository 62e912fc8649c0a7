import csv
import json
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_model.errors import OutputError, UsageError
from audio_model.tables import cells, writers
from audio_model.tables.columns import Wanted
from audio_model.tables.readers import read_rows
from audio_model.tables.rows import Columns, Entry, Row, unescape
from audio_model.tables.writers import open_output
from tests.fake_detector import VERDICT

ROWS = [
    Row(Entry("a.wav", {"label": 1}), VERDICT),
    Row(Entry('b, "c"\n中.wav', {"label": None}), error="no such file"),
]


def write(path: Path, rows: list[Row], columns: Columns) -> None:
    writer = open_output(str(path), columns)
    for row in rows:
        writer.write(row)
    writer.finish()


def read_csv(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").split("\n")[:-1]]


def read_parquet(path: Path) -> list[dict[str, Any]]:
    return pq.read_table(path).to_pylist()


READERS: dict[str, Callable[[Path], list[dict[str, Any]]]] = {
    ".csv": read_csv,
    ".jsonl": read_json_lines,
    ".parquet": read_parquet,
}
each_format = pytest.mark.parametrize("suffix", READERS)


def test_a_table_of_more_than_ascii_opens_in_a_spreadsheet(tmp_path: Path) -> None:
    for name, marked in (("a.wav", False), ("\u5f55\u97f3.wav", True)):
        path = tmp_path / "v.csv"
        write(path, [Row(Entry(name), VERDICT)], Columns(each_channel=False))
        assert path.read_bytes().startswith(b"\xef\xbb\xbf") is marked
        assert list(tmp_path.iterdir()) == [path]
        ((_, values),) = read_rows(str(path), Wanted(("path",)))
        assert isinstance(values, dict) and values["path"] == name


def test_nothing_of_a_table_runs_in_a_spreadsheet_and_all_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "v.csv"
    names = ["=1+1.wav", "@a.wav", "-b.wav", "'=c.wav", "'d.wav"]
    callers = ["+8613912345678", "=HYPERLINK(1)", "-1", "+1-415", "13912345678"]
    pairs = zip(names, callers, strict=True)
    rows = [Row(Entry(name, {"caller": caller}), VERDICT) for name, caller in pairs]
    write(path, rows, Columns(each_channel=False, carried=["caller"]))
    raw = read_csv(path)
    assert [row["path"] for row in raw] == [
        *("'=1+1.wav", "'@a.wav", "'-b.wav", "''=c.wav", "'d.wav"),
    ]
    assert [row["caller"] for row in raw] == [
        *("+8613912345678", "'=HYPERLINK(1)", "-1", "'+1-415", "13912345678"),
    ]
    again = [
        values for _, values in read_rows(str(path), Wanted(("path",))) if isinstance(values, dict)
    ]
    assert [row["path"] for row in again] == names
    assert [row["caller"] for row in again] == callers


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_csv_to_the_byte(tmp_path: Path) -> None:
    write(tmp_path / "o.csv", ROWS, Columns(each_channel=False, carried=["label"]))
    assert (tmp_path / "o.csv").read_text("utf-8") == (
        "\ufeffpath,verdict,score,logit,seconds,speech_seconds,decided_at,noise_db,snr_db,codec,"
        "reason,error,label\n"
        "a.wav,recorded,0.30000000000000004,1e-17,2.0,1.5,0.48,-62.5,31.0,gsm,,,1\n"
        '"b, ""c""\n中.wav",unknown,,,,,,,,,error,no such file,\n'
    )


def test_json_lines_hold_the_evidence(tmp_path: Path) -> None:
    write(tmp_path / "o.jsonl", ROWS, Columns(each_channel=False, carried=["label"]))
    assert read_json_lines(tmp_path / "o.jsonl") == [
        {
            "path": "a.wav",
            "verdict": "recorded",
            "score": 0.1 + 0.2,
            "logit": 1e-17,
            "seconds": 2.0,
            "speech_seconds": 1.5,
            "decided_at": 0.48,
            "noise_db": -62.5,
            "snr_db": 31.0,
            "codec": "gsm",
            "reason": None,
            "error": None,
            "curve": [[0.08, 0.5], [0.16, 0.1 + 0.2]],
            "voice": [0.25, 1.0],
            "strongest": [0.0, 0.8],
            "changes": [{"at": 0.48, "verdict": "recorded"}],
            "label": 1,
        },
        {
            "path": 'b, "c"\n中.wav',
            "verdict": "unknown",
            **dict.fromkeys(["score", "logit", "seconds", "speech_seconds", "decided_at"]),
            **dict.fromkeys(["noise_db", "snr_db", "codec"]),
            "reason": "error",
            "error": "no such file",
            "label": None,
        },
    ]


def test_parquet_has_exact_numbers_and_nulls(tmp_path: Path) -> None:
    write(tmp_path / "o.parquet", ROWS, Columns(each_channel=False, carried=["label"]))
    table = pq.read_table(tmp_path / "o.parquet")
    assert {str(table.schema.field(name).type) for name in ("score", "logit", "snr_db")} == {
        "double"
    }
    first, second = table.to_pylist()
    assert (first["score"], first["logit"], first["label"]) == (0.1 + 0.2, 1e-17, "1")
    assert (second["path"], second["score"], second["label"]) == ('b, "c"\n中.wav', None, None)


def test_parquet_is_written_in_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers, "_ROW_GROUP", 4)
    rows = [Row(Entry(f"{number}.wav"), VERDICT) for number in range(10)]
    write(tmp_path / "o.parquet", rows, Columns(each_channel=False))
    assert pq.read_metadata(tmp_path / "o.parquet").num_row_groups == 3
    assert [row["path"] for row in read_parquet(tmp_path / "o.parquet")] == [
        row.entry.path for row in rows
    ]


@each_format
def test_a_table_without_rows_has_its_columns(tmp_path: Path, suffix: str) -> None:
    write(tmp_path / f"o{suffix}", [], Columns(each_channel=False))
    assert READERS[suffix](tmp_path / f"o{suffix}") == []
    if suffix == ".parquet":
        assert pq.read_schema(tmp_path / "o.parquet").names[0] == "path"


@each_format
@settings(max_examples=40, deadline=None)
@given(name=st.binary(min_size=1).filter(lambda name: b"\0" not in name))
def test_any_path_survives(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, name: bytes
) -> None:
    output = tmp_path_factory.mktemp("any") / f"o{suffix}"
    write(output, [Row(Entry(os.fsdecode(name)), VERDICT)], Columns(each_channel=False))
    (row,) = READERS[suffix](output)
    path = cells.unguarded(row["path"]) if suffix == ".csv" else row["path"]
    assert os.fsencode(unescape(path)) == name


@each_format
def test_same_rows_same_bytes(tmp_path: Path, suffix: str) -> None:
    for name in ("a", "b"):
        write(tmp_path / f"{name}{suffix}", ROWS, Columns(each_channel=True, carried=["label"]))
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


@each_format
def test_a_former_result_stays_until_the_new_one_is_complete(tmp_path: Path, suffix: str) -> None:
    output = tmp_path / f"o{suffix}"
    output.write_text("former")
    writer = open_output(str(output), Columns(each_channel=False))
    writer.write(ROWS[0])
    assert output.read_text() == "former"
    writer.finish()
    assert [row["path"] for row in READERS[suffix](output)] == ["a.wav"]
    assert [path.name for path in tmp_path.iterdir()] == [output.name]


@pytest.mark.parametrize(
    ("suffix", "partial"),
    [(".csv", ".partial"), (".jsonl", ".partial"), (".parquet", ".partial.jsonl")],
)
def test_each_row_is_on_disk_at_once(tmp_path: Path, suffix: str, partial: str) -> None:
    writer = open_output(str(tmp_path / f"o{suffix}"), Columns(each_channel=False))
    writer.write(ROWS[0])
    assert "a.wav" in (tmp_path / f"o{suffix}{partial}").read_text()
    writer.close()


def test_what_a_link_names_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "o.csv"
    link.symlink_to("elsewhere/real.csv")
    write(link, ROWS, Columns(each_channel=False))
    assert link.is_symlink()
    assert len(read_csv(tmp_path / "elsewhere/real.csv")) == 2


@pytest.mark.parametrize(
    ("suffix", "partial"),
    [(".csv", ".partial"), (".jsonl", ".partial"), (".parquet", ".partial.jsonl")],
)
def test_a_full_disk_keeps_the_whole_rows(tmp_path: Path, suffix: str, partial: str) -> None:
    output = tmp_path / f"o{suffix}"
    output.write_text("former")
    writer = open_output(str(output), Columns(each_channel=False))
    with file_size_limit(2000), pytest.raises(OutputError) as caught:
        for _ in range(1000):
            writer.write(ROWS[0])
    writer.close()
    kept = tmp_path / f"o{suffix}{partial}"
    assert str(caught.value) == (
        f"cannot write {kept}: File too large; the rows before this one stay there"
    )
    rows = read_csv(kept) if suffix == ".csv" else read_json_lines(kept)
    assert len(rows) > 2
    assert {row["path"] for row in rows} == {"a.wav"}
    assert kept.read_bytes().endswith(b"\n")
    assert output.read_text() == "former"


def test_a_disk_that_fills_while_parquet_is_made_keeps_all_rows(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "o.parquet"
    (tmp_path / "o.parquet.partial").symlink_to("/dev/full")
    writer = open_output(str(output), Columns(each_channel=False))
    for row in ROWS:
        writer.write(row)
    with pytest.raises(OutputError) as caught:
        writer.finish()
    writer.close()
    assert str(caught.value) == (
        f"cannot write {output}.partial: No space left on device; "
        f"all rows are in {output}.partial.jsonl"
    )
    assert len(read_json_lines(tmp_path / "o.parquet.partial.jsonl")) == 2
    assert not output.exists()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["o.txt", "o", "o.csv.gz"])
def test_other_endings_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"must end in one of \.csv, \.jsonl, \.parquet"):
        open_output(str(tmp_path / name), Columns(each_channel=False))
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"missing/o\.csv\.partial: No such file or directory"):
        open_output(str(tmp_path / "missing/o.csv"), Columns(each_channel=False))
    with pytest.raises(OutputError, match="File name too long"):
        open_output(str(tmp_path / ("x" * 300 + ".csv")), Columns(each_channel=False))
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(OutputError, match=r"folder\.csv: it is a folder"):
        open_output(str(tmp_path / "folder.csv"), Columns(each_channel=False))
