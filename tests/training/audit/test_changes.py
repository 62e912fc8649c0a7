"""Each change does what its name says, and nothing else."""

import numpy as np
import pytest

from audio_model.frontend import Samples
from tests import sounds
from training.audit.changes import CHANGES, played_back
from training.augment import Codec, frame_rms, loudness
from training.data.nuisance import measure

RNG = np.random.default_rng


def db(samples: Samples) -> float:
    return float(20 * np.log10(loudness(samples)))


@pytest.mark.parametrize("name", [*CHANGES, "playback"])
def test_every_change_gives_other_sound_samples(name: str) -> None:
    change = (CHANGES | {"playback": played_back})[name]
    given = np.concatenate([sounds.noise(0.2, level=1e-3), sounds.voice(1.5, 1)])
    kept = given.copy()
    out = change(given, RNG(0))
    np.testing.assert_array_equal(given, kept)
    np.testing.assert_array_equal(out, change(given, RNG(0)))
    assert out.dtype == np.float32
    assert np.isfinite(out).all()
    assert len(out) != len(given) or not np.array_equal(out, given)
    if "silence" not in name:
        assert len(out) == len(given)


def test_levels() -> None:
    quiet = sounds.voice(1.0, 0) * np.float32(0.1)
    assert db(CHANGES["12 dB louder"](quiet, RNG(0))) - db(quiet) == pytest.approx(12, abs=0.01)
    assert db(CHANGES["12 dB quieter"](quiet, RNG(0))) - db(quiet) == pytest.approx(-12, abs=0.01)
    loud = CHANGES["12 dB louder"](sounds.voice(1.0, 0), RNG(0))
    assert np.abs(loud).max() == 1


def test_silence() -> None:
    voice = np.concatenate([sounds.silence(0.37), sounds.tone(1)])
    longer = CHANGES["0.5 s of silence before"](voice, RNG(0))
    np.testing.assert_array_equal(longer[4000:], voice)
    assert not longer[:4000].any()
    cut = CHANGES["leading silence cut"](voice, RNG(0))
    np.testing.assert_array_equal(cut, sounds.tone(1))
    assert len(CHANGES["leading silence cut"](sounds.silence(1), RNG(0))) == 8000


def test_noise_lies_20_db_below() -> None:
    voice = sounds.tone(2)
    added = CHANGES["noise at 20 dB"](voice, RNG(0)) - voice
    assert db(voice) - 10 * np.log10(np.mean(added**2)) == pytest.approx(20, abs=0.1)


def test_a_narrow_band() -> None:
    hiss = sounds.noise(2)
    out = measure(CHANGES["telephone band"](hiss, RNG(0)))
    assert out.low_band_db < measure(hiss).low_band_db - 10
    assert out.high_band_db < measure(hiss).high_band_db - 10


def test_three_in_a_hundred_packets_are_lost() -> None:
    out = CHANGES["3% of packets lost"](sounds.noise(60), RNG(0))
    lost = (out.reshape(-1, 160) == 0).all(axis=1)
    assert lost.mean() == pytest.approx(0.03, abs=0.008)
    assert (out[np.repeat(~lost, 160)] != 0).all()


def test_every_codec_is_heard() -> None:
    assert {name for name in CHANGES if name.startswith("codec ")} == {f"codec {c}" for c in Codec}


def test_playback_is_a_small_loudspeaker_in_a_room() -> None:
    burst = np.concatenate([sounds.noise(0.5), sounds.silence(0.5)])
    rolled_off = [measure(played_back(burst, RNG(n))).low_band_db for n in range(8)]
    assert max(rolled_off) < measure(burst).low_band_db - 5
    tails = [frame_rms(played_back(burst, RNG(n)))[52:58].max() for n in range(8)]
    assert max(tails) > 0.003
