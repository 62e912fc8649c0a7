"""The format of a recording's file, told by its first bytes or, without a header, by its name."""

import os
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from pathlib import Path

from audio_model.errors import UsageError

MIN_SAMPLE_RATE = 4_000
MAX_SAMPLE_RATE = 768_000
"""Hz. Outside these a header is taken to be damaged."""

MAX_CHANNELS = 64

HEAD_BYTES = 4096
"""How much is read at once to see what a file is; :func:`identify` needs the first 36 bytes."""


class Encoding(StrEnum):
    """Sample encodings of headerless files."""

    MULAW = "mulaw"
    ALAW = "alaw"
    S16LE = "s16le"


_ENCODINGS = tuple(Encoding)
"""Made once: to go through an enumeration takes longer than all else that a format checks."""

SAMPLE_BYTES = {Encoding.MULAW: 1, Encoding.ALAW: 1, Encoding.S16LE: 2}

PCM = "pcm"
"""What results call linear samples of any size: no codec that is heard."""


@dataclass(frozen=True)
class RawFormat:
    """The content of a headerless file: interleaved samples at ``sample_rate`` (Hz)."""

    encoding: Encoding
    sample_rate: int = 8000
    channels: int = 1

    def __post_init__(self) -> None:
        if self.encoding not in _ENCODINGS:
            raise UsageError(f"encoding must be {', '.join(Encoding)}, not {self.encoding!r}")
        if not MIN_SAMPLE_RATE <= self.sample_rate <= MAX_SAMPLE_RATE:
            raise UsageError(
                f"raw sample rate must be {MIN_SAMPLE_RATE} to {MAX_SAMPLE_RATE} Hz, "
                f"not {self.sample_rate}"
            )
        if not 1 <= self.channels <= MAX_CHANNELS:
            raise UsageError(f"raw channels must be 1 to {MAX_CHANNELS}, not {self.channels}")

    @property
    def codec(self) -> str:
        """Return what results call it: ``mulaw``, ``alaw`` or ``pcm``."""
        return PCM if self.encoding == Encoding.S16LE else str(self.encoding)


class Container(Enum):
    """The library that reads a file."""

    SNDFILE = auto()
    FFMPEG = auto()
    GSM = auto()
    G722 = auto()
    G723 = auto()
    G729 = auto()
    VOX = auto()
    RAW = auto()


_MULAW = RawFormat(Encoding.MULAW)
_ALAW = RawFormat(Encoding.ALAW)
_S16LE = RawFormat(Encoding.S16LE)

RAW_SUFFIXES = {
    **dict.fromkeys((".ulaw", ".ul", ".ulw", ".mu", ".mulaw", ".pcmu"), _MULAW),
    **dict.fromkeys((".alaw", ".al", ".alw", ".pcma"), _ALAW),
    **dict.fromkeys((".sln", ".raw", ".pcm"), _S16LE),
    # Asterisk's names carry the rate in kHz; .sln alone is 8 kHz.
    **{
        f".sln{rate // 1000}": RawFormat(Encoding.S16LE, sample_rate=rate)
        for rate in (12_000, 16_000, 24_000, 32_000, 44_100, 48_000, 96_000, 192_000)
    },
}
"""Names of headerless files, and what they mean when nothing else is said."""

_CODEC_SUFFIXES = {
    ".gsm": Container.GSM,
    ".g722": Container.G722,
    ".g723": Container.G723,
    ".g729": Container.G729,
    ".vox": Container.VOX,
}

# fmt: off
_HEADER_SUFFIXES = frozenset({
    ".wav", ".wave", ".wav49", ".w64", ".rf64", ".aif", ".aiff", ".aifc", ".au", ".snd", ".caf",
    ".voc", ".nist", ".sph", ".flac", ".ogg", ".oga", ".opus", ".spx", ".mp3", ".mp2", ".mpga",
    ".aac", ".m4a", ".mp4", ".3gp", ".3g2", ".amr", ".awb", ".wma", ".asf", ".webm", ".mka", ".mkv",
    ".bw64", ".sf", ".ircam", ".ape", ".dss", ".qcp", ".tta", ".wv",
})
# fmt: on

AUDIO_SUFFIXES = _HEADER_SUFFIXES | _CODEC_SUFFIXES.keys() | RAW_SUFFIXES.keys()
"""Endings, in lower case, of the files that are taken for recordings in a folder."""

# (offset, bytes), all of which must be there.
_SNDFILE_MAGIC = (
    ((0, b"RIFF"), (8, b"WAVE")),
    ((0, b"RIFX"), (8, b"WAVE")),
    ((0, b"RF64"), (8, b"WAVE")),
    ((0, b"BW64"), (8, b"WAVE")),
    ((0, b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb"),),
    ((0, b"FORM"), (8, b"AIF")),
    ((0, b".snd"),),
    ((0, b"dns."),),
    ((0, b"caff"),),
    ((0, b"fLaC"),),
    ((0, b"OggS"), (28, b"\x01vorbis")),
    ((0, b"OggS"), (28, b"\x7fFLAC")),
    ((0, b"NIST_1A"),),
    ((0, b"Creative Voice"),),
    # IRCAM's, of each byte order and machine.
    ((0, b"\x64\xa3\x01\x00"),),
    ((0, b"\x64\xa3\x02\x00"),),
    ((0, b"\x64\xa3\x03\x00"),),
    ((0, b"\x64\xa3\x04\x00"),),
    ((0, b"\x00\x02\xa3\x64"),),
)
# ID3 (MP3, AAC), AMR, MP4 and 3GP, Matroska and WebM, ASF; Ogg of Opus (FFmpeg decodes it twice as
# quickly as libsndfile does) and of what else is not named above. MP3 without a tag has no mark.
_FFMPEG_MAGIC = (
    ((0, b"OggS"),),
    ((0, b"ID3"),),
    ((0, b"#!AMR"),),
    ((4, b"ftyp"),),
    ((0, b"\x1a\x45\xdf\xa3"),),
    ((0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),),
)


def identify(suffix: str, head: bytes, raw_format: RawFormat | None) -> Container:
    """Decide who reads a file.

    A header wins. Without one the name decides, and ``raw_format`` stands in for the name unless
    the name promises a header (``.mp3``) or a codec of its own (``.gsm``).

    Args:
        suffix: the name's ending, lower case, with its dot.
        head: the file's first ``HEAD_BYTES`` bytes.
        raw_format: what the user says headerless files are.
    """
    if _matches(head, _SNDFILE_MAGIC):
        return Container.SNDFILE
    if _matches(head, _FFMPEG_MAGIC):
        return Container.FFMPEG
    if suffix in _CODEC_SUFFIXES:
        return _CODEC_SUFFIXES[suffix]
    if suffix in RAW_SUFFIXES or (raw_format is not None and suffix not in _HEADER_SUFFIXES):
        return Container.RAW
    return Container.FFMPEG


def suffix_of(path: str | bytes | os.PathLike[str]) -> str:
    """Return the ending of a path's name in lower case, with its dot, or an empty text."""
    return Path(os.fsdecode(path)).suffix.lower()


def _matches(head: bytes, magics: tuple[tuple[tuple[int, bytes], ...], ...]) -> bool:
    return any(all(head.startswith(mark, at) for at, mark in magic) for magic in magics)
