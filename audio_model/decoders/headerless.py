"""Headerless samples: G.711 and 16-bit PCM."""

from collections.abc import Iterator
from io import FileIO

import numpy as np

from audio_model import companding
from audio_model.decoders.base import Block, Decoded
from audio_model.formats import Encoding, RawFormat

_BLOCK_FRAMES = 8192
_S16_FULL_SCALE = np.float32(1 << 15)


def decode(file: FileIO, raw_format: RawFormat) -> Decoded:
    """Decode from where the file stands; an incomplete frame at the end is left out."""
    return Decoded(raw_format.sample_rate, raw_format.channels, _blocks(file, raw_format))


def _blocks(file: FileIO, raw_format: RawFormat) -> Iterator[Block]:
    channels = raw_format.channels
    while True:
        samples = _read_samples(file, raw_format.encoding, _BLOCK_FRAMES * channels)
        n_frames = len(samples) // channels
        if n_frames == 0:
            return
        yield samples[: n_frames * channels].reshape(n_frames, channels)


def _read_samples(file: FileIO, encoding: Encoding, count: int) -> Block:
    """Up to ``count`` samples. [shape=(n,)]"""
    match encoding:
        case Encoding.MULAW:
            pcm = companding.mulaw_decode(np.fromfile(file, np.uint8, count))
        case Encoding.ALAW:
            pcm = companding.alaw_decode(np.fromfile(file, np.uint8, count))
        case Encoding.S16LE:
            pcm = np.fromfile(file, "<i2", count)
    return pcm.astype(np.float32) / _S16_FULL_SCALE
