"""Train the network: ``python -m training.train --config training/configs/base.toml``.

From manifests to a run folder with everything that is known of the model::

    manifests → grouped split → pool of scenes through random lines → log-mel → network
              → loss at every step → averaged weights → checkpoint.safetensors
              → answers to what it never met → decision rule → figures → model.onnx

Interrupted, the same command goes on after the last whole epoch. The same config, data and library
versions give the same weights.
"""

import argparse
import csv
import io
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from audio_model.errors import AudioModelError, UsageError
from training import config, evaluate, export
from training.checkpoint import CHECKPOINT, Checkpoint
from training.config import Config
from training.data.balance import pitch_weights
from training.data.corpus import Corpus
from training.data.manifest import Clip
from training.data.nuisance import median_pitch
from training.data.pool import Pool, open_pool, prepare
from training.data.scenes import Scenes
from training.data.split import SplitName
from training.evaluation import plots
from training.evaluation.infer import through_lines
from training.files import write_atomically
from training.learning import Trainer

SCENES = "scenes"
"""Folder of a run that holds its pool."""
STATE = "state.pt"
"""What a network goes on from, after each epoch."""


class RunLog:
    """``log.csv``: a row an epoch, rewritten whole so that it agrees with the saved state."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.rows: list[dict[str, float]] = []

    def resume(self, epochs: int) -> None:
        with self._path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                self.rows.append({name: float(value) for name, value in row.items() if value})
        del self.rows[epochs:]

    def add(self, row: dict[str, float]) -> None:
        self.rows.append(row)
        names = list(dict.fromkeys(name for row in self.rows for name in row))
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, names)
        writer.writeheader()
        # Read back by a resumed run, the cells must give the same text again.
        writer.writerows({k: f"{v:.10g}" for k, v in row.items()} for row in self.rows)
        write_atomically(self._path, text.getvalue().encode())


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
    """What the weights depend on, to tell whether a run that was begun is the same."""
    about = plain(settings)
    of_run = {name: about[name] for name in about if name not in ("calibration", "unmet")}
    of_run["train"] = {k: v for k, v in about["train"].items() if k != "workers"}
    return json.dumps({"config": of_run, "manifest": corpus.manifest.hash}, sort_keys=True)


def load_state(run: Path, identity: str) -> dict[str, Any] | None:
    """Return what a run that was begun goes on from. Raises UsageError if it is another run."""
    file = run / STATE
    if not file.exists():
        return None
    state: dict[str, Any] = torch.load(file, weights_only=True)
    if state["identity"] != identity:
        raise UsageError(
            f"{run} holds a run with another config or manifest: "
            "name a new folder with --run, or remove this one"
        )
    return state


def learn(settings: Config, run: Path, corpus: Corpus) -> None:
    """Train the network of a run, or go on training it. Raises AudioModelError."""
    torch.set_num_threads(settings.train.threads)
    identity = identity_of(settings, corpus)
    state = load_state(run, identity)
    trainer = Trainer(settings, balanced(open_pool(run / SCENES), corpus, settings))
    log = RunLog(run / "log.csv")
    if state:
        trainer.resume(state["trainer"])
        log.resume(trainer.epoch)
    checks = through_lines(
        corpus.sounds(SplitName.DEV),
        corpus.around(SplitName.DEV),
        settings.line,
        lines=1,
        seed=settings.train.seed,
    )
    for _ in progress(trainer.epoch, settings.train.epochs):
        row = {"epoch": trainer.epoch + 1.0, "rate": float(trainer.schedule.get_last_lr()[0])}
        row |= trainer.run_epoch()
        row |= evaluate.quick_check(trainer.averaged(), checks)
        log.add(row)
        tqdm.write(" ".join(f"{k} {v:.4g}" for k, v in row.items()), file=sys.stderr)
        content = io.BytesIO()
        torch.save({"trainer": trainer.state(), "identity": identity}, content)
        write_atomically(run / STATE, content.getvalue())
    plots.training_curves(log.rows, run / "curves.png")
    checkpoint = Checkpoint(
        network=settings.network,
        weights=trainer.averaged().state_dict(),
        manifest_hash=corpus.manifest.hash,
        config=plain(settings),
    )
    checkpoint.save(run / CHECKPOINT)


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
    load_state(run, identity_of(settings, corpus))
    print(corpus.split.table(), file=sys.stderr)
    draw_pool(settings, run, corpus)
    (run / "config.toml").write_bytes(source)
    learn(settings, run, corpus)


def progress(done: int, epochs: int) -> Iterator[int]:
    yield from tqdm(range(done, epochs), desc="epochs", initial=done, total=epochs, disable=None)


def plain(settings: Config) -> dict[str, Any]:
    """The settings as plain data, without the paths of this machine."""
    names = tuple(Path(manifest.name) for manifest in settings.data.manifests)
    data = replace(settings.data, manifests=names, beds=None)
    unmet = replace(settings.unmet, manifest=None)
    text = json.dumps(asdict(replace(settings, data=data, unmet=unmet)), default=str)
    values: dict[str, Any] = json.loads(text)
    return values


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m training.train",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", type=Path, required=True, help="TOML file (training/configs)")
    parser.add_argument("--run", type=Path, help="folder for what is made (default: runs/CONFIG)")
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
