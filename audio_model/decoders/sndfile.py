"""libsndfile's decoders, through soundfile."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import soundfile

from audio_model.decoders.base import Block, BoundedFile, Decoded, block_frames
from audio_model.formats import PCM

_SMALL_BLOCK_FRAMES = 128

_SFE_BAD_SF_INFO = 24
"""libsndfile's code for a header without a sample rate, or without channels."""


_CODECS = {"ULAW": "mulaw", "GSM610": "gsm", "FLOAT": PCM, "DOUBLE": PCM}
"""Subtypes whose codec goes by another name."""


class RefusedError(Exception):
    """libsndfile decodes nothing of a file; the message is its reason, one line."""


class _Sound(soundfile.SoundFile):  # type: ignore[misc]
    """A file read from its start to its end."""

    def seekable(self) -> bool:
        # Otherwise each read is followed by a seek to where it ended, which decodes anew.
        return False


@contextmanager
def open_audio(file: BoundedFile, seconds: float) -> Iterator[Decoded]:
    """Decode a file by its header.

    Raises:
        RefusedError: libsndfile doesn't know the format or the codec, the file is damaged before
            its first sound, or its audio is MPEG.
    """
    try:
        sound = _open(file)
    except soundfile.LibsndfileError as error:
        if error.code == _SFE_BAD_SF_INFO:
            raise RefusedError("its header gives no sample rate or no channels") from error
        raise RefusedError(error.error_string) from error
    with sound:
        if sound.subtype.startswith("MPEG"):
            raise RefusedError("MPEG audio is left to FFmpeg")
        blocks = _blocks_before_damage(sound, file, seconds)
        first = next(blocks, None)
        if first is None:
            raise RefusedError("no samples")
        yield _decoded(sound, itertools.chain([first], blocks))


@contextmanager
def open_gsm(file: BoundedFile, seconds: float) -> Iterator[Decoded]:
    """Decode headerless GSM 06.10: frames of 33 bytes for 20 ms at 8 kHz."""
    with _open(file, format="RAW", subtype="GSM610", samplerate=8000, channels=1) as sound:
        yield _decoded(sound, _read_blocks(sound, seconds))


@contextmanager
def open_vox(file: BoundedFile, seconds: float) -> Iterator[Decoded]:
    """Decode Dialogic's ADPCM, which has no header: 4 bits a sample, and as recorders do 8 kHz."""
    with _open(file, format="RAW", subtype="VOX_ADPCM", samplerate=8000, channels=1) as sound:
        yield _decoded(sound, _read_blocks(sound, seconds))


def _decoded(sound: _Sound, blocks: Iterator[Block]) -> Decoded:
    return Decoded(sound.samplerate, sound.channels, _codec(sound), blocks)


def _codec(sound: _Sound) -> str:
    if sound.format == "FLAC":
        return "flac"
    subtype: str = sound.subtype
    return _CODECS.get(subtype, PCM if subtype.startswith("PCM_") else subtype.lower())


def _open(file: BoundedFile, **options: object) -> _Sound:
    descriptor = file.descriptor()
    return _Sound(file if descriptor is None else descriptor, closefd=False, **options)


def _blocks_before_damage(sound: _Sound, file: BoundedFile, seconds: float) -> Iterator[Block]:
    n_frames = 0
    try:
        for block in _read_blocks(sound, seconds):
            n_frames += len(block)
            yield block
    except soundfile.LibsndfileError:
        # The error hides the good frames of its block, which may be all that was wanted.
        file.rewind()
        with suppress(soundfile.LibsndfileError), _open(file) as again:
            again.read(n_frames, dtype="float32")
            yield from _blocks_of(again, _SMALL_BLOCK_FRAMES)


def _read_blocks(sound: _Sound, seconds: float) -> Iterator[Block]:
    return _blocks_of(sound, block_frames(seconds, sound.samplerate, sound.channels))


def _blocks_of(sound: _Sound, n_frames: int) -> Iterator[Block]:
    while True:
        block = sound.read(n_frames, dtype="float32", always_2d=True)
        if len(block) == 0:
            return
        yield block
