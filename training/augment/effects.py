"""Effects of microphones, gain control and copper on a call. Each effect is an ``Effect``."""

import numpy as np
from numpy.random import Generator

from audio_model.frontend import HOP_LENGTH, SAMPLE_RATE, Samples
from training.augment.filters import coloured_noise
from training.augment.levels import SILENCE, add_bed, follow, frame_rms, from_db, loudness, ride


def overdrive(samples: Samples, rng: Generator) -> Samples:
    """Clip the peaks at 0 to 9 dB over the loudness, hard or softly."""
    ceiling = loudness(samples) * from_db(rng.uniform(0, 9))
    if rng.random() < 0.5:
        return np.asarray(np.clip(samples, -ceiling, ceiling), np.float32)
    return np.asarray(ceiling * np.tanh(samples / ceiling), np.float32)


def control_gain(samples: Samples, rng: Generator) -> Samples:
    """Apply automatic gain control: pull quiet stretches up slowly, and loud ones down fast."""
    loud_db = 20 * np.log10(loudness(samples))
    levels_db = 20 * np.log10(np.maximum(frame_rms(samples), SILENCE)).astype(np.float64)
    envelope = follow(levels_db, rng.uniform(0.01, 0.1), rng.uniform(0.2, 1.5))
    strength, reach_db = rng.uniform(0.3, 0.9), rng.uniform(6, 18)
    return ride(samples, np.clip(strength * (loud_db - envelope), -reach_db, reach_db))


def gate(samples: Samples, rng: Generator) -> Samples:
    """Suppress noise: quiet frames become exact zeros, comfort noise, or 10 to 25 dB quieter."""
    frames, loud = frame_rms(samples), loudness(samples)
    hold = int(rng.integers(1, 20))
    is_loud = frames > loud * from_db(-rng.uniform(20, 35))
    open_ = np.convolve(is_loud, np.ones(hold))[: len(frames)] > 0
    gain = np.repeat(open_.astype(np.float32), HOP_LENGTH)
    gain = np.pad(gain, (0, len(samples) - len(gain)), mode="edge")
    kind = rng.random()
    if kind < 0.4:
        return samples * gain
    if kind < 0.65:
        return samples * np.maximum(gain, np.float32(from_db(-rng.uniform(10, 25))))
    comfort = coloured_noise(len(samples), rng) * (loud * from_db(-rng.uniform(30, 60)))
    return np.asarray(samples * gain + comfort * (1 - gain), np.float32)


def step_level(samples: Samples, rng: Generator) -> Samples:
    """Change the level by 3 to 10 dB from a random time on."""
    step_db = float(rng.choice([-1, 1])) * rng.uniform(3, 10)
    start = rng.uniform(0, len(samples))
    ramp = rng.uniform(0.005, 0.1) * SAMPLE_RATE
    progress = np.clip((np.arange(len(samples)) - start) / ramp, 0, 1)
    return np.asarray(samples * 10 ** (step_db / 20 * progress), np.float32)


def hum(samples: Samples, rng: Generator) -> Samples:
    """Add mains hum: 50 or 60 Hz and their harmonics, 20 to 50 dB under the loudness."""
    mains = float(rng.choice([50, 60])) + rng.uniform(-0.1, 0.1)
    n_harmonics = int(rng.integers(2, 25))
    spectrum = np.zeros(257, np.complex64)
    amplitudes = rng.rayleigh(size=n_harmonics) / np.arange(1, n_harmonics + 1) ** rng.uniform(0, 1)
    spectrum[1 : n_harmonics + 1] = amplitudes * np.exp(2j * np.pi * rng.random(n_harmonics))
    period = np.fft.irfft(spectrum).astype(np.float32)
    phase = np.arange(len(samples)) * (len(period) * mains / SAMPLE_RATE)
    return add_bed(samples, period[phase.astype(int) % len(period)], rng.uniform(20, 50))


def crackle(samples: Samples, rng: Generator) -> Samples:
    """Add a bad contact: half to fifteen clicks a second that ring for a millisecond or two."""
    out = samples.copy()
    loud = loudness(samples)
    for _ in range(rng.poisson(rng.uniform(0.5, 15) * len(samples) / SAMPLE_RATE)):
        click = rng.standard_normal(24) * np.exp(-np.arange(24) / rng.uniform(2, 10))
        start = int(rng.integers(len(samples)))
        room = len(samples) - start
        out[start : start + 24] += click[:room] * (loud * from_db(rng.uniform(-25, 6)))
    return out


def echo(samples: Samples, rng: Generator) -> Samples:
    """Add the far end's echo: a copy 30 to 120 ms late and 12 to 35 dB down."""
    delay = int(rng.uniform(0.03, 0.12) * SAMPLE_RATE)
    late = np.pad(samples, (delay, 0))[: len(samples)]
    return np.asarray(samples + late * from_db(-rng.uniform(12, 35)), np.float32)
