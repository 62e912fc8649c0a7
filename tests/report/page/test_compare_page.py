import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_model.report.compare import compare
from audio_model.report.page.compare_page import compare_page
from audio_model.tables.results import Outcome
from tests.pages.test_markup import NASTY
from tests.report import made
from tests.report.test_compare import drifted


def test_what_changed_is_on_the_page() -> None:
    tree = made.parse(compare_page(drifted(), "old.csv", "new.csv", 0.05))
    said = made.said(tree)
    assert "old old.csv · new new.csv" in said
    assert "More verdicts flipped than the 5 % that were allowed." in said
    assert "5 12.8 %" in said
    matrix = made.tables(tree)[1]
    assert matrix[3] == ["live", "5", "0", "34", "0", "39"]
    assert matrix[-1] == ["all", "5", "0", "34", "0", "39"]
    language = next(t for t in made.tables(tree) if t[1:] and t[1][0] == "zh")
    assert language[1] == ["zh", "20", "25.0 %", "+0.250", "0.2500", "0 %", "25.0 %"]
    assert "only in the old results: 1 calls/1/ 39.wav" in said


def test_without_a_limit_nothing_is_judged() -> None:
    for limit, words in ((None, None), (0.5, "No more verdicts flipped than the 50 %")):
        said = made.said(made.parse(compare_page(drifted(), "o", "n", limit)))
        assert ("allowed" in said) == (limit is not None)
        assert words is None or words in said


@pytest.mark.parametrize("score", [None, 0.5])
def test_the_same_results_make_a_page(score: float | None) -> None:
    rows = [made.result(outcome=Outcome.UNKNOWN, score=score)]
    said = made.said(made.parse(compare_page(compare(rows, rows), "o", "n", None)))
    assert ("No recording has a score on both sides." in said) == (score is None)


@settings(max_examples=30)
@given(st.lists(st.integers(-1000, 1000), min_size=1, max_size=30))
def test_every_shift_is_drawn_once(shifts: list[int]) -> None:
    old = [made.result(f"{n}", score=max(-s, 0) / 1000) for n, s in enumerate(shifts)]
    new = [made.result(f"{n}", score=max(s, 0) / 1000) for n, s in enumerate(shifts)]
    tree = made.parse(compare_page(compare(old, new), "o", "n", None))
    table = next(t for t in made.tables(tree) if t[0] == ["range", "count"])
    assert sum(int(count) for _, count in table[1:]) == len(shifts)
    for bounds, count in table[1:]:
        low, high = map(float, bounds.split(" – "))
        assert int(count) == sum(low < s / 1000 < high for s in shifts)


@settings(max_examples=20)
@given(NASTY, NASTY)
def test_no_name_becomes_markup(name: str, other: str) -> None:
    path = name or "a"
    old = [made.result(path, score=0.1, carried={other or "x": name}), made.result("only " + name)]
    new = [made.result(path, Outcome.LIVE, 0.9, channel=""), made.result("new " + other)]
    tree = made.parse(compare_page(compare(old, new), name, other, 0.5))
    assert len(list(tree.iter(f"{made.XHTML}script"))) == 1
    assert {f"{made.XHTML}{tag}" for tag in ("img", "a", "iframe", "object")}.isdisjoint(
        node.tag for node in tree.iter()
    )
    for node in tree.iter():
        assert not any(key.lower().startswith("on") for key in node.attrib)
