"""Guess the encoding of audio that is called 16-bit and may be G.711."""

from math import e, log, log2

import numpy as np
from numpy.typing import NDArray

from audio_model.companding import alaw_decode, mulaw_decode
from audio_model.formats import Encoding

G711_PAYLOADS = frozenset({80, 160, 240})
"""Bytes of 10, 20 and 30 ms in G.711. A whole number of ms of 16-bit audio, too, but unusual."""

GUESS_BYTES = 3_200
"""400 ms of G.711, 200 ms of 16-bit audio."""

_STEP_WEIGHT, _LEVEL_WEIGHT = 0.25, 0.05
"""What the steps between samples and their level count beside the bytes' own entropy. So weighted,
no 200 ms of 16-bit speech was misread in 36,000, clipped or noisy; ``tests/gateway/test_guess.py``
has the cases."""


def guess_encoding(audio: bytes) -> Encoding:
    """Return the real encoding of audio typed as 16-bit PCM: PCM, µ-law or A-law.

    ``Dial(AudioSocket/...)`` without ``/c(slin)`` sends the caller's codec and types it 0x10. The
    right reading is the one that takes the fewest bits to write: first and second bytes differ in
    16-bit audio alone, neighbouring samples lie close together, and a wrong reading is loud.
    """
    codes = np.frombuffer(audio, np.uint8)
    pcm = np.frombuffer(audio[: len(audio) // 2 * 2], "<i2")
    if len(pcm) < 2:
        return Encoding.S16LE
    # Halves of bytes suffice to tell first from second bytes. Whole ones would tell the two apart
    # in G.711, too: those of a tone, which is periodic.
    halves = codes >> np.uint8(4)
    told_by_place = _entropy(halves) - (_entropy(halves[::2]) + _entropy(halves[1::2])) / 2
    bits = {
        Encoding.MULAW: _bits(_steps(codes, inverted=0xFF), mulaw_decode(codes)),
        Encoding.ALAW: _bits(_steps(codes, inverted=0x55), alaw_decode(codes)),
        Encoding.S16LE: _bits(pcm, pcm, n_bytes=2) - told_by_place,
    }
    return min(bits, key=lambda encoding: bits[encoding])


def _bits(steps: NDArray[np.int16], pcm: NDArray[np.int16], n_bytes: int = 1) -> float:
    """Return the bits a byte that one reading takes, apart from what all readings share.

    Args:
        steps: the samples in the steps of their encoding. [shape=(n_samples,)]
        pcm: the samples as 16-bit audio. [shape=(n_samples,)]
        n_bytes: the bytes of one sample.
    """
    between = np.abs(np.diff(steps.astype(np.float64))).mean()
    level = np.abs(pcm.astype(np.float64)).mean()
    # A Laplace distribution of mean absolute value b has an entropy of log2(2eb).
    return _STEP_WEIGHT * log2(1 + 2 * e * between) / n_bytes + _LEVEL_WEIGHT * log2(1 + level)


def _steps(codes: NDArray[np.uint8], inverted: int) -> NDArray[np.int16]:
    """Return codes of G.711 as whole numbers in the order of what they stand for."""
    plain = codes ^ np.uint8(inverted)
    magnitude = (plain & 0x7F).astype(np.int16)
    return np.where(codes & 0x80, magnitude, -1 - magnitude)


def _entropy(codes: NDArray[np.uint8]) -> float:
    """Return the entropy of the codes in bits a code.

    Source of the correction for few codes: Miller, "Note on the bias of information estimates".
    """
    counts = np.bincount(codes)
    shares = counts[counts > 0] / len(codes)
    bias = (len(shares) - 1) / (2 * len(codes) * log(2))
    return float(-(shares * np.log2(shares)).sum()) + bias
