"""Changes of a call's time: jitter buffers that slip, and players of another speed."""

from enum import StrEnum

import numpy as np
import soxr
from numpy.random import Generator

from audio_model.frontend import SAMPLE_RATE, Samples

SHORTEST_MS, LONGEST_MS = 5.0, 250.0
"""The shortest and the longest slip."""

_FADE_SAMPLES = SAMPLE_RATE // 200
_FRAME_SAMPLES = SAMPLE_RATE // 40
_SEARCHED_SAMPLES = SAMPLE_RATE // 100


class Slip(StrEnum):
    """The way in which a jitter buffer slips when it runs dry or over."""

    DROP = "drop"
    """It skips audio."""
    REPEAT = "repeat"
    """It plays the last audio once more."""
    SILENCE = "silence"
    """It plays nothing for a while."""
    SQUEEZE = "squeeze"
    """It plays the audio around the place faster."""
    STRETCH = "stretch"
    """It plays the audio around the place more slowly."""


def slip(samples: Samples, kind: Slip, at: int, n_samples: int) -> Samples:
    """Slip once, by a number of samples.

    Args:
        at: the sample at which it slips. Both sides have ``2 * n_samples`` samples if it is
            stretched.
    """
    before, behind = samples[:at], samples[at:]
    if kind is Slip.DROP:
        return np.concatenate([before, behind[n_samples:]])
    if kind is Slip.REPEAT:
        return np.concatenate([before, before[-n_samples:], behind])
    if kind is Slip.SILENCE:
        return np.concatenate([before, np.zeros(n_samples, np.float32), behind])
    begin, end = max(0, at - 2 * n_samples), at + 2 * n_samples
    around = samples[begin:end]
    change = n_samples if kind is Slip.STRETCH else -n_samples
    speed = len(around) / (len(around) + change)
    return np.concatenate([samples[:begin], at_tempo(around, speed), samples[end:]])


def slips(samples: Samples, sizes_ms: tuple[float, ...], rng: Generator) -> Samples:
    """Slip several times, at places spread over the samples, each time by one of the sizes."""
    share = len(samples) / (len(sizes_ms) + 1)
    # From the end on, so that a slip moves no other one's place.
    for n in range(len(sizes_ms), 0, -1):
        at = round((n + rng.uniform(-0.3, 0.3)) * share)
        kind = Slip(str(rng.choice(list(Slip))))
        n_samples = min(round(sizes_ms[n - 1] * SAMPLE_RATE / 1000), at)
        samples = slip(samples, kind, at, n_samples)
    return samples


def at_speed(samples: Samples, speed: float) -> Samples:
    """Play faster or more slowly, as a tape or another sample clock does: the pitch goes along."""
    return np.asarray(soxr.resample(samples, SAMPLE_RATE * speed, SAMPLE_RATE), np.float32)


def at_tempo(samples: Samples, speed: float) -> Samples:
    """Play faster or more slowly at the same pitch.

    Frames are overlapped where they are most alike (WSOLA: Verhelst and Roelands, 1993).
    """
    half = _FRAME_SAMPLES // 2
    n_out = round(len(samples) / speed)
    window = np.hanning(_FRAME_SAMPLES + 1)[:-1]
    padded = np.pad(samples, (_SEARCHED_SAMPLES, 2 * _FRAME_SAMPLES + _SEARCHED_SAMPLES))
    out = np.zeros(n_out + _FRAME_SAMPLES)
    weight = np.full(len(out), 1e-9)
    follows = padded[_SEARCHED_SAMPLES:][:_FRAME_SAMPLES]
    for start in range(0, n_out, half):
        middle = round(start * speed)
        near = padded[middle : middle + _FRAME_SAMPLES + 2 * _SEARCHED_SAMPLES]
        if len(near) < _FRAME_SAMPLES:
            break
        chosen = int(np.argmax(np.correlate(near, follows, "valid")))
        frame = near[chosen : chosen + _FRAME_SAMPLES]
        out[start : start + _FRAME_SAMPLES] += window * frame
        weight[start : start + _FRAME_SAMPLES] += window
        follows = padded[middle + chosen + half :][:_FRAME_SAMPLES]
    # The first half frame has half a window alone.
    return np.asarray((out / weight)[:n_out], np.float32)
