"""The common shape of the rivals."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from audio_model.fitting.metrics import source_weights
from audio_model.frontend import SAMPLE_RATE, Samples
from training.augment import MatchedChannel
from training.data.scenes import Sound
from training.evaluation.infer import Take, matched, raw

SECONDS = 3.0
"""Audio that every rival hears of a clip."""
N_SAMPLES = round(SECONDS * SAMPLE_RATE)


class Thresholds(NamedTuple):
    """A rival's own rule: live at or below one score, recorded at or above another."""

    live_at: float
    recorded_at: float


class Rival(Protocol):
    """Something that is fitted to takes, or not, and scores clips."""

    @property
    def name(self) -> str:
        """Return the rival's name in tables."""

    @property
    def thresholds(self) -> Thresholds | None:
        """Return the rival's own rule; None if it leaves the decision open."""

    def fit(self, takes: Sequence[Take], seed: int) -> None:
        """Learn from labelled takes of the training sources; a second call starts anew."""

    def scores(self, clips: Sequence[Samples]) -> NDArray[np.float64]:
        """Return a score of each clip, high = recorded. [shape=(n_clips,)]

        It hears the first ``SECONDS``.
        """


def takes_of(sounds: Sequence[Sound], seed: int) -> list[Take]:
    """Return the start of each labelled clip, as recorded and through the matched channel.

    A clip that ends earlier is left out of the matched condition: how long clips are differs
    between the classes.
    """
    labelled = [sound for sound in sounds if sound.clip.label is not None]
    through = matched(labelled, MatchedChannel(), seed=seed)
    takes = raw(labelled) + [take for take in through if len(take.samples) >= N_SAMPLES]
    # Copied, so that the rest of the clips need not stay in memory.
    return [replace(take, samples=heard(take.samples).copy()) for take in takes]


def heard(samples: Samples) -> Samples:
    """Return the part of a clip that a rival hears; a shorter clip stays as short as it is."""
    return samples[:N_SAMPLES]


def balanced_weights(takes: Sequence[Take]) -> NDArray[np.float64]:
    """Return weights that make classes count alike, and sources within one. Mean 1."""
    labels = np.array([take.clip.label for take in takes])
    weights = source_weights([take.clip.source for take in takes])
    for label in (0, 1):
        weights[labels == label] /= weights[labels == label].sum()
    return np.asarray(weights * len(takes) / weights.sum())
