"""Plain WAV: a header that needs no library, and headerless samples behind it.

Most call recordings are mono or stereo WAV of 16-bit PCM or G.711, and libsndfile takes longer to
open one than all the rest of reading it takes here. Whatever is out of the ordinary is left to
libsndfile: other codecs, ``WAVE_FORMAT_EXTENSIBLE``, RIFX and RF64, chunks of odd sizes, lengths
that were never filled in, values that contradict each other.
Source: "Multimedia Programming Interface and Data Specifications 1.0", IBM and Microsoft, 1991.
"""

import struct
from dataclasses import dataclass

from audio_model.formats import (
    MAX_CHANNELS,
    MAX_SAMPLE_RATE,
    MIN_SAMPLE_RATE,
    SAMPLE_BYTES,
    Encoding,
    RawFormat,
)

_ENCODINGS = {(1, 16): Encoding.S16LE, (6, 8): Encoding.ALAW, (7, 8): Encoding.MULAW}
"""By format tag and bits a sample."""

_RIFF = struct.Struct("<4s4x4s")
_CHUNK = struct.Struct("<4sI")
_FORMAT = struct.Struct("<HHIIHH")

_MAX_DATA_BYTES = 0x7FFF_0000
"""A longer length is a placeholder, near 2 or 4 GiB, of a writer that didn't know it yet."""


@dataclass(frozen=True)
class PlainWav:
    """The place and the format of the samples in a WAV file."""

    raw_format: RawFormat
    data_start: int
    data_bytes: int


def parse(head: bytes) -> PlainWav | None:
    """Return where the samples of a file that begins with ``head`` lie.

    It is None without a plain header.
    """
    if len(head) < _RIFF.size or _RIFF.unpack_from(head) != (b"RIFF", b"WAVE"):
        return None
    raw_format: RawFormat | None = None
    at = _RIFF.size
    while at + _CHUNK.size <= len(head):
        name, n_bytes = _CHUNK.unpack_from(head, at)
        at += _CHUNK.size
        if name == b"data":
            if raw_format is None or not 0 < n_bytes < _MAX_DATA_BYTES:
                return None
            return PlainWav(raw_format, at, n_bytes)
        if n_bytes % 2:
            return None
        if name == b"fmt ":
            if raw_format is not None or at + n_bytes > len(head):
                return None
            raw_format = _raw_format(head[at : at + n_bytes])
            if raw_format is None:
                return None
        at += n_bytes
    return None


def _raw_format(chunk: bytes) -> RawFormat | None:
    if len(chunk) not in (16, 18):
        return None
    tag, channels, sample_rate, bytes_a_second, frame_bytes, bits = _FORMAT.unpack_from(chunk)
    encoding = _ENCODINGS.get((tag, bits))
    if (
        encoding is None
        or not MIN_SAMPLE_RATE <= sample_rate <= MAX_SAMPLE_RATE
        or not 1 <= channels <= MAX_CHANNELS
        or frame_bytes != SAMPLE_BYTES[encoding] * channels
        or bytes_a_second != frame_bytes * sample_rate
    ):
        return None
    return RawFormat(encoding, sample_rate, channels)
