import json
from dataclasses import replace
from typing import Any

import pytest

from audio_model.errors import UsageError
from audio_model.ranges import breaker
from audio_model.ranges.breaker import Policy, Why
from audio_model.ranges.tree import Node, State

POLICY = Policy()


def node(**fields: object) -> Node:
    return Node("95213", first=0.0, last=0.0, **fields)  # type: ignore[arg-type]


def test_opening_needs_more_evidence_than_warning_and_busy_ranges_more_than_quiet_ones() -> None:
    quiet, busy = node(live=10), node(live=100_000)
    assert POLICY.warn_at(quiet) < POLICY.open_at(quiet) < POLICY.open_at(busy)
    assert POLICY.least_warning == POLICY.warn_at(quiet)


def test_the_threshold_is_that_of_the_error_budget() -> None:
    """100 calls on the first day are 3,000 a month; one opening in 100 months is one in 300,000."""
    assert POLICY.open_at(node(live=100)) == POLICY.test.threshold(300_000)


def test_a_smaller_budget_needs_more_evidence() -> None:
    strict = replace(POLICY, openings=POLICY.openings / 100)
    assert strict.open_at(node()) > POLICY.open_at(node()) + 3


def test_an_opening_lasts_twice_as_long_each_time_and_not_for_ever() -> None:
    opened = node()
    lengths = []
    for _ in range(12):
        change = breaker.enter(opened, State.OPEN, Why.EVIDENCE, 0.0, POLICY)
        lengths.append(change.until)
    assert lengths[:3] == [1800, 3600, 7200]
    assert max(lengths) == lengths[-1] == POLICY.max_open_seconds


def test_closing_forgets_the_openings_and_the_evidence() -> None:
    opened = node(evidence=20.0)
    breaker.enter(opened, State.OPEN, Why.EVIDENCE, 0.0, POLICY)
    breaker.enter(opened, State.CLOSED, Why.PASSED, 1.0, POLICY)
    assert (opened.evidence, opened.openings, opened.until) == (0.0, 0, 0.0)
    assert opened.forgettable


@pytest.mark.parametrize(
    ("state", "after"),
    [
        (State.CLOSED, None),
        (State.WARNED, State.CLOSED),
        (State.OPEN, State.HALF_OPEN),
        (State.HALF_OPEN, State.CLOSED),
    ],
)
def test_states_end_by_time(state: State, after: State | None) -> None:
    held = node(state=state, until=100.0)
    assert breaker.expired(held, 99.9) is None
    assert breaker.expired(held, 100.0) is after


def test_a_change_holds_the_evidence_before_it_as_json() -> None:
    held = node(evidence=12.5, recorded=30, live=2, campaigns={"a": 1, "b": 9})
    change = breaker.enter(held, State.HALF_OPEN, Why.TIME, 5.0, POLICY)
    assert json.loads(json.dumps(change.evidence)) == change.evidence
    assert change.evidence["evidence"] == 12.5
    assert (change.evidence["recorded"], change.evidence["live"]) == (30, 2)
    assert list(change.evidence["campaigns"]) == ["b", "a"]  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "change",
    [
        {"openings": 0.0},
        {"openings": 5.0},
        {"open_seconds": 0.0},
        {"max_open_seconds": 10.0},
        {"trial_error": 0.5},
        {"quiet_seconds": 0.0},
    ],
)
def test_policies_that_cannot_work_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        replace(POLICY, **change)
