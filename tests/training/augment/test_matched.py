"""The fixed line: after it nothing tells how a clip was recorded."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.random import default_rng

from audio_model.errors import UsageError
from audio_model.frontend import SAMPLE_RATE
from tests import sounds
from training.augment import Codec, MatchedChannel
from training.augment.filters import telephone_band
from training.augment.levels import frame_rms, loudness, rms

MATCHED = MatchedChannel()


def spoken(*, pause: float) -> sounds.Samples:
    """A voice for 1 s and a pause of noise of so high a level for 1 s."""
    return np.concatenate([sounds.voice(1), sounds.noise(1, 3, level=1) * np.float32(pause)])


def in_db(x: float) -> float:
    return float(20 * np.log10(x))


@pytest.mark.parametrize("pause", [0.0, 1e-5, 3e-4])
@pytest.mark.parametrize("gain", [0.02, 1.0])
def test_level_and_floor_are_the_same_whatever_came_in(pause: float, gain: float) -> None:
    result = MATCHED(spoken(pause=pause) * np.float32(gain), default_rng(0))
    assert in_db(loudness(result)) == pytest.approx(-26, abs=0.5)
    assert in_db(rms(result[9000:])) == pytest.approx(-55, abs=1)


@pytest.mark.parametrize("codec", Codec)
def test_no_exact_zeros_survive(codec: Codec) -> None:
    result = replace(MATCHED, codec=codec)(spoken(pause=0), default_rng(0))
    # AMR's comfort noise and MP3 are the codec's own; whole frames of zeros are nobody's.
    assert (frame_rms(result) > 1e-5).all()


def test_gaps_of_zeros_in_a_noisy_clip_are_filled() -> None:
    x = sounds.noise(2)
    x[3000:3200] = 0
    assert (frame_rms(MATCHED(x, default_rng(0))) > 1e-4).all()


def test_the_band_is_the_telephones() -> None:
    x = sounds.noise(2, level=0.1)
    result = replace(MATCHED, codec="g722")(x, default_rng(0))
    power = np.abs(np.fft.rfft(result)) ** 2
    frequency = np.fft.rfftfreq(len(result), 1 / SAMPLE_RATE)
    inside = power[(frequency > 400) & (frequency < 3300)].mean()
    assert power[(frequency < 200) | (frequency > 3800)].mean() < 1e-3 * inside


@pytest.mark.parametrize("snr_db", [5.0, 15.0])
def test_a_bed_lies_at_its_ratio(snr_db: float) -> None:
    bed = sounds.noise(1.3, 9)
    channel = replace(MATCHED, snr_db=snr_db, codec="alaw")
    result = channel(spoken(pause=0), default_rng(0), bed)
    assert in_db(rms(result[9000:])) == pytest.approx(-26 - snr_db, abs=0.5)


def test_a_tandem_is_one_codec_after_the_other() -> None:
    x = spoken(pause=0.001)
    tandem = replace(MATCHED, codec="gsm+mulaw")(x, default_rng(0))
    gsm, mulaw = (replace(MATCHED, codec=c)(x, default_rng(0)) for c in ("gsm", "mulaw"))
    assert 0 < rms(tandem - gsm) < 0.2 * rms(tandem - mulaw)


def test_the_same_seed_is_the_same_take() -> None:
    x = spoken(pause=0)
    channel = replace(MATCHED, codec="amr_nb+opus")
    np.testing.assert_array_equal(channel(x, default_rng(3)), channel(x, default_rng(3)))
    assert rms(MATCHED(x, default_rng(3)) - MATCHED(x, default_rng(4))) > 1e-4


def test_the_voice_stays_in_place() -> None:
    x = sounds.voice(2)
    assert np.corrcoef(MATCHED(x, default_rng(0)), telephone_band(x))[0, 1] > 0.95


@pytest.mark.parametrize("codec", ["", "g729", "mulaw+", "mulaw+g729"])
def test_an_unknown_codec_is_refused(codec: str) -> None:
    with pytest.raises(UsageError, match="not one of mulaw, alaw"):
        MatchedChannel(codec=codec)


def test_a_bed_and_its_ratio_belong_together() -> None:
    x = sounds.voice(0.5)
    with pytest.raises(UsageError, match="belong together"):
        MATCHED(x, default_rng(0), sounds.noise(1))
    with pytest.raises(UsageError, match="belong together"):
        MatchedChannel(snr_db=10)(x, default_rng(0))
