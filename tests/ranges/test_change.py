import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_model.errors import UsageError
from audio_model.ranges.change import ChangeTest
from audio_model.ranges.rates import CallAnswer, DetectorRates, MarkedAs
from audio_model.ranges.tree import Node, RangeCall
from tests.draws import draws
from tests.ranges_made import said

TEST = ChangeTest()
LINE = DetectorRates(live_said_live=0.15)
"""A line on which live callers are seldom called live."""


def hear(node: Node, answer: CallAnswer) -> None:
    gain = TEST.gain(answer, node)
    node.count(RangeCall("", "95213700", 0.0, answer), 0)
    node.note(answer)
    node.add_evidence(gain, 0.0)


MOST = 1500


def run_until(
    threshold: float, share: float, rng: random.Random, rates: DetectorRates = TEST.rates
) -> int:
    """Calls until a range that nobody knows reaches a threshold; ``MOST`` if it does not before."""
    node = Node("952137", 0.0, 0.0)
    for n in range(1, MOST):
        hear(node, said(rng.random() < share, rng, rates))
        if node.evidence >= threshold:
            return n
    return MOST


@pytest.mark.parametrize("rates", [TEST.rates, LINE])
@pytest.mark.parametrize("share", [0.0, TEST.honest])
def test_an_honest_range_is_seldom_over_the_threshold(share: float, rates: DetectorRates) -> None:
    rng = random.Random(0)
    runs = [run_until(TEST.threshold(500), share, rng, rates) for _ in range(draws(60))]
    assert sum(runs) / len(runs) >= 500


def test_a_line_with_a_menu_becomes_used_to_it() -> None:
    rng = random.Random(0)
    node = Node("952137", 0.0, 0.0)
    for _ in range(1000):
        hear(node, said(rng.random() < 0.4, rng))
    fresh = Node("952137", 0.0, 0.0)
    assert TEST.gain(CallAnswer.RECORDED, node) < TEST.gain(CallAnswer.RECORDED, fresh) - 0.2
    assert node.evidence < TEST.threshold(1e5)


@pytest.mark.parametrize("hit", [0.1, 0.25, 0.6, 0.9])
def test_a_campaign_is_found_after_few_calls_however_well_it_is_heard(hit: float) -> None:
    rng = random.Random(0)
    rates = DetectorRates(recorded_said_recorded=hit, recorded_said_live=0.02)
    runs = []
    for _ in range(40):
        node = Node("952137", 0.0, 0.0)
        for _ in range(100):
            hear(node, said(False, rng))
        node.drop_evidence()
        while node.evidence < TEST.threshold(1000):
            hear(node, said(True, rng, rates))
        runs.append(node.calls - 100)
    assert sorted(runs)[36] <= (30 if hit > 0.2 else 60)


def test_thresholds_rise_by_a_nat_for_each_e() -> None:
    assert TEST.threshold(0.5) == 0
    assert TEST.threshold(1e5) - TEST.threshold(1e4) == pytest.approx(math.log(10))


@given(
    *(st.integers(0, 100_000) for _ in range(4)),
    st.sampled_from([CallAnswer.RECORDED, CallAnswer.LIVE, CallAnswer.UNSURE]),
)
def test_whatever_was_heard_a_gain_is_a_number(
    recorded: int, live: int, since: int, usual: int, answer: CallAnswer
) -> None:
    node = Node("952137", 0.0, 0.0, recorded=recorded, live=live)
    node.recorded_since = node.heard_since = since
    node.usual_recorded = node.usual_heard = usual
    gain = TEST.gain(answer, node)
    assert math.isfinite(gain)
    assert gain <= 0 or answer is not CallAnswer.LIVE
    assert gain >= 0 or answer is not CallAnswer.RECORDED


def test_what_was_not_heard_says_nothing_and_unsure_says_much_less_than_recorded() -> None:
    node = Node("952137", 0.0, 0.0)
    assert TEST.gain(CallAnswer.UNHEARD, node) == 0
    assert abs(TEST.gain(CallAnswer.UNSURE, node)) < 0.2 < TEST.gain(CallAnswer.RECORDED, node)


def test_a_mark_is_an_answer_that_is_never_wrong() -> None:
    assert TEST.mark_gains[MarkedAs.RECORDED] > TEST.gains[CallAnswer.RECORDED]
    assert TEST.mark_gains[MarkedAs.LIVE] < TEST.gains[CallAnswer.LIVE]


@pytest.mark.parametrize(("honest", "bad"), [(0.0, 0.5), (0.5, 0.5), (0.2, 1.0), (0.8, 0.2)])
def test_shares_that_cannot_be_told_apart_are_refused(honest: float, bad: float) -> None:
    with pytest.raises(UsageError, match="honest share"):
        ChangeTest(honest=honest, bad=bad)
