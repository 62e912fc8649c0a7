"""Filters keep what they should and delay nothing; rooms and noise are as they say."""

import numpy as np
import pytest
from numpy.random import default_rng

from audio_model.frontend import SAMPLE_RATE
from tests import sounds
from training.augment import filters
from training.augment.levels import rms

MIDDLE = slice(2000, -2000)
"""Where a tone is not being switched on or off."""


@pytest.mark.parametrize("frequency", [400, 1000, 2500, 3300])
def test_the_telephone_band_passes_in_place(frequency: float) -> None:
    x = sounds.tone(1, frequency)
    np.testing.assert_allclose(filters.telephone_band(x)[MIDDLE], x[MIDDLE], atol=0.03 * 0.3)


@pytest.mark.parametrize("frequency", [50, 100, 150, 200, 3700, 3900])
def test_the_telephone_band_stops(frequency: float) -> None:
    x = sounds.tone(1, frequency)
    assert rms(filters.telephone_band(x)[MIDDLE]) < 0.03 * rms(x)


@pytest.mark.parametrize("edge", [300.0, 1000.0])
def test_edges_pass_half_the_power(edge: float) -> None:
    at_edge = np.array([edge], np.float32)
    for gain in (filters.high_pass, filters.low_pass):
        assert gain(at_edge, edge, 4) ** 2 == pytest.approx(0.5, rel=1e-4)


def test_an_impulse_stays_where_it_is() -> None:
    x = np.eye(1, 4000, 1500, dtype=np.float32)[0]
    for seed in range(10):
        assert np.argmax(np.abs(filters.colour(x, default_rng(seed)))) == 1500
    assert np.argmax(np.abs(filters.telephone_band(x))) == 1500


def test_what_rings_at_the_end_does_not_come_back_at_the_start() -> None:
    x = np.eye(1, 4000, 3999, dtype=np.float32)[0]
    assert np.abs(filters.telephone_band(x)[:1000]).max() < 1e-4


def test_a_room_of_one_reflection() -> None:
    x = sounds.voice(0.5)
    response = np.zeros(200, np.float32)
    response[[30, 130]] = 1, 0.5
    wet = filters.reverberate(x, response)
    expected = x.copy()
    expected[100:] += 0.5 * x[:-100]
    expected *= rms(x) / rms(expected)
    np.testing.assert_allclose(wet, expected, atol=1e-5)


def test_a_room_that_answers_at_once_changes_nothing() -> None:
    x = sounds.voice(0.5)
    np.testing.assert_allclose(filters.reverberate(x, np.ones(1, np.float32)), x, atol=1e-6)


def test_a_synthetic_room_starts_with_its_direct_sound_and_dies_away() -> None:
    for seed in range(20):
        room = filters.synthetic_room(default_rng(seed))
        assert np.argmax(np.abs(room)) == 0
        assert 0.1 <= (len(room) + 1) / SAMPLE_RATE <= 0.701
        tenth = len(room) // 10
        assert rms(room[-tenth:]) < 0.05 * rms(room[tenth : 2 * tenth])


def test_coloured_noise_has_unit_power_and_no_positive_tilt() -> None:
    for seed in range(10):
        made = filters.coloured_noise(16_000, default_rng(seed))
        assert rms(made) == pytest.approx(1, rel=1e-3)
        power = np.abs(np.fft.rfft(made)) ** 2
        assert power[100:2000].mean() > 0.8 * power[-4000:].mean()
