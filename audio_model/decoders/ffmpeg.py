"""FFmpeg's decoders, through PyAV. Importing this module loads FFmpeg's libraries."""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import av
import numpy as np
from av.audio.frame import AudioFrame, format_dtypes
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError

from audio_model.decoders.base import Block, BoundedFile, Decoded, block_frames
from audio_model.errors import AudioError
from audio_model.formats import PCM

# Recordings only: no demuxer that opens a second file or an address (playlists, SDP), and none
# that takes text, pictures or any bytes at all for sound.
_DEMUXERS = (
    "aac,aiff,amr,amrnb,amrwb,ape,asf,au,caf,dss,flac,g722,g723_1,g729,matroska,mov,mp3,ogg,qcp,"
    "tta,voc,w64,wav,wv"
)

_MAX_BAD_PACKETS = 16
"""Packets that may fail to decode before the rest is given up."""

_MAX_CHANNELS = 7
"""PyAV reads beyond the end of AVFrame.data when a planar frame has eight channels or more."""


@contextmanager
def open_audio(
    file: BoundedFile, path: str, demuxer: str | None, seconds: float
) -> Iterator[Decoded]:
    """Decode the first audio track of a file.

    Args:
        file: readable and seekable, at its start.
        path: the name to give in errors.
        demuxer: FFmpeg's name of the format, or None to tell it from the content.

    Raises:
        AudioError: not a format that FFmpeg reads, or nothing in it can be decoded.
    """
    try:
        container = av.open(
            file,
            mode="r",
            format=demuxer,
            container_options={"format_whitelist": _DEMUXERS},
            metadata_errors="replace",
        )
    except (FFmpegError, OSError) as error:
        raise AudioError(path, f"not a known audio format (FFmpeg: {error.strerror})") from error
    with container:
        if not container.streams.audio:
            raise AudioError(path, "holds no audio track")
        stream = container.streams.audio[0]
        if stream.codec_context is None:
            raise AudioError(path, "its audio is in a codec that FFmpeg can't decode")
        frames = file.renewed_by(_frames(container, stream))
        first = next(frames, None)
        if first is None:
            raise AudioError(path, "holds no samples that can be decoded")
        layout = _layout(first)
        if layout.channels > _MAX_CHANNELS:
            raise AudioError(path, f"has {layout.channels} channels, more than {_MAX_CHANNELS}")
        same_layout = itertools.takewhile(lambda frame: _layout(frame) == layout, frames)
        blocks = _blocks(
            itertools.chain([first], same_layout),
            block_frames(seconds, layout.sample_rate, layout.channels),
        )
        yield Decoded(layout.sample_rate, layout.channels, _codec(stream), blocks)


_CODECS = {
    "pcm_mulaw": "mulaw",
    "pcm_alaw": "alaw",
    "adpcm_g722": "g722",
    "gsm_ms": "gsm",
    "amr_nb": "amr",
    "amr_wb": "amr_wb",
}
"""FFmpeg's names of codecs that go by another."""


def _codec(stream: AudioStream) -> str:
    name: str = stream.codec_context.codec.canonical_name
    return _CODECS.get(name, PCM if name.startswith("pcm_") else name)


class _Layout(NamedTuple):
    sample_rate: int
    channels: int
    sample_format: str


def _frames(container: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]:
    """Yield the frames that hold samples. Packets that don't decode are left out."""
    # Recordings are scored in parallel, one a process; threads per file would only add switching.
    stream.codec_context.thread_count = 1
    packets = container.demux(stream)
    n_bad = 0
    while n_bad <= _MAX_BAD_PACKETS:
        try:
            decoded = next(packets).decode()
        except StopIteration:
            return
        except (FFmpegError, OSError):
            n_bad += 1
            continue
        yield from (frame for frame in decoded if frame.samples > 0)


def _layout(frame: AudioFrame) -> _Layout:
    return _Layout(frame.sample_rate, frame.layout.nb_channels, frame.format.name)


def _blocks(frames: Iterator[AudioFrame], n_samples: int) -> Iterator[Block]:
    """Yield blocks of at least ``n_samples`` a channel; the last may be shorter."""
    while gathered := _gather(frames, n_samples):
        yield _to_block(gathered)


def _gather(frames: Iterator[AudioFrame], n_samples: int) -> list[AudioFrame]:
    gathered = []
    for frame in frames:
        gathered.append(frame)
        n_samples -= frame.samples
        if n_samples <= 0:
            break
    return gathered


def _to_block(frames: Sequence[AudioFrame]) -> Block:
    """Return the frames' samples at full scale 1. [shape=(n_frames, channels)]"""
    # Many frames are converted at once: AudioFrame.to_ndarray takes as long as decoding one of MP3.
    sample_format, channels = frames[0].format, _layout(frames[0]).channels
    dtype = np.dtype(format_dtypes[sample_format.name])
    samples = np.empty((sum(frame.samples for frame in frames), channels), dtype)
    at = 0
    for frame in frames:
        part = samples[at : at + frame.samples]
        if sample_format.is_planar:
            for channel, plane in enumerate(frame.planes):
                part[:, channel] = np.frombuffer(memoryview(plane), dtype, len(part))
        else:
            part[:] = np.frombuffer(memoryview(frame.planes[0]), dtype, part.size).reshape(
                part.shape
            )
        at += len(part)
    if samples.dtype.kind == "f":
        with np.errstate(over="ignore"):
            return samples.astype(np.float32, copy=False)
    full_scale = np.float32(1 << (8 * samples.itemsize - 1))
    offset = full_scale if samples.dtype.kind == "u" else np.float32(0)
    return (samples.astype(np.float32) - offset) / full_scale
