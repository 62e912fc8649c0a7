"""Tables as spreadsheets and other programs write them."""

import argparse
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_model.tables.columns import column_names
from audio_model.tables.csv_files import encoding_of
from audio_model.tables.readers import NotATable, read_rows

_ROWS = [{"path": "录音/测试.wav", "caller": "13912345678"}, {"path": "b, c.wav", "caller": ""}]


def rows(path: Path, table: str, encoding: str) -> list[object]:
    path.write_bytes(table.encode(encoding))
    return [values for _, values in read_rows(str(path), ("path",))]


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


def test_a_row_of_other_width_is_told(tmp_path: Path) -> None:
    found = rows(tmp_path / "m.csv", "path,caller\na.wav\nb.wav,1,2\n", "utf-8")
    assert found == [
        "1 fields, where the header has 2",
        "3 fields, where the header has 2",
    ]


def test_bytes_of_no_known_encoding_are_kept(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_bytes("path\ncafé.wav\nüber.wav\n".encode("latin-1"))
    found = [values for _, values in read_rows(str(tmp_path / "m.csv"), ("path",))]
    assert found == [{"path": "caf\udce9.wav"}, {"path": "\udcfcber.wav"}]


def test_columns_are_named_by_a_mapping_in_every_format(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("录音,path\na.wav,other\n", encoding="utf-8")
    (tmp_path / "m.jsonl").write_text(json.dumps({"录音": "a.wav"}), encoding="utf-8")
    for name in ("m.csv", "m.jsonl"):
        ((_, values),) = read_rows(str(tmp_path / name), ("path",), {"path": "录音"})
        assert values == {"path": "a.wav"}
    with pytest.raises(NotATable, match='no column named "file"'):
        list(read_rows(str(tmp_path / "m.csv"), ("path",), {"path": "file"}))


def test_a_mapping_is_read_from_a_command_line() -> None:
    assert column_names('caller=主叫号码, "time=a,b"') == {"caller": "主叫号码", "time": "a,b"}
    for text in ("", "caller", "=x", "caller=", "caller=a,caller=b"):
        if text:
            with pytest.raises(argparse.ArgumentTypeError):
                column_names(text)


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0xD7FF), max_size=200))
def test_utf8_is_never_taken_for_anything_else(text: str) -> None:
    assert encoding_of(text.encode()) in ("utf-8", "utf-8-sig")
