"""Log-mel front end at 8 kHz: its numbers, once.

Training computes features with :func:`log_mel`; the exported ONNX graph is built from the same
:func:`mel_filterbank`, :func:`hann_window` and constants, so there is no second front end to
drift away from. Every frame depends on its own ``WIN_LENGTH`` samples alone: nothing is centred,
padded with the future, or normalised by the clip at hand.
"""

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
LogMel = NDArray[np.float32]

SAMPLE_RATE = 8000
"""Hz. The rate of a telephone leg; everything is brought to it."""

HOP_LENGTH = 80
"""Samples between frames: 10 ms."""

BLOCKS_PER_WINDOW = 3
WIN_LENGTH = BLOCKS_PER_WINDOW * HOP_LENGTH
"""Samples in a frame: 30 ms, a whole number of hops so that a stream is cut into hops only."""

N_FFT = WIN_LENGTH
N_MELS = 40
F_MIN = 210.0
F_MAX = 3590.0
"""Hz. Inside every telephone band: the net can't read a line's or an encoder's band edges."""

POWER_FLOOR = 1e-5
"""Added to every mel power: about white noise at -74 dBFS.

It lies above the rounding noise of G.711, so digital silence, comfort noise and a quiet room
look alike and a recording can't be told by the exact zeros in its pauses.
"""

LOG_OFFSET = 4.0
LOG_SCALE = 4.0
"""``log_mel = (ln(power) + LOG_OFFSET) / LOG_SCALE``: speech at -26 dBFS spans about -2 to 2."""

FRAMES_PER_SECOND = SAMPLE_RATE // HOP_LENGTH
HISTORY_SAMPLES = WIN_LENGTH - HOP_LENGTH
"""Samples before the first hop that its frame needs; a call begins with zeros there."""


def hann_window() -> NDArray[np.float64]:
    """Return a periodic Hann window. [shape=(WIN_LENGTH,)]"""
    n = np.arange(WIN_LENGTH)
    return np.asarray(0.5 - 0.5 * np.cos(2 * np.pi * n / WIN_LENGTH))


def mel_filterbank() -> NDArray[np.float64]:
    """Return the filters of the log-mel. [shape=(N_FFT // 2 + 1, N_MELS)]"""
    return mel_triangles(F_MIN, F_MAX, N_MELS, np.arange(N_FFT // 2 + 1) * SAMPLE_RATE / N_FFT)[0]


def mel_triangles(
    f_min: float, f_max: float, n: int, bin_hz: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return triangular filters of peak 1 on the HTK mel scale, and their centres in Hz.

    The filters have [shape=(len(bin_hz), n)]. Source: HTK Book 3.4, section 5.4,
    ``mel = 2595 log10(1 + f / 700)``.
    """
    lowest, highest = 2595 * np.log10(1 + np.array([f_min, f_max]) / 700)
    corners_hz = 700 * (10 ** (np.linspace(lowest, highest, n + 2) / 2595) - 1)
    lower, centre, upper = corners_hz[:-2], corners_hz[1:-1], corners_hz[2:]
    rising = (bin_hz[:, None] - lower) / (centre - lower)
    falling = (upper - bin_hz[:, None]) / (upper - centre)
    return np.asarray(np.maximum(0.0, np.minimum(rising, falling))), centre


def frame(samples: Samples) -> Samples:
    """Cut into overlapping frames, one a whole hop. [shape=(n_frames, WIN_LENGTH)]

    Frame ``i`` ends with sample ``(i + 1) * HOP_LENGTH - 1``; samples before the start are zeros
    and a last part of a hop is left out.
    """
    n_frames = len(samples) // HOP_LENGTH
    whole = samples[: n_frames * HOP_LENGTH]
    padded = np.concatenate([np.zeros(HISTORY_SAMPLES, np.float32), whole])
    if n_frames == 0:
        return np.zeros((0, WIN_LENGTH), np.float32)
    return np.lib.stride_tricks.sliding_window_view(padded, WIN_LENGTH)[::HOP_LENGTH]


_WINDOW = hann_window().astype(np.float32)
_FILTERBANK = mel_filterbank().astype(np.float32)


def log_mel(samples: Samples) -> LogMel:
    """Compute log-mel features of 8 kHz audio. [shape=(N_MELS, n_frames)]

    Args:
        samples: float32 in [-1, 1]. [shape=(n_samples,)]

    Returns:
        Normalised natural log of mel power, one column a hop of 10 ms.
    """
    spectrum = np.fft.rfft(frame(samples) * _WINDOW)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32) @ _FILTERBANK
    return np.ascontiguousarray(((np.log(power + POWER_FLOOR) + LOG_OFFSET) / LOG_SCALE).T)
