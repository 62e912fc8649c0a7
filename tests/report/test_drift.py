"""Gaps between two results as a whole, and what of them is more than chance."""

import numpy as np
import pytest

from audio_model.report.drift import Drift, Gap, Shares, SideSpread
from audio_model.tables.results import Outcome, Result
from tests.report import made


def gaps(old: list[Result], new: list[Result]) -> dict[str, Gap]:
    drift = Drift()
    assert [*drift.watch(0, old)] == old
    assert [*drift.watch(1, new)] == new
    return {gap.name: gap for gap in drift.gaps()}


def calls(
    n: int, rng: np.random.Generator, snr_db: float = 30.0, alaw: float = 1.0
) -> list[Result]:
    return [
        made.result(
            f"{n}.wav",
            Outcome.LIVE if rng.random() < 0.5 else Outcome.RECORDED,
            score=float(rng.random()),
            noise_db=-60.0,
            snr_db=float(rng.normal(snr_db, 8.0)),
            codec="alaw" if rng.random() < alaw else "gsm",
        )
        for n in range(n)
    ]


def test_a_gap_of_a_number_is_the_largest_between_the_shares_below_a_value() -> None:
    spread = SideSpread(0.5)
    for value in (1, 2, 3, 4):
        spread.add(0, value)
    for value in (3, 4, 5, 6, 7, 8, 9, 10):
        spread.add(1, value)
    assert spread.gap == pytest.approx(0.75)
    assert [spread.quantile(0, share) for share in (0.1, 0.5, 0.9)] == [1, 2, 4]
    with pytest.raises(ValueError, match="no call"):
        SideSpread(1).quantile(0, 0.5)


def test_a_gap_of_a_kind_is_the_largest_change_of_a_share() -> None:
    shares = Shares()
    for side, kinds in enumerate(("aaab", "abbc")):
        for kind in kinds:
            shares.add(side, kind)
    assert shares.most_changed == "a"
    assert shares.gap == pytest.approx(0.5)


def test_calls_of_one_line_drift_by_chance_alone_once_in_a_hundred() -> None:
    rng = np.random.default_rng(0)
    told = [
        gap.is_drift
        for _ in range(100)
        for gap in gaps(calls(60, rng, alaw=0.5), calls(90, rng, alaw=0.5)).values()
    ]
    assert len(told) == 500
    assert sum(told) <= 8


def test_noise_and_codecs_that_change_are_drift_and_the_rest_is_not() -> None:
    rng = np.random.default_rng(1)
    found = gaps(calls(300, rng), calls(200, rng, snr_db=22.0, alaw=0.7))
    assert {name for name, gap in found.items() if gap.is_drift} == {"snr_db", "codec"}
    assert found["codec"].size == pytest.approx(0.3, abs=0.1)
    # Two normal distributions a standard deviation apart: 38 points.
    assert found["snr_db"].size == pytest.approx(0.38, abs=0.1)


def test_what_only_one_side_tells_is_not_compared() -> None:
    old = [made.result("a.wav")]
    assert set(gaps(old, [made.result("b.wav", snr_db=20.0, codec="pcm")])) == {"verdict", "score"}
    assert gaps(old, []) == {}
