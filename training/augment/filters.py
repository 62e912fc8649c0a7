"""Filters by their gain at each frequency, rooms, and noise. None delays: onsets stay in place."""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from scipy import fft, signal

from audio_model.frontend import SAMPLE_RATE, Samples
from training.augment.levels import from_db, rms

RINGING_SAMPLES = SAMPLE_RATE // 10
"""Silence put behind the samples: a filter rings into it, and not into the other end."""


def shape(samples: Samples, gain: Callable[[Samples], Samples]) -> Samples:
    """Filter by ``gain``, which maps frequencies in Hz to gains."""
    total = fft.next_fast_len(len(samples) + RINGING_SAMPLES, real=True)
    frequencies = np.fft.rfftfreq(total, 1 / SAMPLE_RATE).astype(np.float32)
    filtered = fft.irfft(fft.rfft(samples, total) * gain(frequencies), total)
    return np.asarray(filtered[: len(samples)], np.float32)


def high_pass(frequencies: Samples, edge: float, order: float) -> Samples:
    """Return the gain of a Butterworth high-pass, with half the power at ``edge`` Hz."""
    ratio = np.minimum(edge / np.maximum(frequencies, 1), 10)
    return np.asarray((1 + ratio ** (2 * order)) ** -0.5, np.float32)


def low_pass(frequencies: Samples, edge: float, order: float) -> Samples:
    """Return the gain of a Butterworth low-pass, with half the power at ``edge`` Hz."""
    # Powers under float32's smallest normal number take twenty times as long.
    ratio = np.maximum(frequencies / edge, 1e-36 ** (0.5 / order))
    return np.asarray((1 + ratio ** (2 * order)) ** -0.5, np.float32)


def telephone_band(samples: Samples) -> Samples:
    """Limit to 300 to 3400 Hz with steep edges, as ITU-T G.712 asks of a telephone channel."""
    return shape(samples, lambda f: high_pass(f, 300, 10) * low_pass(f, 3400, 60))


def colour(samples: Samples, rng: Generator) -> Samples:
    """Colour by microphone, handset and line: band edges and one to three broad peaks or dips."""
    low, high = rng.uniform(50, 400), rng.uniform(2600, 3900)
    has_low, has_high = rng.random() < 0.7, rng.random() < 0.5
    low_order, high_order = rng.uniform(1, 6), rng.uniform(2, 16)
    peaks = [
        (rng.uniform(200, 3600), rng.uniform(-9, 9), rng.uniform(0.3, 1.2))
        for _ in range(rng.integers(1, 4))
    ]

    def gain(frequencies: Samples) -> Samples:
        octave = np.log2(np.maximum(frequencies, 20))
        curve_db = np.zeros_like(frequencies)
        for centre, height_db, width in peaks:
            curve_db += height_db * np.exp(-0.5 * ((octave - np.log2(centre)) / width) ** 2)
        curve = np.asarray(10 ** (curve_db / 20), np.float32)
        if has_low:
            curve *= high_pass(frequencies, low, low_order)
        if has_high:
            curve *= low_pass(frequencies, high, high_order)
        return curve

    return shape(samples, gain)


def coloured_noise(n_samples: int, rng: Generator) -> Samples:
    """Return noise of unit power that falls as ``f ** -tilt``: white, pink, brown and between."""
    total = fft.next_fast_len(n_samples, real=True)
    frequencies = np.maximum(np.fft.rfftfreq(total, 1 / SAMPLE_RATE), 20).astype(np.float32)
    spectrum = fft.rfft(rng.standard_normal(total, np.float32))
    noise = fft.irfft(spectrum * frequencies ** (-rng.uniform(0, 2) / 2), total)[:n_samples]
    return np.asarray(noise / rms(noise), np.float32)


def reverberate(samples: Samples, response: Samples) -> Samples:
    """Convolve with a room response whose direct sound is kept in place and in level."""
    direct = int(np.argmax(np.abs(response)))
    wet = signal.fftconvolve(samples, response)[direct : direct + len(samples)]
    return np.asarray(wet * (rms(samples) / rms(wet)), np.float32)


def synthetic_room(rng: Generator) -> Samples:
    """Return direct sound and a decaying tail of noise, with an RT60 of 0.1 to 0.7 s."""
    rt60 = rng.uniform(0.1, 0.7)
    n = int(rt60 * SAMPLE_RATE)
    tail = rng.standard_normal(n) * np.exp(-6.9 * np.arange(n) / n)
    tail *= from_db(-rng.uniform(0, 15)) / np.sqrt(np.sum(tail**2))
    tail[: int(rng.uniform(0.001, 0.01) * SAMPLE_RATE)] = 0
    tail[0] = 1
    return np.asarray(tail, np.float32)
