"""Compressor, resampler and file do what a studio does to a voice."""

import numpy as np
from numpy.random import default_rng

from tests import sounds
from training.augment import studio
from training.augment.levels import loudness, rms

SEEDS = range(10)


def test_compression_narrows_levels_and_limits_peaks() -> None:
    x = sounds.noise(4)
    x[16_000:] *= 0.05
    for seed in SEEDS:
        result = studio.compress(x, default_rng(seed))
        assert 1 < rms(result[8000:16_000]) / rms(result[24_000:]) < 20
        assert np.abs(result).max() / loudness(result) <= np.abs(x).max() / loudness(x)


def test_a_cheap_resampler_keeps_the_voice_and_leaves_images() -> None:
    x = sounds.tone(1, 2500) + sounds.tone(1, 700)
    spurious_db = []
    for seed in SEEDS:
        result = studio.resample(x, default_rng(seed))
        assert np.corrcoef(result, x)[0, 1] > 0.9
        power = np.abs(np.fft.rfft(result * np.hanning(len(result)))) ** 2
        power[690:710] = power[2490:2510] = 0
        spurious_db.append(10 * np.log10(power.sum() / np.sum(np.abs(np.fft.rfft(x)) ** 2)))
    assert max(spurious_db) > -40


def test_a_stored_file_has_the_level_of_a_file() -> None:
    x = 0.01 * sounds.voice(1.5)
    for seed in SEEDS:
        result = studio.store(x, default_rng(seed))
        assert -27 <= 20 * np.log10(loudness(result)) <= -11
        assert np.corrcoef(result, x)[0, 1] > 0.9
