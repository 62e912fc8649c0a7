"""Recordings that move as speech does, and calls in which they are played, made from nothing."""

from collections.abc import Sequence
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from audio_model.companding import mulaw_decode, mulaw_encode
from audio_model.known.fingerprint import fingerprint
from audio_model.known.store import Store
from tests.sounds import SAMPLE_RATE

Samples = NDArray[np.float32]

_BAND_EDGES_HZ = np.geomspace(250, 3400, 13)
_PACKET = SAMPLE_RATE // 50


def spoken(seconds: float, seed: int) -> Samples:
    """Twelve bands of noise that swell and fade apart, some four times a second; peak 0.5."""
    return _spoken(seconds, seed).copy()


@cache
def _spoken(seconds: float, seed: int) -> Samples:
    rng = np.random.default_rng([seed, 1])
    n = round(seconds * SAMPLE_RATE)
    frequencies = np.fft.rfftfreq(n, 1 / SAMPLE_RATE)
    out = np.zeros(n)
    for low, high in pairwise(_BAND_EDGES_HZ):
        spectrum = np.fft.rfft(rng.standard_normal(n))
        carrier = np.fft.irfft(spectrum * ((frequencies >= low) & (frequencies < high)), n)
        knots = np.arange(int(8 * seconds) + 2) / 8
        swell = np.interp(np.arange(n) / SAMPLE_RATE, knots, rng.standard_normal(len(knots)))
        out += carrier / carrier.std() * np.exp(1.5 * swell)
    return (0.5 * out / np.abs(out).max()).astype(np.float32)


def played(samples: Samples, seed: int, *, gain: float = 0.4, snr_db: float = 15) -> Samples:
    """The same as a call brings it: quieter, in noise, through µ-law, 3 % of packets lost."""
    rng = np.random.default_rng([seed, 2])
    noise = rng.standard_normal(len(samples)) * samples.std() * 10 ** (-snr_db / 20)
    pcm = np.clip(32768 * gain * (samples + noise), -32768, 32767).astype(np.int16)
    out = (mulaw_decode(mulaw_encode(pcm)) / 32768).astype(np.float32)
    for start in range(0, len(out), _PACKET):
        if rng.random() < 0.03:
            out[start : start + _PACKET] = 0
    return out


def cut(samples: Samples, begin: float, seconds: float) -> Samples:
    """From one second of it, some seconds."""
    return samples[round(begin * SAMPLE_RATE) :][: round(seconds * SAMPLE_RATE)]


def slipped(samples: Samples, at: float, slip_ms: float) -> Samples:
    """Slipped once at a second of it: audio played twice or, if negative, left out."""
    place, n = round(at * SAMPLE_RATE), round(slip_ms * SAMPLE_RATE / 1000)
    return np.concatenate([samples[:place], samples[place - n :]])


def faster(samples: Samples, speed: float) -> Samples:
    """Played at another speed, as by another sample clock."""
    at = np.arange(0, len(samples) - 1, speed)
    return np.interp(at, np.arange(len(samples)), samples).astype(np.float32)


def store_of(recordings: Sequence[Samples]) -> Store:
    """A store that knows recordings as ``recording 0``, ``recording 1`` and so on."""
    store = Store(":memory:")
    for n, samples in enumerate(recordings):
        store.add(f"recording {n}", fingerprint(samples).codes, heard_at=float(n))
    return store
