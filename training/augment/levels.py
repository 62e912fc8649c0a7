"""Levels: what loud, so many decibels and a signal-to-noise ratio mean to every effect."""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from audio_model.frontend import HOP_LENGTH, SAMPLE_RATE, Samples

Effect = Callable[[Samples, Generator], Samples]
"""Keeps length and type, changes nothing in place, and draws all its chances from the generator."""

SILENCE = 1e-6
"""-120 dBFS: what is quieter has no level to speak of."""


def rms(samples: Samples) -> float:
    """Return the root mean square."""
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)) + 1e-12))


def from_db(decibel: float) -> float:
    """Return a factor of amplitude for decibels."""
    return float(10 ** (decibel / 20))


def frame_rms(samples: Samples) -> Samples:
    """Return the root mean square of each whole hop of 10 ms. [shape=(n_frames,)]"""
    hops = samples[: len(samples) // HOP_LENGTH * HOP_LENGTH].reshape(-1, HOP_LENGTH)
    return np.asarray(np.sqrt(np.mean(np.square(hops, dtype=np.float32), axis=1)), np.float32)


def active_frames(samples: Samples) -> NDArray[np.bool_]:
    """Return which frames hold sound: within 30 dB of the loudest, and above -65 dB.

    [shape=(n_frames,)]
    """
    frames = frame_rms(samples)
    loud = float(np.quantile(frames, 0.95)) if len(frames) else 0.0
    return np.asarray(frames > max(loud * from_db(-30), from_db(-65)))


def loudness(samples: Samples) -> float:
    """Return the root mean square of the frames within 20 dB of the loudest few.

    It is at least ``SILENCE``. It is near the active speech level of ITU-T P.56: silence around a
    voice doesn't change its loudness. Two frames in a hundred may be louder, which leaves clicks
    out.
    """
    frames = frame_rms(samples)
    if not len(frames):
        return SILENCE
    active = frames[frames >= 0.1 * np.quantile(frames, 0.98)]
    return max(rms(active), SILENCE)


def level(samples: Samples, level_db: float) -> Samples:
    """Bring the loudness to ``level_db`` dBFS; clip at full scale."""
    gain = from_db(level_db) / loudness(samples)
    return np.asarray(np.clip(samples * gain, -1, 1), np.float32)


def add_bed(samples: Samples, bed: Samples, snr_db: float) -> Samples:
    """Lay a bed so far under the loudness of the samples."""
    gain = from_db(-snr_db) * loudness(samples) / rms(bed)
    return np.asarray(samples + bed * gain, np.float32)


def fill(samples: Samples, noise: Samples, floor: float) -> Samples:
    """Add noise that brings quiet frames up to ``floor``, and a tenth of its power in any case."""
    frames = frame_rms(samples)
    own = float(np.quantile(frames, 0.05)) if len(frames) else 0.0
    power = max(floor**2 - own**2, floor**2 / 10)
    return np.asarray(samples + noise * (power**0.5 / rms(noise)), np.float32)


def ride(samples: Samples, gain_db: NDArray[np.float64]) -> Samples:
    """Turn the volume knob: a gain for each whole frame of 10 ms, straight lines between."""
    centres = (np.arange(len(gain_db)) + 0.5) * HOP_LENGTH
    gain = np.interp(np.arange(len(samples)), centres, 10 ** (gain_db / 20))
    return np.asarray(samples * gain, np.float32)


def follow(
    level_db: NDArray[np.float64], attack_seconds: float, release_seconds: float
) -> NDArray[np.float64]:
    """Return the envelope of levels a frame. [shape=(n_frames,)]

    It rises by the attack's time constant and falls by the release's.
    """
    rising, falling = (
        float(np.exp(-HOP_LENGTH / SAMPLE_RATE / seconds))
        for seconds in (attack_seconds, release_seconds)
    )
    envelope = np.empty_like(level_db)
    held = float(level_db[0]) if len(level_db) else 0.0
    for frame, now in enumerate(level_db.tolist()):
        held = now + (held - now) * (rising if now > held else falling)
        envelope[frame] = held
    return envelope


def stretch_of(sound: Samples, n_samples: int, rng: Generator) -> Samples:
    """Return a random stretch of a sound, which is repeated if it is too short."""
    start = int(rng.integers(len(sound)))
    return np.resize(np.roll(sound, -start), n_samples)
