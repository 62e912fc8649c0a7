"""Student's and the beta distribution by the incomplete beta function, without SciPy."""

import math
from collections.abc import Callable
from functools import lru_cache

_TINY = 1e-300
_MOST_TERMS, _ENOUGH = 500, 1e-14
_HALVINGS = 200


def incomplete_beta(a: float, b: float, x: float) -> float:
    """Return the regularised incomplete beta function, the beta distribution's probability up to x.

    Source: the continued fraction 8.17.22 of the NIST Digital Library of Mathematical Functions,
    evaluated by Lentz's method.
    """
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    if x > (a + 1) / (a + b + 2):
        return 1 - incomplete_beta(b, a, 1 - x)
    front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    front += a * math.log(x) + b * math.log1p(-x)
    c, d = 1.0, 1 / _away_from_0(1 - (a + b) * x / (a + 1))
    fraction = d
    for m in range(1, _MOST_TERMS):
        for numerator in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / _away_from_0(1 + numerator * d)
            c = _away_from_0(1 + numerator / c)
            fraction *= c * d
        if abs(c * d - 1) < _ENOUGH:
            break
    return math.exp(front) * fraction / a


def beta_quantile(a: float, b: float, share: float) -> float:
    """Return the value that a share of a beta distribution lies below."""
    return _where(lambda x: incomplete_beta(a, b, x), share, 0.0, 1.0)


def beyond(t: float, freedom: float) -> float:
    """Return how likely Student's t lies above a value."""
    half = incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t)) / 2
    return half if t >= 0 else 1 - half


@lru_cache(maxsize=256)  # Each fit of a rule asks for those of the same operating points.
def student_quantile(share: float, freedom: float) -> float:
    """Return the value of Student's t that a share of the distribution lies below."""
    if share < 0.5:
        return -student_quantile(1 - share, freedom)
    high = 1.0
    while beyond(high, freedom) > 1 - share:
        high *= 2
    return _where(lambda t: 1 - beyond(t, freedom), share, 0.0, high)


def rate_interval(events: float, n: float) -> tuple[float, float]:
    """Return the exact 95 % interval of a rate, given the number of events in ``n`` trials.

    Source: Clopper and Pearson, "The use of confidence or fiducial limits", 1934.
    """
    tail = 0.025
    low = beta_quantile(events, n - events + 1, tail) if events > 0 else 0.0
    high = beta_quantile(events + 1, n - events, 1 - tail) if events < n else 1.0
    return low, high


def _where(rising: Callable[[float], float], value: float, low: float, high: float) -> float:
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if rising(middle) < value else (low, middle)
    return (low + high) / 2


def _away_from_0(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
