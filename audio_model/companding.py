"""Telephone companding: ITU-T G.711 (11/88) µ-law and A-law to and from 16-bit PCM.

G.711 gives decision values and output levels for magnitudes of 13 bits (µ-law) and 12 bits
(A-law). Here they are scaled to 16-bit PCM, and a sample's sign is handled apart from its
magnitude, so that ``encode(-x)`` is ``encode(x)`` with the sign bit turned.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

CompandedBytes = NDArray[np.uint8]
Pcm = NDArray[np.int16]

_SIGN_BIT = 0x80
_CODES = np.arange(256, dtype=np.uint8)
_MAGNITUDES = np.arange(128)
_SEGMENT, _STEP = _MAGNITUDES >> 4, _MAGNITUDES & 0x0F

# Code bits are sent inverted: all of them in µ-law, every other one in A-law. A positive sample
# has the sign bit set in both.
_MULAW_INVERSION = 0x7F
_ALAW_INVERSION = 0x55

# G.711, tables 2a and 2b (µ-law) and 1a and 1b (A-law), by the 7 bits of magnitude.
_MULAW_HALF_STEP = 1 << _SEGMENT
_MULAW_LEVELS = (2 * _STEP + 33) * _MULAW_HALF_STEP - 33
_MULAW_UNIT = 4

_ALAW_HALF_STEP = 1 << np.maximum(_SEGMENT - 1, 0)
_ALAW_LEVELS = (2 * _STEP + 1 + 32 * (_SEGMENT > 0)) * _ALAW_HALF_STEP
_ALAW_UNIT = 8


def _decoding_table(levels: NDArray[np.int_], inversion: int) -> Pcm:
    sign = np.where(_CODES & _SIGN_BIT, 1, -1)
    return np.asarray(sign * levels[(_CODES ^ inversion) & 0x7F], np.int16)


def _encoding_table(decisions: NDArray[np.int_], inversion: int) -> CompandedBytes:
    """Return the code of every 16-bit sample, indexed by the sample's bits taken as unsigned."""
    pcm = np.arange(1 << 16, dtype=np.uint16).view(np.int16).astype(np.int32)
    magnitude = np.searchsorted(decisions, np.abs(pcm), side="right") - 1
    sign = np.where(pcm >= 0, _SIGN_BIT, 0)
    return np.asarray((magnitude ^ inversion) | sign, np.uint8)


_MULAW_TO_PCM = _decoding_table(_MULAW_LEVELS * _MULAW_UNIT, _MULAW_INVERSION)
_ALAW_TO_PCM = _decoding_table(_ALAW_LEVELS * _ALAW_UNIT, _ALAW_INVERSION)


# Made at the first use: scoring only decodes.
@cache
def _pcm_to_mulaw() -> CompandedBytes:
    return _encoding_table((_MULAW_LEVELS - _MULAW_HALF_STEP) * _MULAW_UNIT, _MULAW_INVERSION)


@cache
def _pcm_to_alaw() -> CompandedBytes:
    return _encoding_table((_ALAW_LEVELS - _ALAW_HALF_STEP) * _ALAW_UNIT, _ALAW_INVERSION)


def mulaw_decode(codes: CompandedBytes) -> Pcm:
    """Decode µ-law codes to 16-bit PCM of the same shape, within ±32124."""
    return _MULAW_TO_PCM[codes]


def mulaw_encode(pcm: Pcm) -> CompandedBytes:
    """Encode 16-bit PCM as µ-law codes of the same shape."""
    return _pcm_to_mulaw()[pcm.view(np.uint16)]


def alaw_decode(codes: CompandedBytes) -> Pcm:
    """Decode A-law codes to 16-bit PCM of the same shape, within ±32256."""
    return _ALAW_TO_PCM[codes]


def alaw_encode(pcm: Pcm) -> CompandedBytes:
    """Encode 16-bit PCM as A-law codes of the same shape."""
    return _pcm_to_alaw()[pcm.view(np.uint16)]
