"""One telephone line, drawn at random: what both classes pass through alike.

A recording and a live caller reach the callee by the same rooms, microphones, levels and codecs.
The corpora do not, so every training clip is sent through a line drawn anew, whatever its label,
and the net can't learn the line instead of the speech. Each effect is a function of samples and a
random generator that keeps the length; :class:`Line` says how often each one happens.

Codecs are real encoders, run in memory through libsndfile.
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import soundfile
import torch
from numpy.random import Generator
from torchaudio import functional as audio

from audio_model.frontend import HOP_LENGTH, SAMPLE_RATE, Samples

PACKET_SAMPLES = SAMPLE_RATE // 50
"""20 ms."""


def rms(samples: Samples) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)) + 1e-12))


def from_db(decibel: float) -> float:
    return float(10 ** (decibel / 20))


def reverberate(samples: Samples, response: Samples) -> Samples:
    """Convolve with a room response whose direct sound is kept in place and in level."""
    direct = int(np.argmax(np.abs(response)))
    # fftconvolve transforms the sum of both lengths: a power of two is several times faster.
    total = 1 << (len(samples) + len(response) - 1).bit_length()
    padded = np.pad(response, (0, total + 1 - len(samples) - len(response)))
    wet = audio.fftconvolve(torch.from_numpy(samples), torch.from_numpy(padded))
    wet = wet[direct : direct + len(samples)].numpy()
    return np.asarray(wet * (rms(samples) / rms(wet)), np.float32)


def synthetic_room(rng: Generator) -> Samples:
    """Direct sound and an exponentially decaying tail of noise, RT60 of 0.1 to 0.7 s."""
    rt60 = rng.uniform(0.1, 0.7)
    n = int(rt60 * SAMPLE_RATE)
    tail = rng.standard_normal(n) * np.exp(-6.9 * np.arange(n) / n)
    tail *= from_db(-rng.uniform(0, 15)) / np.sqrt(np.sum(tail**2))
    tail[: int(rng.uniform(0.001, 0.01) * SAMPLE_RATE)] = 0
    tail[0] = 1
    return np.asarray(tail, np.float32)


def colour(samples: Samples, rng: Generator) -> Samples:
    """Microphone, handset and line: band edges and two or three broad peaks or dips."""
    x = torch.from_numpy(samples)
    if rng.random() < 0.7:
        x = audio.highpass_biquad(x, SAMPLE_RATE, rng.uniform(60, 400))
    if rng.random() < 0.5:
        x = audio.lowpass_biquad(x, SAMPLE_RATE, rng.uniform(2600, 3900))
    for _ in range(rng.integers(1, 4)):
        centre, gain, q = rng.uniform(200, 3600), rng.uniform(-9, 9), rng.uniform(0.4, 2)
        x = audio.equalizer_biquad(x, SAMPLE_RATE, centre, gain, q)
    return x.numpy()


def add_bed(samples: Samples, bed: Samples, snr_db: float) -> Samples:
    return samples + bed * (from_db(-snr_db) * rms(samples) / rms(bed))


def coloured_noise(n_samples: int, rng: Generator) -> Samples:
    """Noise whose power falls as ``f ** -tilt``: white, pink, brown and between."""
    spectrum = np.fft.rfft(rng.standard_normal(n_samples))
    frequency = np.maximum(np.arange(len(spectrum)), 20 * n_samples / SAMPLE_RATE)
    shaped = np.fft.irfft(spectrum * frequency ** (-rng.uniform(0, 2) / 2), n_samples)
    return np.asarray(shaped / rms(shaped.astype(np.float32)), np.float32)


def level(samples: Samples, level_db: float) -> Samples:
    """Bring the loud part (frames near the loudest) to ``level_db`` dBFS; clip at full scale."""
    loud = max(float(np.quantile(frame_rms(samples), 0.9)), 1e-6)
    return np.asarray(np.clip(samples * (from_db(level_db) / loud), -1, 1), np.float32)


def frame_rms(samples: Samples) -> Samples:
    """Root mean square of each whole hop of 10 ms. [shape=(n_frames,)]"""
    hops = samples[: len(samples) // HOP_LENGTH * HOP_LENGTH].reshape(-1, HOP_LENGTH)
    return np.asarray(np.sqrt(np.mean(np.square(hops, dtype=np.float32), axis=1)), np.float32)


def compress(samples: Samples, rng: Generator) -> Samples:
    """Automatic gain: the level in a sliding 0.2 to 1 s pulled towards a constant."""
    strength, width = rng.uniform(0.3, 0.8), int(rng.uniform(20, 100))
    loudness = frame_rms(samples)
    power = np.convolve(loudness**2, np.ones(width) / width)[: len(loudness)]
    gain = (power + 1e-6) ** (-strength / 2)
    centres = np.arange(len(gain)) * HOP_LENGTH
    out = np.asarray(samples * np.interp(np.arange(len(samples)), centres, gain), np.float32)
    return np.asarray(out * (rms(samples) / rms(out)), np.float32)


def gate(samples: Samples, rng: Generator) -> Samples:
    """Noise suppression: frames under a threshold fall to exact zeros or to comfort noise."""
    loudness = frame_rms(samples)
    threshold = np.quantile(loudness, 0.9) * from_db(-rng.uniform(20, 35))
    hold = int(rng.integers(1, 20))
    open_ = np.convolve(loudness > threshold, np.ones(hold))[: len(loudness)] > 0
    gain = np.repeat(open_.astype(np.float32), HOP_LENGTH)
    gain = np.pad(gain, (0, len(samples) - len(gain)), mode="edge")
    out = samples * gain
    if rng.random() < 0.5:
        comfort = coloured_noise(len(samples), rng) * from_db(-rng.uniform(50, 75))
        out = out + comfort * (1 - gain)
    return np.asarray(out, np.float32)


def lose_packets(samples: Samples, rng: Generator) -> Samples:
    """Lose 1 to 8 % of the 20 ms packets in bursts; repeat the last packet or leave silence."""
    out = samples.copy()
    repeat = rng.random() < 0.5
    rate = rng.uniform(0.01, 0.08)
    lost = False
    for start in range(PACKET_SAMPLES, len(out) - PACKET_SAMPLES + 1, PACKET_SAMPLES):
        lost = rng.random() < (0.4 if lost else rate)
        if lost:
            previous = out[start - PACKET_SAMPLES : start]
            out[start : start + PACKET_SAMPLES] = previous * 0.7 if repeat else 0
    return out


CODECS: dict[str, tuple[str, str, float]] = {
    "mulaw": ("WAV", "ULAW", 0.33),
    "alaw": ("WAV", "ALAW", 0.30),
    "gsm": ("WAV", "GSM610", 0.18),
    "opus": ("OGG", "OPUS", 0.02),
    "mp3": ("MP3", "MPEG_LAYER_III", 0.10),
    "adpcm": ("WAV", "IMA_ADPCM", 0.07),
}
"""Name to libsndfile's format and subtype, and its share among encoded lines."""


def encode(samples: Samples, codec: str, rng: Generator) -> Samples:
    """Through a real encoder and back, delay removed as far as the container tells it."""
    container, subtype, _ = CODECS[codec]
    lossy = codec in ("opus", "mp3")
    quality = {"compression_level": rng.uniform(0.3, 0.95)} if lossy else {}
    file = io.BytesIO()
    # A lossy decoder overshoots full scale, and the next encoder would wrap around.
    samples = np.clip(samples, -1, 1)
    soundfile.write(file, samples, SAMPLE_RATE, format=container, subtype=subtype, **quality)
    file.seek(0)
    decoded, _ = soundfile.read(file, dtype="float32")
    decoded = decoded[: len(samples)]
    return np.pad(decoded, (0, len(samples) - len(decoded)))


@dataclass(frozen=True)
class Line:
    """How often each effect happens, and the ranges that are not the effect's own."""

    room: float = 0.4
    colour: float = 0.7
    music: float = 0.06
    bed: float = 0.5
    noise: float = 0.5
    compress: float = 0.25
    gate: float = 0.2
    codec: float = 0.8
    tandem: float = 0.15
    loss: float = 0.12
    level_db: tuple[float, float] = (-38.0, -8.0)
    bed_snr_db: tuple[float, float] = (3.0, 35.0)
    noise_snr_db: tuple[float, float] = (15.0, 50.0)


@dataclass(frozen=True)
class Surroundings:
    """Sounds of the training split that lines are made of."""

    beds: Sequence[Samples]
    rooms: Sequence[Samples]
    music: Sequence[Samples]


def stretch_of(sound: Samples, n_samples: int, rng: Generator) -> Samples:
    """A random stretch of a sound, repeated where it is too short."""
    start = int(rng.integers(len(sound)))
    return np.resize(np.roll(sound, -start), n_samples)


def simulate(samples: Samples, line: Line, around: Surroundings, rng: Generator) -> Samples:
    """Send samples through a line drawn from ``line``. [shape=(n_samples,)], length kept."""
    n = len(samples)

    def happens(probability: float) -> bool:
        return bool(rng.random() < probability)

    def one_of(sounds: Sequence[Samples]) -> Samples:
        return sounds[int(rng.integers(len(sounds)))]

    def apply(effect: Callable[[Samples, Generator], Samples], probability: float) -> None:
        nonlocal samples
        if happens(probability):
            samples = effect(samples, rng)

    if happens(line.room):
        measured = around.rooms and happens(0.5)
        samples = reverberate(samples, one_of(around.rooms) if measured else synthetic_room(rng))
    if around.music and happens(line.music):
        samples = add_bed(samples, stretch_of(one_of(around.music), n, rng), rng.uniform(3, 20))
    if around.beds and happens(line.bed):
        bed = stretch_of(one_of(around.beds), n, rng)
        samples = add_bed(samples, bed, rng.uniform(*line.bed_snr_db))
    apply(colour, line.colour)
    if happens(line.noise):
        samples = add_bed(samples, coloured_noise(n, rng), rng.uniform(*line.noise_snr_db))
    apply(compress, line.compress)
    apply(gate, line.gate)
    samples = level(samples, rng.uniform(*line.level_db))
    if happens(line.codec):
        names = list(CODECS)
        shares = np.array([share for *_, share in CODECS.values()])
        for name in rng.choice(names, 2 if happens(line.tandem) else 1, p=shares / shares.sum()):
            samples = encode(samples, str(name), rng)
    apply(lose_packets, line.loss)
    return np.asarray(samples, np.float32)
