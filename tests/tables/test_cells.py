"""Cells of tables: what a spreadsheet made of them, and what is no number."""

import pytest

from audio_model.tables import cells


@pytest.mark.parametrize(
    ("value", "said"), [(None, ""), ("095", "095"), (95213.0, "95213"), (1.5, "1.5"), (7, "7")]
)
def test_text(value: object, said: str) -> None:
    assert cells.text({"caller": value}, "caller") == said
    assert cells.text({}, "caller") == ""


@pytest.mark.parametrize(
    ("value", "number"), [(None, None), ("", None), ("0", 0.0), ("2.5", 2.5), (3, 3.0)]
)
def test_number(value: object, number: float | None) -> None:
    assert cells.number({"duration": value}, "duration") == number


@pytest.mark.parametrize("value", ["nan", "inf", "12 s", "-Infinity"])
def test_what_is_no_number_is_named(value: str) -> None:
    with pytest.raises(ValueError, match=f'duration is "{value}"'):
        cells.number({"duration": value}, "duration")
