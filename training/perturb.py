"""Changes to a scene's log-mel, anew at each pass over the pool.

A scene that is drawn once would be learnt by heart: its voice, its line, its noise. These changes
cost little, and leave a network only the features that survive them. Both classes get them alike.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from audio_model.frontend import LOG_OFFSET, LOG_SCALE, N_MELS, POWER_FLOOR
from audio_model.steps import FRAMES_PER_STEP, Heard
from training.data.scenes import IGNORED

SILENCE = (math.log(POWER_FLOOR) + LOG_OFFSET) / LOG_SCALE
"""Log-mel of digital silence."""
COLOUR_KNOTS = 7
"""Points at which a random response is drawn, about 4 mels apart; straight in between."""
WARP_SHIFT = 8


@dataclass(frozen=True)
class Perturbation:
    """The strength of each change."""

    at_the_voice: float = 0.75
    """Share of scenes that begin at their first voice, whatever was before it."""
    late_frames: int = FRAMES_PER_STEP - 1
    """Most frames by which a scene begins later, so that its voice falls on the steps anyhow."""
    recolour_db: float = 8.0
    """Standard deviation of the level, and of the response at each knot."""
    warp: float = 0.12
    """How far the mels are stretched or shifted."""
    mel_mask: int = 16
    """Widest band of mels that is hidden in a scene."""
    frame_mask: int = 50
    """Longest stretch of frames that is hidden in a scene."""
    mix: float = 0.45
    """Largest share of another scene that is laid over a scene; below a half."""


def perturb(
    log_mel: Tensor,
    label: Tensor,
    held: Tensor,
    settings: Perturbation,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor, Tensor]:
    """Apply every change in turn.

    Args:
        log_mel: [shape=(batch, N_MELS, n_frames)]
        label: 1, 0 or IGNORED. [shape=(batch,)]
        held: class of each step or IGNORED. [shape=(batch, n_steps)]

    Returns:
        The same, but the label is how much of the scene is recorded, or IGNORED.
    """
    log_mel, held = start_at_the_voice(log_mel, held, settings.at_the_voice, generator)
    log_mel, held = start_late(log_mel, held, settings.late_frames, generator)
    log_mel = recolour(log_mel, settings.recolour_db, generator)
    log_mel = warp(log_mel, settings.warp, generator)
    log_mel = mask(log_mel, 1, settings.mel_mask, generator)
    log_mel = mask(log_mel, 2, settings.frame_mask, generator)
    log_mel, recorded = mix(log_mel, label, settings.mix, generator)
    return log_mel, recorded, held


def start_at_the_voice(
    log_mel: Tensor, held: Tensor, share: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Let a ``share`` of the scenes begin at the step before their first voice, or at that voice.

    How much background a clip has before its first word depends on who cut the corpus, so a scene
    must not always begin with it.
    """
    is_voice = held == Heard.VOICE
    first = torch.where(is_voice.any(dim=1), is_voice.int().argmax(dim=1), 0)
    before = torch.randint(0, 2, first.shape, generator=generator)
    chosen = torch.rand(first.shape, generator=generator) < share
    return _start_at(log_mel, held, FRAMES_PER_STEP * (first - before).clamp(min=0) * chosen)


def start_late(
    log_mel: Tensor, held: Tensor, most: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Let each scene begin up to ``most`` frames later.

    Where the network's steps fall in a voice is chance in a call, and moves its answer. A scene of
    a pool would fall upon the steps in one way in every pass.
    """
    late = torch.randint(0, most + 1, (len(held),), generator=generator)
    return _start_at(log_mel, held, late)


def _start_at(log_mel: Tensor, held: Tensor, first: Tensor) -> tuple[Tensor, Tensor]:
    """Let each scene begin at its frame ``first``. What is missing then is silence, and ignored.

    A new step is what the old step was that holds its middle.
    """
    n_steps, n_frames = held.shape[1], log_mel.shape[2]
    middle = FRAMES_PER_STEP * torch.arange(n_steps) + FRAMES_PER_STEP // 2
    step = (middle[None] + first[:, None]) // FRAMES_PER_STEP
    held = held.gather(1, step.clamp(max=n_steps - 1)).masked_fill(step >= n_steps, IGNORED)
    frame = torch.arange(n_frames)[None] + first[:, None]
    of = frame.clamp(max=n_frames - 1)[:, None].expand_as(log_mel)
    return log_mel.gather(2, of).masked_fill((frame >= n_frames)[:, None], SILENCE), held


def recolour(log_mel: Tensor, spread_db: float, generator: torch.Generator) -> Tensor:
    """Change level and frequency response: a microphone and a handset for each pass."""
    batch = log_mel.shape[0]
    level = torch.randn((batch, 1, 1), generator=generator)
    knots = torch.randn((batch, 1, COLOUR_KNOTS), generator=generator)
    response = F.interpolate(knots, size=N_MELS, mode="linear", align_corners=True)
    offset_db = spread_db * (level + response.transpose(1, 2))
    return log_mel + offset_db * (math.log(10) / 10 / LOG_SCALE)


def warp(log_mel: Tensor, most: float, generator: torch.Generator) -> Tensor:
    """Stretch and shift the mels: a longer or shorter vocal tract, another voice.

    Jaitly and Hinton, "Vocal Tract Length Perturbation", 2013, on the mels instead of the spectrum.
    The factor is within ``most`` of 1, and the shift within ``most`` of ``WARP_SHIFT`` mels.
    """
    batch = log_mel.shape[0]
    drawn = (2 * torch.rand((2, batch, 1), generator=generator) - 1) * most
    mel = torch.arange(N_MELS) * (1 + drawn[0]) + drawn[1] * WARP_SHIFT
    mel = mel.clamp(0, N_MELS - 1)
    below = mel.long().clamp(max=N_MELS - 2)
    share = (mel - below)[:, :, None]
    below = below[:, :, None].expand_as(log_mel)
    return torch.lerp(log_mel.gather(1, below), log_mel.gather(1, below + 1), share)


def mask(log_mel: Tensor, dim: int, widest: int, generator: torch.Generator) -> Tensor:
    """Hide a random band of mels (``dim`` 1) or stretch of frames (2) in each scene.

    Park et al., "SpecAugment", 2019. The width is uniform up to ``widest``.
    """
    size = log_mel.shape[dim]
    width = torch.randint(0, widest + 1, (log_mel.shape[0], 1), generator=generator)
    start = (torch.rand((log_mel.shape[0], 1), generator=generator) * (size - width)).long()
    index = torch.arange(size)[None]
    hidden = (index >= start) & (index < start + width)
    return log_mel.masked_fill(hidden.unsqueeze(3 - dim), 0.0)


def mix(
    log_mel: Tensor, label: Tensor, largest: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Lay another scene of the batch faintly over each, and return how much is recorded then.

    The share of the other scene is uniform up to ``largest``, which is below a half, so that a
    step still holds what its own scene holds. Scenes without a class are neither changed nor laid
    over others. Source: Zhang et al., "mixup: Beyond Empirical Risk Minimization", 2018.
    """
    batch = log_mel.shape[0]
    share = torch.rand(batch, generator=generator) * largest
    other = torch.randperm(batch, generator=generator)
    share = share * ((label != IGNORED) & (label[other] != IGNORED))
    mixed = torch.lerp(log_mel, log_mel[other], share[:, None, None])
    return mixed, torch.lerp(label.float(), label[other].float(), share)
