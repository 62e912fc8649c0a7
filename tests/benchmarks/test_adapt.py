"""What is drawn and mismarked, and how results are summed up; the network plays no part."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.adapt import ALL, as_rows, cases, drawn, mismarked, read_results
from tests import sounds
from tests.training import made, readout
from training.adapt.calls import MIN_GROUPS, Calls
from training.evaluation.infer import raw


@pytest.fixture(scope="module")
def marks() -> Calls:
    """Ten callers of one call each, and five campaigns of four."""
    samples = sounds.voice(0.5)
    live = [made.sound(samples, made.clip(f"live{n}", 0)) for n in range(10)]
    recorded = [
        made.sound(samples, made.clip(f"recorded{n}", 1, source=f"campaign{n % 5}"))
        for n in range(20)
    ]
    return Calls(readout.network(), raw([*live, *recorded]))


@pytest.mark.parametrize("seed", range(5))
def test_as_many_calls_are_drawn_and_of_enough_groups(marks: Calls, seed: int) -> None:
    few = drawn(marks, 6, 3, np.random.default_rng(seed))
    assert np.bincount(few.label).tolist() == [6, 3]
    assert len(set(few.group[few.label == 1])) == MIN_GROUPS
    assert len({heard.clip.name for heard in few.old}) == 9


def test_a_tenth_of_the_groups_is_marked_wrong_and_the_marks_are_left_alone(marks: Calls) -> None:
    before = marks.label.copy()
    wrong = mismarked(marks, np.random.default_rng(0))
    assert len(set(marks.group[wrong.label != before])) == 2
    assert (marks.label == before).all()


def test_draws_are_summed_up() -> None:
    of = {"line": "india", "case": "10", "marks": 10, "adapted": False, "before": 0.2}
    of["cpu_s"] = 1.0
    results = [of | {"after": 0.2, "lost": 0.0}, of | {"after": 0.1, "lost": 0.01, "adapted": True}]
    (row,) = as_rows(results)
    assert row[:4] == ("india", "10", "10", "1 of 2")
    assert row[4:8] == ("20.0%", "15.0%", "-10.0% to 0", "+0.5%")
    (row,) = as_rows(results[:1])
    assert " to " not in row[6]


def test_a_draw_of_every_case_comes_before_the_next_draw() -> None:
    given = list(cases(3))
    assert [draw for _, draw in given] == sorted(draw for _, draw in given)
    assert {draw for name, draw in given if name.startswith(ALL)} == {0}
    assert {draw for name, draw in given if name == "100"} == {0, 1, 2}


def test_a_run_that_was_cut_short_goes_on_where_it_was(tmp_path: Path) -> None:
    output = tmp_path / "draws.jsonl"
    assert read_results(output) == []
    output.write_text('{"draw": 0}\n{"draw": 1}\n{"dr', encoding="utf-8")
    assert read_results(output) == [{"draw": 0}, {"draw": 1}]
    assert output.read_text(encoding="utf-8") == '{"draw": 0}\n{"draw": 1}\n'
