"""A network's answers to clips that it never met, in every condition, kept beside its weights.

``python -m training.answers RUN --config FILE``

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
"""

import io
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TypeVar
from zipfile import BadZipFile

import numpy as np
import torch

from audio_model.errors import ModelError
from audio_model.steps import Steps
from training import checkpoint, config
from training.augment import Codec, MatchedChannel, Surroundings
from training.checkpoint import CHECKPOINT, network_folder
from training.command import run_command
from training.config import Config
from training.corpus import Corpus
from training.dataset import Sound
from training.files import write_atomically
from training.infer import HeardTake, Take, hear, listen, matched, raw, through_lines
from training.jobs import side_by_side
from training.manifest import Clip
from training.network import Network
from training.split import SplitName

T = TypeVar("T")
MAIN_CONDITIONS = ("raw", "matched", "line")
"""Those that thresholds are chosen on and every prefix is reported for."""
TANDEM = "amr_nb+mulaw"
"""A mobile caller who reaches a landline."""
SNRS_DB = (20.0, 10.0, 5.0)
CLIPS_OF_A_SOURCE = 3
SOURCES_OF_A_CLASS = 120
"""At most, in the conditions that serve as slices alone: there are many of them."""


@dataclass(frozen=True)
class Answers:
    """What a network said of the clips of one split."""

    heard: Sequence[HeardTake]
    tones: Sequence[Steps]

    def of(self, *conditions: str) -> list[HeardTake]:
        return [take for take in self.heard if take.condition in conditions]


def conditions(
    sounds: Sequence[Sound], around: Surroundings, settings: Config, seed: int
) -> Iterator[list[Take]]:
    """The takes of one condition after another; ``seed`` draws the lines."""
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


def thinned(sounds: Sequence[Sound]) -> list[Sound]:
    """Some clips of some sources, spread over all of them."""
    by_class: dict[int | None, dict[str, list[Sound]]] = {}
    for sound in sounds:
        sources = by_class.setdefault(sound.clip.label, {})
        sources.setdefault(sound.clip.source, []).append(sound)
    few = []
    for sources in by_class.values():
        for of_source in spread(list(sources.values()), SOURCES_OF_A_CLASS):
            few += spread(of_source, CLIPS_OF_A_SOURCE)
    return few


def spread(items: Sequence[T], n: int) -> list[T]:
    """At most ``n`` of the items, at even distances."""
    n = min(n, len(items))
    return [items[k * len(items) // n] for k in range(n)]


def answer_run(settings: Config, run: Path) -> None:
    """Keep the answers of every network of a run that figures are read from."""
    networks: list[tuple[str | None, SplitName]] = [
        (fold, SplitName.TEST) for fold in settings.split.folds
    ] or [(None, SplitName.DEV), (None, SplitName.TEST)]
    calls = [(settings, run, fold, split) for fold, split in networks]
    side_by_side(answer, calls, settings.train.workers)


def answer(settings: Config, run: Path, fold: str | None, split: SplitName) -> None:
    """Keep one network's answers to one of its splits. Raises AudioModelError."""
    torch.set_num_threads(settings.train.threads)
    folder = network_folder(run, fold)
    trained = checkpoint.load(folder / CHECKPOINT)
    corpus = Corpus.load(settings, fold)
    trained.check_manifest(corpus.manifest)
    save(listen_to(trained.build(), corpus, split, settings), folder / file_name(split))


@dataclass(frozen=True)
class Part:
    """A set of sources that figures are read on, and what may fit the decision for it."""

    name: str
    """Of the fold, or ``test``."""
    fitted_on: Sequence[HeardTake]
    """Answers to other sources: those of the other folds' networks, or to the dev split."""
    tested: Answers


def parts_of(settings: Config, run: Path, corpus: Corpus) -> list[Part]:
    """The parts of a run whose answers are kept. Raises ModelError."""

    def kept(fold: str | None, split: SplitName) -> Answers:
        return load(network_folder(run, fold) / file_name(split), corpus.manifest.clips)

    folds = {fold: kept(fold, SplitName.TEST) for fold in settings.split.folds}
    if not folds:
        dev = kept(None, SplitName.DEV)
        return [Part("test", dev.of(*MAIN_CONDITIONS), kept(None, SplitName.TEST))]
    return [
        Part(
            name,
            [
                take
                for o, other in folds.items()
                if o != name
                for take in other.of(*MAIN_CONDITIONS)
            ],
            tested,
        )
        for name, tested in folds.items()
    ]


def fitted_on(settings: Config, parts: Sequence[Part]) -> list[HeardTake]:
    """What fits the decision of the model that is shipped: every fold's answers, or dev's."""
    if not settings.split.folds:
        return list(parts[0].fitted_on)
    return [take for part in parts for take in part.tested.of(*MAIN_CONDITIONS)]


def listen_to(network: Network, corpus: Corpus, split: SplitName, settings: Config) -> Answers:
    """Answers to the clips of a split, and to the tones of dev. Raises AudioError."""
    labelled = [sound for sound in corpus.sounds(split) if sound.clip.label is not None]
    around = corpus.around(split)
    seed = list(SplitName).index(split)
    heard: list[HeardTake] = []
    for takes in conditions(labelled, around, settings, seed):
        heard += hear(network, takes)
    tones = [sound for sound in corpus.sounds(SplitName.DEV) if sound.clip.label is None]
    lines = settings.calibration.lines
    takes = through_lines(tones, around, settings.line, lines=lines, seed=seed)
    return Answers(heard, list(listen(network, takes)))


def file_name(split: SplitName) -> str:
    return f"answers_{split}.npz"


def save(answers: Answers, path: Path) -> None:
    """Write to a temporary file, then rename."""
    every = [*(take.steps for take in answers.heard), *answers.tones]
    nothing = Steps(np.zeros(0, np.float32), np.zeros((0, 3), np.float32), np.zeros(0, np.float32))
    file = io.BytesIO()
    np.savez_compressed(
        file,
        clip=np.array([take.clip.name for take in answers.heard], str),
        condition=np.array([take.condition for take in answers.heard], str),
        seconds=np.array([take.seconds for take in answers.heard], float),
        weight=np.array([take.weight for take in answers.heard], float),
        end=np.cumsum([len(steps) for steps in every]),
        logit=np.concatenate([nothing.logit, *(steps.logit for steps in every)]),
        heard=np.concatenate([nothing.heard, *(steps.heard for steps in every)]),
        level_db=np.concatenate([nothing.level_db, *(steps.level_db for steps in every)]),
    )
    write_atomically(path, file.getvalue())


def load(path: Path, clips: Sequence[Clip]) -> Answers:
    """Read what :func:`save` wrote. Raises ModelError if it is missing or about other clips."""
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
            HeardTake(named[name], condition, seconds, steps, weight)
            for name, condition, seconds, weight, steps in rows
        ]
    except (OSError, ValueError, BadZipFile) as error:
        raise ModelError(f"{path}: no readable answers: {error}") from error
    except KeyError as error:
        raise ModelError(f"{path}: answers to other clips: {error}") from error
    return Answers(heard, every[len(heard) :])


def main(arguments: list[str] | None = None) -> int:
    return run_command(
        "answers", __doc__, arguments, lambda o: answer_run(config.load(o.config), o.run)
    )


if __name__ == "__main__":
    sys.exit(main())
