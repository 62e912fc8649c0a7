"""What microphones, gain control and copper do, each by its name."""

import numpy as np
import pytest
from numpy.random import default_rng

from audio_model.frontend import SAMPLE_RATE
from tests import sounds
from training.augment import effects
from training.augment.levels import frame_rms, loudness, rms

SEEDS = range(10)


def quiet_after_loud() -> sounds.Samples:
    """2 s, then 2 s that are 26 dB lower."""
    x = sounds.noise(4)
    x[16_000:] *= 0.05
    return x


def test_overdrive_cuts_peaks_alone() -> None:
    x = sounds.voice(1)
    for seed in SEEDS:
        result = effects.overdrive(x, default_rng(seed))
        assert 0.99 * loudness(x) <= np.abs(result).max() <= 2.83 * loudness(x)
        soft = np.abs(x) < 0.1 * loudness(x)
        np.testing.assert_allclose(result[soft], x[soft], rtol=0.01, atol=1e-6)


def test_gain_control_brings_quiet_and_loud_together() -> None:
    x = quiet_after_loud()
    for seed in SEEDS:
        result = effects.control_gain(x, default_rng(seed))
        before, after = rms(result[8000:16_000]), rms(result[24_000:])
        assert 1 < before / after < 0.7 * 20


def test_gain_control_takes_its_time() -> None:
    """Just after the voice falls it is as quiet as it was spoken."""
    x = quiet_after_loud()
    for seed in SEEDS:
        result = effects.control_gain(x, default_rng(seed))
        assert rms(result[16_400:17_200]) < 0.7 * rms(result[-800:])


def test_a_gate_shuts_in_pauses_alone() -> None:
    x = sounds.noise(2, level=0.001)
    x[4000:8000] += sounds.noise(0.5, 1, level=0.3)
    floors = []
    for seed in range(30):
        result = effects.gate(x, default_rng(seed))
        np.testing.assert_array_equal(result[4000:8000], x[4000:8000])
        floors.append(rms(result[12_000:]))
    silent = np.array(floors) <= 1.001e-6
    quieter = ~silent & (np.array(floors) < 0.4 * 0.001)
    assert {True, False} == set(silent)
    assert quieter.any()
    assert (~silent & ~quieter).any()


def test_a_level_steps_once() -> None:
    x = sounds.tone(2, 1000)
    for seed in SEEDS:
        result = frame_rms(effects.step_level(x, default_rng(seed))) / frame_rms(x)
        change_db = 20 * np.log10(result[-1] / result[0])
        assert result[0] == pytest.approx(1, abs=0.2)
        assert abs(change_db) <= 10.01
        assert (np.diff(result) * np.sign(change_db) > -1e-3).all()


def test_hum_is_mains_and_harmonics() -> None:
    x = sounds.voice(4)
    mains = set()
    for seed in SEEDS:
        added = effects.hum(x, default_rng(seed)) - x
        below_db = 20 * np.log10(loudness(x) / rms(added))
        assert 19.9 < below_db < 50.1
        power = np.abs(np.fft.rfft(added * np.hanning(len(added)))) ** 2
        frequency = np.fft.rfftfreq(len(added), 1 / SAMPLE_RATE)
        shares = {
            hertz: power[np.abs((frequency + hertz / 2) % hertz - hertz / 2) < 4].sum()
            / power.sum()
            for hertz in (50, 60)
        }
        best = max(shares, key=lambda hertz: shares[hertz])
        assert shares[best] > 0.99
        mains.add(best)
    assert mains == {50, 60}


def test_crackle_is_short_and_sparse() -> None:
    x = sounds.voice(4)
    changed = [np.flatnonzero(effects.crackle(x, default_rng(seed)) != x) for seed in range(20)]
    assert 0 < np.mean([len(c) for c in changed]) < 0.1 * len(x)


def test_an_echo_is_a_late_faint_copy() -> None:
    x = np.eye(1, 4000, 500, dtype=np.float32)[0]
    for seed in SEEDS:
        result = effects.echo(x, default_rng(seed))
        (late,) = np.flatnonzero(result[501:]) + 501
        assert 0.03 * SAMPLE_RATE - 1 <= late - 500 <= 0.12 * SAMPLE_RATE
        assert -35 <= 20 * np.log10(result[late]) <= -12
