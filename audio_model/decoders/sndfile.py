"""libsndfile's decoders, through soundfile."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import soundfile

from audio_model.decoders.base import Block, BoundedFile, Decoded

_BLOCK_FRAMES = 8192
_SMALL_BLOCK_FRAMES = 128

_SFE_BAD_SF_INFO = 24
"""libsndfile's code for a header without a sample rate, or without channels."""


class RefusedError(Exception):
    """libsndfile decodes nothing of a file; the message is its reason, one line."""


@contextmanager
def open_audio(file: BoundedFile) -> Iterator[Decoded]:
    """Decode a file by its header.

    Raises:
        RefusedError: libsndfile doesn't know the format or the codec, the file is damaged before
            its first sound, or its audio is MPEG.
    """
    try:
        sound = soundfile.SoundFile(file)
    except soundfile.LibsndfileError as error:
        if error.code == _SFE_BAD_SF_INFO:
            raise RefusedError("its header gives no sample rate or no channels") from error
        raise RefusedError(error.error_string) from error
    with sound:
        if sound.subtype.startswith("MPEG"):
            raise RefusedError("MPEG audio is left to FFmpeg")
        blocks = _blocks_before_damage(sound, file)
        first = next(blocks, None)
        if first is None:
            raise RefusedError("no samples")
        yield Decoded(sound.samplerate, sound.channels, itertools.chain([first], blocks))


@contextmanager
def open_gsm(file: BoundedFile) -> Iterator[Decoded]:
    """Decode headerless GSM 06.10: frames of 33 bytes for 20 ms at 8 kHz."""
    with soundfile.SoundFile(
        file, format="RAW", subtype="GSM610", samplerate=8000, channels=1
    ) as sound:
        yield Decoded(sound.samplerate, sound.channels, _read_blocks(sound, _BLOCK_FRAMES))


def _blocks_before_damage(sound: soundfile.SoundFile, file: BoundedFile) -> Iterator[Block]:
    n_frames = 0
    try:
        for block in _read_blocks(sound, _BLOCK_FRAMES):
            n_frames += len(block)
            yield block
    except soundfile.LibsndfileError:
        # The error hides the good frames of its block: a second of a truncated 8 kHz FLAC.
        file.rewind()
        with suppress(soundfile.LibsndfileError), soundfile.SoundFile(file) as again:
            again.read(n_frames, dtype="float32")
            yield from _read_blocks(again, _SMALL_BLOCK_FRAMES)


def _read_blocks(sound: soundfile.SoundFile, block_frames: int) -> Iterator[Block]:
    while True:
        block = sound.read(block_frames, dtype="float32", always_2d=True)
        if len(block) == 0:
            return
        yield block
