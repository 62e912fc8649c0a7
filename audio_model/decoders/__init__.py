"""Decoders: an open file in, blocks of float32 at the file's own rate and channels out.

libsndfile comes first, being two to four times as quick as FFmpeg; FFmpeg reads what libsndfile
can't, and MP3, for which libsndfile's decoder writes its warnings to the process's stderr.
Blocks are decoded only as they are asked for. Damage never raises once sound was found:
libsndfile ends there, FFmpeg leaves the damaged stretch out.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import replace
from io import FileIO

from audio_model.decoders import headerless, sndfile
from audio_model.decoders.base import Block, BoundedFile, Decoded
from audio_model.errors import AudioError
from audio_model.formats import (
    HEAD_BYTES,
    MAX_CHANNELS,
    MAX_SAMPLE_RATE,
    MIN_SAMPLE_RATE,
    RAW_SUFFIXES,
    Container,
    RawFormat,
    identify,
    suffix_of,
)

__all__ = ["Block", "Decoded", "decode"]

_GSM_SIGNATURE = 0xD
"""The upper four bits of each frame of GSM 06.10."""


@contextmanager
def decode(file: FileIO, path: str, raw_format: RawFormat | None) -> Iterator[Decoded]:
    """Decode an open regular file, by its header or else its name.

    Args:
        file: unbuffered, readable and seekable.
        path: the name to go by and to give in errors.
        raw_format: see :func:`audio_model.formats.identify`.

    Raises:
        AudioError: nothing in the file can be decoded.
    """
    suffix = suffix_of(path)
    head = file.read(HEAD_BYTES)
    file.seek(0)
    bounded = BoundedFile(file)
    opened: AbstractContextManager[Decoded]
    match identify(suffix, head, raw_format):
        case Container.SNDFILE:
            opened = _open_with_either(bounded, path)
        case Container.FFMPEG:
            opened = _open_with_ffmpeg(bounded, path)
        case Container.G722:
            opened = _open_with_ffmpeg(bounded, path, demuxer="g722")
        case Container.GSM:
            if head[0] >> 4 != _GSM_SIGNATURE:
                raise AudioError(path, "not GSM 06.10: its first frame lacks the signature")
            opened = sndfile.open_gsm(bounded)
        case Container.RAW:
            opened = nullcontext(headerless.decode(file, raw_format or RAW_SUFFIXES[suffix]))
    with opened as decoded:
        if not MIN_SAMPLE_RATE <= decoded.sample_rate <= MAX_SAMPLE_RATE:
            raise AudioError(path, f"its header gives a sample rate of {decoded.sample_rate} Hz")
        if not 1 <= decoded.channels <= MAX_CHANNELS:
            raise AudioError(path, f"its header gives {decoded.channels} channels")
        yield replace(decoded, blocks=bounded.renewed_by(decoded.blocks))


@contextmanager
def _open_with_either(file: BoundedFile, path: str) -> Iterator[Decoded]:
    with ExitStack() as stack:
        try:
            decoded = stack.enter_context(sndfile.open_audio(file))
        except sndfile.RefusedError as refusal:
            file.rewind()
            try:
                decoded = stack.enter_context(_open_with_ffmpeg(file, path))
            except AudioError as error:
                message = f"{error.message}; libsndfile: {refusal}"
                raise AudioError(path, message) from error
        yield decoded


def _open_with_ffmpeg(
    file: BoundedFile, path: str, demuxer: str | None = None
) -> AbstractContextManager[Decoded]:
    # Imported here: loading FFmpeg takes 90 ms, and most recordings don't need it.
    from audio_model.decoders import ffmpeg

    return ffmpeg.open_audio(file, path, demuxer)
