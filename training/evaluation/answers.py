"""A network's answers to the clips that judge it, in every condition, kept beside its weights.

Listening costs minutes, so it is done once, and everything that is fitted or measured afterwards
(calibration, operating points, figures, the audit) reads the same answers.

============== ==================================================================================
``raw``        the clip as it was recorded
``matched``    both classes through one channel: onset, level, noise floor, band, µ-law
``line``       a line drawn at random for each take
``codec NAME`` as matched, with another codec in place of µ-law
``snr DB``     as matched, with a background bed at this signal-to-noise ratio
``tones``      call-progress tones of the dev split through random lines: neither class
============== ==================================================================================

The first three choose thresholds. Each of their takes is heard at several moments of a step, since
where the steps fall moves a score, and a call may begin anywhere.
"""

import io
import json
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TypeVar
from zipfile import BadZipFile

import numpy as np

from audio_model.errors import ModelError
from audio_model.files import write_bytes
from audio_model.onset import LATE_SAMPLES, RUN_IN_SAMPLES
from audio_model.steps import Steps
from audio_model.stream import DEFAULT_WAIT_SECONDS
from training.augment import Codec, MatchedChannel, Surroundings
from training.checkpoint import Checkpoint
from training.config import Config
from training.data.corpus import Corpus
from training.data.manifest import Clip
from training.data.scenes import Sound
from training.data.split import SplitName
from training.evaluation.infer import (
    HEARD_SECONDS,
    HeardTake,
    Take,
    hear,
    listen,
    matched,
    raw,
    through_lines,
)
from training.network import Network

T = TypeVar("T")
MAIN_CONDITIONS = ("raw", "matched", "line")
"""The conditions that choose thresholds; figures of every prefix are reported for them."""
BEGINNINGS = (0, 160, 320, 480)
"""Samples of silence before a take: it begins 0, 20, 40 and 60 ms after a step of the network does.

At one beginning alone the rule follows chance: with the same clips 20 to 60 ms later, the EER
changes by up to 2.8 points and the misses at 1 % by up to 11 (EXPERIMENTS, 93).
"""
TANDEM = "amr_nb+mulaw"
"""A mobile caller who reaches a landline."""
SNRS_DB = (20.0, 10.0, 5.0)
FILE_NAME = "answers.npz"
UNREADABLE = (OSError, ValueError, EOFError, BadZipFile, zlib.error)
"""Errors of reading a file that is missing or damaged."""
CLIPS_OF_A_CORPUS = 16
"""Most clips of a corpus in the conditions that serve as slices alone: there are many of them."""


@dataclass(frozen=True)
class Answers:
    """A network's answers to the clips that judge it."""

    heard: Sequence[HeardTake]
    tones: Sequence[Steps]
    identity: str = ""
    """The data that the answers depend on, as text. Answers of one identity are the same."""

    def of(self, *conditions: str) -> list[HeardTake]:
        """Return the takes of these conditions."""
        return [take for take in self.heard if take.condition in conditions]

    def calls(self, condition: str) -> list[HeardTake]:
        """Return one take of each clip in a condition, at its first beginning."""
        return list({take.clip.name: take for take in reversed(self.of(condition))}.values())[::-1]


def conditions(
    sounds: Sequence[Sound], around: Surroundings, settings: Config, seed: int
) -> Iterator[list[Take]]:
    """Yield the takes of one condition after another. ``seed`` draws the lines."""
    lines = settings.calibration.lines
    yield raw(sounds)
    yield matched(sounds, MatchedChannel(), seed=seed)
    yield through_lines(sounds, around, settings.line, lines=lines, seed=seed)
    few = thinned(sounds)
    for codec in [*sorted(set(Codec) - {MatchedChannel().codec}), TANDEM]:
        channel = MatchedChannel(codec=codec)
        yield matched(few, channel, seed=seed, condition=f"codec {codec}")
    if around.beds:
        for snr_db in SNRS_DB:
            channel = MatchedChannel(snr_db=snr_db)
            condition = f"snr {snr_db:g}"
            yield matched(few, channel, seed=seed, condition=condition, beds=around.beds)


def at_beginnings(takes: Sequence[Take]) -> list[Take]:
    """Return the takes of a condition that chooses thresholds at each beginning; others as is."""
    return [
        replace(take, samples=np.pad(take.samples, (silence, 0)))
        for take in takes
        for silence in (BEGINNINGS if take.condition in MAIN_CONDITIONS else BEGINNINGS[:1])
    ]


def thinned(sounds: Sequence[Sound]) -> list[Sound]:
    """Return some clips of each corpus, spread over all of its clips."""
    corpora: dict[str, list[Sound]] = {}
    for sound in sounds:
        corpora.setdefault(sound.clip.corpus, []).append(sound)
    return [sound for of in corpora.values() for sound in spread(of, CLIPS_OF_A_CORPUS)]


def spread(items: Sequence[T], n: int) -> list[T]:
    """Return at most ``n`` of the items, at even distances."""
    n = min(n, len(items))
    return [items[k * len(items) // n] for k in range(n)]


def answers_of(trained: Checkpoint, corpus: Corpus, settings: Config, run: Path) -> Answers:
    """Return a network's answers to the clips that judge it, listening only if none are kept.

    Kept answers that are damaged are given anew. Raises AudioError.
    """
    identity = identity_of(trained, corpus, settings)
    file = run / FILE_NAME
    if identity_in(file) == identity:
        with suppress(ModelError):
            return load(file, corpus.judged)
    answers = listen_to(trained.build(), corpus, settings, identity)
    save(answers, file)
    return answers


def identity_of(trained: Checkpoint, corpus: Corpus, settings: Config) -> str:
    """Return what the answers depend on, as text. Raises AudioError."""
    depends_on = (
        trained.weights_hash,
        BEGINNINGS,
        corpus.judged_hash,
        asdict(settings.line),
        settings.train.seed,
        settings.calibration.lines,
        settings.data.max_seconds,
        HEARD_SECONDS,
        DEFAULT_WAIT_SECONDS,
        LATE_SAMPLES,
        RUN_IN_SAMPLES,
    )
    return json.dumps(depends_on)


def identity_in(path: Path) -> str | None:
    """Return the identity of the answers that a file keeps; None if it keeps none."""
    try:
        with np.load(io.BytesIO(path.read_bytes())) as file:
            return str(file["identity"])
    except (*UNREADABLE, KeyError):
        return None


def listen_to(network: Network, corpus: Corpus, settings: Config, identity: str) -> Answers:
    """Return answers to the clips that judge, and to the tones of dev. Raises AudioError."""
    around = corpus.around(SplitName.DEV)
    heard: list[HeardTake] = []
    seed = settings.train.seed
    for takes in conditions(corpus.judged_sounds(), around, settings, seed):
        heard += hear(network, at_beginnings(takes))
    tones = [sound for sound in corpus.sounds(SplitName.DEV) if sound.clip.label is None]
    lines = settings.calibration.lines
    takes = through_lines(tones, around, settings.line, lines=lines, seed=seed)
    return Answers(heard, [part.steps for part in listen(network, takes)], identity)


def save(answers: Answers, path: Path) -> None:
    """Write to a temporary file, then rename."""
    every = [*(take.steps for take in answers.heard), *answers.tones]
    nothing = Steps(np.zeros(0, np.float32), np.zeros((0, 3), np.float32), np.zeros(0, np.float32))
    file = io.BytesIO()
    np.savez_compressed(
        file,
        identity=np.array(answers.identity),
        clip=np.array([take.clip.name for take in answers.heard], str),
        condition=np.array([take.condition for take in answers.heard], str),
        seconds=np.array([take.seconds for take in answers.heard], float),
        weight=np.array([take.weight for take in answers.heard], float),
        end=np.cumsum([len(steps) for steps in every]),
        logit=np.concatenate([nothing.logit, *(steps.logit for steps in every)]),
        heard=np.concatenate([nothing.heard, *(steps.heard for steps in every)]),
        level_db=np.concatenate([nothing.level_db, *(steps.level_db for steps in every)]),
    )
    write_bytes(path, file.getvalue())


def load(path: Path, clips: Sequence[Clip]) -> Answers:
    """Read what :func:`save` wrote. Raises ModelError if it is missing, damaged or foreign."""
    named = {clip.name: clip for clip in clips}
    try:
        with np.load(io.BytesIO(path.read_bytes())) as file:
            columns = {name: file[name] for name in file.files}
        every = [
            Steps(*(columns[name][start:end] for name in ("logit", "heard", "level_db")))
            for start, end in pairwise([0, *columns["end"].tolist()])
        ]
        rows = zip(
            *(columns[name].tolist() for name in ("clip", "condition", "seconds", "weight")),
            every,
            strict=False,
        )
        heard = [
            HeardTake.of(named[name], condition, seconds, steps, weight)
            for name, condition, seconds, weight, steps in rows
        ]
    except UNREADABLE as error:
        raise ModelError(f"{path}: no readable answers: {error}") from error
    except KeyError as error:
        raise ModelError(f"{path}: answers to other clips: {error}") from error
    return Answers(heard, every[len(heard) :], str(columns["identity"]))
