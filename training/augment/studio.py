"""How a recording was made: music under the voice, a compressor, a cheap resampler, a file.

Only recordings come out of studios, but here live voices go through one as often. A corpus of
recordings has gone through its own studio already; if ours were added to recordings alone, the net
would learn our compressor and our file formats, which tell nothing of another recording's.
"""

import numpy as np
import soxr
from numpy.random import Generator

from audio_model.frontend import SAMPLE_RATE, Samples
from training.augment.codecs import FILE_SHARES, draw_codec, encode
from training.augment.levels import SILENCE, follow, frame_rms, from_db, level, loudness, ride


def compress(samples: Samples, rng: Generator) -> Samples:
    """Compress as broadcasters do: turn loud frames down by a ratio, then limit peaks softly."""
    loud = loudness(samples)
    over_db = 20 * np.log10(np.maximum(frame_rms(samples), SILENCE) / loud).astype(np.float64)
    envelope = follow(over_db, rng.uniform(0.005, 0.03), rng.uniform(0.05, 0.4))
    threshold_db, slope = -rng.uniform(3, 25), 1 - 1 / rng.uniform(2, 10)
    squeezed = ride(samples, -slope * np.maximum(envelope - threshold_db, 0))
    ceiling = loudness(squeezed) * from_db(rng.uniform(6, 12))
    return np.asarray(ceiling * np.tanh(squeezed / ceiling), np.float32)


def resample(samples: Samples, rng: Generator) -> Samples:
    """Resample to another rate and back as a cheap sound card does, with images and aliases."""
    rate = int(rng.choice([6000, 7350, 11_025, 16_000, 22_050]))
    there = soxr.resample(samples, SAMPLE_RATE, rate, quality="QQ")
    back = soxr.resample(there, rate, SAMPLE_RATE, quality="QQ")[: len(samples)]
    return np.asarray(np.pad(back, (0, len(samples) - len(back))), np.float32)


def store(samples: Samples, rng: Generator) -> Samples:
    """Store in a file of a dialling machine, at -26 to -12 dBFS."""
    return encode(level(samples, rng.uniform(-26, -12)), draw_codec(FILE_SHARES, rng), rng)
