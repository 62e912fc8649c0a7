import math

import pytest

from audio_model.ranges.numbers import normalise
from audio_model.ranges.rates import CallAnswer, MarkedAs
from audio_model.ranges.tree import (
    MAX_CAMPAIGNS,
    RECENT_SECONDS,
    SHORT_SECONDS,
    Node,
    RangeCall,
    State,
    children,
    path_of,
)


def call(time: float = 0.0, **fields: object) -> RangeCall:
    values = {"outcome": CallAnswer.RECORDED, **fields}
    return RangeCall("c", "95213001", time, **values)  # type: ignore[arg-type]


def node(prefix: str = "95213") -> Node:
    return Node(prefix, first=0.0, last=0.0)


def test_calls_are_counted_by_what_was_said() -> None:
    counted = node()
    for said in (
        CallAnswer.RECORDED,
        CallAnswer.LIVE,
        CallAnswer.LIVE,
        CallAnswer.UNSURE,
        CallAnswer.UNHEARD,
    ):
        counted.count(call(outcome=said), 0)
    assert (counted.recorded, counted.live, counted.unsure, counted.unheard) == (1, 2, 1, 1)
    assert (counted.calls, counted.heard) == (5, 4)


def test_short_calls_are_a_share_of_those_whose_duration_is_known() -> None:
    counted = node()
    assert counted.short_share is None
    for duration in (None, 1.0, SHORT_SECONDS, 60.0):
        counted.count(call(duration=duration), 0)
    assert counted.short_share == pytest.approx(1 / 3)


def test_recent_counts_fade_and_totals_do_not() -> None:
    counted = node()
    counted.count(call(0.0), 0)
    counted.count(call(RECENT_SECONDS), 0)
    assert counted.recorded == 2
    assert counted.recent_recorded == pytest.approx(1 + math.exp(-1))
    assert counted.recent(2 * RECENT_SECONDS)[CallAnswer.RECORDED] == pytest.approx(
        math.exp(-1) + math.exp(-2)
    )


def test_a_call_that_comes_late_does_not_age_the_others() -> None:
    counted = node()
    counted.count(call(1000.0), 0)
    counted.count(call(0.0), 0)
    assert counted.recent_recorded == 2
    assert counted.last == 1000.0


def test_campaigns_are_bounded_and_the_largest_stay() -> None:
    counted = node()
    for _ in range(5):
        counted.count(call(campaign="large"), 0)
    for index in range(3 * MAX_CAMPAIGNS):
        counted.count(call(campaign=f"small {index}"), 0)
    assert len(counted.campaigns) == MAX_CAMPAIGNS
    assert counted.campaigns["large"] == 5


def test_a_second_mark_takes_the_place_of_the_first() -> None:
    counted = node()
    counted.count_mark(MarkedAs.RECORDED, None)
    counted.count_mark(MarkedAs.LIVE, MarkedAs.RECORDED)
    assert counted.marks() == {MarkedAs.RECORDED: 0, MarkedAs.LIVE: 1}


def test_evidence_never_falls_below_zero_and_knows_when_it_left_it() -> None:
    counted = node()
    counted.add_evidence(-2.0, 1.0)
    assert counted.evidence == 0
    counted.add_evidence(1.0, 5.0)
    counted.add_evidence(1.0, 6.0)
    assert (counted.evidence, counted.began) == (2.0, 5.0)


def test_narrow_nodes_are_made_below_evidence_alone() -> None:
    nodes: dict[str, Node] = {}
    number = normalise("95213001")
    assert [each.prefix for each in path_of(nodes, number, 0.0)] == ["952", "9521", "95213"]
    nodes["95213"].evidence = 1.0
    assert [each.prefix for each in path_of(nodes, number, 0.0)][-1] == "952130"
    nodes["95213"].evidence, nodes["95213"].state = 0.0, State.WARNED
    nodes["952130"].evidence = 1.0
    assert [each.prefix for each in path_of(nodes, number, 0.0)][-1] == "9521300"


def test_children_are_one_digit_below() -> None:
    nodes = {prefix: node(prefix) for prefix in ("95213", "952131", "952139", "9521311", "95214")}
    assert [each.prefix for each in children(nodes, "95213")] == ["952131", "952139"]
