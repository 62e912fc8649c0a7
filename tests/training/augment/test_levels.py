"""Loudness, levels and gains over time."""

import numpy as np
import pytest
from numpy.random import default_rng

from audio_model.frontend import HOP_LENGTH
from tests import sounds
from training.augment import levels


def test_frame_rms_has_one_value_a_hop() -> None:
    x = np.repeat([0.1, -0.5, 0.0], HOP_LENGTH).astype(np.float32)
    np.testing.assert_allclose(levels.frame_rms(x), [0.1, 0.5, 0], rtol=1e-6)
    np.testing.assert_allclose(levels.frame_rms(x[:-1]), [0.1, 0.5], rtol=1e-6)


def test_loudness_is_the_same_however_much_silence_lies_around() -> None:
    voice = sounds.noise(0.4, level=0.2)
    alone = levels.loudness(voice)
    assert alone == pytest.approx(0.2, rel=0.02)
    for seconds in (0.5, 3, 10):
        around = np.concatenate([sounds.noise(seconds, 1, level=0.001), voice])
        assert levels.loudness(around) == pytest.approx(alone, rel=0.02)


def test_a_click_is_not_loud() -> None:
    x = sounds.noise(4, level=0.05)
    with_click = x.copy()
    with_click[1000] = 1
    assert levels.loudness(with_click) == pytest.approx(levels.loudness(x), rel=0.1)


def test_silence_has_the_least_loudness() -> None:
    assert levels.loudness(sounds.silence(1)) == levels.SILENCE
    assert levels.loudness(sounds.silence(0)) == levels.SILENCE


@pytest.mark.parametrize("level_db", [-38.0, -20.0, -14.0])
def test_level_brings_the_loudness_to_a_level(level_db: float) -> None:
    loud = levels.loudness(levels.level(sounds.voice(2), level_db))
    assert 20 * np.log10(loud) == pytest.approx(level_db, abs=0.5)


def test_level_clips_at_full_scale() -> None:
    assert np.abs(levels.level(sounds.noise(1), 0)).max() == 1


@pytest.mark.parametrize("snr_db", [0.0, 10.0, 30.0])
def test_a_bed_lies_so_far_below_the_loudness(snr_db: float) -> None:
    x, bed = sounds.voice(1), sounds.noise(1, 3, level=0.7)
    added = levels.add_bed(x, bed, snr_db) - x
    ratio_db = 20 * np.log10(levels.loudness(x) / levels.rms(added))
    assert ratio_db == pytest.approx(snr_db, abs=0.01)


@pytest.mark.parametrize("own", [0.0, 0.003, 0.008, 0.05])
def test_filling_brings_pauses_to_the_floor_and_leaves_noisier_ones(own: float) -> None:
    x = sounds.noise(2, 1, level=own)
    x[:8000] += sounds.noise(1, 2, level=0.3)
    floor = levels.rms(levels.fill(x, sounds.noise(2, 3), 0.01)[8000:])
    assert floor == pytest.approx(max(0.01, own), rel=0.08)


def test_a_gain_is_ridden_along_straight_lines() -> None:
    x = np.ones(3 * HOP_LENGTH, np.float32)
    ridden = levels.ride(x, np.array([0.0, 20.0, 20.0]))
    np.testing.assert_allclose(ridden[: HOP_LENGTH // 2], 1)
    assert ridden[HOP_LENGTH] == pytest.approx(5.5)
    np.testing.assert_allclose(ridden[3 * HOP_LENGTH // 2 :], 10, rtol=1e-6)


def test_an_envelope_rises_by_its_attack_and_falls_by_its_release() -> None:
    steps = np.repeat([0.0, 10.0, 0.0], 100)
    envelope = levels.follow(steps, attack_seconds=0.05, release_seconds=0.2)
    assert envelope[99] == 0
    assert envelope[104] == pytest.approx(10 * (1 - np.exp(-1)))
    assert envelope[219] == pytest.approx(10 * np.exp(-1), rel=1e-3)


def test_a_stretch_starts_anywhere_and_repeats() -> None:
    x = np.arange(5, dtype=np.float32)
    rng = default_rng(0)
    stretches = [levels.stretch_of(x, 12, rng) for _ in range(50)]
    assert {int(s[0]) for s in stretches} == set(range(5))
    for s in stretches:
        np.testing.assert_array_equal(np.diff(s) % 5, 1)
