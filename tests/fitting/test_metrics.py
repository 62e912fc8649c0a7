import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import brier_score_loss, roc_auc_score

from audio_model.fitting import metrics

# Two live clips and two recorded ones are in the wrong order.
SCORES = [0.1, 0.2, 0.3, 0.6, 0.7, 0.4, 0.5, 0.8, 0.9, 0.95]
LABELS = [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]


@st.composite
def scored_clips(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores with many ties, labels of both classes, weights, some of them 0."""
    n = draw(st.integers(2, 40))
    scores = draw(arrays(np.float64, n, elements=st.integers(0, 8).map(lambda k: k / 8)))
    labels = draw(arrays(np.int64, n, elements=st.integers(0, 1)))
    weights = draw(arrays(np.float64, n, elements=st.sampled_from([0.0, 0.25, 1.0, 3.0])))
    labels[:2], weights[:2] = [0, 1], 1.0
    return scores, labels, weights


def test_det_curve_by_hand() -> None:
    curve = metrics.det_curve([1, 2, 2, 3], [0, 1, 0, 1], [1, 1, 3, 1])
    np.testing.assert_array_equal(curve.threshold, [1, 2, 3, np.inf])
    np.testing.assert_allclose(curve.false_alarm, [1, 0.75, 0, 0])
    np.testing.assert_allclose(curve.miss, [0, 0, 0.5, 1])


@given(scored_clips())
def test_det_curve_tells_the_rates_of_its_thresholds(
    clips: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    scores, labels, weights = clips
    curve = metrics.det_curve(scores, labels, weights)
    for threshold, false_alarm, miss in zip(
        curve.threshold, curve.false_alarm, curve.miss, strict=True
    ):
        flagged = scores >= threshold
        live, recorded = weights * (labels == 0), weights * (labels == 1)
        assert false_alarm == pytest.approx(live[flagged].sum() / live.sum())
        assert miss == pytest.approx(recorded[~flagged].sum() / recorded.sum())
    assert (curve.false_alarm[0], curve.miss[0]) == (1, 0)
    assert (curve.false_alarm[-1], curve.miss[-1]) == (0, 1)


def test_eer_by_hand() -> None:
    assert metrics.eer(SCORES, LABELS) == pytest.approx(0.4)
    assert metrics.eer([0, 1, 2, 3], [0, 0, 1, 1]) == 0
    assert metrics.eer([3, 2, 1, 0], [0, 0, 1, 1]) == 1
    assert metrics.eer([5, 5, 5], [0, 1, 1]) == pytest.approx(0.5)
    # From (false alarm 1, miss 0) straight to (0, 0.5): they meet at a third.
    assert metrics.eer([1, 1, 2], [0, 1, 1]) == pytest.approx(1 / 3)


def test_eer_of_two_gaussians_is_that_of_theory() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 50_000)
    # Means 2 apart: the error beyond one standard deviation, 1 - Phi(1).
    assert metrics.eer(rng.normal(2 * labels), labels) == pytest.approx(0.1587, abs=0.003)


@given(scored_clips())
def test_auc_and_brier_agree_with_scikit_learn(
    clips: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    scores, labels, weights = clips
    auc = roc_auc_score(labels, scores, sample_weight=weights)
    assert metrics.auc(scores, labels, weights) == pytest.approx(auc)
    brier = brier_score_loss(labels, scores, sample_weight=weights)
    assert metrics.brier(scores, labels, weights) == pytest.approx(brier)


@given(scored_clips())
def test_order_and_scale_of_weights_change_nothing(
    clips: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    scores, labels, weights = clips
    order = np.random.default_rng(0).permutation(scores.size)
    for metric in (metrics.eer, metrics.auc, metrics.brier, metrics.ece):
        value = metric(scores, labels, weights)
        assert metric(scores[order], labels[order], 7 * weights[order]) == pytest.approx(value)


@given(scored_clips())
def test_a_weight_of_three_is_three_clips(
    clips: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    scores, labels, weights = clips
    times = np.ceil(weights).astype(int)
    for metric in (metrics.eer, metrics.auc, metrics.brier, metrics.ece):
        repeated = metric(np.repeat(scores, times), np.repeat(labels, times))
        assert metric(scores, labels, times) == pytest.approx(repeated)


@given(scored_clips(), st.floats(0, 0.9))
def test_false_alarms_stay_within_the_budget_and_no_lower_threshold_does(
    clips: tuple[np.ndarray, np.ndarray, np.ndarray], budget: float
) -> None:
    scores, labels, weights = clips
    rates = metrics.rates_at_false_alarm(scores, labels, weights, max_false_alarm=budget)
    assert rates.false_alarm <= budget + 1e-9
    live = weights * (labels == 0)
    for score in scores[weights > 0]:
        if score < rates.threshold:
            assert live[scores >= score].sum() / live.sum() > budget


def test_miss_at_a_false_alarm_rate_by_hand() -> None:
    rates = metrics.rates_at_false_alarm(SCORES, LABELS, max_false_alarm=0.2)
    assert (rates.threshold, rates.miss) == (0.7, 0.4)
    assert rates.false_alarm == pytest.approx(0.2)
    # Five live clips allow no false alarm within 1 %.
    assert metrics.rates_at_false_alarm(SCORES, LABELS).threshold == 0.8
    # One of a hundred is within 1 %, in spite of floating point.
    scores, labels = np.append(np.arange(100.0), 98.5), np.append(np.zeros(100), 1)
    assert metrics.rates_at_false_alarm(scores, labels, np.full(101, 0.1)).miss == 0
    # A live clip above all recordings leaves only the threshold that flags nothing.
    assert metrics.rates_at_false_alarm([1, 2], [1, 0]) == metrics.Rates(np.inf, 0, 1)


def test_sources_weigh_alike() -> None:
    sources = ["a", "b", "a", "a", "c"]
    np.testing.assert_allclose(metrics.source_weights(sources), [1 / 3, 1, 1 / 3, 1 / 3, 1])
    # Voice a, with three clips, all missed, is one of two voices.
    weights = metrics.source_weights(["live", "a", "a", "a", "b"])
    miss = metrics.rates_at_false_alarm([2, 1, 1, 1, 3], [0, 1, 1, 1, 1], weights).miss
    assert miss == pytest.approx(0.5)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz")), min_size=1))
def test_corpora_weigh_alike_and_within_one_its_sources(of: list[tuple[str, str]]) -> None:
    """The same name of a source in two corpora is two sources of theirs."""
    weights = metrics.corpus_weights(*zip(*of, strict=True))
    for corpus in {corpus for corpus, _ in of}:
        inside = [pair for pair in sorted(set(of)) if pair[0] == corpus]
        for pair in inside:
            clips = [weight for weight, other in zip(weights, of, strict=True) if other == pair]
            assert sum(clips) == pytest.approx(1 / len(inside))
            assert min(clips) == pytest.approx(max(clips))


def test_reliability_by_hand() -> None:
    bins = metrics.reliability([0.1, 0.3, 0.8, 0.8], [0, 1, 1, 0], n_bins=2)
    np.testing.assert_allclose(bins.probability, [0.2, 0.8])
    np.testing.assert_allclose(bins.recorded, [0.5, 0.5])
    np.testing.assert_allclose(bins.weight, [0.5, 0.5])
    assert bins.ece == pytest.approx(0.3)


def test_ece_uses_fifteen_bins_of_equal_weight() -> None:
    probabilities = np.linspace(0, 1, 1500)
    bins = metrics.reliability(probabilities, np.arange(1500) % 2)
    np.testing.assert_allclose(bins.weight, np.full(15, 1 / 15))
    # Half is recorded whatever is said: the gap is |p - 1/2|, 1/4 on average; the middle bin,
    # in which it changes its sign, has none.
    assert metrics.ece(probabilities, np.arange(1500) % 2) == pytest.approx(0.25, abs=0.002)


def test_ece_of_probabilities_that_are_true_is_small_and_of_sure_ones_is_the_error_rate() -> None:
    rng = np.random.default_rng(1)
    probabilities = rng.random(100_000)
    labels = (rng.random(100_000) < probabilities).astype(int)
    assert metrics.ece(probabilities, labels) < 0.01
    sure = (probabilities > 0.5).astype(float)
    assert metrics.ece(sure, labels) == pytest.approx(np.mean(sure != labels))


def test_ties_share_a_bin() -> None:
    bins = metrics.reliability(np.full(30, 0.25), np.arange(30) % 4 == 0)
    assert bins.weight.size == 1
    assert bins.ece == pytest.approx(8 / 30 - 0.25)


def test_the_squared_error_without_chance_is_that_of_theory_however_few_calls_there_are() -> None:
    rng = np.random.default_rng(3)
    for slope in (1.0, 2.0):
        found, plain, truth = [], [], []
        for _ in range(300):
            log_odds = rng.normal(0, 2, 100)
            said, true = 1 / (1 + np.exp(-log_odds)), 1 / (1 + np.exp(-log_odds / slope))
            labels = (rng.random(100) < true).astype(int)
            names = [str(n) for n in range(100)]
            found.append(metrics.squared_calibration_error(said, labels, names))
            plain.append(metrics.ece(said, labels))
            truth.append(np.mean((said - true) ** 2))
        assert np.mean(found) == pytest.approx(np.mean(truth), abs=0.0025)
        # The plain error is far above it: of a perfect score it is a tenth.
        assert np.mean(plain) > np.sqrt(np.mean(truth)) + 0.04


def test_calls_of_one_group_are_one_draw_of_chance() -> None:
    # A perfect score, each call five times: as clips they seem to prove an error.
    rng = np.random.default_rng(4)
    as_groups, as_clips = [], []
    for _ in range(300):
        said = np.repeat(rng.random(60), 5)
        labels = np.repeat(rng.random(60) < said[::5], 5).astype(int)
        names = [str(n // 5) for n in range(300)]
        as_groups.append(metrics.squared_calibration_error(said, labels, names))
        as_clips.append(
            metrics.squared_calibration_error(said, labels, [str(n) for n in range(300)])
        )
    assert np.mean(as_groups) == pytest.approx(0, abs=0.004)
    assert np.mean(as_clips) > 0.02


def test_the_squared_error_of_bins_by_hand_and_by_weight() -> None:
    said, labels = [0.5] * 4, [1, 1, 1, 0]
    # The gap is 1/4; its variance that of a mean of four, (3 * 1/16 + 9/16) / 3 / 4.
    assert metrics.squared_calibration_error(said, labels, list("abcd")) == pytest.approx(0)
    assert metrics.squared_calibration_error([*said, 0.1], [*labels, 1], list("abcde"),
        [2.0] * 4 + [0.0]) == pytest.approx(0)  # fmt: skip
    # One group shows nothing of its variance.
    assert metrics.squared_calibration_error(said, labels, ["a"] * 4) == 0


def test_calibration_of_one_class_can_be_measured() -> None:
    assert metrics.brier([0.0, 0.5], [0, 0]) == pytest.approx(0.125)
    assert metrics.ece([0.25, 0.25], [0, 0]) == pytest.approx(0.25)


def test_bootstrap_covers_the_true_value_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(2)
    n_groups, hits = 60, 0
    groups = np.repeat([f"g{n}" for n in range(n_groups)], 3).tolist()
    labels = np.repeat(np.arange(n_groups) % 2, 3)
    for trial in range(40):
        # Clips of a group are alike: the group, not the clip, is what is drawn.
        scores = np.repeat(rng.normal(2 * labels[::3]), 3)
        low, high = metrics.bootstrap(metrics.auc, scores, labels, groups, n=100, seed=trial)
        hits += low <= 0.9214 <= high  # Phi(2 / sqrt(2))
    assert 34 <= hits <= 40


def test_bootstrap_is_wider_when_clips_share_groups() -> None:
    rng = np.random.default_rng(3)
    labels = np.repeat([0, 1], 100)
    scores = rng.normal(labels)
    apart = metrics.bootstrap(metrics.eer, scores, labels, [str(n) for n in range(200)], n=200)
    shared = metrics.bootstrap(
        metrics.eer, np.repeat(scores[::10], 10), labels, [str(n // 10) for n in range(200)], n=200
    )
    assert shared[1] - shared[0] > 1.5 * (apart[1] - apart[0])


def test_bootstrap_repeats_with_its_seed_and_survives_few_groups() -> None:
    clips = ([0.1, 0.9, 0.4], [0, 1, 1], ["a", "b", "b"])
    assert metrics.bootstrap(metrics.auc, *clips, n=20) == (1.0, 1.0)
    scores, labels = np.random.default_rng(4).random(40), np.arange(40) % 2
    groups = [str(n // 4) for n in range(40)]
    runs = [metrics.bootstrap(metrics.auc, scores, labels, groups, seed=s) for s in (5, 5, 6)]
    assert runs[0] == runs[1] != runs[2]


@pytest.mark.parametrize(
    ("scores", "labels", "weights", "message"),
    [
        ([0.1, 0.2], [0, 0], None, "both classes"),
        ([0.1, 0.2], [0, 1], [1, 0], "both classes"),
        ([0.1, 0.2], [0, 1], [0, 0], "no clip has weight"),
        ([], [], None, "no clip has weight"),
        ([0.1, np.nan], [0, 1], None, "not finite"),
        ([0.1, 0.2], [0, 2], None, "labels are"),
        ([0.1, 0.2], [0, 1], [1, -1], "not below 0"),
        ([0.1, 0.2], [0, 1], [1, np.inf], "not below 0"),
        ([0.1], [0, 1], None, "one length"),
        ([0.1, 0.2], [0, 1], [1], "one length"),
    ],
)
def test_wrong_arrays_are_refused(
    scores: list[float], labels: list[int], weights: list[float] | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        metrics.eer(scores, labels, weights)


def test_logits_are_no_probabilities() -> None:
    for metric in (metrics.brier, metrics.ece):
        with pytest.raises(ValueError, match="between 0 and 1"):
            metric([-2.0, 3.0], [0, 1])


def test_bootstrap_wants_a_group_for_each_clip() -> None:
    with pytest.raises(ValueError, match="2 scores, but 1 groups"):
        metrics.bootstrap(metrics.auc, [0.1, 0.2], [0, 1], ["a"])
