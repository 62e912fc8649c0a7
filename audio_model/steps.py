"""The network's answers, step by step: the contract between a model file and its readers."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Self

import numpy as np
from numpy.typing import NDArray

from audio_model.frontend import HOP_LENGTH, SAMPLE_RATE

FRAMES_PER_STEP = 8
STEP_SAMPLES = FRAMES_PER_STEP * HOP_LENGTH
STEP_SECONDS = STEP_SAMPLES / SAMPLE_RATE
"""80 ms: how often the network answers."""
STEPS_PER_SECOND = SAMPLE_RATE / STEP_SAMPLES
"""12.5, exact in binary as 0.08 is not: dividing by it keeps times free of rounding noise."""


class Heard(IntEnum):
    """The content of a step.

    Voice is speech or music: sound that can be recorded or live.
    """

    BACKGROUND = 0
    TONE = 1
    VOICE = 2


StepRow = list[float]
"""A step's answers as plain numbers: its logit, the probability of each :class:`Heard`, its level.

To take arrays apart for each leg and step would cost more than to decide does.
"""


def step_rows(
    logit: NDArray[np.float32], heard: NDArray[np.float32], level_db: NDArray[np.float32]
) -> list[list[StepRow]]:
    """Return the rows of several legs' steps.

    Args:
        logit: as in :class:`Steps`. [shape=(legs, n_steps)]
        heard: the same. [shape=(legs, n_steps, len(Heard))]
        level_db: the same. [shape=(legs, n_steps)]
    """
    rows: list[list[StepRow]] = np.concatenate(
        [logit[..., None], heard, level_db[..., None]], axis=-1
    ).tolist()
    return rows


@dataclass(frozen=True)
class Steps:
    """Answers for consecutive steps of one call."""

    logit: NDArray[np.float32]
    """Recorded against live, of everything heard up to the step's end. [shape=(n_steps,)]"""
    heard: NDArray[np.float32]
    """Probability of each :class:`Heard` in the step alone. [shape=(n_steps, len(Heard))]"""
    level_db: NDArray[np.float32]
    """Root mean square about the step's mean, dBFS. [shape=(n_steps,)]"""

    def __len__(self) -> int:
        return len(self.logit)

    def until(self, n_steps: int) -> Self:
        """Return the first ``n_steps``."""
        return type(self)(self.logit[:n_steps], self.heard[:n_steps], self.level_db[:n_steps])

    def rows(self) -> list[StepRow]:
        """Return the steps as plain numbers."""
        return step_rows(self.logit[None], self.heard[None], self.level_db[None])[0]


def level_db(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the level of each whole step. [shape=(n_samples,)] → [shape=(n_steps,)]"""
    steps = samples[: len(samples) // STEP_SAMPLES * STEP_SAMPLES].reshape(-1, STEP_SAMPLES)
    # In a third of the time that numpy.var takes.
    centred = steps - np.einsum("ij->i", steps)[:, None] / np.float32(STEP_SAMPLES)
    power = np.vecdot(centred, centred) / np.float32(STEP_SAMPLES)
    return np.asarray(10 * np.log10(power + np.float32(1e-10)), np.float32)
