"""Pitch tells less of the class after the scenes are dealt than before."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.balance import MOST, pitch_weights


def corpus(n: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Recorded voices are high as a rule and live ones low, a few scenes have no voice."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, n)
    high = rng.random(n) < np.where(label == 1, 0.8, 0.35)
    pitch = np.where(high, rng.normal(210, 20, n), rng.normal(120, 15, n))
    pitch[:50], label[50:100] = np.nan, -1
    return pitch, label


def share_of_high(pitch: np.ndarray, weight: np.ndarray, of: np.ndarray) -> float:
    return float(np.average(pitch[of] > 165, weights=weight[of]))


def test_whole_strength_makes_both_classes_of_one_pitch() -> None:
    pitch, label = corpus()
    weight = pitch_weights(pitch, label, 1)
    voiced = np.isfinite(pitch)
    live, recorded = (share_of_high(pitch, weight, voiced & (label == k)) for k in (0, 1))
    assert live == pytest.approx(recorded, abs=0.02)


def test_half_strength_lies_between() -> None:
    pitch, label = corpus()
    voiced = np.isfinite(pitch)
    gap = []
    for strength in (0, 0.5, 1):
        weight = pitch_weights(pitch, label, strength)
        live, recorded = (share_of_high(pitch, weight, voiced & (label == k)) for k in (0, 1))
        gap.append(recorded - live)
    assert gap[0] > gap[1] + 0.1 > gap[2] + 0.2


def test_what_has_no_pitch_or_class_comes_once() -> None:
    pitch, label = corpus()
    weight = pitch_weights(pitch, label, 1)
    assert (weight[np.isnan(pitch) | (label < 0)] == 1).all()


@pytest.mark.parametrize("label", [[1, 1, 1], [0, 0, 0], [-1, -1, -1], []])
def test_one_class_alone_is_left_as_it_is(label: list[int]) -> None:
    pitch = np.array([100.0, 150.0, 210.0])[: len(label)]
    np.testing.assert_array_equal(pitch_weights(pitch, np.array(label, int), 1), 1.0)


@given(
    st.lists(st.tuples(st.floats(60, 400), st.integers(-1, 1)), min_size=1, max_size=60),
    st.floats(0, 1),
)
def test_classes_keep_their_size_and_no_scene_takes_over(
    scenes: list[tuple[float, int]], strength: float
) -> None:
    pitch, label = (np.array(column) for column in zip(*scenes, strict=True))
    weight = pitch_weights(pitch, label, strength)
    assert (weight > 0).all()
    for each in (0, 1):
        of = weight[label == each]
        if len(of):
            assert of.mean() == pytest.approx(1)
            assert of.max() / of.min() <= MOST**2 * 1.001
