"""How good the scores are: error rates, their trade-off, calibration, and how sure we are of them.

Everywhere a *score* is high for recorded, a label is 1 for recorded and 0 for live, and a clip is
flagged when its score is at or above the threshold. A *false alarm* is a live clip flagged, a
*miss* a recorded clip passed; each rate is the share of its own class's weight. Scores, labels
and weights have shape (n_clips,). Without weights clips count alike; :func:`source_weights` makes
sources count alike, and :func:`corpus_weights` corpora.

Everything raises ValueError for arrays of different lengths, values that are not finite, labels
other than 0 and 1, weights below 0 or without any; and what tells classes apart for a class
without weight.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Metric = Callable[[ArrayLike, ArrayLike, ArrayLike | None], float]
"""``metric(scores, labels, weights)``."""

ECE_BINS = 15
GROUPS_OF_A_BIN = 4
"""Groups of a bin, on average, from which on they tell a variance."""
CONFIDENCE = 0.95


@dataclass(frozen=True)
class DetCurve:
    """Error rates with the threshold at each distinct score, rising, and at last at +inf.

    Each array has shape (n_points,): ``false_alarm`` falls from 1 to 0, ``miss`` rises from 0
    to 1.
    """

    threshold: Array
    false_alarm: Array
    miss: Array


@dataclass(frozen=True)
class Rates:
    """A threshold and the error rates there."""

    threshold: float
    false_alarm: float
    miss: float


@dataclass(frozen=True)
class Reliability:
    """Clips in bins of equal weight by probability; arrays of shape (n_bins,), no bin empty."""

    probability: Array
    """Mean probability of recorded that the model gave."""
    recorded: Array
    """Share that was recorded."""
    weight: Array
    """Share of all weight; sums to 1."""

    @property
    def ece(self) -> float:
        """Return the expected calibration error: the mean gap between the two, by weight."""
        return float(np.sum(self.weight * np.abs(self.probability - self.recorded)))


def source_weights(sources: Sequence[str]) -> Array:
    """Return weight 1 / clips of its source for each clip, so that all sources count alike."""
    _, index, count = np.unique(np.asarray(sources), return_inverse=True, return_counts=True)
    weights: Array = 1.0 / count[index]
    return weights


def corpus_weights(corpora: Sequence[str], sources: Sequence[str]) -> Array:
    """Return a weight for each clip, so that corpora count alike, and within one its sources.

    The weights of a corpus sum to 1.
    """
    pairs = [f"{corpus}/{source}" for corpus, source in zip(corpora, sources, strict=True)]
    of_source = source_weights(pairs)
    _, index = np.unique(np.asarray(corpora), return_inverse=True)
    weights: Array = of_source / np.bincount(index, of_source)[index]
    return weights


def det_curve(scores: ArrayLike, labels: ArrayLike, weights: ArrayLike | None = None) -> DetCurve:
    """Return the trade-off between false alarms and misses.

    The same points make the ROC curve: 1 - miss over false alarm.
    """
    scores, labels, weights = _checked(scores, labels, weights)
    if not (labels == 0).any() or not (labels == 1).any():
        raise ValueError("both classes are needed, recorded and live")
    values, index = np.unique(scores, return_inverse=True)
    recorded = np.bincount(index, weights * labels)
    live = np.bincount(index, weights * (1 - labels))
    # Scores below the threshold are passed: none at the lowest score, all at +inf.
    miss = np.concatenate([[0.0], np.cumsum(recorded) / recorded.sum()])
    passed = np.concatenate([[0.0], np.cumsum(live) / live.sum()])
    # Sums in floating point end near 1; the last point is exact by definition.
    miss[-1] = passed[-1] = 1.0
    return DetCurve(np.concatenate([values, [np.inf]]), 1.0 - passed, miss)


def eer(scores: ArrayLike, labels: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Return the equal error rate.

    It is where the DET curve, straight between its points, has both rates alike.
    """
    curve = det_curve(scores, labels, weights)
    gap = curve.miss - curve.false_alarm
    after = int(np.argmax(gap >= 0))
    before = after - 1
    way = -gap[before] / (gap[after] - gap[before])
    return float(curve.miss[before] + way * (curve.miss[after] - curve.miss[before]))


def auc(scores: ArrayLike, labels: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Return the area under the ROC.

    It is how often a recorded clip scores above a live one, where ties count as a half.
    """
    curve = det_curve(scores, labels, weights)
    return float(-np.trapezoid(1.0 - curve.miss, curve.false_alarm))


def rates_at_false_alarm(
    scores: ArrayLike,
    labels: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    max_false_alarm: float = 0.01,
) -> Rates:
    """Return the rates at the lowest threshold with at most so many false alarms.

    Thresholds are the scores seen and +inf. Nothing is interpolated: fewer than
    1 / ``max_false_alarm`` live clips allow no false alarm at all.
    """
    curve = det_curve(scores, labels, weights)
    # The tolerance is for sums of weights: 1 of 100 clips is within 0.01.
    point = int(np.argmax(curve.false_alarm <= max_false_alarm + 1e-12))
    return Rates(
        threshold=float(curve.threshold[point]),
        false_alarm=float(curve.false_alarm[point]),
        miss=float(curve.miss[point]),
    )


def brier(probabilities: ArrayLike, labels: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Return the mean squared gap between probability and label, by weight."""
    probabilities, labels, weights = _checked_probabilities(probabilities, labels, weights)
    return float(np.average((probabilities - labels) ** 2, weights=weights))


def reliability(
    probabilities: ArrayLike,
    labels: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    n_bins: int = ECE_BINS,
) -> Reliability:
    """Compare the probability given with the share recorded, in bins of equal weight.

    Equal probabilities share a bin, so bins can be fewer than ``n_bins``.
    """
    probabilities, labels, weights = _checked_probabilities(probabilities, labels, weights)
    bins = _bins(probabilities, weights, n_bins)
    weight = np.bincount(bins, weights)
    used = weight > 0
    return Reliability(
        probability=np.bincount(bins, weights * probabilities)[used] / weight[used],
        recorded=np.bincount(bins, weights * labels)[used] / weight[used],
        weight=weight[used] / weight.sum(),
    )


def ece(probabilities: ArrayLike, labels: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Return the expected calibration error over ``ECE_BINS`` bins of equal weight."""
    return reliability(probabilities, labels, weights).ece


def squared_calibration_error(
    probabilities: ArrayLike,
    labels: ArrayLike,
    groups: Sequence[str],
    weights: ArrayLike | None = None,
) -> float:
    """Return the mean squared gap over the bins of :func:`ece`, without what chance adds to it.

    The expectation of a squared gap is the square of the true gap, plus the variance of the gap.
    The variance is estimated from the groups in the bin and subtracted, so a perfect score has 0
    on average, and less than 0 half of the time. The root of the result is no smaller than the
    expected calibration error without chance (Jensen). Bins are fewer where groups are few, for a
    variance takes several groups. A bin with a single group counts as 0.

    Source: Kumar, Liang and Ma, "Verified uncertainty calibration", 2019, with the variance over
    groups in place of clips.
    """
    group = np.unique(np.asarray(groups), return_inverse=True)[1]
    given = np.ones(group.size) if weights is None else np.asarray(weights, dtype=np.float64)
    probabilities, labels, weights = _checked_probabilities(probabilities, labels, weights)
    group = group[given > 0]
    share = np.bincount(group, weights) / weights.sum()
    effective = 1 / np.sum(share**2)
    bins = _bins(probabilities, weights, max(1, min(ECE_BINS, int(effective / GROUPS_OF_A_BIN))))
    gap = labels - probabilities
    squared = 0.0
    for number in np.unique(bins):
        mine = bins == number
        total = weights[mine].sum()
        mean = np.average(gap[mine], weights=weights[mine])
        _, index = np.unique(group[mine], return_inverse=True)
        parts = np.bincount(index, weights[mine] * (gap[mine] - mean)) / total
        n = parts.size
        if n > 1:
            variance = np.sum(parts**2) * n / (n - 1)
            squared += total * (mean**2 - variance)
    return float(squared / weights.sum())


def bootstrap(
    metric: Metric,
    scores: ArrayLike,
    labels: ArrayLike,
    groups: Sequence[str],
    weights: ArrayLike | None = None,
    *,
    n: int = 500,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the 95 % interval of ``metric`` over other groups (voices, callers) of the same kind.

    Percentile bootstrap: whole groups are drawn with replacement, ``n`` times, recorded and live
    groups apart, so that no draw lacks a class. With few groups it is too narrow.
    """
    scores, labels, weights = _checked(scores, labels, weights)
    names, group = np.unique(np.asarray(groups), return_inverse=True)
    if group.shape != scores.shape:
        raise ValueError(f"{scores.size} scores, but {group.size} groups")
    # A group (say a call with both parties) that holds both classes is a stratum of its own kind.
    has = [np.bincount(group[labels == label], minlength=names.size) > 0 for label in (0, 1)]
    stratum = has[0] + 2 * has[1]
    strata = [np.flatnonzero(stratum == kind) for kind in np.unique(stratum)]
    rng = np.random.default_rng(seed)
    values = np.empty(n)
    for draw in range(n):
        drawn = np.concatenate([rng.choice(members, members.size) for members in strata])
        times = np.bincount(drawn, minlength=names.size)
        values[draw] = metric(scores, labels, weights * times[group])
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


def _bins(probabilities: Array, weights: Array, n_bins: int) -> NDArray[np.int_]:
    """Return the number of each clip's bin of equal weight. [shape=(n_clips,)]"""
    _, index = np.unique(probabilities, return_inverse=True)
    weight = np.bincount(index, weights) / weights.sum()
    middle = np.cumsum(weight) - weight / 2
    # The nudge keeps rounding in the sums of weights from choosing the bin.
    bins: NDArray[np.int_] = np.minimum((middle * n_bins + 1e-9).astype(int), n_bins - 1)[index]
    return bins


def _checked(
    scores: ArrayLike, labels: ArrayLike, weights: ArrayLike | None
) -> tuple[Array, Array, Array]:
    """Return the clips that have weight, as float64."""
    scores = np.asarray(scores, dtype=np.float64)
    labels = np.asarray(labels, dtype=np.float64)
    weights = np.ones_like(scores) if weights is None else np.asarray(weights, dtype=np.float64)
    if scores.ndim != 1 or labels.shape != scores.shape or weights.shape != scores.shape:
        raise ValueError(
            f"scores {scores.shape}, labels {labels.shape} and weights {weights.shape} "
            "are not 1-D arrays of one length"
        )
    if not np.isfinite(scores).all():
        raise ValueError("a score is not finite: leave clips without a score out")
    if not np.isin(labels, (0, 1)).all():
        raise ValueError("labels are 0 (live) and 1 (recorded)")
    if not np.isfinite(weights).all() or (weights < 0).any():
        raise ValueError("weights are finite and not below 0")
    used = weights > 0
    scores, labels, weights = scores[used], labels[used], weights[used]
    if not scores.size:
        raise ValueError("no clip has weight")
    return scores, labels, weights


def _checked_probabilities(
    probabilities: ArrayLike, labels: ArrayLike, weights: ArrayLike | None
) -> tuple[Array, Array, Array]:
    probabilities, labels, weights = _checked(probabilities, labels, weights)
    if probabilities.min() < 0 or probabilities.max() > 1:
        raise ValueError("probabilities lie between 0 and 1")
    return probabilities, labels, weights
