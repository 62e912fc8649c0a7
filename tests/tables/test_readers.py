"""Tables as spreadsheets and other programs write them."""

import argparse
import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_model.errors import UsageError
from audio_model.tables.columns import NotATable, Wanted, column_names
from audio_model.tables.csv_files import encoding_of
from audio_model.tables.readers import TheirNames, read_rows

_ROWS = [{"path": "录音/测试.wav", "caller": "13912345678"}, {"path": "b, c.wav", "caller": ""}]


def rows(path: Path, table: str, encoding: str) -> list[object]:
    path.write_bytes(table.encode(encoding))
    return [values for _, values in read_rows(str(path), Wanted(("path",)))]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "gbk"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_any_separator_and_encoding_of_a_spreadsheet_is_read(
    tmp_path: Path, encoding: str, separator: str
) -> None:
    lines = ["path,caller", '"录音/测试.wav",13912345678', '"b, c.wav",']
    table = "\r\n".join(line.replace('",', f'"{separator}') for line in lines)
    table = table.replace("path,", f"path{separator}")
    assert rows(tmp_path / "m.csv", table, encoding) == _ROWS


@pytest.mark.parametrize(
    "table",
    [
        "Path,caller\na.wav,1\n",
        " PATH ,caller,,\na.wav,1,,\n,,,\n",
        "path,caller,,\na.wav,1\n",
        "path,caller\na.wav,1,,\n\n",
        "sep=;\r\npath;caller\r\na.wav;1\r\n",
        '"path";"caller"\n"a.wav";"1"\n',
    ],
)
def test_capitals_and_trailing_separators_do_no_harm(tmp_path: Path, table: str) -> None:
    assert rows(tmp_path / "m.csv", table, "utf-8") == [{"path": "a.wav", "caller": "1"}]


@pytest.mark.parametrize("separator", ["^", "~", "\x01"])
@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".txt", ".TXT"])
def test_what_switches_export_is_read(tmp_path: Path, separator: str, suffix: str) -> None:
    table = "path,caller\na.wav,1\n".replace(",", separator)
    assert rows(tmp_path / f"m{suffix}", table, "utf-8") == [{"path": "a.wav", "caller": "1"}]


@pytest.mark.parametrize(
    "before",
    [
        "\n\n",
        "Calls of October\n",
        "\u901a\u8bdd\u8bb0\u5f55,,\n\n",
        '"Report; of ""2025"""\n',
        ",\n,\n",
    ],
)
@pytest.mark.parametrize("separator", [",", ";"])
def test_a_title_or_blank_lines_before_the_header_do_no_harm(
    tmp_path: Path, before: str, separator: str
) -> None:
    table = before + "path,caller\na.wav,1\nb.wav\n".replace(",", separator)
    (tmp_path / "m.csv").write_text(table, encoding="utf-8")
    lines = before.count("\n")
    assert list(read_rows(str(tmp_path / "m.csv"), Wanted(("path",)))) == [
        (f"line {lines + 2}", {"path": "a.wav", "caller": "1"}),
        (f"line {lines + 3}", "1 fields, where the header has 2"),
    ]


@pytest.mark.parametrize(
    ("encoding", "name", "value"),
    [
        ("big5", "主叫號碼", "台北市"),
        ("shift_jis", "発信番号", "東京都"),
        ("euc_kr", "발신번호", "서울"),
        ("gbk", "主叫号码", "北京市"),
        ("cp1251", "Номер", "Москва"),
        ("koi8_r", "Номер", "Москва"),
        ("latin-1", "Straße", "München"),
        ("cp1250", "Číslo", "Plzeň"),
        ("utf-8", "主叫號碼", "台北市"),
        ("utf-16", "主叫號碼", "台北市"),
    ],
)
def test_the_encoding_is_the_one_in_which_the_header_has_what_is_asked_for(
    tmp_path: Path, encoding: str, name: str, value: str
) -> None:
    (tmp_path / "m.csv").write_bytes(f"x,{name}\n1,{value}\n".encode(encoding))
    ((_, values),) = read_rows(str(tmp_path / "m.csv"), Wanted(("path",), theirs={"path": name}))
    assert values == {"x": "1", "path": value}
    with pytest.raises(NotATable, match='no column named "号码"'):
        list(read_rows(str(tmp_path / "m.csv"), Wanted(("path",), theirs={"path": "号码"})))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (gzip.compress(b"path\na.wav\n", mtime=0), "compressed by gzip"),
        (b"PK\x03\x04xl/workbook.xml", "workbook or a ZIP"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "workbook of Excel's"),
        (b"PAR1", "Parquet"),
        (bytes(2000), "NUL"),
        (b"pa\0th\na.wav\n", "NUL"),
        (bytes(range(256)) * 20, "NUL"),
    ],
)
def test_what_is_no_text_is_told_as_what_it_is(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    (tmp_path / "m.csv").write_bytes(content)
    with pytest.raises(NotATable, match=problem):
        list(read_rows(str(tmp_path / "m.csv"), Wanted(("path",))))


def test_a_row_with_a_nul_byte_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    found = rows(tmp_path / "m.csv", "path,caller\na.wav,1\nb\0.wav,2\n\0\0\0\0", "utf-8")
    assert found == [
        {"path": "a.wav", "caller": "1"}, "it holds a NUL byte", "it holds a NUL byte"
    ]  # fmt: skip


def test_a_row_of_other_width_is_told(tmp_path: Path) -> None:
    found = rows(tmp_path / "m.csv", "path,caller\na.wav\nb.wav,1,2\n", "utf-8")
    assert found == [
        "1 fields, where the header has 2",
        "3 fields, where the header has 2",
    ]


def test_bytes_of_no_known_encoding_are_kept(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_bytes("path\ncafé.wav\nüber.wav\n".encode("latin-1"))
    found = [values for _, values in read_rows(str(tmp_path / "m.csv"), Wanted(("path",)))]
    assert found == [{"path": "caf\udce9.wav"}, {"path": "\udcfcber.wav"}]


def test_columns_are_named_by_a_mapping_in_every_format(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("录音,path\na.wav,other\n", encoding="utf-8")
    (tmp_path / "m.jsonl").write_text(json.dumps({"录音": "a.wav"}), encoding="utf-8")
    for name in ("m.csv", "m.jsonl"):
        ((_, values),) = read_rows(str(tmp_path / name), Wanted(("path",), theirs={"path": "录音"}))
        assert values == {"path": "a.wav"}
    with pytest.raises(NotATable, match='no column named "file"'):
        list(read_rows(str(tmp_path / "m.csv"), Wanted(("path",), theirs={"path": "file"})))


def test_a_mapping_is_read_from_a_command_line() -> None:
    assert column_names('caller=主叫号码, "time=a,b"') == {"caller": "主叫号码", "time": "a,b"}
    for text in ("", "caller", "=x", "caller=", "caller=a,caller=b"):
        if text:
            with pytest.raises(argparse.ArgumentTypeError):
                column_names(text)


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0xD7FF), max_size=200))
def test_utf8_is_never_taken_for_anything_else(text: str) -> None:
    assert encoding_of(text.encode()) in ("utf-8", "utf-8-sig")


def test_a_table_that_lacks_a_name_of_others_is_read_by_ours(tmp_path: Path) -> None:
    theirs, ours, none = (tmp_path / f"{name}.csv" for name in ("theirs", "ours", "none"))
    theirs.write_text("FILE,HUMAN\na,live\n")
    ours.write_text("path,label\na,live\n")
    none.write_text("a,b\n1,2\n")
    names = TheirNames({"path": "FILE", "label": "HUMAN", "mark": "LABEL"})
    assert names.of(ours, ("path", "label")) is None
    with pytest.raises(UsageError, match=r'ours\.csv: has no column named "FILE"'):
        names.check()
    assert names.of(theirs, ("path",), ("label",)) == {"path": "FILE", "label": "HUMAN"}
    assert names.of(theirs, ("path",)) == {"path": "FILE"}
    # What it lacks is told by the name that was given.
    assert names.of(none, ("path",)) == {"path": "FILE"}
    assert names.of(none, ("call",)) is None
    with pytest.raises(UsageError, match="no table here is read for a column 'mark'"):
        names.check()
