import math
import random

import pytest

from audio_model.errors import UsageError
from audio_model.ranges.change import ChangeTest
from audio_model.ranges.rates import Mark, Outcome
from tests.ranges_made import said

TEST = ChangeTest()


def run_until(threshold: float, share: float, rng: random.Random) -> int:
    evidence, n = 0.0, 0
    while evidence < threshold:
        n += 1
        evidence = max(0.0, evidence + TEST.gains[said(rng.random() < share, rng)])
    return n


@pytest.mark.parametrize("threshold", [1.5, 3.0])
def test_the_run_length_is_that_of_simulated_ranges(threshold: float) -> None:
    rng = random.Random(0)
    runs = [run_until(threshold, TEST.honest, rng) for _ in range(200)]
    assert sum(runs) / len(runs) == pytest.approx(TEST.run_length(threshold), rel=0.25)


def test_a_campaign_is_found_after_few_calls() -> None:
    rng = random.Random(0)
    runs = [run_until(TEST.threshold(1e5), 1.0, rng) for _ in range(100)]
    assert sorted(runs)[95] < 60


@pytest.mark.parametrize("run_length", [10.0, 1e3, 1e5, 1e9])
def test_a_threshold_has_the_run_length_that_was_asked_for_or_more(run_length: float) -> None:
    found = math.log(TEST.run_length(TEST.threshold(run_length)))
    assert math.log(run_length) - 0.3 < found < math.log(run_length) + 1.0


def test_thresholds_rise_with_the_run_length_and_far_out_by_a_nat_for_each_e() -> None:
    thresholds = [TEST.threshold(10.0**n) for n in range(1, 15)]
    assert thresholds == sorted(thresholds)
    assert thresholds[-1] - thresholds[-2] == pytest.approx(math.log(10))


def test_unsure_and_unheard_calls_never_speak_for_a_recording() -> None:
    assert TEST.gains[Outcome.UNSURE] <= 0
    assert TEST.gains[Outcome.UNHEARD] == 0
    assert TEST.gains[Outcome.LIVE] < 0 < TEST.gains[Outcome.RECORDED]


def test_a_mark_is_an_answer_that_is_never_wrong() -> None:
    assert TEST.mark_gains[Mark.RECORDED] > TEST.gains[Outcome.RECORDED]
    assert TEST.mark_gains[Mark.LIVE] < TEST.gains[Outcome.LIVE]


@pytest.mark.parametrize(("honest", "bad"), [(0.0, 0.5), (0.5, 0.5), (0.2, 1.0), (0.8, 0.2)])
def test_shares_that_cannot_be_told_apart_are_refused(honest: float, bad: float) -> None:
    with pytest.raises(UsageError, match="honest share"):
        ChangeTest(honest=honest, bad=bad)
