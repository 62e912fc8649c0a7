"""The rule, laid out by steps of voice, is the rule itself."""

import pickle
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest

from audio_model.rule import Calibration, DecisionRule, OperatingPoint, RuleByVoice
from audio_model.steps import STEPS_PER_SECOND

N_THREADS = 8
RULE = DecisionRule(
    Calibration((0.5, 2.0, 4.0), (0.5, 1.0, 1.5), (0.2, -0.3, 0.1)),
    operating_points=(),
    caution=0.8,
    live_caution=0.3,
)


@pytest.fixture
def restless() -> Iterator[None]:
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def reach(laid_out: RuleByVoice, n_steps: int, together: Barrier) -> float:
    together.wait()
    laid_out.reach(n_steps)
    return laid_out.live_caution[n_steps]


@pytest.mark.usefixtures("restless")
def test_threads_that_share_a_rule_lay_it_out_once() -> None:
    for _ in range(20):
        rule = replace(RULE)
        laid_out, together = rule.by_voice, Barrier(N_THREADS)

        with ThreadPoolExecutor(N_THREADS) as pool:
            asked = [pool.submit(reach, laid_out, n, together) for n in range(200, 200 + N_THREADS)]
            assert all(each.result() > 0 for each in asked)
        seconds = [n / STEPS_PER_SECOND for n in range(200 + N_THREADS)]
        expected = [rule.calibration.after(each) for each in seconds]
        assert list(zip(laid_out.slope, laid_out.offset, strict=True)) == expected
        assert laid_out.caution[100] == rule.caution / seconds[100]


def test_a_rule_that_was_laid_out_can_be_sent_to_a_process() -> None:
    RULE.by_voice.reach(10)
    assert pickle.loads(pickle.dumps(RULE)) == RULE


@pytest.mark.parametrize(
    ("budgets", "chosen"), [((0.001, 0.01, 0.1), 0.01), ((0.2, 0.5), 0.2), ((0.001,), 0.001)]
)
def test_the_point_that_is_reported_is_the_nearest_to_one_per_cent(
    budgets: tuple[float, ...], chosen: float
) -> None:
    points = [OperatingPoint(b, 0.9, 0.1, false_alarm=0, miss=0, passed=0) for b in budgets]
    rule = replace(RULE, operating_points=tuple(points))
    assert rule.reported_point.max_false_alarm == chosen
