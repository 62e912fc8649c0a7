"""What the network says of whole clips, as recorded or through simulated lines."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b

import numpy as np
import torch
from numpy.typing import NDArray

from audio_model.decision import DecisionRule
from audio_model.frontend import HOP_LENGTH, Samples, log_mel
from audio_model.steps import STEP_SAMPLES, STEPS_PER_SECOND, Heard, Steps, level_db
from training.augment import Line, Surroundings, simulate
from training.dataset import IGNORED, SceneConfig, Sound, compose
from training.manifest import Clip
from training.network import Network

BATCH_SIZE = 32


@dataclass(frozen=True)
class Take:
    """A clip as it is listened to in an evaluation."""

    clip: Clip
    samples: Samples
    condition: str
    """``raw``, or ``line``: through a random line, both classes by the same onset rule."""


MATCHED = SceneConfig(seconds=6.4, tone_share=0, speed=(1.0, 1.0), onset_inside=0, lead=0)
"""Scenes of an evaluation: the whole clip, both classes from 0 to 0.3 s before the first word."""


def raw(sounds: Sequence[Sound]) -> list[Take]:
    return [Take(sound.clip, sound.samples, "raw") for sound in sounds]


def through_lines(
    sounds: Sequence[Sound], around: Surroundings, line: Line, *, lines: int, seed: int
) -> list[Take]:
    """Each clip through ``lines`` lines, which depend on the seed and the clip's name alone."""
    takes = []
    for sound in sounds:
        name = int.from_bytes(blake2b(sound.clip.name.encode(), digest_size=8).digest())
        for number in range(lines):
            rng = np.random.default_rng([seed, name, number])
            samples, frames = compose(sound, [], MATCHED, rng)
            n_samples = int((frames != IGNORED).sum()) * HOP_LENGTH
            simulated = simulate(samples[:n_samples], line, around, rng)
            takes.append(Take(sound.clip, simulated, "line"))
    return takes


@dataclass(frozen=True)
class HeardTake:
    """A labelled take, what the network said of it, and how much it counts."""

    take: Take
    steps: Steps
    weight: float
    """Within a class and condition all sources count alike."""

    @property
    def label(self) -> int:
        assert self.take.clip.label is not None
        return self.take.clip.label

    @cached_property
    def voice_seconds(self) -> NDArray[np.float64]:
        """Voice heard up to each step's end, as the decision counts it. [shape=(n_steps,)]"""
        heard = self.steps.heard
        is_voice = heard[:, Heard.VOICE] == heard.max(axis=1)
        return np.cumsum(is_voice) / STEPS_PER_SECOND

    def last_step(self, seconds: float) -> int:
        """Index of the last answer within ``seconds``; a shorter take is heard to its end."""
        return min(len(self.steps), int(seconds * STEPS_PER_SECOND)) - 1

    def log_odds(self, rule: DecisionRule) -> NDArray[np.float64]:
        """Calibrated log odds of recorded at each step. [shape=(n_steps,)]"""
        pairs = zip(self.steps.logit.tolist(), self.voice_seconds.tolist(), strict=True)
        return np.array([rule.calibration.log_odds(*pair) for pair in pairs])


def hear(network: Network, takes: Sequence[Take]) -> list[HeardTake]:
    """Listen to the labelled takes, and weigh them."""
    labelled = [take for take in takes if take.clip.label is not None]
    count = Counter((take.clip.source, take.condition) for take in labelled)
    return [
        HeardTake(take, steps, 1 / count[take.clip.source, take.condition])
        for take, steps in zip(labelled, listen(network, labelled), strict=True)
    ]


@torch.no_grad()
def listen(network: Network, takes: Sequence[Take]) -> list[Steps]:
    """The network's answers for each take."""
    network.eval()
    answers: list[Steps] = []
    for start in range(0, len(takes), BATCH_SIZE):
        batch = [take.samples for take in takes[start : start + BATCH_SIZE]]
        n_steps = [len(samples) // STEP_SAMPLES for samples in batch]
        size = max([1, *n_steps]) * STEP_SAMPLES
        padded = [np.pad(s[:size], (0, max(0, size - len(s)))) for s in batch]
        features = torch.from_numpy(np.stack([log_mel(samples) for samples in padded]))
        logit, heard = network.whole(features)
        probability = torch.softmax(heard, dim=1).transpose(1, 2)
        for index, n in enumerate(n_steps):
            steps = Steps(logit[index].numpy(), probability[index].numpy(), level_db(padded[index]))
            answers.append(steps.until(n))
    return answers
