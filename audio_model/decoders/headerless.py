"""Samples without a header, or past one: G.711 and 16-bit PCM."""

import sys
from collections.abc import Iterator

import numpy as np

from audio_model import companding
from audio_model.decoders.base import Block, Decoded, SeekableFile, block_frames
from audio_model.formats import SAMPLE_BYTES, Encoding, RawFormat
from audio_model.frontend import Samples

_S16 = np.dtype("<i2")
_S16_FULL_SCALE = np.float32(1 << 15)
_S16_STEP = 1 / _S16_FULL_SCALE
"""To multiply by it is as exact as to divide by a power of two."""
_CODES = np.arange(256, dtype=np.uint8)
_MULAW = companding.mulaw_decode(_CODES).astype(np.float32) / _S16_FULL_SCALE
_ALAW = companding.alaw_decode(_CODES).astype(np.float32) / _S16_FULL_SCALE


def to_samples(data: bytes | bytearray, encoding: Encoding) -> Samples:
    """Convert whole encoded samples to float32 at full scale 1. [shape=(n_samples,)]"""
    # No code is beyond its table; not looking for one takes a third off.
    match encoding:
        case Encoding.MULAW:
            return _MULAW.take(np.frombuffer(data, np.uint8), mode="wrap")
        case Encoding.ALAW:
            return _ALAW.take(np.frombuffer(data, np.uint8), mode="wrap")
        case Encoding.S16LE:
            samples = np.frombuffer(data, _S16).astype(np.float32)
            samples *= _S16_STEP
            return samples


def decode(
    file: SeekableFile, raw_format: RawFormat, seconds: float, n_bytes: int = sys.maxsize
) -> Decoded:
    """Decode up to ``n_bytes`` from where the file stands; a last part of a frame is left out."""
    blocks = _blocks(file, raw_format, seconds, n_bytes)
    return Decoded(
        raw_format.sample_rate, raw_format.channels, raw_format.codec, blocks, within_scale=True
    )


def _blocks(
    file: SeekableFile, raw_format: RawFormat, seconds: float, n_bytes: int
) -> Iterator[Block]:
    frame_bytes = SAMPLE_BYTES[raw_format.encoding] * raw_format.channels
    block_bytes = frame_bytes * block_frames(seconds, raw_format.sample_rate, raw_format.channels)
    while data := file.read(min(block_bytes, n_bytes)):
        n_bytes -= len(data)
        whole = data[: len(data) // frame_bytes * frame_bytes]
        if not whole:
            return
        yield to_samples(whole, raw_format.encoding).reshape(-1, raw_format.channels)
