"""The probability of a match is fitted to what was right, and pairs that sound alike are told."""

import numpy as np
import pytest

from audio_model.known.fingerprint import fingerprint
from audio_model.known.matcher import match_whole
from benchmarks.known.calibration import Told, fit, print_reliability
from benchmarks.known.shared import correlations, share_samples
from tests.known.calls import cut, played, spoken, store_of
from tests.known.test_match import made


def told(slope: float, even: float, n: int) -> list[Told]:
    rng = np.random.default_rng(0)
    worth = rng.uniform(0, 2 * even, n)
    right = rng.random(n) < 1 / (1 + np.exp(-slope * (worth - even)))
    pairs = zip(worth.tolist(), right.tolist(), strict=True)
    return [Told("a call", made(evidence=one), is_right) for one, is_right in pairs]


def test_the_fit_finds_slope_and_even_odds() -> None:
    slope, even = fit(told(30.0, 0.15, 6000))
    assert slope == pytest.approx(30, rel=0.08)
    assert even == pytest.approx(0.15, abs=0.005)


def test_pairs_that_match_as_a_whole_have_a_column_of_their_own(
    capsys: pytest.CaptureFixture[str],
) -> None:
    right = [Told("another", made(), right=True)] * 3
    twin = [Told("a twin", made(), right=False)]
    print_reliability(right + twin, frozenset({frozenset(("a twin", ""))}))
    assert "| 3 | 1.000 | 1.000 | 0.750 |" in capsys.readouterr().out


def test_the_same_samples_are_told_from_what_sounds_alike() -> None:
    message = spoken(5, seed=1)
    with store_of([message]) as store:
        again = played(cut(message, 0.7, 4), seed=2, snr_db=30)
        match = match_whole(store, fingerprint(again))
        assert match is not None and share_samples(again, message, match)
        assert np.median(correlations(again, message, match)) > 0.95
        rng = np.random.default_rng(3)
        alike = np.sign(rng.standard_normal(len(again))).astype(np.float32) * again
        assert not share_samples(alike, message, match)
