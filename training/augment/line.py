"""One telephone line, drawn at random: what both classes pass through alike.

A recording and a live caller reach the callee by the same rooms, microphones, levels and codecs.
The corpora do not, so every training clip is sent through a line drawn anew, whatever its label,
and the net can't learn the line instead of the speech.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from audio_model.frontend import Samples
from training.augment import effects, studio
from training.augment.codecs import LINE_SHARES, draw_codec, encode
from training.augment.filters import (
    colour,
    coloured_noise,
    reverberate,
    synthetic_room,
    telephone_band,
)
from training.augment.levels import Effect, add_bed, fill, from_db, level, stretch_of
from training.augment.packets import lose_packets, slip


@dataclass(frozen=True)
class Line:
    """The probability of each effect, and the ranges that belong to no single effect."""

    clean: float = 0.2
    """Share of lines that are a band, a level, a floor and a codec, and nothing else."""
    music: float = 0.06
    compress: float = 0.12
    resample: float = 0.08
    store: float = 0.12
    room: float = 0.35
    bed: float = 0.45
    overdrive: float = 0.05
    colour: float = 0.7
    noise: float = 0.5
    hum: float = 0.08
    control_gain: float = 0.2
    gate: float = 0.25
    step_level: float = 0.04
    crackle: float = 0.04
    echo: float = 0.08
    telephone_band: float = 0.5
    """Share of lines, clean ones too, that pass 300 to 3400 Hz alone."""
    floor: float = 0.5
    """Share of lines, clean ones too, whose pauses are filled up with faint noise.

    Pauses of many recordings are exact zeros, and so are some of a gated live call's; a net that
    sees them too often takes silence for a recording.
    """
    codec: float = 0.95
    tandem: float = 0.2
    """Share of encoded lines that are encoded twice."""
    loss: float = 0.1
    slip: float = 0.06
    level_db: tuple[float, float] = (-40.0, -14.0)
    """Loudness in dBFS, uniform."""
    music_snr_db: tuple[float, float] = (13.0, 5.0)
    """Mean and standard deviation, as are the two below."""
    bed_snr_db: tuple[float, float] = (22.0, 8.0)
    noise_snr_db: tuple[float, float] = (32.0, 8.0)
    floor_below_db: tuple[float, float] = (35.0, 60.0)
    """How far the filled floor lies under the loudness, uniform."""


WORST_SNR_DB = 3.0
"""Nothing that is laid under a voice is louder."""


@dataclass(frozen=True)
class Surroundings:
    """Sounds of the training split that lines are made of."""

    beds: Sequence[Samples]
    rooms: Sequence[Samples]
    music: Sequence[Samples]


def simulate(samples: Samples, line: Line, around: Surroundings, rng: Generator) -> Samples:
    """Send samples through a line drawn from ``line``. [shape=(n_samples,)], length kept."""
    clean = happens(line.clean, rng)
    if not clean:
        samples = apply(before_the_line(line, around), samples, rng)
    if happens(line.telephone_band, rng):
        samples = telephone_band(samples)
    level_db = rng.uniform(*line.level_db)
    # No line passes a constant, which a sound card adds: it would tell the corpora apart.
    samples = level(samples - samples.mean(), level_db)
    if happens(line.floor, rng):
        noise = coloured_noise(len(samples), rng)
        samples = fill(samples, noise, from_db(level_db - rng.uniform(*line.floor_below_db)))
    if happens(line.codec, rng):
        tandem = not clean and happens(line.tandem, rng)
        for _ in range(2 if tandem else 1):
            samples = encode(samples, draw_codec(LINE_SHARES, rng), rng)
    if not clean:
        samples = apply([(lose_packets, line.loss), (slip, line.slip)], samples, rng)
    return np.asarray(samples, np.float32)


def before_the_line(line: Line, around: Surroundings) -> list[tuple[Effect, float]]:
    """Return the effects of studio, room, microphone and wire in order, with probabilities."""

    def one_of(sounds: Sequence[Samples], rng: Generator) -> Samples:
        return sounds[int(rng.integers(len(sounds)))]

    def play_music(samples: Samples, rng: Generator) -> Samples:
        music = stretch_of(one_of(around.music, rng), len(samples), rng)
        return add_bed(samples, music, snr(line.music_snr_db, rng))

    def enter_room(samples: Samples, rng: Generator) -> Samples:
        measured = around.rooms and happens(0.5, rng)
        room = one_of(around.rooms, rng) if measured else synthetic_room(rng)
        return reverberate(samples, room)

    def lay_bed(samples: Samples, rng: Generator) -> Samples:
        bed = stretch_of(one_of(around.beds, rng), len(samples), rng)
        return add_bed(samples, bed, snr(line.bed_snr_db, rng))

    def add_noise(samples: Samples, rng: Generator) -> Samples:
        return add_bed(samples, coloured_noise(len(samples), rng), snr(line.noise_snr_db, rng))

    return [
        (play_music, line.music if around.music else 0),
        (studio.compress, line.compress),
        (studio.resample, line.resample),
        (studio.store, line.store),
        (enter_room, line.room),
        (lay_bed, line.bed if around.beds else 0),
        (effects.overdrive, line.overdrive),
        (colour, line.colour),
        (add_noise, line.noise),
        (effects.control_gain, line.control_gain),
        (effects.gate, line.gate),
        (effects.step_level, line.step_level),
        (effects.hum, line.hum),
        (effects.crackle, line.crackle),
        (effects.echo, line.echo),
    ]


def apply(way: Sequence[tuple[Effect, float]], samples: Samples, rng: Generator) -> Samples:
    """Apply each effect with its probability."""
    for effect, probability in way:
        if happens(probability, rng):
            samples = effect(samples, rng)
    return samples


def happens(probability: float, rng: Generator) -> bool:
    """Return True with this probability."""
    return bool(rng.random() < probability)


def snr(mean_and_deviation: tuple[float, float], rng: Generator) -> float:
    """Draw a signal-to-noise ratio in dB."""
    return max(float(rng.normal(*mean_and_deviation)), WORST_SNR_DB)
