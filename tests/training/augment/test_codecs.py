"""Codecs code, stay in place, and take whatever a line holds."""

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from numpy.random import default_rng

from audio_model.companding import alaw_decode, alaw_encode, mulaw_decode, mulaw_encode
from audio_model.frontend import SAMPLE_RATE
from tests import sounds
from training.augment.codecs import LINE_SHARES, Codec, draw_codec, encode
from training.augment.levels import rms

EVERY = pytest.mark.parametrize("codec", Codec)


def test_an_unknown_codec_is_refused() -> None:
    with pytest.raises(ValueError, match="g729"):
        encode(sounds.voice(0.1), "g729", default_rng(0))


@pytest.mark.parametrize(
    ("codec", "coder", "decoder"),
    [("mulaw", mulaw_encode, mulaw_decode), ("alaw", alaw_encode, alaw_decode)],
)
def test_g711_is_the_g711_of_the_reader(
    codec: str,
    coder: Callable[[np.ndarray], np.ndarray],
    decoder: Callable[[np.ndarray], np.ndarray],
) -> None:
    levels = (decoder(np.arange(256, dtype=np.uint8)) / 32768).astype(np.float32)
    np.testing.assert_array_equal(encode(levels, codec, default_rng(0)), levels)
    x = sounds.voice(1)
    ours = decoder(coder(sounds.pcm(x))) / np.float32(32768)
    theirs = encode(x, codec, default_rng(0))
    # libsndfile rounds to 14 or 13 bits first, so samples near a decision value may cross it.
    steps_apart = np.searchsorted(np.unique(levels), theirs) - np.searchsorted(
        np.unique(levels), ours
    )
    assert np.abs(steps_apart).max() <= 1
    assert abs(steps_apart.mean()) < 0.01


def lag(coded: sounds.Samples, x: sounds.Samples) -> int:
    """Samples by which ``coded`` comes late, by cross-correlation."""
    size = 4 * len(x)
    spectra = np.fft.rfft(coded, size) * np.conj(np.fft.rfft(x, size))
    match = np.fft.irfft(spectra)
    latest = int(np.argmax(match))
    return latest - size if latest > size // 2 else latest


@EVERY
def test_a_codec_codes_and_keeps_its_place(codec: Codec) -> None:
    x = sounds.voice(1.5)
    for seed in range(4):
        coded = encode(x, codec, default_rng(seed))
        assert np.abs(coded - x).max() > 1e-4
        assert abs(lag(coded, x)) <= 0.001 * SAMPLE_RATE


@EVERY
def test_an_onset_stays_within_10_ms(codec: Codec) -> None:
    """The packet before may swell; what is decoded 10 ms before the voice is faint."""
    x = np.concatenate([sounds.noise(0.5, 1, level=0.0005), sounds.voice(1)])
    for seed in range(4):
        coded = encode(x, codec, default_rng(seed))
        loud = np.flatnonzero(np.abs(coded) > 0.1 * np.abs(coded).max())[0]
        true = np.flatnonzero(np.abs(x) > 0.1 * np.abs(x).max())[0]
        assert abs(loud - true) <= 0.01 * SAMPLE_RATE


@EVERY
def test_the_end_is_not_cut_off(codec: Codec) -> None:
    x = sounds.noise(0.5, level=0.2)
    assert rms(encode(x, codec, default_rng(0))[-80:]) > 0.3 * 0.2


@EVERY
def test_a_codec_clips_what_another_overshot(codec: Codec) -> None:
    """Lossy decoders overshoot full scale, and a tandem feeds that to the next encoder."""
    x = 1.3 * sounds.tone(0.5, 300, level=1)
    coded = encode(x, codec, default_rng(0))
    assert np.corrcoef(coded, x)[0, 1] > 0.9


def test_bit_rates_are_drawn() -> None:
    x = sounds.voice(1)
    for codec in (Codec.AMR_NB, Codec.G726, Codec.OPUS, Codec.MP3):
        coded = [encode(x, codec, default_rng(seed)) for seed in range(6)]
        assert len({c.tobytes() for c in coded}) > 1


def test_amr_sends_comfort_noise_in_pauses() -> None:
    """Sent or only described (DTX), a pause's noise is about as loud, and never a silence."""
    x = np.concatenate([sounds.voice(0.5), sounds.noise(1, level=0.01)])
    pauses = [encode(x, Codec.AMR_NB, default_rng(seed))[6000:] for seed in range(12)]
    loud = np.array([rms(pause) for pause in pauses])
    assert ((loud > 0.003) & (loud < 0.02)).all()


def test_codecs_come_as_often_as_their_share() -> None:
    rng = default_rng(0)
    count = Counter(draw_codec(LINE_SHARES, rng) for _ in range(3000))
    for codec, share in LINE_SHARES.items():
        assert count[codec] / 3000 == pytest.approx(share, abs=0.03)
