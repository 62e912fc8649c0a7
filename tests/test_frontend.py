"""The log-mel front end against pinned numbers and its own promises."""

import numpy as np
import pytest
import scipy.signal
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from audio_model.frontend import (
    F_MAX,
    F_MIN,
    FRAMES_PER_SECOND,
    HISTORY_SAMPLES,
    HOP_LENGTH,
    LOG_OFFSET,
    LOG_SCALE,
    N_FFT,
    N_MELS,
    POWER_FLOOR,
    SAMPLE_RATE,
    WIN_LENGTH,
    frame,
    hann_window,
    log_mel,
    mel_filterbank,
)
from tests import sounds

INPUTS = {
    "voice": sounds.voice(1.5),
    "noise": sounds.noise(1),
    "quiet": sounds.noise(1, level=1e-4),
    "loud": np.sign(sounds.tone(1, 150)),
    "silent": sounds.silence(1),
    "impulse": np.eye(1, 4000, 1234, dtype=np.float32)[0],
    "odd length": sounds.noise(1.0037),
}
NOISE = INPUTS["noise"]


def normalised(mel_power: NDArray[np.floating]) -> NDArray[np.floating]:
    return (np.log(mel_power + POWER_FLOOR) + LOG_OFFSET) / LOG_SCALE


def from_rest(samples: sounds.Samples) -> sounds.Samples:
    return np.concatenate([np.zeros(HISTORY_SAMPLES, np.float32), samples])


def test_golden() -> None:
    """Pinned: weights trained with other numbers would be useless."""
    t = np.arange(4000) / SAMPLE_RATE
    chirp = (0.25 * np.sin(2 * np.pi * (300 * t + 3000 * t**2))).astype(np.float32)
    golden = [
        [1.397900, 1.544575, -1.872857, -1.878226, -1.878231],
        [0.468072, 0.489692, -1.668640, -1.878195, -1.878230],
        [-0.110814, -0.112155, 2.208419, -1.877759, -1.878223],
        [-0.484862, -0.484943, -1.853559, -1.826137, -1.878141],
        [-0.729339, -0.729334, -1.878047, 0.439944, -1.862521],
    ]
    np.testing.assert_allclose(log_mel(chirp)[::8, [0, 1, 12, 33, 49]], golden, rtol=0, atol=1e-5)


def test_the_window_equals_its_definition() -> None:
    np.testing.assert_allclose(
        hann_window(), scipy.signal.get_window("hann", WIN_LENGTH), atol=1e-15
    )


def test_every_filter_hears_something_and_nothing_outside_the_band() -> None:
    filterbank = mel_filterbank()
    hz = np.arange(N_FFT // 2 + 1) * SAMPLE_RATE / N_FFT
    assert (filterbank.max(axis=0) > 0.3).all()
    assert filterbank.max() <= 1
    assert filterbank[(hz <= F_MIN) | (hz >= F_MAX)].max() < 1e-9


@pytest.mark.parametrize("n_samples", [0, 1, HOP_LENGTH - 1, HOP_LENGTH, 2 * HOP_LENGTH + 1])
def test_one_frame_a_whole_hop(n_samples: int) -> None:
    features = log_mel(NOISE[:n_samples])
    assert features.shape == (N_MELS, n_samples // HOP_LENGTH)
    assert features.dtype == np.float32


@given(index=st.integers(0, FRAMES_PER_SECOND - 1), seed=st.integers(0, 99))
def test_a_frame_depends_on_its_own_samples_alone(index: int, seed: int) -> None:
    end = (index + 1) * HOP_LENGTH
    own = slice(max(0, end - WIN_LENGTH), end)
    other = sounds.noise(1, seed + 1, level=0.5)
    other[own] = NOISE[own]
    np.testing.assert_allclose(log_mel(other)[:, index], log_mel(NOISE)[:, index], atol=1e-6)
    np.testing.assert_array_equal(frame(other)[index], frame(NOISE)[index])


@pytest.mark.parametrize("position", [0, WIN_LENGTH // 2, WIN_LENGTH - 1])
def test_a_frame_ends_with_its_hop(position: int) -> None:
    first = 10 * HOP_LENGTH - HISTORY_SAMPLES
    click = np.zeros(2000, np.float32)
    click[first + position] = 1
    assert frame(click)[10, position] == 1
    assert frame(click)[10].sum() == 1


@given(st.integers(0, len(NOISE)))
def test_a_prefix_gives_the_first_frames(n_samples: int) -> None:
    prefix = log_mel(NOISE[:n_samples])
    np.testing.assert_allclose(prefix, log_mel(NOISE)[:, : prefix.shape[1]], atol=1e-6)


def test_rounding_noise_of_g711_looks_like_silence() -> None:
    """The smallest µ-law steps are 8 of 32768."""
    flicker = np.random.default_rng(0).choice([-8, 0, 8], SAMPLE_RATE).astype(
        np.float32
    ) / np.float32(32768)
    silent = log_mel(sounds.silence(1))
    assert np.abs(log_mel(flicker) - silent).mean() < 0.15
    assert np.ptp(silent) == 0
