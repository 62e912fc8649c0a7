"""A network's answers to clips, in each condition in which clips are heard.

Of each take it hears what the detector hears: the first seconds, or those from a late voice on.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple, Self

import numpy as np
import torch
from numpy.random import Generator

from audio_model.fitting.answer import Answer
from audio_model.fitting.metrics import corpus_weights
from audio_model.frontend import HOP_LENGTH, SAMPLE_RATE, Samples, log_mel
from audio_model.onset import stretch_heard
from audio_model.rule import DecisionRule
from audio_model.steps import STEP_SAMPLES, Steps, level_db
from training.augment import Line, MatchedChannel, Surroundings, simulate, stretch_of
from training.data.manifest import Clip
from training.data.scenes import IGNORED, SceneConfig, Sound, compose
from training.network import Network

BATCH_SIZE = 32


@dataclass(frozen=True)
class Take:
    """A clip as it is listened to in an evaluation."""

    clip: Clip
    samples: Samples
    condition: str
    """``raw``, ``matched``, ``line``, or a name that :mod:`training.evaluation.answers` gives."""


ONSET = SceneConfig(
    seconds=6.4, tone_share=0, speed=(1.0, 1.0), run_in_seconds=0.1, onset_inside=0, lead=0
)
"""Scenes of an evaluation: the whole clip from less than 0.1 s before its first word.

Most recorded clips hold no more before it. With a longer run-in, its length told the classes apart.
"""


def raw(sounds: Sequence[Sound]) -> list[Take]:
    """Return each clip as recorded."""
    return [Take(sound.clip, sound.samples, "raw") for sound in sounds]


def from_onset(sound: Sound, seed: int, number: int) -> tuple[Samples, Generator]:
    """Cut a clip by the onset rule, and return it with the generator of its changes.

    Both depend on the seed, the clip's name and a number alone.
    """
    name = int.from_bytes(blake2b(sound.clip.name.encode(), digest_size=8).digest())
    rng = np.random.default_rng([seed, name, number])
    samples, frames = compose(sound, [], ONSET, rng)
    return samples[: int((frames != IGNORED).sum()) * HOP_LENGTH], rng


def matched(
    sounds: Sequence[Sound],
    channel: MatchedChannel,
    *,
    seed: int,
    condition: str = "matched",
    beds: Sequence[Samples] = (),
) -> list[Take]:
    """Send each clip through one channel, the same for all: onset, level, floor, band and codec.

    With a signal-to-noise ratio the channel adds one of the ``beds``, drawn for each clip.
    """
    takes = []
    for sound in sounds:
        samples, rng = from_onset(sound, seed, 0)
        bed = None
        if channel.snr_db is not None:
            bed = stretch_of(beds[int(rng.integers(len(beds)))], len(samples), rng)
        takes.append(Take(sound.clip, channel(samples, rng, bed), condition))
    return takes


def through_lines(
    sounds: Sequence[Sound], around: Surroundings, line: Line, *, lines: int, seed: int
) -> list[Take]:
    """Send each clip through ``lines`` random lines, a new one each time."""
    takes = []
    for sound in sounds:
        for number in range(lines):
            samples, rng = from_onset(sound, seed, number)
            takes.append(Take(sound.clip, simulate(samples, line, around, rng), "line"))
    return takes


@dataclass(frozen=True)
class HeardTake(Answer):
    """The network's answer to a labelled take, and the weight of the take.

    Within a condition all corpora count alike, and within a corpus its sources.
    """

    clip: Clip
    condition: str

    @classmethod
    def of(cls, clip: Clip, condition: str, seconds: float, steps: Steps, weight: float) -> Self:
        """Return the answers to a clip that has a label."""
        assert clip.label is not None
        return cls(clip.label, clip.source, clip.group, seconds, steps, weight, clip, condition)


HEARD_SECONDS = DecisionRule.max_seconds
"""The most that is heard of a take, unless a rule says otherwise."""


class Part(NamedTuple):
    """What is heard of a take, and the network's answers to it."""

    samples: Samples
    """[shape=(n_samples,)]"""
    steps: Steps


def hear(
    network: Network, takes: Sequence[Take], seconds: float = HEARD_SECONDS
) -> list[HeardTake]:
    """Listen to the labelled takes, and weigh them."""
    labelled = [take for take in takes if take.clip.label is not None]
    return heard_takes(labelled, list(listen(network, labelled, seconds)))


def heard_takes(labelled: Sequence[Take], parts: Sequence[Part]) -> list[HeardTake]:
    """Return the answers to labelled takes with their weights."""
    weights = corpus_weights(
        [f"{take.condition}/{take.clip.label}/{take.clip.corpus}" for take in labelled],
        [take.clip.source for take in labelled],
    )
    return [
        HeardTake.of(
            take.clip,
            take.condition,
            len(part.samples) / SAMPLE_RATE,
            part.steps,
            weight,
        )
        for take, part, weight in zip(labelled, parts, weights.tolist(), strict=True)
    ]


def listen(
    network: Network, takes: Sequence[Take], seconds: float = HEARD_SECONDS
) -> Iterator[Part]:
    """Yield what the detector hears of each take.

    A take's times, like its seconds of audio, count from where it is heard.
    """
    for start in range(0, len(takes), BATCH_SIZE):
        whole = [take.samples for take in takes[start : start + BATCH_SIZE]]
        answers = _answers(network, whole)
        # The search is given the answers that are there: most takes are heard from their start.
        heard = [
            _stretch_heard(samples, seconds, steps)
            for samples, steps in zip(whole, answers, strict=True)
        ]
        parts = [samples[of] for samples, of in zip(whole, heard, strict=True)]
        late = [number for number, of in enumerate(heard) if of.start]
        anew = dict(zip(late, _answers(network, [parts[number] for number in late]), strict=True))
        for number, (part, steps) in enumerate(zip(parts, answers, strict=True)):
            yield Part(part, anew.get(number, steps.until(len(part) // STEP_SAMPLES)))


def _stretch_heard(samples: Samples, seconds: float, steps: Steps) -> slice:
    return stretch_heard(samples, seconds, lambda _: steps.rows())


@torch.no_grad()
def _answers(network: Network, batch: Sequence[Samples]) -> list[Steps]:
    """Return the network's answers to all of each, from the start."""
    if not batch:
        return []
    network.eval()
    n_steps = [len(samples) // STEP_SAMPLES for samples in batch]
    size = max([1, *n_steps]) * STEP_SAMPLES
    padded = [np.pad(s[:size], (0, max(0, size - len(s)))) for s in batch]
    features = torch.from_numpy(np.stack([log_mel(samples) for samples in padded]))
    logit, heard = network.whole(features)
    probability = torch.softmax(heard, dim=1).transpose(1, 2)
    return [
        Steps(logit[k].numpy(), probability[k].numpy(), level_db(padded[k])).until(n)
        for k, n in enumerate(n_steps)
    ]
