"""Every effect, codec and line keeps length, type and finiteness, and repeats itself."""

import inspect
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import default_rng

from audio_model.frontend import HOP_LENGTH, SAMPLE_RATE
from tests import sounds
from training.augment import (
    Codec,
    Line,
    MatchedChannel,
    Surroundings,
    effects,
    encode,
    filters,
    levels,
    packets,
    simulate,
    studio,
)
from training.augment.codecs import FILE_SHARES, LINE_SHARES
from training.augment.levels import Effect
from training.augment.line import WORST_SNR_DB, snr

Samples = sounds.Samples


def _through(codec: Codec, x: sounds.Samples, rng: np.random.Generator) -> sounds.Samples:
    return encode(x, codec, rng)


EFFECTS: dict[str, Effect] = {
    "reverberate": lambda x, rng: filters.reverberate(x, filters.synthetic_room(rng)),
    "colour": filters.colour,
    "telephone_band": lambda x, rng: filters.telephone_band(x),
    "coloured_noise": lambda x, rng: filters.coloured_noise(len(x), rng),
    "add_bed": lambda x, rng: levels.add_bed(x, sounds.noise(len(x) / SAMPLE_RATE), 10.0),
    "fill": lambda x, rng: levels.fill(x, sounds.noise(len(x) / SAMPLE_RATE), 0.01),
    "level": lambda x, rng: levels.level(x, float(rng.uniform(-40, 0))),
    "overdrive": effects.overdrive,
    "control_gain": effects.control_gain,
    "gate": effects.gate,
    "step_level": effects.step_level,
    "hum": effects.hum,
    "crackle": effects.crackle,
    "echo": effects.echo,
    "lose_packets": packets.lose_packets,
    "slip": packets.slip,
    "compress": studio.compress,
    "resample": studio.resample,
    "store": studio.store,
    "matched": lambda x, rng: MatchedChannel()(x, rng),
    **{codec: partial(_through, codec) for codec in Codec},
}
CHANCES = [name for name in Line.__dataclass_fields__ if not name.endswith("_db")]
NEVER: dict[str, Any] = dict.fromkeys(CHANCES, 0.0)
ALWAYS: dict[str, Any] = dict.fromkeys(CHANCES, 1.0)
LEFT_ALONE = Line(**NEVER)
WORST = Line(**ALWAYS | {"clean": 0.0})
CLEAN = Line(clean=1, floor=0, telephone_band=0)
AROUND = Surroundings(
    beds=[sounds.noise(0.7, 5), sounds.tone(3, 100)],
    rooms=[filters.synthetic_room(default_rng(3))],
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
    assert np.abs(x).max() < 20


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


def test_a_line_without_effects_sets_the_level_and_removes_an_offset() -> None:
    x = sounds.voice(1)
    result = simulate(x + np.float32(0.05), LEFT_ALONE, AROUND, default_rng(0))
    x -= x.mean()
    gain = np.dot(x, result) / np.dot(x, x)
    np.testing.assert_allclose(result, gain * x, atol=1e-6)
    loud = 20 * np.log10(levels.loudness(result))
    assert LEFT_ALONE.level_db[0] <= loud <= LEFT_ALONE.level_db[1]


def test_a_clean_line_is_a_level_and_a_codec() -> None:
    """Near the voice in every case but the coarsest codec's."""
    x = sounds.voice(1.5)
    match = [
        np.corrcoef(simulate(x, CLEAN, AROUND, default_rng(seed)), x)[0, 1] for seed in range(20)
    ]
    assert np.median(match) > 0.98
    assert min(match) > 0.6


def test_most_lines_are_not_the_worst() -> None:
    """Half of the lines leave a voice that rises 15 dB over its own pauses."""
    x = sounds.voice(2) * (sounds.times(2) % 1 > 0.4).astype(np.float32)
    ratios = []
    for seed in range(60):
        frames = levels.frame_rms(simulate(x, Line(), AROUND, default_rng(seed)))
        ratios.append(20 * np.log10(np.quantile(frames, 0.9) / (np.quantile(frames, 0.1) + 1e-6)))
    assert np.median(ratios) > 15
    assert min(ratios) > 0


def test_a_filled_floor_leaves_no_silence() -> None:
    line = Line(**NEVER | {"floor": 1.0})
    x = sounds.voice(2) * (sounds.times(2) > 1).astype(np.float32)
    for seed in range(10):
        result = simulate(x, line, AROUND, default_rng(seed))
        floor_db = 20 * np.log10(levels.rms(result[:8000]) / levels.loudness(result))
        assert -line.floor_below_db[1] - 2 < floor_db < -line.floor_below_db[0] + 2


def test_nothing_drowns_a_voice() -> None:
    rng = default_rng(0)
    drawn = [snr((20.0, 10.0), rng) for _ in range(300)]
    assert min(drawn) == WORST_SNR_DB
    assert np.median(drawn) == pytest.approx(20, abs=2)


@pytest.mark.parametrize("shares", [LINE_SHARES, FILE_SHARES])
def test_shares_of_codecs_are_shares(shares: dict[Codec, float]) -> None:
    assert sum(shares.values()) == pytest.approx(1)
