"""What is called 16-bit is G.711 only if its bytes say so, and 16-bit speech never does."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from audio_model import audio
from audio_model.companding import alaw_encode, mulaw_encode
from audio_model.formats import Encoding
from audio_model.gateway.guess import GUESS_BYTES, guess_encoding
from tests import sounds

SAMPLES = Path(__file__).parents[2] / "samples"
CODERS = [
    (Encoding.MULAW, mulaw_encode),
    (Encoding.ALAW, alaw_encode),
    (Encoding.S16LE, lambda samples: samples.astype("<i2")),
]


def guesses(samples: np.ndarray, encode: Callable[..., np.ndarray]) -> set[Encoding]:
    """What each stretch of the samples, in [-1, 1], is taken for."""
    coded = encode(np.clip(np.rint(samples * 32768), -32768, 32767).astype(np.int16)).tobytes()
    return {
        guess_encoding(coded[at : at + GUESS_BYTES])
        for at in range(0, len(coded) - GUESS_BYTES + 1, GUESS_BYTES)
    }


@pytest.mark.parametrize(
    ("silence", "encoding"),
    [(b"\xff", Encoding.MULAW), (b"\xd5", Encoding.ALAW), (b"\x00", Encoding.S16LE)],
)
def test_digital_silence_is_known_by_its_code(silence: bytes, encoding: Encoding) -> None:
    assert guess_encoding(silence * GUESS_BYTES) is encoding


@pytest.mark.parametrize("gain", [0.02, 1.0])
@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*-*.*")), ids=lambda path: path.name)
@pytest.mark.parametrize(("encoding", "encode"), CODERS)
def test_each_stretch_of_the_samples_is_known(
    path: Path, encoding: Encoding, encode: Callable[..., np.ndarray], gain: float
) -> None:
    assert guesses(gain * audio.read(path, max_seconds=6), encode) == {encoding}


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*-*.*")), ids=lambda path: path.name)
@pytest.mark.parametrize("spoilt", ["clipped", "noisy"])
def test_spoilt_16_bit_speech_is_not_taken_for_g711(path: Path, spoilt: str) -> None:
    samples = audio.read(path, max_seconds=6)
    if spoilt == "clipped":
        samples = 8 * samples
    else:
        samples = samples + sounds.noise(len(samples) / 8000, level=0.1)[: len(samples)]
    assert guesses(samples, CODERS[2][1]) == {Encoding.S16LE}


@pytest.mark.parametrize("level", [0.003, 0.3, 1.0])
def test_white_noise_of_16_bit_is_not_taken_for_g711(level: float) -> None:
    noise = np.random.default_rng(3).normal(0, level, 8000)
    assert guesses(noise, CODERS[2][1]) == {Encoding.S16LE}


@pytest.mark.parametrize("audio", [b"", b"\x01", b"\x01\x02\x03"])
def test_what_is_too_short_to_tell_is_what_it_is_called(audio: bytes) -> None:
    assert guess_encoding(audio) is Encoding.S16LE
