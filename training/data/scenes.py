"""Clips to training scenes: a label, features, and what every step holds.

A scene is drawn, never stored: scene ``i`` of a seed is the same on every machine and in every
process, which makes a run repeatable and lets it resume without state.

1. a class, then a corpus, a source and one of its clips, so that no voice outweighs the rest; 2. a
speed, an onset (at the first word or inside a phrase), a lead of silence or ringback; 3. a
telephone line (:mod:`training.augment`), the same for both classes; 4. log-mel by
:mod:`audio_model.frontend`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import soxr
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from audio_model import audio
from audio_model.frontend import FRAMES_PER_SECOND, HOP_LENGTH, SAMPLE_RATE, Samples, log_mel
from audio_model.rule import DecisionRule
from audio_model.steps import FRAMES_PER_STEP, STEP_SAMPLES, STEP_SECONDS, Heard
from audio_model.stream import DEFAULT_WAIT_SECONDS
from training.augment import (
    Line,
    Surroundings,
    active_frames,
    frame_rms,
    from_db,
    level,
    simulate,
    stretch_of,
)
from training.data.manifest import Clip

IGNORED = -1
"""Label of a scene that is neither recorded nor live, and target of steps after its end."""


@dataclass(frozen=True)
class Sound:
    """A clip in memory."""

    clip: Clip
    samples: Samples
    active: NDArray[np.bool_]
    """Whether each frame of 10 ms is near the clip's loud part, not a pause. [shape=(n_frames,)]"""


def load_sound(clip: Clip, max_seconds: float) -> Sound:
    """Decode a clip by the reader that scoring uses. Raises AudioError."""
    samples = audio.read(clip.path, max_seconds=max_seconds)
    # Of less than a step nothing is heard, and silence behind a click changes nothing.
    samples = np.pad(samples, (0, max(0, STEP_SAMPLES - len(samples))))
    return Sound(clip, samples, active_frames(samples))


def load_call(clip: Clip, seconds: float = DecisionRule.max_seconds) -> Sound:
    """Decode as much of a clip as the detector reads to hear ``seconds``. Raises AudioError.

    A late voice is awaited, and heard for as long.
    """
    return load_sound(clip, seconds + DEFAULT_WAIT_SECONDS)


@dataclass(frozen=True)
class SceneConfig:
    """How a scene is drawn."""

    seconds: float = 4.0
    tone_share: float = 0.05
    """Share of scenes that hold call-progress tones and no voice."""
    speed: tuple[float, float] = (0.88, 1.14)
    run_in_seconds: float = 0.3
    """Most of what a clip holds before its first word that is kept; it may hold less."""
    onset_inside: float = 0.5
    """Chance that the scene begins inside a phrase instead of before its first word."""
    lead: float = 0.5
    lead_seconds: tuple[float, float] = (0.05, 1.2)
    lead_tone: float = 0.2
    """Chance that a lead holds ringback, a beep or another call-progress tone."""


class Scene(NamedTuple):
    """A clip through a line, as the network learns from it."""

    log_mel: Tensor
    """[shape=(N_MELS, n_frames)]"""
    label: int
    """1 recorded, 0 live, IGNORED."""
    heard: Tensor
    """Class of each step, IGNORED after the end. [shape=(n_steps,)]"""
    sound: int
    """The index of its sound among those that scenes are drawn from."""


def step_targets(frames: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return each step's class: voice if three of its eight frames are, or else tone likewise."""
    steps = frames.reshape(-1, FRAMES_PER_STEP)
    voice = (steps == Heard.VOICE).sum(axis=1) >= 3
    tone = (steps == Heard.TONE).sum(axis=1) >= 3
    targets = np.where(voice, Heard.VOICE, np.where(tone, Heard.TONE, Heard.BACKGROUND))
    targets[(steps == IGNORED).any(axis=1)] = IGNORED
    return targets


class Sources:
    """Draws a clip: corpus by the square root of its clips, then its sources alike."""

    def __init__(self, sounds: Sequence[Sound]) -> None:
        by_corpus: dict[str, dict[str, list[Sound]]] = {}
        for sound in sounds:
            corpus = by_corpus.setdefault(sound.clip.corpus, {})
            corpus.setdefault(sound.clip.source, []).append(sound)
        self._corpora = [list(sources.values()) for sources in by_corpus.values()]
        clips = np.array([sum(map(len, sources)) for sources in self._corpora], float)
        self._shares = np.sqrt(clips) / np.sqrt(clips).sum()

    def draw(self, rng: Generator) -> Sound:
        """Draw a corpus by its share, then a source, then a clip."""
        sources = self._corpora[int(rng.choice(len(self._corpora), p=self._shares))]
        clips = sources[int(rng.integers(len(sources)))]
        return clips[int(rng.integers(len(clips)))]


class Scenes(Dataset[Scene]):
    """Scene ``i`` of a seed, for any ``i``."""

    def __init__(
        self,
        sounds: Sequence[Sound],
        around: Surroundings,
        line: Line,
        config: SceneConfig,
        seed: int,
    ) -> None:
        self._by_label = {
            label: Sources([s for s in sounds if s.clip.label == label]) for label in (0, 1)
        }
        self._tones = [s for s in sounds if s.clip.label is None]
        self._number = {sound.clip.name: number for number, sound in enumerate(sounds)}
        self._around, self._line, self._config, self._seed = around, line, config, seed

    def __getitem__(self, index: int) -> Scene:
        rng = np.random.default_rng([self._seed, index])
        if self._tones and rng.random() < self._config.tone_share:
            sound, label = self._tones[int(rng.integers(len(self._tones)))], IGNORED
        else:
            label = int(rng.integers(2))
            sound = self._by_label[label].draw(rng)
        samples, held = compose(sound, self._tones, self._config, rng)
        samples = simulate(samples, self._line, self._around, rng)
        return Scene(
            torch.from_numpy(log_mel(samples)),
            label,
            torch.from_numpy(step_targets(held)),
            self._number[sound.clip.name],
        )


def compose(
    sound: Sound, tones: Sequence[Sound], config: SceneConfig, rng: Generator
) -> tuple[Samples, NDArray[np.int64]]:
    """Put a lead before the clip from a random onset, cut or filled to the scene's length.

    Returns samples [shape=(n_samples,)] and the class of each frame of 10 ms, IGNORED after the
    clip's end [shape=(n_samples // HOP_LENGTH,)].
    """
    n_frames = round(config.seconds / STEP_SECONDS) * FRAMES_PER_STEP
    speed = rng.uniform(*config.speed)
    samples, active = at_speed(sound, speed) if speed != 1 else (sound.samples, sound.active)

    first = int(np.argmax(active))
    onset = max(0, first - int(rng.integers(0, round(config.run_in_seconds * FRAMES_PER_SECOND))))
    if rng.random() < config.onset_inside:
        onset = int(rng.integers(first, max(first, len(active) - 100) + 1))
    held_kind = Heard.TONE if sound.clip.label is None else Heard.VOICE
    held = np.where(active[onset:], held_kind, Heard.BACKGROUND)
    samples = samples[onset * HOP_LENGTH : len(active) * HOP_LENGTH]

    if rng.random() < config.lead:
        lead, lead_held = draw_lead(samples, tones, config, rng)
        samples, held = np.concatenate([lead, samples]), np.concatenate([lead_held, held])

    n_filled = max(0, n_frames - len(held))
    held = np.pad(held[:n_frames], (0, n_filled), constant_values=IGNORED)
    samples = np.pad(samples[: n_frames * HOP_LENGTH], (0, n_filled * HOP_LENGTH))
    return samples, held


def at_speed(sound: Sound, speed: float) -> tuple[Samples, NDArray[np.bool_]]:
    """Play ``speed`` times as fast, pitch included: another voice of the same kind."""
    samples = soxr.resample(sound.samples, SAMPLE_RATE * speed, SAMPLE_RATE, quality="MQ")
    n_frames = len(samples) // HOP_LENGTH
    at = np.minimum(np.arange(n_frames) * speed, len(sound.active) - 1).astype(int)
    return samples, sound.active[at]


def draw_lead(
    voice: Samples, tones: Sequence[Sound], config: SceneConfig, rng: Generator
) -> tuple[Samples, NDArray[np.int64]]:
    """Draw the lead before a voice: silence, or at times a call-progress tone near its level."""
    n_frames = int(rng.uniform(*config.lead_seconds) * SAMPLE_RATE / HOP_LENGTH)
    lead, held = np.zeros(n_frames * HOP_LENGTH, np.float32), np.zeros(n_frames, np.int64)
    if tones and rng.random() < config.lead_tone:
        loud = float(np.quantile(frame_rms(voice), 0.9)) + 1e-6
        tone = stretch_of(tones[int(rng.integers(len(tones)))].samples, len(lead), rng)
        lead = level(tone, 20 * np.log10(loud) + rng.uniform(-12, 6))
        held = np.where(frame_rms(lead) > loud * from_db(-30), Heard.TONE, Heard.BACKGROUND)
    return lead, held
