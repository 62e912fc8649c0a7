"""Draws of marks are whole groups, and marks make scores of a line better."""

from collections.abc import Sequence

import numpy as np
import pytest

from audio_model.decision import sigmoid
from audio_model.rule import Calibration, DecisionRule, OperatingPoint
from benchmarks.tune import (
    BUDGET,
    MOST_DRAWN,
    draw_marks,
    table,
    tried,
    weighted,
    with_budget,
    with_wrong,
)
from tests.answers import steps
from tests.training import made
from training.evaluation.infer import HeardTake

RULE = DecisionRule(
    Calibration((0.4, 2.0), (1.0, 1.0), (0.0, 0.0)),
    (OperatingPoint(0.05, sigmoid(1.6), sigmoid(-1.0), 0.05, 0.3, 0.1),),
)


def line(callers: int, calls: int, shift: float = 0.0) -> list[HeardTake]:
    """Return calls of as many callers and voices, whose log odds lie one apart about a mean."""
    rng = np.random.default_rng(0)
    return [
        HeardTake.of(
            made.clip(f"{label}-{caller}-{call}", label, group=f"{label}-{caller}"),
            "matched",
            1.6,
            steps([rng.normal(shift + 3 * label - 1.5, 1.0)] * 20),
            1.0,
        )
        for label in (0, 1)
        for caller in range(callers)
        for call in range(calls)
    ]


def groups(takes: Sequence[HeardTake]) -> set[str]:
    return {take.group for take in takes}


def test_no_group_is_marked_and_judges() -> None:
    takes = line(30, 3)
    marks, rest = draw_marks(takes, (20, 10), np.random.default_rng(1))
    assert [sum(mark.label == label for mark in marks) for label in (0, 1)] == [20, 10]
    assert not groups(marks) & groups(rest)
    assert groups(marks) | groups(rest) == groups(takes)


def test_however_many_marks_are_asked_for_some_groups_are_left_to_judge() -> None:
    marks, rest = draw_marks(line(30, 1), (500, 500), np.random.default_rng(1))
    assert len(marks) == 2 * round(30 * MOST_DRAWN)
    assert len(groups(rest)) == 20


def test_a_wrong_mark_is_a_group_of_its_own() -> None:
    marks = line(10, 1)
    turned = with_wrong(marks, 0.1, np.random.default_rng(0))
    wrong = [new for old, new in zip(marks, turned, strict=True) if new.label != old.label]
    assert len(wrong) == 2
    assert all(each.group.endswith("(wrong)") for each in wrong)


def test_groups_count_alike() -> None:
    takes = [*line(1, 4), *line(3, 1)[1:3]]
    of_first = [take.weight for take in weighted(takes) if take.group == "0-0"]
    assert sum(of_first) == pytest.approx(1)


def test_a_budget_that_the_rule_has_no_point_for_gets_one_that_is_stricter() -> None:
    strict = with_budget(RULE, BUDGET)
    assert strict.operating_point(BUDGET).recorded_at > RULE.operating_points[0].recorded_at
    assert with_budget(strict, BUDGET) is strict


def test_marks_of_a_line_that_scores_low_make_scores_better() -> None:
    before = with_budget(RULE, BUDGET)
    draw = tried(line(60, 1, shift=-1.5), before, (30, 30), 0.0, seed=9)
    assert draw is not None
    assert draw.marks == 60
    assert draw.after["log_loss"] < draw.before["log_loss"]
    assert draw.fitted["log_loss"] <= draw.after["log_loss"]
    assert draw.of_line["log_loss"] <= draw.after["log_loss"]
    # The guard is asked in the first draws alone.
    assert draw.guard is None
    head, _, measured, empty = table({"one, 60": [draw, draw], "two": []}).splitlines()
    assert head.startswith("| line, marks | log loss")
    assert "0 of 2" in measured
    assert "too few calls are left" in empty


def test_too_few_calls_to_judge_are_no_draw() -> None:
    assert tried(line(20, 1), with_budget(RULE, BUDGET), (30, 30), 0.0, seed=9) is None
