"""Our distributions agree with SciPy's."""

import pytest
from scipy import stats
from scipy.special import betainc

from audio_model.fitting.student import (
    beta_quantile,
    beyond,
    incomplete_beta,
    rate_interval,
    student_quantile,
)


@pytest.mark.parametrize("a", [0.5, 1.0, 3.0, 80.0, 4000.0])
@pytest.mark.parametrize("b", [0.5, 2.0, 60.0])
@pytest.mark.parametrize("x", [0.0, 1e-9, 0.02, 0.5, 0.97, 1.0])
def test_incomplete_beta(a: float, b: float, x: float) -> None:
    assert incomplete_beta(a, b, x) == pytest.approx(betainc(a, b, x), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("freedom", [1.0, 8.0, 13.5, 300.0])
@pytest.mark.parametrize("share", [0.001, 0.12, 0.5, 0.95, 0.999])
def test_students_t(freedom: float, share: float) -> None:
    quantile = student_quantile(share, freedom)
    assert quantile == pytest.approx(stats.t.ppf(share, freedom), rel=1e-7, abs=1e-9)
    assert beyond(quantile, freedom) == pytest.approx(1 - share, rel=1e-7)


def test_beta_quantile() -> None:
    assert beta_quantile(3, 98, 0.975) == pytest.approx(stats.beta.ppf(0.975, 3, 98))


@pytest.mark.parametrize(("events", "n"), [(0, 100), (3, 100), (100, 100), (1, 7)])
def test_rate_interval_is_exact(events: int, n: int) -> None:
    theirs = stats.binomtest(events, n).proportion_ci(0.95, method="exact")
    assert rate_interval(events, n) == pytest.approx((theirs.low, theirs.high), abs=1e-9)
