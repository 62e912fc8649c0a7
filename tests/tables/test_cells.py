"""Cells of tables: what a spreadsheet made of them, and what is no number."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_model.tables import cells


@pytest.mark.parametrize(
    ("value", "said"), [(None, ""), ("095", "095"), (95213.0, "95213"), (1.5, "1.5"), (7, "7")]
)
def test_text(value: object, said: str) -> None:
    assert cells.text({"caller": value}, "caller") == said
    assert cells.text({}, "caller") == ""


@pytest.mark.parametrize(
    ("value", "number"), [(None, None), ("", None), (" ", None), ("0", 0.0), ("2.5", 2.5), (3, 3.0)]
)
def test_number(value: object, number: float | None) -> None:
    assert cells.number({"duration": value}, "duration") == number


@pytest.mark.parametrize(
    ("value", "label"),
    [
        *((value, 1) for value in ("recorded", " Recorded ", "1", 1, 1.0, "1.0", "录音", "\uff11")),
        *((value, 0) for value in ("live", "LIVE", "0", 0, 0.0, "0.0", "真人")),
        *((value, None) for value in ("", " ", None)),
    ],
)
def test_a_label_is_read_however_a_table_writes_it(value: object, label: int | None) -> None:
    assert cells.label({"label": value}, "label") == label


@pytest.mark.parametrize("value", ["robot", "2", 0.5, "nan", True, "真人?"])
def test_what_is_no_label_is_named(value: object) -> None:
    with pytest.raises(ValueError, match=f"label is {re.escape(repr(str(value)))}, neither"):
        cells.label({"label": value}, "label")


@pytest.mark.parametrize("value", ["nan", "inf", "12 s", "-Infinity"])
def test_what_is_no_number_is_named(value: str) -> None:
    with pytest.raises(ValueError, match=f'duration is "{value}"'):
        cells.number({"duration": value}, "duration")


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("+86-139-1234-5678", "'+86-139-1234-5678"),
        ("-2+3", "'-2+3"),
        ("\t=1", "'\t=1"),
        ("\uff1dA1", "'\uff1dA1"),
        ("'=1", "''=1"),
        ("=", "'="),
        ("+8613912345678", "+8613912345678"),
        ("-0.5", "-0.5"),
        ("1e-05", "1e-05"),
        ("-", "-"),
        ("'quoted'", "'quoted'"),
        ("calls/1.wav", "calls/1.wav"),
        ("", ""),
        (-0.5, -0.5),
        (None, None),
    ],
)
def test_what_a_spreadsheet_might_run_stands_behind_an_apostrophe(
    cell: object, written: object
) -> None:
    assert cells.guarded(cell) == written
    if isinstance(written, str):
        assert cells.unguarded(written) == cell


@given(st.text(st.sampled_from("=+-@'1a\t\uff1d"), max_size=6))
def test_a_cell_that_was_guarded_is_given_back(text: str) -> None:
    assert cells.unguarded(str(cells.guarded(text))) == text
