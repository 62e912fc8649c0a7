"""Decoders: an open file in, blocks of float32 at the file's own rate and channels out.

Plain WAV needs no library. libsndfile is next, being two to four times as quick as FFmpeg; FFmpeg
reads what libsndfile can't, Opus, at which it is the quicker one, and MP3, for which libsndfile's
decoder writes its warnings to the process's stderr.
Blocks are decoded only as they are asked for. Damage never raises once sound was found:
libsndfile ends there, FFmpeg leaves the damaged stretch out.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import replace

from audio_model.decoders import headerless, sndfile, wav
from audio_model.decoders.base import Block, BoundedFile, Decoded, SeekableFile
from audio_model.decoders.mended import mended
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

__all__ = ["Block", "Decoded", "SeekableFile", "decode"]

_DEMUXERS = {Container.G722: "g722", Container.G723: "g723_1", Container.G729: "g729"}
"""FFmpeg's names of codecs without a header."""

_GSM_SIGNATURE = 0xD
"""The upper four bits of each frame of GSM 06.10."""


@contextmanager
def decode(
    file: SeekableFile, path: str, raw_format: RawFormat | None, seconds: float
) -> Iterator[Decoded]:
    """Decode an open file, by its header or else its name.

    Args:
        file: at its start; an unbuffered local file is read most quickly.
        path: the name to go by and to give in errors.
        raw_format: see :func:`audio_model.formats.identify`.
        seconds: how much will be wanted: the size of blocks follows it.

    Raises:
        AudioError: nothing in the file can be decoded.
        OSError: reading the file fails; its blocks raise it, too.
    """
    head = file.read(HEAD_BYTES)
    plain = wav.parse(head)
    if plain is None and (again := mended(head, file)) is not None:
        file = again
        file.seek(0)
        head = file.read(HEAD_BYTES)
        plain = wav.parse(head)
    if plain is not None:
        file.seek(plain.data_start)
        yield headerless.decode(file, plain.raw_format, seconds, plain.data_bytes)
        return
    file.seek(0)
    bounded = BoundedFile(file)
    opened: AbstractContextManager[Decoded]
    suffix = suffix_of(path)
    container = identify(suffix, head, raw_format)
    match container:
        case Container.SNDFILE:
            opened = _open_with_either(bounded, path, seconds)
        case Container.FFMPEG:
            opened = _open_with_ffmpeg(bounded, path, seconds)
        case Container.G722 | Container.G723 | Container.G729:
            opened = _open_with_ffmpeg(bounded, path, seconds, demuxer=_DEMUXERS[container])
        case Container.GSM:
            if head[0] >> 4 != _GSM_SIGNATURE:
                raise AudioError(path, "not GSM 06.10: its first frame lacks the signature")
            opened = sndfile.open_gsm(bounded, seconds)
        case Container.VOX:
            opened = sndfile.open_vox(bounded, seconds)
        case Container.RAW:
            raw_format = raw_format or RAW_SUFFIXES[suffix]
            opened = nullcontext(headerless.decode(file, raw_format, seconds))
    try:
        with opened as decoded:
            if not MIN_SAMPLE_RATE <= decoded.sample_rate <= MAX_SAMPLE_RATE:
                rate = decoded.sample_rate
                raise AudioError(path, f"its header gives a sample rate of {rate} Hz")
            if not 1 <= decoded.channels <= MAX_CHANNELS:
                raise AudioError(path, f"its header gives {decoded.channels} channels")
            yield replace(decoded, blocks=bounded.renewed_by(decoded.blocks))
    except AudioError:
        bounded.check()
        raise


@contextmanager
def _open_with_either(file: BoundedFile, path: str, seconds: float) -> Iterator[Decoded]:
    with ExitStack() as stack:
        try:
            decoded = stack.enter_context(sndfile.open_audio(file, seconds))
        except sndfile.RefusedError as refusal:
            file.rewind()
            try:
                decoded = stack.enter_context(_open_with_ffmpeg(file, path, seconds))
            except AudioError as error:
                message = f"{error.message}; libsndfile: {refusal}"
                raise AudioError(path, message) from error
        yield decoded


def _open_with_ffmpeg(
    file: BoundedFile, path: str, seconds: float, demuxer: str | None = None
) -> AbstractContextManager[Decoded]:
    # Imported here: loading FFmpeg takes 90 ms, and most recordings don't need it.
    from audio_model.decoders import ffmpeg

    return ffmpeg.open_audio(file, path, demuxer, seconds)
