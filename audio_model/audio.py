"""Read recordings: open, decode only what is needed, choose a leg, bring to 8 kHz.

``read`` is for files, ``to_model_rate`` for samples in memory, ``StreamResampler`` for packets.
All three use one resampler and give the same samples.
"""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import soxr
from numpy.typing import NDArray

from audio_model.decoders import Block, Decoded, SeekableFile, decode
from audio_model.errors import AudioError, UsageError
from audio_model.files import open_regular
from audio_model.formats import (
    AUDIO_SUFFIXES,
    MAX_SAMPLE_RATE,
    MIN_SAMPLE_RATE,
    Encoding,
    RawFormat,
)
from audio_model.frontend import SAMPLE_RATE, Samples

__all__ = [
    "AUDIO_SUFFIXES",
    "Channel",
    "Encoding",
    "LegAudio",
    "RawFormat",
    "SeekableFile",
    "StreamResampler",
    "channel_count",
    "check_rate",
    "check_seconds",
    "check_wait",
    "read",
    "read_leg",
    "to_model_rate",
]

_SOXR_QUALITY = "HQ"

_CONTEXT_SECONDS = 0.25
"""Decoded beyond the wanted end.

The resampler's filter looks about 15 ms ahead and its blocks about 200 ms; with both inside the
decoded stretch, the samples before the wanted end don't depend on where decoding stopped.
"""

_MAX_ABS_SAMPLE = 16.0
"""Float samples beyond this aren't loud (24 dB over full scale), they are on another scale."""


class Channel(StrEnum):
    """Which leg of a call recording is taken."""

    LEFT = "left"
    RIGHT = "right"
    MIX = "mix"


@dataclass(frozen=True)
class LegAudio:
    """The beginning of one leg of a recording."""

    samples: Samples
    """At 8 kHz. [shape=(n_samples,)]"""
    codec: str
    """What the container says the audio came in: ``mulaw``, ``alaw``, ``pcm``, ``gsm`` ..."""


def read(
    recording: str | os.PathLike[str] | SeekableFile,
    *,
    max_seconds: float,
    channel: Channel = Channel.MIX,
    raw_format: RawFormat | None = None,
    name: str = "<file>",
) -> Samples:
    """Read the beginning of a recording as 8 kHz mono. [shape=(n_samples,)]

    No more is decoded than the beginning needs, so a long file costs no more than a short one. The
    samples of the first t seconds are the same, up to float rounding, for every ``max_seconds`` of
    t or more. What can be decoded of a truncated or damaged file is read.

    Args:
        recording: the path of any file that libsndfile or FFmpeg decodes, or of a headerless one;
            or such a file that is open, which is read from its start and left open.
        max_seconds: how much to read, in seconds.
        channel: MIX is the mean of all channels. LEFT of a mono file is the file.
        raw_format: what files without a header hold; by default their name tells (``.ulaw``,
            ``.alaw``, ``.sln16`` ...). Files with a header are decoded by it all the same.
        name: that of an open file, for its ending and for errors.

    Returns:
        float32 in [-1, 1], at least one sample.

    Raises:
        AudioError: the recording can't be read; the message names it and says what is wrong.
        UsageError: ``max_seconds`` is less than a sample or isn't finite, or there is no such
            channel.
    """
    return read_leg(
        recording, max_seconds=max_seconds, channel=channel, raw_format=raw_format, name=name
    ).samples


def read_leg(
    recording: str | os.PathLike[str] | SeekableFile,
    *,
    max_seconds: float,
    channel: Channel = Channel.MIX,
    raw_format: RawFormat | None = None,
    name: str = "<file>",
) -> LegAudio:
    """Read the beginning of a recording, and what it was coded in, as :func:`read` does."""
    check_seconds(max_seconds)
    channel = _checked_channel(channel)
    with (
        _opened(recording, name) as (file, name),
        _decoded(file, name, raw_format, max_seconds + _CONTEXT_SECONDS) as decoded,
    ):
        sample_rate = decoded.sample_rate
        if channel is Channel.RIGHT and decoded.channels == 1:
            raise AudioError(name, "has no right channel: it is mono")
        leg = _read_leg(decoded, channel, math.ceil((max_seconds + _CONTEXT_SECONDS) * sample_rate))
    if len(leg) == 0:
        raise AudioError(name, "holds no samples")
    # The mean of more channels than two may round to beyond full scale.
    if decoded.within_scale and decoded.channels <= 2 and sample_rate == SAMPLE_RATE:
        samples = np.ascontiguousarray(leg)
    else:
        _check_values(leg, name)
        samples = _resample(leg, sample_rate)
    samples = samples[: round(max_seconds * SAMPLE_RATE)]
    if len(samples) == 0:
        raise AudioError(name, f"holds {len(leg)} samples, less than one at {SAMPLE_RATE} Hz")
    return LegAudio(samples, decoded.codec)


def channel_count(
    recording: str | os.PathLike[str] | SeekableFile,
    raw_format: RawFormat | None = None,
    *,
    name: str = "<file>",
) -> int:
    """Return the number of channels of a recording.

    The arguments are those of :func:`read`.

    Raises:
        AudioError: the recording can't be read.
    """
    with (
        _opened(recording, name) as (file, name),
        _decoded(file, name, raw_format, seconds=0) as decoded,
    ):
        return decoded.channels


def to_model_rate(samples: NDArray[np.floating], sample_rate: int) -> Samples:
    """Bring samples to 8 kHz float32, within [-1, 1]. [shape=(n_samples,)]

    Args:
        samples: floating point, full scale 1. [shape=(n_samples,)]
        sample_rate: of ``samples``, in Hz.

    Raises:
        UsageError: not one dimension, not floating point, or an absurd rate.
        AudioError: a sample is NaN, infinite, or far beyond full scale.
    """
    check_rate(sample_rate)
    return _resample(_as_samples(samples), sample_rate)


def check_rate(sample_rate: float) -> None:
    """Raise UsageError for a sample rate, in Hz, that no recording has."""
    if not MIN_SAMPLE_RATE <= sample_rate <= MAX_SAMPLE_RATE:
        raise UsageError(
            f"sample rate must be {MIN_SAMPLE_RATE} to {MAX_SAMPLE_RATE} Hz, not {sample_rate}"
        )


def check_seconds(max_seconds: float) -> None:
    """Raise UsageError for a length to hear that is less than a sample, or isn't finite."""
    if not 1 / SAMPLE_RATE <= max_seconds < math.inf:
        raise UsageError(
            f"max_seconds must be finite and at least {1 / SAMPLE_RATE:g} (a sample), "
            f"not {max_seconds:g}"
        )


def check_wait(wait_seconds: float) -> None:
    """Raise UsageError for a wait for the first voice that is negative, or isn't finite."""
    if not 0 <= wait_seconds < math.inf:
        raise UsageError(f"wait_seconds must be finite and at least 0, not {wait_seconds:g}")


class StreamResampler:
    """Brings a stream of packets to 8 kHz, with the filter's state kept between packets.

    Whatever the packets' sizes, their results joined are what :func:`to_model_rate` gives for the
    packets joined. At rates other than 8 kHz the results lag behind, by at most 0.2 s.
    """

    def __init__(self, sample_rate: int, to_rate: int = SAMPLE_RATE) -> None:
        """Begin a stream.

        Args:
            sample_rate: rate of the packets, in Hz.
            to_rate: rate of the results, in Hz. It differs from 8 kHz where another stage follows.

        Raises:
            UsageError: a rate is absurd.
        """
        check_rate(sample_rate)
        self._stream = (
            None
            if sample_rate == to_rate
            else soxr.ResampleStream(
                sample_rate, to_rate, 1, dtype="float32", quality=_SOXR_QUALITY
            )
        )

    def feed(self, packet: NDArray[np.floating]) -> Samples:
        """Resample a packet and return the samples that are ready: none, some or many.

        Args:
            packet: floating point, full scale 1, of any length. [shape=(n_samples,)]

        Raises:
            UsageError: not one dimension or not floating point.
            AudioError: a sample is NaN, infinite, or far beyond full scale.
        """
        return self._process(_as_samples(packet), last=False)

    def flush(self) -> Samples:
        """End the stream and return the samples still held back.

        The next packet begins a new stream.
        """
        rest = self._process(np.empty(0, np.float32), last=True)
        if self._stream is not None:
            self._stream.clear()
        return rest

    def _process(self, packet: Samples, *, last: bool) -> Samples:
        if self._stream is not None:
            packet = self._stream.resample_chunk(packet, last=last)
        return np.clip(packet, -1, 1)


@contextmanager
def _opened(
    recording: str | os.PathLike[str] | SeekableFile, name: str
) -> Iterator[tuple[SeekableFile, str]]:
    """Yield the recording as an open file, with its name."""
    if isinstance(recording, str | os.PathLike):
        with open_regular(recording) as file:
            yield file, os.fsdecode(recording)
    else:
        yield recording, name


@contextmanager
def _decoded(
    file: SeekableFile, name: str, raw_format: RawFormat | None, seconds: float
) -> Iterator[Decoded]:
    try:
        # Asked for without being read: some of the kernel's own files, without a size, block.
        if file.seek(0, os.SEEK_END) == 0:
            raise AudioError(name, "the file is empty (0 bytes)")
        file.seek(0)
        with decode(file, name, raw_format, seconds) as decoded:
            yield decoded
    except OSError as error:
        raise AudioError(name, error.strerror or str(error)) from error


def _checked_channel(channel: str) -> Channel:
    # A plain "right" equals Channel.RIGHT but isn't it, and must not be heard as the mix.
    try:
        return Channel(channel)
    except ValueError:
        raise UsageError(f"channel must be {', '.join(Channel)}, not {channel!r}") from None


def _read_leg(decoded: Decoded, channel: Channel, max_frames: int) -> Samples:
    """Read up to ``max_frames`` samples of one leg at the file's own rate. [shape=(n_samples,)]"""
    legs: list[Samples] = []
    missing = max_frames
    for block in decoded.blocks:
        legs.append(_take_channel(block[:missing], channel))
        missing -= len(legs[-1])
        if missing == 0:
            break
    if len(legs) == 1:
        return legs[0]
    return np.concatenate(legs) if legs else np.empty(0, np.float32)


def _take_channel(block: Block, channel: Channel) -> Samples:
    if channel is Channel.RIGHT:
        return block[:, 1]
    if channel is Channel.LEFT or block.shape[1] == 1:
        return block[:, 0]
    weights = np.full(block.shape[1], 1 / block.shape[1], np.float32)
    # Infinities of both signs are met by _check_values, as the NaN that they make here.
    with np.errstate(invalid="ignore"):
        return block @ weights


def _as_samples(samples: NDArray[np.floating]) -> Samples:
    if samples.ndim != 1 or samples.dtype.kind != "f":
        raise UsageError(
            "samples must be floating point in one dimension, "
            f"not {samples.dtype} of shape {samples.shape}"
        )
    # A sample that float32 can't hold becomes infinite, and is refused as such.
    with np.errstate(over="ignore"):
        as_float32 = samples.astype(np.float32, copy=False)
    _check_values(as_float32, "<samples>")
    return as_float32


def _check_values(samples: Samples, path: str) -> None:
    # NaN is the minimum and maximum of whatever holds it, and isn't within anything.
    if samples.min(initial=0) >= -_MAX_ABS_SAMPLE and samples.max(initial=0) <= _MAX_ABS_SAMPLE:
        return
    index = int(np.argmin(np.abs(samples) <= _MAX_ABS_SAMPLE))
    value = samples[index]
    if np.isnan(value):
        raise AudioError(path, f"sample {index} is NaN")
    if np.isinf(value):
        raise AudioError(path, f"sample {index} is infinite")
    raise AudioError(path, f"sample {index} is {value:g}, far beyond full scale (1)")


def _resample(samples: Samples, sample_rate: int) -> Samples:
    if sample_rate != SAMPLE_RATE:
        samples = soxr.resample(
            np.ascontiguousarray(samples), sample_rate, SAMPLE_RATE, quality=_SOXR_QUALITY
        )
    return np.clip(samples, -1, 1)
