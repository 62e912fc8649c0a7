from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_model.report.compare import Comparison, compare, join
from audio_model.report.compare_text import as_text, as_values
from audio_model.tables.results import Outcome, Result
from tests.report import made

names = st.sampled_from(["a", "b", "c", "d"])
sides = st.lists(
    st.builds(
        made.result,
        path=names,
        channel=st.sampled_from(["", "left"]),
        outcome=st.sampled_from(list(Outcome)),
        score=st.none() | st.floats(0, 1),
    ),
    max_size=12,
)


def key(row: Result) -> tuple[str, str]:
    return row.path, row.channel


@given(sides, sides)
def test_rows_are_joined_whatever_their_order(old: list[Result], new: list[Result]) -> None:
    missing = Comparison()
    pairs = list(join(old, new, missing))
    assert all(key(one) == key(other) for one, other in pairs)
    # Each row is in one pair or missing: a path that is there n and m times gives min(n, m) pairs.
    counts = Counter(map(key, old)), Counter(map(key, new))
    assert Counter(key(one) for one, _ in pairs) == counts[0] & counts[1]
    assert missing.only_old.count == (counts[0] - counts[1]).total()
    assert missing.only_new.count == (counts[1] - counts[0]).total()
    assert {id(one) for one, _ in pairs} <= set(map(id, old))
    assert {id(other) for _, other in pairs} <= set(map(id, new))


@given(sides, sides)
def test_counts_agree_with_the_pairs(old: list[Result], new: list[Result]) -> None:
    comparison = compare(old, new)
    pairs = list(join(old, new, Comparison()))
    overall = comparison.overall
    assert overall.joined == len(pairs)
    assert overall.flips == sum(one.outcome is not other.outcome for one, other in pairs)
    assert comparison.matrix == Counter((one.outcome, other.outcome) for one, other in pairs)
    shifts = [
        other.score - one.score
        for one, other in pairs
        if one.score is not None and other.score is not None
    ]
    assert overall.scored == len(shifts)
    if shifts:
        assert overall.mean == pytest.approx(sum(shifts) / len(shifts))
        assert comparison.quantile(1) == pytest.approx(max(shifts), abs=6e-4)
        assert comparison.quantile(1e-9) == pytest.approx(min(shifts), abs=6e-4)
        one, other = comparison.largest.sorted()[0]
        assert one.score is not None and other.score is not None
        assert abs(other.score - one.score) == pytest.approx(max(map(abs, shifts)))
    else:
        assert (overall.mean, overall.mean_size, comparison.quantile(0.5)) == (None, None, None)


@given(sides)
def test_nothing_changed_between_the_same(rows: list[Result]) -> None:
    comparison = compare(rows, rows)
    assert comparison.overall.joined == len(rows)
    assert comparison.overall.flip_rate == 0
    assert not comparison.overall.mean_size
    assert comparison.only_old.count == comparison.only_new.count == 0


def drifted() -> Comparison:
    """Calls in two languages, of which one drifted."""
    old = [
        made.result(f"calls/{n % 2}/{n}.wav", Outcome.LIVE, 0.2, carried={"language": language})
        for n in range(40)
        for language in [["zh", "en"][n % 2]]
    ]
    new = [
        made.result(
            row.path,
            Outcome.RECORDED if n < 10 and row.carried["language"] == "zh" else Outcome.LIVE,
            0.2 + (0.7 if n < 10 else 0.1) * (row.carried["language"] == "zh"),
            carried=row.carried,
        )
        for n, row in enumerate(old[:-1])
    ]
    return compare(old, [*reversed(new), made.result("calls/new.wav")])


def test_slices_show_where_it_drifted() -> None:
    comparison = drifted()
    by_language = next(each for each in comparison.slices if each.by.column == "language")
    zh, en = by_language.groups["zh"], by_language.groups["en"]
    assert (zh.joined, zh.flips, zh.recorded) == (20, 5, [0, 5])
    assert (en.joined, en.flips, en.mean) == (19, 0, 0)
    assert zh.mean == pytest.approx((5 * 0.7 + 15 * 0.1) / 20)
    assert comparison.opposite == 5


def test_as_text_and_as_values() -> None:
    comparison = drifted()
    text = as_text(comparison)
    lines = [line.split() for line in text.splitlines()]
    assert ["live", "5", "0", "34", "0", "39"] in lines
    assert "39 in both: 5 verdicts flipped (12.82%), 5 from one class to the other" in text
    assert ["zh", "20", "25.00%", "+0.2500", "0.2500", "0.0%", "25.0%"] in lines
    assert ["calls/0/0.wav", "live", "0.2000", "recorded", "0.9000"] in lines
    assert "only in old: 1\n  calls/1/39.wav" in text
    assert "only in new: 1\n  calls/new.wav" in text

    values: dict[str, Any] = dict(as_values(comparison))
    assert (values["joined"], values["flips"], values["opposite"]) == (39, 5, 5)
    assert values["matrix"]["live"] == {"recorded": 5, "unknown": 0, "live": 34, "error": 0}
    assert values["only_old"] == {"count": 1, "examples": ["calls/1/39.wav"]}


def test_what_waits_for_its_partner_is_small() -> None:
    curve = [[0.08, 0.5]] * 75
    old = [made.result("a", curve=curve), made.result("b", curve=curve)]
    pairs = join(old, [made.result("b"), made.result("a")], Comparison())
    assert {one.path: one.curve for one, _ in pairs} == {"a": None, "b": curve}
