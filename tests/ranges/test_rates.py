import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_model.decision import Reason, VerdictKind
from audio_model.errors import UsageError
from audio_model.ranges.rates import (
    CallAnswer,
    DetectorRates,
    MarkedAs,
    outcome,
    recorded_share,
)
from audio_model.rule import OperatingPoint
from tests.ranges_made import RATES, said


@pytest.mark.parametrize(
    ("verdict", "reason", "expected"),
    [
        (VerdictKind.RECORDED, "", CallAnswer.RECORDED),
        (VerdictKind.LIVE, "", CallAnswer.LIVE),
        (VerdictKind.UNKNOWN, Reason.UNSURE, CallAnswer.UNSURE),
        (VerdictKind.UNKNOWN, "", CallAnswer.UNSURE),
        (VerdictKind.UNKNOWN, Reason.SILENCE, CallAnswer.UNHEARD),
        (VerdictKind.UNKNOWN, Reason.ERROR, CallAnswer.UNHEARD),
    ],
)
def test_an_unknown_that_heard_nothing_tells_nothing(
    verdict: VerdictKind, reason: str, expected: CallAnswer
) -> None:
    assert outcome(verdict, reason) is expected


@pytest.mark.parametrize("share", [0.0, 0.05, 0.3, 0.9])
def test_the_true_share_is_found_behind_misses_and_false_alarms(share: float) -> None:
    rng = random.Random(4)
    inside = 0
    for _ in range(40):
        counts = dict.fromkeys(CallAnswer, 0.0)
        for _ in range(800):
            counts[said(rng.random() < share, rng)] += 1
        found = recorded_share(counts, RATES, above=0.2)
        inside += found.low - 0.001 <= share <= found.high
        assert found.mean == pytest.approx(share, abs=0.12)
    assert inside >= 33


def test_counting_verdicts_alone_would_miss_most() -> None:
    counts = {CallAnswer.RECORDED: 415.0, CallAnswer.LIVE: 50.0, CallAnswer.UNSURE: 535.0}
    assert recorded_share(counts, RATES, above=0.2).low > 0.93


def test_without_calls_the_prior_holds() -> None:
    found = recorded_share({}, RATES, above=0.2)
    assert found.mean == pytest.approx(0.1, abs=0.01)
    assert found.low < 0.001 < 0.3 < found.high


def test_unheard_calls_change_nothing() -> None:
    counts = {CallAnswer.RECORDED: 3.0, CallAnswer.LIVE: 2.0}
    assert recorded_share(counts | {CallAnswer.UNHEARD: 1e6}, RATES, above=0.2) == recorded_share(
        counts, RATES, above=0.2
    )


def test_a_mark_weighs_more_than_a_verdict() -> None:
    verdict = recorded_share({CallAnswer.RECORDED: 5}, RATES, above=0.2)
    mark = recorded_share({}, RATES, above=0.2, marks={MarkedAs.RECORDED: 5})
    assert mark.mean > verdict.mean
    assert recorded_share({}, RATES, above=0.2, marks={MarkedAs.LIVE: 50}).high < 0.1


@given(st.lists(st.floats(0, 1e5), min_size=3, max_size=3), st.floats(0.01, 0.99))
def test_the_posterior_is_one_whatever_was_counted(counts: list[float], above: float) -> None:
    found = recorded_share(
        dict(zip((CallAnswer.RECORDED, CallAnswer.LIVE, CallAnswer.UNSURE), counts, strict=True)),
        RATES,
        above=above,
    )
    assert 0 < found.low <= found.high < 1
    assert 0 < found.mean < 1
    assert -1e-9 <= found.above <= 1 + 1e-9


def test_an_operating_point_gives_its_rates() -> None:
    point = OperatingPoint(0.01, 0.8, 0.3, false_alarm=0.0099, miss=0.659, passed=0.05)
    rates = DetectorRates.at(point)
    assert rates.of_recorded(CallAnswer.RECORDED) == pytest.approx(0.341)
    assert rates.of_live(CallAnswer.RECORDED) == pytest.approx(0.0198)


@pytest.mark.parametrize(
    "change",
    [
        {"recorded_said_recorded": 0.0},
        {"live_said_live": 0.99},
        {"live_said_recorded": 0.42},
    ],
)
def test_rates_that_tell_nothing_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        replace(DetectorRates(), **change)
