"""The fit is the one of scikit-learn and SciPy where they fit the same thing; a prior holds it."""

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from audio_model.decision import sigmoid
from audio_model.fitting.answer import Answer
from audio_model.fitting.calibration import Loss, Spread, as_is, effective_groups, fit_calibration
from audio_model.rule import Calibration
from tests.answers import answer

SHIPPED = Calibration((0.4, 1.0), (0.9, 0.8), (0.1, 0.3))
WIDE = Spread(log_slope=1e6, offset=1e6)


def calls(n: int, apart: float = 1.0, seed: int = 0, shift: float = 0.0) -> list[Answer]:
    rng = np.random.default_rng(seed)
    return [
        answer([rng.normal((2 * (k % 2) - 1) * apart + shift, 1)] * 20, k % 2, f"{k}")
        for k in range(n)
    ]


def test_one_knot_is_the_logistic_regression_of_scikit_learn() -> None:
    takes = calls(200)
    fitted = fit_calibration(takes, as_is((0.4,)), WIDE)
    theirs = LogisticRegression(C=np.inf, tol=1e-9).fit(
        [[take.steps.logit[0]] for take in takes], [take.label for take in takes]
    )
    assert fitted.slope[0] == pytest.approx(theirs.coef_[0, 0], rel=1e-4)
    assert fitted.offset[0] == pytest.approx(theirs.intercept_[0], abs=1e-4)


@pytest.mark.parametrize("wrong", [0.0, 0.05])
def test_the_least_loss_is_the_one_that_scipy_finds(wrong: float) -> None:
    loss = Loss(calls(60, seed=3), SHIPPED, Spread(0.4, 0.6), wrong)
    theirs = minimize(loss, np.zeros(4), method="BFGS", options={"gtol": 1e-9})
    ours = fit_calibration(calls(60, seed=3), SHIPPED, Spread(0.4, 0.6), wrong)
    best = loss.calibration(theirs.x)
    assert ours.slope == pytest.approx(best.slope, abs=1e-4)
    assert ours.offset == pytest.approx(best.offset, abs=1e-4)


def test_the_gradient_is_the_slope_of_the_loss() -> None:
    loss, at = Loss(calls(40), SHIPPED, Spread(0.4, 0.6), 0.05), np.array([0.1, -0.2, 0.3, 0.1])
    gradient, _ = loss.derivatives(at)
    steps = 1e-6 * np.eye(4)
    measured = [(loss(at + step) - loss(at - step)) / 2e-6 for step in steps]
    np.testing.assert_allclose(gradient, measured, atol=1e-6)


@pytest.mark.parametrize("apart", [-8.0, 0.0, 8.0])
@pytest.mark.parametrize("n", [2, 5, 8])
def test_few_calls_without_a_prior_have_a_calibration_too(n: int, apart: float) -> None:
    """Scores that tell them apart without an error, that say the opposite, or that say nothing."""
    for seed in range(30):
        rng = np.random.default_rng(seed)
        spread, steps = rng.choice([0.0, 0.01, 1.0]), int(rng.integers(6, 80))
        few = [
            answer(rng.normal((2 * (k % 2) - 1) * apart, spread, steps).tolist(), k % 2, f"{k}")
            for k in range(n)
        ]
        fitted = fit_calibration(few, as_is((0.4, 1.0, 2.0, 4.0)), wrong=0.05)
        assert np.isfinite([*fitted.slope, *fitted.offset]).all()


def test_few_calls_move_a_calibration_little_and_many_move_it_all_the_way() -> None:
    def moved(n: int) -> float:
        fitted = fit_calibration(calls(n, shift=3.0, seed=n), SHIPPED, Spread(0.4, 0.6))
        return SHIPPED.offset[1] - fitted.offset[1]

    few, some, many = moved(4), moved(40), moved(2000)
    assert 0 < few < some < many
    assert few < 0.5 * many


def test_a_wrong_mark_far_from_its_class_pulls_less_if_it_may_be_wrong() -> None:
    wrong = [answer([8.0] * 20, 0, f"wrong{n}") for n in range(8)]
    right = fit_calibration(calls(100), SHIPPED, WIDE).slope[0]
    robust, plain = (
        fit_calibration([*calls(100), *wrong], SHIPPED, WIDE, share).slope[0] for share in (0.05, 0)
    )
    assert plain < 0.6 * right
    assert abs(robust - right) < abs(plain - right) / 2


def test_the_last_step_has_the_share_of_the_weight_that_is_asked_for() -> None:
    # The first step tells nothing of a call, the last one all.
    rng = np.random.default_rng(0)
    last = rng.normal(0, 1, 400)
    label = (rng.random(400) < 1 / (1 + np.exp(-3 * last))).astype(int)
    first = rng.normal(0, 1, (400, 9))
    takes = [answer([*first[n], last[n]], int(label[n]), f"{n}") for n in range(400)]
    none, half, every = (
        fit_calibration(takes, as_is((0.0,)), WIDE, last=share).slope[0] for share in (0, 0.5, 1)
    )
    assert none < half < every
    theirs = LogisticRegression(C=np.inf, tol=1e-9, class_weight="balanced")
    assert every == pytest.approx(theirs.fit(last[:, None], label).coef_[0, 0], rel=1e-3)


def test_effective_groups_are_those_of_the_rarer_class() -> None:
    assert effective_groups([answer([0.0], n % 2, f"{n}") for n in range(20)]) == 20
    uneven = [answer([0.0], int(n == 0), f"{n}") for n in range(101)]
    assert effective_groups(uneven) == pytest.approx(4 / (1 + 1 / 100))


def known(slope: float, offset: float, n: int, seed: int, steps: int = 10) -> list[Answer]:
    """Takes whose log odds are ``slope * logit + offset`` by construction."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(n):
        odds = rng.normal(0, 2)
        label = int(rng.random() < sigmoid(odds))
        made.append(answer([(odds - offset) / slope] * steps, label, f"{number}"))
    return made


@pytest.mark.parametrize(("slope", "offset"), [(1.0, 0.0), (0.3, 0.5), (2.5, -1.0)])
def test_slope_and_offset_are_recovered(slope: float, offset: float) -> None:
    fitted = fit_calibration(known(slope, offset, 3000, seed=1), as_is((0.4,)))
    assert fitted.slope[0] == pytest.approx(slope, rel=0.15)
    assert fitted.offset[0] == pytest.approx(offset, abs=0.15)


def test_each_length_of_voice_has_its_own_slope() -> None:
    """Early logits that say twice as much as late ones."""
    rng = np.random.default_rng(2)
    takes = []
    for number in range(3000):
        odds = rng.normal(0, 2)
        label = int(rng.random() < sigmoid(odds))
        takes.append(answer([odds / 2] * 12 + [odds] * 30, label, f"{number}"))
    fitted = fit_calibration(takes, as_is((0.4, 0.96, 1.04, 3.0)))
    assert fitted.slope[0] == pytest.approx(2, rel=0.25)
    assert fitted.slope[-1] == pytest.approx(1, rel=0.2)


def test_classes_count_alike_however_many_there_are() -> None:
    takes = known(1.0, 0.0, 3000, seed=3)
    many_live = takes + [h for h in takes if h.label == 0] * 4
    one, other = fit_calibration(takes, as_is((0.4,))), fit_calibration(many_live, as_is((0.4,)))
    assert other.slope == pytest.approx(one.slope, rel=1e-3)
    assert other.offset == pytest.approx(one.offset, abs=1e-3)


def test_steps_before_enough_voice_play_no_part() -> None:
    takes = known(1.0, 0.0, 2000, seed=4)
    misled = [
        answer([-9.0 * (2 * h.label - 1)] * 4 + h.steps.logit.tolist(), h.label, str(n))
        for n, h in enumerate(takes)
    ]
    assert fit_calibration(misled, as_is((0.4,))).slope[0] == pytest.approx(1, rel=0.15)


def test_a_slope_stays_positive_when_the_scores_are_the_wrong_way_round() -> None:
    takes = [answer([3.0 * (1 - 2 * (n % 2))] * 10, n % 2, f"{n}") for n in range(100)]
    assert fit_calibration(takes, as_is((0.4, 1.0))).slope[0] > 0


@pytest.mark.parametrize("logit", [0.5, 5.0, 50.0])
def test_classes_that_never_overlap(logit: float) -> None:
    takes = [answer([logit * (2 * (n % 2) - 1)] * 20, n % 2, f"{n}") for n in range(20)]
    fitted = fit_calibration(takes, as_is((0.4, 1.0)))
    for slope, offset in zip(fitted.slope, fitted.offset, strict=True):
        # Ten sources a class show no more than Platt's 11 in 12, whatever the logits are.
        assert slope * logit == pytest.approx(np.log(11), abs=0.01)
        assert offset == pytest.approx(0, abs=0.01)


def test_a_take_shorter_than_a_step_is_passed_over() -> None:
    takes = known(1.0, 0.0, 500, seed=5)
    nothing = [answer([], label, f"empty{label}") for label in (0, 1)]
    assert fit_calibration(takes + nothing, as_is((0.4,))) == fit_calibration(takes, as_is((0.4,)))
