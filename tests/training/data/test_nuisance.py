"""Each nuisance against a sound that was made to have so much of it."""

import numpy as np
import pytest

from tests import sounds
from training.data import nuisance
from training.data.nuisance import NAMES, measure


def square(seconds: float, level: float) -> sounds.Samples:
    """A square wave of 500 Hz: every frame has the same level."""
    return np.resize(np.repeat([level, -level], 8), round(seconds * 8000)).astype(np.float32)


def test_level_and_floor() -> None:
    """Half a second at -20 dBFS, half a second at -60 dBFS."""
    found = measure(np.concatenate([square(0.5, 0.1), square(0.5, 0.001)]))
    assert found.level_db == pytest.approx(-20, abs=0.01)
    assert found.floor_db == pytest.approx(-60, abs=0.01)
    assert found.speech_share == pytest.approx(0.5)
    assert found.onset_seconds == 0
    assert found.seconds == 1


def test_onset_and_zeros() -> None:
    found = measure(np.concatenate([sounds.silence(0.3), square(0.9, 0.1)]))
    assert found.onset_seconds == pytest.approx(0.3)
    assert found.zeros == pytest.approx(0.25)
    assert found.speech_share == pytest.approx(0.75)


@pytest.mark.parametrize("frequency", [100, 1000, 3800])
def test_bands(frequency: int) -> None:
    found = measure(sounds.tone(1, frequency))
    assert (found.low_band_db > -0.5) == (frequency < 300)
    assert (found.high_band_db > -0.5) == (frequency > 3400)
    assert found.edge_hz == pytest.approx(frequency, abs=65)


def test_tilt_of_pink_noise_is_3_db_an_octave() -> None:
    spectrum = np.fft.rfft(np.random.default_rng(0).standard_normal(80_000))
    pink = np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 1)))
    assert measure(pink.astype(np.float32)).tilt_db == pytest.approx(-3, abs=0.3)


def test_clipping_offset_and_values() -> None:
    # Eight samples a period, and only those at zero and pi are below one half.
    clipped = np.clip(sounds.tone(1, level=2), -1, 1)
    assert measure(clipped).clipped == pytest.approx(0.75)
    assert measure(square(1, 0.1) + np.float32(0.01)).offset == pytest.approx(0.01, rel=1e-3)
    assert measure(square(1, 0.1)).values == 2


@pytest.mark.parametrize("pitch", [80, 120, 210, 330])
def test_pitch_is_that_of_the_loud_part(pitch: int) -> None:
    """A buzz with a missing fundamental, and a quieter one of another pitch behind it."""
    buzz = sum(sounds.tone(1, pitch * n) for n in range(3, 9)) / 12
    other = sum(sounds.tone(1, 1.4 * pitch * n) for n in range(1, 6)) / 300
    found = measure(np.concatenate([buzz, other]).astype(np.float32))
    assert found.pitch_hz == pytest.approx(pitch, rel=0.01)


def test_silence_has_finite_nuisances() -> None:
    table = nuisance.table([sounds.silence(1), np.zeros(80, np.float32)])
    assert table.shape == (2, len(NAMES))
    assert np.isfinite(table).all()
    assert table[0, NAMES.index("onset_seconds")] == 1
    assert table[0, NAMES.index("zeros")] == 1


def test_a_table_has_a_row_a_clip() -> None:
    clips = [sounds.voice(1.0, 0), sounds.noise(0.5)]
    table = nuisance.table(clips)
    np.testing.assert_array_equal(table[1], nuisance.table(clips[1:])[0])
    assert nuisance.table([]).shape == (0, len(NAMES))
