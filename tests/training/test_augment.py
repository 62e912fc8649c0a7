"""Every effect keeps length, type and finiteness; each does what its name says."""

import inspect
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import Generator, default_rng

from audio_model.companding import alaw_decode, alaw_encode, mulaw_decode, mulaw_encode
from audio_model.frontend import HOP_LENGTH, SAMPLE_RATE
from tests import sounds
from training import augment
from training.augment import CODECS, PACKET_SAMPLES, Line, Surroundings, simulate

Samples = sounds.Samples
Effect = Callable[[Samples, Generator], Samples]

EFFECTS: dict[str, Effect] = {
    "reverberate": lambda x, rng: augment.reverberate(x, augment.synthetic_room(rng)),
    "colour": augment.colour,
    "add_bed": lambda x, rng: augment.add_bed(x, sounds.noise(len(x) / SAMPLE_RATE), 10.0),
    "coloured_noise": lambda x, rng: augment.coloured_noise(len(x), rng),
    "level": lambda x, rng: augment.level(x, float(rng.uniform(-40, 0))),
    "compress": augment.compress,
    "gate": augment.gate,
    "lose_packets": augment.lose_packets,
    **{codec: lambda x, rng, codec=codec: augment.encode(x, codec, rng) for codec in CODECS},
}
LEFT_ALONE = Line(
    room=0, colour=0, music=0, bed=0, noise=0, compress=0, gate=0, codec=0, tandem=0, loss=0
)
WORST = Line(
    room=1, colour=1, music=1, bed=1, noise=1, compress=1, gate=1, codec=1, tandem=1, loss=1
)
AROUND = Surroundings(
    beds=[sounds.noise(0.7, 5), sounds.tone(3, 100)],
    rooms=[augment.synthetic_room(default_rng(3))],
    music=[sounds.voice(2, 8)],
)
NOTHING = Surroundings([], [], [])


@st.composite
def any_samples(draw: st.DrawFn) -> Samples:
    n_samples = draw(st.integers(HOP_LENGTH, 6000))
    kind = draw(st.sampled_from(["silence", "square", "noise", "voice", "impulse", "half silent"]))
    x = {
        "silence": sounds.silence(0.75),
        "square": np.sign(sounds.tone(0.75, 170)),
        "noise": sounds.noise(0.75),
        "voice": sounds.voice(0.75),
        "impulse": np.eye(1, 6000, 100, dtype=np.float32)[0],
        "half silent": sounds.noise(0.75) * (sounds.times(0.75) > 0.3),
    }[kind]
    return x[:n_samples].astype(np.float32)


def sound(x: Samples, n_samples: int) -> None:
    assert x.shape == (n_samples,)
    assert x.dtype == np.float32
    assert np.isfinite(x).all()


seeds = st.integers(0, 10**6)


@given(x=any_samples(), seed=seeds)
@settings(max_examples=25)
@pytest.mark.parametrize("effect", EFFECTS.values(), ids=EFFECTS)
def test_an_effect_keeps_length_type_and_finiteness(effect: Effect, x: Samples, seed: int) -> None:
    before = x.copy()
    result = effect(x, default_rng(seed))
    sound(result, len(x))
    np.testing.assert_array_equal(x, before)
    np.testing.assert_array_equal(effect(x, default_rng(seed)), result)


@given(x=any_samples(), seed=seeds)
@settings(max_examples=40)
@pytest.mark.parametrize(("line", "around"), [(WORST, AROUND), (WORST, NOTHING), (Line(), AROUND)])
def test_a_line_keeps_length_type_and_finiteness(
    line: Line, around: Surroundings, x: Samples, seed: int
) -> None:
    result = simulate(x, line, around, default_rng(seed))
    sound(result, len(x))
    assert np.abs(result).max() < 2
    np.testing.assert_array_equal(simulate(x, line, around, default_rng(seed)), result)


def test_another_seed_is_another_line() -> None:
    x = sounds.voice(1)
    lines = [simulate(x, WORST, AROUND, default_rng(seed)) for seed in range(4)]
    for n, line in enumerate(lines):
        assert all(np.abs(line - other).max() > 0.01 for other in lines[:n])


def test_a_line_knows_nothing_of_labels() -> None:
    assert list(inspect.signature(simulate).parameters) == ["samples", "line", "around", "rng"]


def test_a_line_without_effects_sets_the_level_alone() -> None:
    x = sounds.voice(1)
    result = simulate(x, LEFT_ALONE, AROUND, default_rng(0))
    gain = np.dot(x, result) / np.dot(x, x)
    np.testing.assert_allclose(result, gain * x, atol=1e-6)
    loud = 20 * np.log10(np.quantile(augment.frame_rms(result), 0.9))
    assert LEFT_ALONE.level_db[0] <= loud <= LEFT_ALONE.level_db[1]


@pytest.mark.parametrize("level_db", [-38.0, -20.0, -8.0])
def test_level_brings_the_loud_part_to_a_level(level_db: float) -> None:
    loud = np.quantile(augment.frame_rms(augment.level(sounds.voice(2), level_db)), 0.9)
    assert 20 * np.log10(loud) == pytest.approx(level_db, abs=0.5)


def test_level_clips_at_full_scale() -> None:
    assert np.abs(augment.level(sounds.noise(1), 0)).max() == 1


def test_a_room_of_one_reflection() -> None:
    x = sounds.voice(0.5)
    response = np.zeros(200, np.float32)
    response[[30, 130]] = 1, 0.5
    wet = augment.reverberate(x, response)
    expected = x.copy()
    expected[100:] += 0.5 * x[:-100]
    expected *= augment.rms(x) / augment.rms(expected)
    np.testing.assert_allclose(wet, expected, atol=1e-5)


def test_a_room_that_answers_at_once_changes_nothing() -> None:
    x = sounds.voice(0.5)
    np.testing.assert_allclose(augment.reverberate(x, np.ones(1, np.float32)), x, atol=1e-6)


def test_a_synthetic_room_starts_with_its_direct_sound_and_dies_away() -> None:
    for seed in range(20):
        room = augment.synthetic_room(default_rng(seed))
        assert np.argmax(np.abs(room)) == 0
        assert 0.1 <= (len(room) + 1) / SAMPLE_RATE <= 0.701
        tenth = len(room) // 10
        assert augment.rms(room[-tenth:]) < 0.05 * augment.rms(room[tenth : 2 * tenth])


@pytest.mark.parametrize("snr_db", [0.0, 10.0, 30.0])
def test_a_bed_lies_so_far_below(snr_db: float) -> None:
    x, bed = sounds.voice(1), sounds.noise(1, 3, level=0.7)
    added = augment.add_bed(x, bed, snr_db) - x
    assert 20 * np.log10(augment.rms(x) / augment.rms(added)) == pytest.approx(snr_db, abs=0.01)


def test_coloured_noise_has_unit_power_and_no_positive_tilt() -> None:
    for seed in range(10):
        made = augment.coloured_noise(16_000, default_rng(seed))
        assert augment.rms(made) == pytest.approx(1, rel=1e-3)
        power = np.abs(np.fft.rfft(made)) ** 2
        assert power[100:2000].mean() > 0.8 * power[-4000:].mean()


def test_compression_brings_quiet_and_loud_together() -> None:
    x = sounds.noise(4)
    x[16_000:] *= 0.05
    for seed in range(5):
        result = augment.compress(x, default_rng(seed))
        ratio = augment.rms(result[4000:16_000]) / augment.rms(result[20_000:])
        assert ratio < 0.7 * 20
        assert augment.rms(result) == pytest.approx(augment.rms(x), rel=1e-3)


def test_a_gate_shuts_in_pauses_alone() -> None:
    x = sounds.noise(2, level=0.001)
    x[4000:8000] += sounds.noise(0.5, 1, level=0.3)
    floors = set()
    for seed in range(10):
        result = augment.gate(x, default_rng(seed))
        np.testing.assert_array_equal(result[4000:8000], x[4000:8000])
        floors.add(augment.rms(result[12_000:]) <= 1.001e-6)
    assert floors == {True, False}


def test_lost_packets_are_whole_and_rare() -> None:
    x = sounds.noise(10)
    shares = []
    for seed in range(20):
        result = augment.lose_packets(x, default_rng(seed))
        changed = (result != x).reshape(-1, PACKET_SAMPLES)
        assert set(changed.mean(axis=1)) <= {0.0, 1.0}
        assert not changed[0].any()
        shares.append(changed[:, 0].mean())
    assert 0 < np.mean(shares) < 0.15


def test_a_stretch_starts_anywhere_and_repeats() -> None:
    x = np.arange(5, dtype=np.float32)
    rng = default_rng(0)
    stretches = [augment.stretch_of(x, 12, rng) for _ in range(50)]
    assert {int(s[0]) for s in stretches} == set(range(5))
    for s in stretches:
        np.testing.assert_array_equal(np.diff(s) % 5, 1)


def test_frame_rms_has_one_value_a_hop() -> None:
    x = np.repeat([0.1, -0.5, 0.0], HOP_LENGTH).astype(np.float32)
    np.testing.assert_allclose(augment.frame_rms(x), [0.1, 0.5, 0], rtol=1e-6)
    np.testing.assert_allclose(augment.frame_rms(x[:-1]), [0.1, 0.5], rtol=1e-6)


@pytest.mark.parametrize(
    ("codec", "coder", "decoder"),
    [("mulaw", mulaw_encode, mulaw_decode), ("alaw", alaw_encode, alaw_decode)],
)
def test_g711_is_the_g711_of_the_reader(
    codec: str,
    coder: Callable[[np.ndarray], np.ndarray],
    decoder: Callable[[np.ndarray], np.ndarray],
) -> None:
    levels = decoder(np.arange(256, dtype=np.uint8)) / np.float32(32768)
    np.testing.assert_array_equal(augment.encode(levels, codec, default_rng(0)), levels)
    x = sounds.voice(1)
    ours = decoder(coder(np.rint(x * 32767).astype(np.int16))) / np.float32(32768)
    theirs = augment.encode(x, codec, default_rng(0))
    # libsndfile rounds to 14 or 13 bits first, so samples near a decision value may cross it.
    steps_apart = np.searchsorted(np.unique(levels), theirs) - np.searchsorted(
        np.unique(levels), ours
    )
    assert np.abs(steps_apart).max() <= 1
    assert abs(steps_apart.mean()) < 0.01


@pytest.mark.parametrize("codec", CODECS)
def test_a_codec_codes_and_keeps_its_place(codec: str) -> None:
    x = sounds.voice(1.5)
    coded = augment.encode(x, codec, default_rng(0))
    assert np.abs(coded - x).max() > 1e-4
    lags = range(-40, 41)
    match = [np.corrcoef(np.roll(coded, -lag)[100:-100], x[100:-100])[0, 1] for lag in lags]
    assert max(match) > 0.7
    assert abs(lags[int(np.argmax(match))]) <= 8


@pytest.mark.parametrize("codec", CODECS)
def test_a_codec_clips_what_another_overshot(codec: str) -> None:
    """Lossy decoders overshoot full scale, and a tandem feeds that to the next encoder."""
    x = 1.3 * sounds.tone(0.5, 300, level=1)
    coded = augment.encode(x, codec, default_rng(0))
    assert np.corrcoef(coded, x)[0, 1] > 0.9


def test_shares_of_codecs_are_shares() -> None:
    assert sum(share for *_, share in CODECS.values()) == pytest.approx(1)
