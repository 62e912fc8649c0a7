"""Train the network: ``python -m training.train --config training/configs/base.toml``.

It goes from manifests to a run folder that holds everything about the model::

    manifests → grouped split → pool of scenes through random lines → log-mel → network
              → teachers, where the config has some
              → loss at every step → averaged weights
              → the same network, steadied → checkpoint.safetensors
              → answers to clips it never met → decision rule → figures → model.onnx

If it is interrupted, give the same command again: it goes on after the last whole epoch. The same
config, data and library versions give the same weights.
"""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from audio_model.errors import AudioModelError, UsageError
from training import checkpoint, config, evaluate, export
from training.checkpoint import CHECKPOINT
from training.config import Config, plain
from training.data.balance import pitch_weights
from training.data.corpus import Corpus
from training.data.learnt import LearntData
from training.data.manifest import Clip
from training.data.nuisance import median_pitch
from training.data.pool import Pool, open_pool, prepare
from training.data.scenes import Scenes
from training.data.split import SplitName
from training.epochs import Learning
from training.evaluation import plots
from training.evaluation.infer import through_lines
from training.network import Network
from training.teachers import teach, teachers_of

SCENES = "scenes"
"""Folder of a run that holds its pool."""
FIRST, STEADIED, TEXTURED = "first", "steadied", "textured"
"""The stages of a training, in their order. Each but the last leaves its network in a folder of its
name."""


def draw_pool(settings: Config, run: Path, corpus: Corpus) -> None:
    """Draw scenes of every clip that is learnt from. Raises AudioError."""
    about = plain(settings)
    # How the pool is learnt from does not change what is in it.
    drawn_from = {name: about[name] for name in ("data", "split", "line", "scene")}
    prepare(
        Scenes(
            corpus.sounds(SplitName.TRAIN),
            corpus.around(SplitName.TRAIN),
            settings.line,
            settings.scene,
            settings.train.seed,
        ),
        settings.train.scenes,
        settings.train.workers,
        run / SCENES,
        [drawn_from, settings.train.seed, corpus.manifest.hash],
    )


def identity_of(settings: Config, corpus: Corpus) -> str:
    """Return the data that the weights depend on, to recognise a run that was begun."""
    about = plain(settings)
    of_run = {name: about[name] for name in about if name not in ("calibration", "unmet")}
    of_run["train"] = {k: v for k, v in about["train"].items() if k != "workers"}
    return json.dumps({"config": of_run, "manifest": corpus.manifest.hash}, sort_keys=True)


def learn(last: Learning, corpus: Corpus) -> None:
    """Train the network of a run, in the stages that its config asks for. Raises AudioModelError.

    ``last``: the last of the stages, in the folder of the run.
    """
    settings = last.settings
    pool = balanced(open_pool(last.folder / SCENES), corpus, settings)
    checks = through_lines(
        corpus.sounds(SplitName.DEV),
        corpus.around(SplitName.DEV),
        settings.line,
        lines=1,
        seed=settings.train.seed,
    )

    def check(network: Network) -> dict[str, float]:
        return evaluate.quick_check(network, checks)

    former: Network | None = None
    stages = stages_of(last)
    learnt_all = [n for n, stage in enumerate(stages[:-1]) if (stage.folder / CHECKPOINT).exists()]
    for stage in stages[max(learnt_all, default=0) :]:
        stage.state()  # Another config must not take over what has learnt all.
        stage.folder.mkdir(exist_ok=True)
        if stage is last or not (stage.folder / CHECKPOINT).exists():
            if former is None and settings.teaching.teachers:
                teach(stage, last.folder / SCENES, pool.weight)
            teachers = teachers_of(stage) if former is None else []
            log = stage.run(pool, check, teachers=teachers, former=former)
            plots.training_curves(log.rows, stage.folder / "curves.png")
        learnt = checkpoint.load(stage.folder / CHECKPOINT)
        if learnt.network != stage.settings.network:
            raise UsageError(f"{stage.folder / CHECKPOINT} has another network than the config")
        former = learnt.build()


def stages_of(last: Learning) -> list[Learning]:
    """Return the stages in which a run's network learns. Each begins where the one before ended.

    The network learns from the scenes, then to give the same answer wherever its steps fall, and
    then its texture. The last stage uses the folder of the run, the others folders of their names.
    """
    settings = last.settings
    names = [FIRST]
    if settings.steadying.epochs:
        names.append(STEADIED)
    if settings.network.texture_channels:
        names.append(TEXTURED)
    without = replace(settings, network=replace(settings.network, texture_channels=0))
    earlier = [replace(last, settings=without, folder=last.folder / name) for name in names[:-1]]
    return [*earlier, last]


def balanced(pool: Pool, corpus: Corpus, settings: Config) -> Pool:
    """Return the pool, its scenes dealt by the pitch of their voices. Raises AudioError."""
    pitch_hz = np.array(
        [
            np.nan if _has_no_pitch(sound.clip, settings) else median_pitch(sound.samples)
            for sound in corpus.sounds(SplitName.TRAIN)
        ]
    )
    weight = pitch_weights(
        pitch_hz[pool.sound[pool.scenes]], pool.label[pool.scenes], settings.train.pitch_balance
    )
    return replace(pool, weight=weight)


def _has_no_pitch(clip: Clip, settings: Config) -> bool:
    return clip.label is None or clip.kind.startswith(settings.data.music_kind)


def train(settings: Config, run: Path, source: bytes) -> None:
    """Draw the pool and train the network of a run. Raises AudioModelError.

    ``source``: the config file as it was read, kept in the run.
    """
    corpus = Corpus.load(settings)
    if not corpus.clips(SplitName.TRAIN):
        raise UsageError("data.manifests: there is no clip to learn from")
    identity, learnt = identity_of(settings, corpus), LearntData.of(corpus)
    last = Learning(settings, run, identity, corpus.manifest.hash, learnt)
    last.state()  # Another config must not take the run over.
    print(corpus.split.table(), file=sys.stderr)
    draw_pool(settings, run, corpus)
    (run / "config.toml").write_bytes(source)
    learn(last, corpus)


def main(arguments: list[str] | None = None) -> int:
    """Train a network and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m training.train",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", type=Path, required=True, help="TOML file (training/configs)")
    parser.add_argument("--run", type=Path, help="run folder (default: runs/CONFIG)")
    options = parser.parse_args(arguments)
    run: Path = options.run or Path("runs") / options.config.stem
    try:
        settings = config.load(options.config)
        run.mkdir(parents=True, exist_ok=True)
        train(settings, run, options.config.read_bytes())
        evaluate.evaluate_run(settings, run)
        export.export_run(run)
    except AudioModelError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: the same command goes on after the last whole epoch", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
