"""Sounds for tests, made from nothing: 8 kHz float32, the same for the same seed."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from audio_model.companding import mulaw_encode

Samples = NDArray[np.float32]

SAMPLE_RATE = 8000


def times(seconds: float, sample_rate: int = SAMPLE_RATE) -> NDArray[np.float64]:
    """Time of each sample in seconds. [shape=(n_samples,)]"""
    return np.arange(round(seconds * sample_rate)) / sample_rate


def silence(seconds: float) -> Samples:
    return np.zeros(len(times(seconds)), np.float32)


def tone(
    seconds: float, frequency: float = 1000, level: float = 0.3, sample_rate: int = SAMPLE_RATE
) -> Samples:
    wave = np.sin(2 * np.pi * frequency * times(seconds, sample_rate))
    return (level * wave).astype(np.float32)


def noise(seconds: float, seed: int = 0, level: float = 0.1) -> Samples:
    rng = np.random.default_rng(seed)
    return (level * rng.standard_normal(len(times(seconds)))).astype(np.float32)


def voice(seconds: float, seed: int = 0, *, played: bool = False) -> Samples:
    """Harmonics of a glottal pitch in syllables, peak 0.5.

    ``played``: pitch and level are steady and the pauses exact zeros; else both wander, in noise.
    """
    return _voice(seconds, seed, played).copy()


@cache
def _voice(seconds: float, seed: int, played: bool) -> Samples:
    rng = np.random.default_rng([seed, played])
    t = times(seconds)
    pitch = np.full(len(t), rng.uniform(100, 220))
    syllables = np.sin(2 * np.pi * rng.uniform(2, 3) * t + rng.uniform(0, 2 * np.pi))
    envelope = (syllables > -0.5).astype(float)
    if not played:
        knots = np.arange(int(10 * seconds) + 2) / 10
        drift = np.interp(t, knots, rng.standard_normal(len(knots)))
        pitch *= 2 ** (0.25 * drift + 0.05 * np.sin(2 * np.pi * 6 * t))
        envelope = np.clip(syllables + 0.7, 0, None) * 10 ** (0.3 * drift)
    phase = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE
    harmonics = np.arange(1, 16)
    gains = rng.uniform(0.2, 1, len(harmonics)) / harmonics
    wave = envelope * (gains @ np.sin(np.outer(harmonics, phase)))
    wave *= 0.5 / np.abs(wave).max()
    if not played:
        wave += 0.004 * rng.standard_normal(len(t))
    return wave.astype(np.float32)


def pcm(samples: Samples) -> NDArray[np.int16]:
    """Samples in [-1, 1] as 16-bit PCM."""
    return np.rint(samples * 32767).astype(np.int16)


def mulaw(samples: Samples) -> bytes:
    """Samples in [-1, 1] as bytes of µ-law."""
    return mulaw_encode(pcm(samples)).tobytes()


def unlike_calls(seconds: float) -> Samples:
    """Calls of one length that differ in all that a front end or a network may take amiss.

    [shape=(6, n_samples)]
    """
    return np.stack(
        [
            voice(seconds, 1),
            voice(seconds, 1, played=True),
            tone(seconds, 440),
            silence(seconds),
            np.sign(noise(seconds)),
            noise(seconds, level=1e-4),
        ]
    )
