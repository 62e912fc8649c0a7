import json
import math
import os
from datetime import date

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from audio_model.tables.rows import Columns, Entry, Row, escape, json_value, text_value, unescape


@given(st.binary())
@example(rb"\xff \x5c \\xff \udc80")
def test_any_file_name_survives_escaping(name: bytes) -> None:
    text = os.fsdecode(name)
    escaped = escape(text)
    escaped.encode()
    assert os.fsencode(unescape(escaped)) == name


@given(st.text(st.characters(max_codepoint=0xDFFF)))
def test_any_text_survives_escaping(text: str) -> None:
    escape(text).encode()
    assert unescape(escape(text)) == text


@pytest.mark.parametrize("text", ["来电/录音 1.wav", r"C:\calls\a.wav", "a\nb", 'a"b', r"\x", "\\"])
def test_ordinary_text_is_not_escaped(text: str) -> None:
    assert escape(text) == text


def test_an_undecodable_byte_is_written_in_hexadecimal() -> None:
    assert escape(os.fsdecode(b"a\xff.wav")) == r"a\xff.wav"
    assert escape(r"a\xff.wav") == r"a\x5cxff.wav"


def test_carried_columns_follow_ours_and_never_take_their_names() -> None:
    columns = Columns(each_channel=False, carried=["label", "score", "manifest_score", "curve"])
    assert columns.names[:2] == ["path", "verdict"]
    assert columns.names[-4:] == [
        "label",
        "manifest_score",
        "manifest_manifest_score",
        "manifest_curve",
    ]
    row = Row(Entry("a.wav", {"label": 1, "score": 0.5}))
    assert columns.carried_values(row) == {
        "label": 1,
        "manifest_score": 0.5,
        "manifest_manifest_score": None,
        "manifest_curve": None,
    }


def test_the_channel_column_comes_behind_the_path_when_each_is_scored() -> None:
    assert Columns(each_channel=True).names[:3] == ["path", "channel", "verdict"]


@pytest.mark.parametrize(
    ("value", "expected", "text"),
    [
        (math.nan, None, None),
        (True, True, "true"),
        (date(2026, 1, 2), "2026-01-02", "2026-01-02"),
        ({"a": [1, math.inf]}, {"a": [1, None]}, '{"a": [1, null]}'),
        ("\udcff", r"\xff", r"\xff"),
        (0.1, 0.1, "0.1"),
        (b"\xff", r"b'\x5cxff'", r"b'\x5cxff'"),
    ],
)
def test_carried_values_become_json_and_text(value: object, expected: object, text: str) -> None:
    assert json_value(value) == expected
    assert text_value(json_value(value)) == text
    json.dumps(json_value(value), allow_nan=False).encode()
