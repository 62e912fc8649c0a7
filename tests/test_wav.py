"""Plain WAV by hand: the samples that libsndfile gives, and only of headers that are plain."""

import os
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from audio_model import audio
from audio_model.decoders import sndfile, wav
from audio_model.formats import HEAD_BYTES, Encoding, RawFormat
from tests import sounds

PCM = struct.pack("<HHIIHH", 1, 1, 8000, 16000, 2, 16)


def chunk(name: bytes, content: bytes, n_bytes: int | None = None) -> bytes:
    return struct.pack("<4sI", name, len(content) if n_bytes is None else n_bytes) + content


def riff(*chunks: bytes) -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return struct.pack("<4sI", b"RIFF", len(body)) + body


def by_libsndfile(
    path: Path, max_seconds: float, monkeypatch: pytest.MonkeyPatch
) -> sounds.Samples:
    with monkeypatch.context() as patch:
        patch.setattr(wav, "parse", lambda head: None)
        return audio.read(path, max_seconds=max_seconds, channel=audio.Channel.LEFT)


@pytest.mark.parametrize("subtype", ["PCM_16", "ULAW", "ALAW"])
@pytest.mark.parametrize("sample_rate", [8000, 16000, 44100])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("max_seconds", [0.3, 60])
def test_samples_are_those_of_libsndfile(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    subtype: str,
    sample_rate: int,
    channels: int,
    max_seconds: float,
) -> None:
    path = tmp_path / "a.wav"
    noise = np.random.default_rng(0).uniform(-1, 1, (sample_rate, channels))
    soundfile.write(path, noise, sample_rate, subtype=subtype)
    assert wav.parse(path.read_bytes()[:HEAD_BYTES]) is not None
    expected = by_libsndfile(path, max_seconds, monkeypatch)
    read = audio.read(path, max_seconds=max_seconds, channel=audio.Channel.LEFT)
    np.testing.assert_array_equal(read, expected)
    assert audio.channel_count(path) == channels


def test_a_plain_file_never_reaches_libsndfile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, sounds.tone(1, 440), 8000)
    monkeypatch.setattr(sndfile, "open_audio", None)
    assert len(audio.read(path, max_seconds=9)) == 8000


def test_chunks_before_and_behind_the_samples_are_not_heard(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    pcm = np.arange(1, 9, dtype="<i2")
    path.write_bytes(
        riff(
            chunk(b"JUNK", bytes(28)),
            chunk(b"fmt ", PCM),
            chunk(b"LIST", b"INFO" + bytes(10)),
            chunk(b"data", pcm.tobytes()),
            chunk(b"LIST", b"\xff" * 40),
        )
    )
    plain = wav.parse(path.read_bytes())
    assert plain == wav.PlainWav(RawFormat(Encoding.S16LE), 12 + 36 + 24 + 22 + 8, 16)
    np.testing.assert_array_equal(audio.read(path, max_seconds=9), pcm / np.float32(32768))


def test_of_a_truncated_file_the_whole_frames_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.stack([sounds.tone(1, 440)] * 2, axis=1), 8000)
    os.truncate(path, 44 + 4 * 1000 + 3)
    assert len(audio.read(path, max_seconds=9)) == 1000


DATA = chunk(b"data", bytes(1600))


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(riff(chunk(b"fmt ", PCM))[:30], id="ends within the format"),
        pytest.param(riff(chunk(b"fmt ", PCM), chunk(b"JUNK", bytes(5000)), DATA), id="far away"),
        pytest.param(riff(DATA, chunk(b"fmt ", PCM)), id="data first"),
        pytest.param(riff(chunk(b"fmt ", PCM), chunk(b"fmt ", PCM), DATA), id="two formats"),
        pytest.param(riff(chunk(b"fmt ", PCM), chunk(b"x", b"", 3), DATA), id="odd chunk"),
        pytest.param(riff(chunk(b"fmt ", PCM + bytes(24)), DATA), id="extensible"),
        pytest.param(riff(chunk(b"fmt ", PCM), chunk(b"data", b"", 0)), id="no length"),
        pytest.param(riff(chunk(b"fmt ", PCM), chunk(b"data", b"", 2**32 - 1)), id="no length yet"),
        pytest.param(riff(chunk(b"fmt ", PCM), DATA).replace(b"RIFF", b"RF64"), id="RF64"),
        pytest.param(riff(chunk(b"fmt ", PCM), DATA).replace(b"RIFF", b"RIFX"), id="RIFX"),
        *(
            pytest.param(riff(chunk(b"fmt ", struct.pack("<HHIIHH", *fields)), DATA), id=name)
            for name, fields in {
                "ADPCM": (17, 1, 8000, 4055, 256, 4),
                "24 bits": (1, 1, 8000, 24000, 3, 24),
                "no channels": (1, 0, 8000, 0, 0, 16),
                "frames too large": (1, 1, 8000, 32000, 4, 16),
                "another rate of bytes": (1, 1, 8000, 8000, 2, 16),
                "1 Hz": (1, 1, 1, 2, 2, 16),
            }.items()
        ),
    ],
)
def test_what_is_not_plain_is_left_alone(head: bytes) -> None:
    assert wav.parse(head[:HEAD_BYTES]) is None


@given(st.binary(max_size=200), st.integers(0, 60), st.binary(min_size=1, max_size=8))
def test_no_header_is_too_odd(tail: bytes, at: int, damage: bytes) -> None:
    head = bytearray(riff(chunk(b"fmt ", PCM), DATA)[:60] + tail)
    head[at : at + len(damage)] = damage
    plain = wav.parse(bytes(head))
    if plain is not None:
        assert 0 < plain.data_start <= len(head)
        assert plain.data_bytes > 0
