import pytest

from audio_model.errors import UsageError
from audio_model.formats import (
    AUDIO_SUFFIXES,
    RAW_SUFFIXES,
    Container,
    Encoding,
    RawFormat,
    identify,
    suffix_of,
)

NO_HEADER = bytes(range(100, 116))
WAV = b"RIFF\x24\x00\x00\x00WAVEfmt "
OGG = b"OggS" + bytes(24)
ALAW = RawFormat(Encoding.ALAW)


@pytest.mark.parametrize(
    ("suffix", "head", "raw_format", "container"),
    [
        (".wav", WAV, None, Container.SNDFILE),
        (".wav", WAV, ALAW, Container.SNDFILE),
        (".raw", WAV, ALAW, Container.SNDFILE),
        (".gsm", WAV, None, Container.SNDFILE),
        ("", b"#!AMR\n\x3c" + bytes(9), ALAW, Container.FFMPEG),
        (".mp3", NO_HEADER, None, Container.FFMPEG),
        (".mp3", NO_HEADER, ALAW, Container.FFMPEG),
        (".wav", NO_HEADER, ALAW, Container.FFMPEG),
        (".gsm", NO_HEADER, ALAW, Container.GSM),
        (".g722", NO_HEADER, None, Container.G722),
        (".ulaw", NO_HEADER, None, Container.RAW),
        (".ulaw", NO_HEADER, ALAW, Container.RAW),
        ("", NO_HEADER, ALAW, Container.RAW),
        (".xyz", NO_HEADER, ALAW, Container.RAW),
        ("", NO_HEADER, None, Container.FFMPEG),
        ("", b"", None, Container.FFMPEG),
        (".raw", OGG + b"\x01vorbis", None, Container.SNDFILE),
        (".raw", OGG + b"\x7fFLAC", None, Container.SNDFILE),
        (".raw", OGG + b"OpusHead", None, Container.FFMPEG),
        (".raw", OGG + b"Speex   ", None, Container.FFMPEG),
    ],
)
def test_a_header_wins_then_the_name_then_the_option(suffix, head, raw_format, container):
    assert identify(suffix, head, raw_format) is container


@pytest.mark.parametrize(
    ("suffix", "encoding", "sample_rate"),
    [
        (".sln", Encoding.S16LE, 8000),
        (".sln16", Encoding.S16LE, 16000),
        (".sln44", Encoding.S16LE, 44100),
        (".sln192", Encoding.S16LE, 192000),
        (".ul", Encoding.MULAW, 8000),
        (".pcma", Encoding.ALAW, 8000),
        (".pcm", Encoding.S16LE, 8000),
    ],
)
def test_what_headerless_names_mean(suffix, encoding, sample_rate):
    assert RAW_SUFFIXES[suffix] == RawFormat(encoding, sample_rate)
    assert suffix in AUDIO_SUFFIXES


@pytest.mark.parametrize(
    ("path", "suffix"),
    [("a.WAV", ".wav"), (b"\xff.Ulaw", ".ulaw"), ("a.wav/b", ""), ("a.b\n.mp3", ".mp3")],
)
def test_suffix(path, suffix):
    assert suffix_of(path) == suffix


@pytest.mark.parametrize(
    "options",
    [{"sample_rate": 0}, {"sample_rate": 10**9}, {"channels": 0}, {"channels": 65}],
)
def test_absurd_raw_formats_are_refused(options):
    with pytest.raises(UsageError, match=r"raw .* must be"):
        RawFormat(Encoding.MULAW, **options)


def test_an_unknown_encoding_is_refused():
    with pytest.raises(UsageError, match="mulaw, alaw, s16le"):
        RawFormat("opus")  # type: ignore[arg-type]
