"""Scenes: repeatable, balanced, and with targets that are true."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.random import default_rng
from torch.utils.data import DataLoader

from audio_model.errors import AudioError
from audio_model.frontend import HOP_LENGTH, N_MELS
from audio_model.steps import FRAMES_PER_STEP, Heard
from tests import clips, sounds
from tests.training import made
from training.augment import Line, Surroundings
from training.data.scenes import (
    IGNORED,
    Scene,
    SceneConfig,
    Scenes,
    Sources,
    at_speed,
    compose,
    draw_lead,
    load_sound,
    step_targets,
)

BACKGROUND, TONE, VOICE = (int(kind) for kind in Heard)
PLAIN = SceneConfig(seconds=1.6, tone_share=0, speed=(1.0, 1.0), onset_inside=0, lead=0)
SHORT = SceneConfig(seconds=0.64)
NOTHING = Surroundings([], [], [])
TONES = [made.sound(sounds.tone(1, 500), made.clip("tone", None))]


def corpus(n: int = 4) -> list:
    return [
        made.sound(sounds.voice(1.2, seed, played=bool(label)), made.clip(f"{label}{seed}", label))
        for seed in range(n)
        for label in (0, 1)
    ] + TONES


def scenes(seed: int = 0, config: SceneConfig = SHORT) -> Scenes:
    return Scenes(corpus(), NOTHING, Line(), config, seed)


def same(one: Scene, other: Scene) -> bool:
    return (
        torch.equal(one.log_mel, other.log_mel)
        and one.label == other.label
        and torch.equal(one.heard, other.heard)
    )


def test_a_scene_has_its_shapes() -> None:
    scene = scenes()[0]
    assert scene.log_mel.shape == (N_MELS, 8 * FRAMES_PER_STEP)
    assert scene.log_mel.dtype == torch.float32
    assert scene.heard.shape == (8,)
    assert scene.label in (0, 1, IGNORED)


def test_a_scene_is_the_same_in_any_order() -> None:
    forwards = [scenes()[n] for n in range(6)]
    other = scenes()
    backwards = {n: other[n] for n in reversed(range(6))}
    assert all(same(forwards[n], backwards[n]) for n in range(6))


def test_a_scene_is_the_same_in_another_process() -> None:
    workers = DataLoader(scenes(), batch_size=None, sampler=range(6), num_workers=2)
    for n, scene in enumerate(workers):
        assert same(Scene(*scene), scenes()[n])


def test_other_seeds_and_indices_are_other_scenes() -> None:
    drawn = [scenes(seed)[n] for seed in range(2) for n in range(3)]
    for n, scene in enumerate(drawn):
        assert not any(same(scene, other) for other in drawn[:n])


def test_classes_come_alike_and_tones_as_often_as_told() -> None:
    config = SceneConfig(seconds=0.08, tone_share=0.2, speed=(1.0, 1.0), lead=0)
    line = Line(*[0.0] * 22)  # type: ignore[arg-type]
    drawn = Scenes(corpus(), NOTHING, line, config, 0)
    count = Counter(drawn[n].label for n in range(600))
    assert scipy.stats.binomtest(count[IGNORED], 600, 0.2).pvalue > 1e-3
    assert scipy.stats.binomtest(count[1], count[0] + count[1], 0.5).pvalue > 1e-3


def test_without_tones_every_scene_has_a_class() -> None:
    voices = [s for s in corpus() if s.clip.label is not None]
    drawn = Scenes(voices, NOTHING, Line(), SceneConfig(seconds=0.08, tone_share=1), 0)
    assert {drawn[n].label for n in range(10)} == {0, 1}


def test_a_corpus_counts_by_the_root_of_its_clips_and_its_sources_alike() -> None:
    x = sounds.silence(0.1)
    small = [made.sound(x, made.clip(f"s{n}", corpus="small", source="s")) for n in range(4)]
    large = [
        made.sound(x, made.clip(f"l{n}", corpus="large", source="a" if n < 33 else "b"))
        for n in range(36)
    ]
    sources, rng = Sources(small + large), default_rng(0)
    drawn = [sources.draw(rng).clip for _ in range(4000)]
    by_source = Counter(clip.source for clip in drawn)
    # Roots of 4 and 36: a quarter and three; the large one's two sources share evenly.
    expected = {"s": 1000, "a": 1500, "b": 1500}
    drawn_often = [by_source[source] for source in expected]
    assert scipy.stats.chisquare(drawn_often, list(expected.values())).pvalue > 1e-3
    by_clip = [n for name, n in Counter(c.name for c in drawn).items() if name.startswith("s")]
    assert len(by_clip) == 4
    assert scipy.stats.chisquare(by_clip).pvalue > 1e-3


@given(
    n_clip=st.integers(HOP_LENGTH, 20_000),
    seed=st.integers(0, 10**6),
    lead=st.sampled_from([0.0, 1.0]),
)
@example(n_clip=12_800, seed=0, lead=0.0)
@settings(max_examples=60)
def test_targets_are_ignored_exactly_after_the_end(n_clip: int, seed: int, lead: float) -> None:
    config = SceneConfig(seconds=1.6, speed=(1.0, 1.0), onset_inside=0, lead=lead, lead_tone=0)
    voice = made.sound(np.full(n_clip, 0.5, np.float32))
    samples, held = compose(voice, [], config, default_rng(seed))
    assert len(samples) == 12_800
    assert len(held) == 160
    by_frame = samples.reshape(160, HOP_LENGTH)
    is_voice = (by_frame == 0.5).all(axis=1)
    np.testing.assert_array_equal(is_voice, held == VOICE)
    assert not by_frame[~is_voice].any()
    end = np.flatnonzero(is_voice).max(initial=-1) + 1
    assert (held[end:] == (IGNORED if end or not lead else held[end:])).all()
    assert not (held[:end] == IGNORED).any()
    if not lead:
        assert is_voice.sum() == min(160, n_clip // HOP_LENGTH)


@given(seed=st.integers(0, 10**6))
@settings(max_examples=30)
def test_a_scene_starts_at_most_0_3_s_before_the_first_word(seed: int) -> None:
    active = np.arange(200) >= 60
    samples = np.repeat(active, HOP_LENGTH).astype(np.float32)
    drawn, held = compose(made.sound(samples, active=active), [], PLAIN, default_rng(seed))
    before = int(np.argmax(held == VOICE))
    assert before < 30
    np.testing.assert_array_equal(drawn.reshape(-1, HOP_LENGTH)[:, 0] == 1, held == VOICE)


def test_a_scene_inside_a_phrase_leaves_a_second() -> None:
    config = SceneConfig(seconds=4, speed=(1.0, 1.0), onset_inside=1, lead=0)
    ramp = np.repeat(np.arange(300), HOP_LENGTH).astype(np.float32)
    onsets = {
        int(compose(made.sound(ramp), [], config, default_rng(seed))[0][0]) for seed in range(300)
    }
    assert min(onsets) < 10
    assert 190 < max(onsets) <= 200
    short = compose(made.sound(ramp[:4000]), [], config, default_rng(0))[1]
    assert (short != IGNORED).sum() == 50


def test_a_sound_of_no_class_holds_tones() -> None:
    _, held = compose(TONES[0], [], PLAIN, default_rng(0))
    assert set(held.tolist()) == {TONE, IGNORED}


def test_pauses_are_background() -> None:
    active = np.arange(160) % 40 < 20
    _, held = compose(made.sound(sounds.noise(1.6), active=active), [], PLAIN, default_rng(0))
    np.testing.assert_array_equal(held, np.where(active, VOICE, BACKGROUND))


@pytest.mark.parametrize("seed", range(5))
def test_a_lead_of_tones_is_marked_where_it_sounds(seed: int) -> None:
    beeps = sounds.tone(2, 900) * (sounds.times(2) % 0.5 < 0.25)
    tones = [made.sound(beeps.astype(np.float32), made.clip("t", None))]
    config = SceneConfig(lead=1, lead_tone=1, lead_seconds=(1.0, 1.2))
    lead, held = draw_lead(sounds.voice(1), tones, config, default_rng(seed))
    assert len(lead) == len(held) * HOP_LENGTH
    assert 100 <= len(held) <= 120
    sounding = np.abs(lead.reshape(-1, HOP_LENGTH)).mean(axis=1) > 1e-3
    assert 0.3 < sounding.mean() < 0.7
    assert np.mean((held == TONE) == sounding) > 0.9
    assert set(held.tolist()) == {TONE, BACKGROUND}


def test_a_lead_of_silence_is_background() -> None:
    for config, tones in ((SceneConfig(lead_tone=0), TONES), (SceneConfig(lead_tone=1), [])):
        lead, held = draw_lead(sounds.voice(1), tones, config, default_rng(1))
        assert len(lead) == len(held) * HOP_LENGTH
        assert not lead.any()
        assert (held == BACKGROUND).all()


@pytest.mark.parametrize("speed", [0.5, 0.88, 1.0, 1.14])
def test_speed_raises_the_pitch_and_keeps_the_pauses(speed: float) -> None:
    active = np.arange(200) < 100
    x = (sounds.tone(2, 500) * np.repeat(active, HOP_LENGTH)).astype(np.float32)
    faster, still_active = at_speed(made.sound(x, active=active), speed)
    assert len(faster) == pytest.approx(len(x) / speed, abs=1)
    assert len(still_active) == len(faster) // HOP_LENGTH
    assert still_active.sum() == pytest.approx(100 / speed, abs=1)
    loud = faster[: still_active.sum() * HOP_LENGTH]
    peak = np.argmax(np.abs(np.fft.rfft(loud))) * 8000 / len(loud)
    assert peak == pytest.approx(500 * speed, abs=5)


@pytest.mark.parametrize(
    ("frames", "target"),
    [
        ([VOICE] * 8, VOICE),
        ([VOICE] * 3 + [BACKGROUND] * 5, VOICE),
        ([VOICE] * 2 + [BACKGROUND] * 6, BACKGROUND),
        ([TONE] * 3 + [BACKGROUND] * 5, TONE),
        ([TONE] * 2 + [BACKGROUND] * 6, BACKGROUND),
        ([TONE] * 5 + [VOICE] * 3, VOICE),
        ([TONE] * 6 + [VOICE] * 2, TONE),
        ([BACKGROUND] * 8, BACKGROUND),
        ([VOICE] * 7 + [IGNORED], IGNORED),
        ([IGNORED] * 8, IGNORED),
    ],
)
def test_three_frames_of_eight_make_a_step(frames: list[int], target: int) -> None:
    twice = np.array(frames + [BACKGROUND] * 8)
    assert step_targets(twice).tolist() == [target, BACKGROUND]
    assert step_targets(np.array(frames[::-1])).tolist() == [target]


def test_a_loaded_sound_knows_its_pauses(tmp_path: Path) -> None:
    loud = sounds.times(2) % 0.5 < 0.3
    samples = (sounds.noise(2, level=0.2) * np.where(loud, 1, 1e-3)).astype(np.float32)
    path = clips.write(tmp_path / "a.wav", samples)
    drawn = load_sound(replace(made.clip(), path=path), max_seconds=1.5)
    np.testing.assert_allclose(drawn.samples, samples[:12_000], atol=1e-6)
    np.testing.assert_array_equal(drawn.active, loud[:12_000:HOP_LENGTH])


def test_quiet_noise_is_no_voice(tmp_path: Path) -> None:
    path = clips.write(tmp_path / "a.wav", sounds.noise(1, level=1e-4))
    assert not load_sound(replace(made.clip(), path=path), max_seconds=5).active.any()


def test_a_sound_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(AudioError, match=r"a\.wav"):
        load_sound(made.clip("a.wav"), 1)


@pytest.mark.parametrize("n_samples", [1, 79, 80, 400])
def test_a_scene_can_be_made_of_a_click(tmp_path: Path, n_samples: int) -> None:
    voices = []
    for label in (0, 1):
        path = clips.write(tmp_path / f"{label}.wav", sounds.noise(1)[:n_samples])
        voices.append(load_sound(replace(made.clip(str(label), label), path=path), 5))
    clicks = Scenes(voices, NOTHING, Line(), SHORT, 0)
    for n in range(20):
        assert clicks[n].log_mel.isfinite().all()
