"""Guess the encoding of audio that is called 16-bit and may be G.711."""

import numpy as np
from numpy.typing import NDArray

from audio_model.companding import alaw_decode, mulaw_decode
from audio_model.formats import Encoding

G711_PAYLOADS = frozenset({80, 160, 240})
"""Bytes of 10, 20 and 30 ms in G.711. A whole number of ms of 16-bit audio, too, but unusual."""

GUESS_BYTES = 3_200
"""400 ms of G.711, 200 ms of 16-bit audio."""


def guess_encoding(audio: bytes) -> Encoding:
    """Return the real encoding of audio typed as 16-bit PCM: PCM, µ-law or A-law.

    ``Dial(AudioSocket/...)`` without ``/c(slin)`` sends the caller's codec and types it 0x10. Bytes
    read in the wrong encoding are louder and rougher, which gives it away. The guess is right for
    each 400 ms of the sample recordings, in either codec, and sometimes wrong where all audio is
    clipped.
    """
    codes = np.frombuffer(audio, np.uint8)
    readings = {
        Encoding.MULAW: mulaw_decode(codes),
        Encoding.ALAW: alaw_decode(codes),
        Encoding.S16LE: np.frombuffer(audio[: len(audio) // 2 * 2], "<i2"),
    }
    return min(readings, key=lambda encoding: _loud_and_rough(readings[encoding]))


def _loud_and_rough(pcm: NDArray[np.int16]) -> float:
    values = pcm.astype(np.float64)
    if len(values) < 2:
        return float("inf")
    return float(np.abs(values).mean() + np.abs(np.diff(values)).mean())
