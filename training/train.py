"""Train the network: ``python -m training.train --config training/configs/base.toml``.

From a manifest to a run folder with everything that is known of the model::

    manifest → grouped split → pool of scenes through random lines → log-mel → network
             → loss at every step → averaged weights → checkpoint.safetensors
             → calibrate → evaluate → export → model.onnx

Interrupted, the same command goes on after the last whole epoch. The same config, data and
library versions give the same weights.
"""

import argparse
import csv
import io
import json
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from audio_model.errors import AudioModelError, UsageError
from audio_model.frontend import LOG_SCALE, N_MELS
from audio_model.steps import Heard
from training import calibrate, config, evaluate, export, plots
from training.checkpoint import Checkpoint
from training.config import Config, TrainConfig
from training.corpus import Corpus
from training.dataset import IGNORED, Scenes
from training.files import write_atomically
from training.infer import through_lines
from training.network import Network
from training.pool import Pool, prepare
from training.split import SplitName


def loss_of(
    logit: Tensor, heard: Tensor, label: Tensor, held: Tensor, settings: TrainConfig
) -> tuple[Tensor, Tensor]:
    """Loss of the logit and of what each step holds, each scene weighing alike.

    The logit is asked for at every step from ``min_voice_steps`` of voice on, which trains all
    prefixes of the scene at once.

    Args:
        logit: [shape=(batch, n_steps)]
        heard: [shape=(batch, len(Heard), n_steps)]
        label: 1, 0 or IGNORED. [shape=(batch,)]
        held: class of each step or IGNORED. [shape=(batch, n_steps)]
    """
    voice_steps = torch.cumsum(held == Heard.VOICE, dim=1)
    asked = (voice_steps >= settings.min_voice_steps) & (held != IGNORED)
    asked &= (label != IGNORED)[:, None]
    target = label[:, None].clamp(min=0).float().expand_as(logit)
    target = target * (1 - 2 * settings.label_smoothing) + settings.label_smoothing
    each = F.binary_cross_entropy_with_logits(logit, target, reduction="none") * asked
    n_asked = asked.sum(dim=1)
    of_scene = each.sum(dim=1) / n_asked.clamp(min=1)
    of_logit = of_scene.sum() / (n_asked > 0).sum().clamp(min=1)
    of_heard = F.cross_entropy(heard, held, ignore_index=IGNORED)
    return of_logit, of_heard


def mask_mels(log_mel: Tensor, widest: int, generator: torch.Generator) -> Tensor:
    """Hide a random band of up to ``widest`` mels in each scene (SpecAugment)."""
    batch = log_mel.shape[0]
    width = torch.randint(0, widest + 1, (batch, 1), generator=generator)
    start = (torch.rand((batch, 1), generator=generator) * (N_MELS - width)).long()
    mel = torch.arange(N_MELS)[None]
    hidden = (mel >= start) & (mel < start + width)
    return log_mel.masked_fill(hidden[:, :, None], 0.0)


def recolour(log_mel: Tensor, spread_db: float, generator: torch.Generator) -> Tensor:
    """Another level and tilt for each pass over a scene: offsets at both ends of the mels."""
    ends = torch.randn((log_mel.shape[0], 2, 1), generator=generator) * spread_db
    share = torch.linspace(0, 1, N_MELS)[None, :, None]
    offset_db = ends[:, :1] * (1 - share) + ends[:, 1:] * share
    return log_mel + offset_db * (math.log(10) / 10 / LOG_SCALE)


def moving_average(decay: float) -> Callable[[Any, Any, Tensor | int], None]:
    """Exponential average of weights whose decay grows with the steps taken.

    A constant decay would keep the random weights of the start for thousands of steps.
    """

    @torch.no_grad()
    def update(averages: list[Tensor], values: list[Tensor], n_averaged: Tensor | int) -> None:
        n = int(n_averaged)
        weight = 1 - min(decay, (1 + n) / (10 + n))
        for average, value in zip(averages, values, strict=True):
            if average.is_floating_point():
                average.lerp_(value, weight)
            else:
                average.copy_(value)

    return update


class Trainer:
    """The state of a run that an interruption must not lose, and one epoch of it."""

    def __init__(self, settings: Config, pool: Pool) -> None:
        self.settings = settings.train
        torch.manual_seed(self.settings.seed)
        self.network = Network(settings.network)
        self.average = AveragedModel(
            self.network, multi_avg_fn=moving_average(self.settings.average), use_buffers=True
        )
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(),
            lr=self.settings.learning_rate,
            weight_decay=self.settings.weight_decay,
        )
        self.epoch = 0
        self._pool = pool
        steps_per_epoch = len(pool) // self.settings.batch_size
        total = steps_per_epoch * self.settings.epochs
        rising = max(1.0, self.settings.warmup * total)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer,
            lambda step: min(1.0, (step + 1) / rising) * (1 + math.cos(math.pi * step / total)) / 2,
        )

    def run_epoch(self) -> dict[str, float]:
        """One pass over the epoch's scenes; mean losses and accuracy."""
        # Seeded by the epoch, not by what ran before it, so that a resumed run is the same run.
        torch.manual_seed(self.settings.seed * 1_000_003 + self.epoch)
        generator = torch.Generator().manual_seed(torch.initial_seed())
        self.network.train()
        losses = []
        batches = self._pool.batches(self.settings.batch_size, generator)
        total = len(self._pool) // self.settings.batch_size
        for log_mel, label, held in tqdm(batches, total=total, leave=False, disable=None):
            log_mel = recolour(log_mel, self.settings.recolour_db, generator)
            log_mel = mask_mels(log_mel, self.settings.mel_mask, generator)
            logit, heard = self.network.whole(log_mel)
            of_logit, of_heard = loss_of(logit, heard, label, held, self.settings)
            loss = of_logit + self.settings.heard_weight * of_heard
            self.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
            self.optimizer.step()
            self.schedule.step()
            self.average.update_parameters(self.network)
            known = label != IGNORED
            right = ((logit[:, -1] > 0) == (label == 1))[known].float().mean()
            losses.append([of_logit.item(), of_heard.item(), right.item()])
        self.epoch += 1
        loss_logit, loss_heard, accuracy = np.mean(losses, axis=0).tolist()
        return {"loss": loss_logit, "loss_heard": loss_heard, "accuracy": accuracy}

    def averaged(self) -> Network:
        network = self.average.module
        assert isinstance(network, Network)
        return network.eval()

    def state(self) -> dict[str, Any]:
        return {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "epoch": self.epoch,
        }

    def resume(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.epoch = state["epoch"]


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


def train(settings: Config, run: Path, source: bytes) -> None:
    """Train, or go on training, and write the checkpoint. Raises AudioModelError.

    ``source``: the config file as it was read, kept in the run.
    """
    torch.set_num_threads(settings.train.threads)
    corpus = Corpus.load(settings)
    print(corpus.split.table(), file=sys.stderr)
    about = plain(settings)
    learnt_by = {k: v for k, v in about["train"].items() if k != "workers"}
    identity = json.dumps(
        {"config": about | {"train": learnt_by}, "manifest": corpus.manifest.hash}, sort_keys=True
    )
    state_file = run / "state.pt"
    state = torch.load(state_file, weights_only=True) if state_file.exists() else None
    if state and state["identity"] != identity:
        raise UsageError(
            f"{run} holds a run with another config or manifest: "
            "name a new folder with --run, or remove this one"
        )
    scenes = Scenes(
        corpus.sounds(SplitName.TRAIN),
        corpus.around(SplitName.TRAIN),
        settings.line,
        settings.scene,
        settings.train.seed,
    )
    # How the pool is learnt from does not change what is in it.
    drawn_from = {k: v for k, v in about.items() if k not in ("network", "train", "calibration")}
    pool = prepare(
        scenes,
        settings.train.scenes,
        settings.train.workers,
        run / "scenes",
        [drawn_from, settings.train.seed, corpus.manifest.hash],
    )
    trainer = Trainer(settings, pool)
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
    (run / "config.toml").write_bytes(source)
    for _ in progress(trainer.epoch, settings.train.epochs):
        row = {"epoch": trainer.epoch + 1.0, "rate": float(trainer.schedule.get_last_lr()[0])}
        row |= trainer.run_epoch()
        row |= evaluate.quick_check(trainer.averaged(), checks)
        log.add(row)
        tqdm.write(" ".join(f"{k} {v:.4g}" for k, v in row.items()), file=sys.stderr)
        content = io.BytesIO()
        torch.save({"trainer": trainer.state(), "identity": identity}, content)
        write_atomically(state_file, content.getvalue())
    plots.training_curves(log.rows, run / "curves.png")
    checkpoint = Checkpoint(
        network=settings.network,
        weights=trainer.averaged().state_dict(),
        manifest_hash=corpus.manifest.hash,
        config=about,
    )
    checkpoint.save(run / "checkpoint.safetensors")


def progress(done: int, epochs: int) -> Iterator[int]:
    yield from tqdm(range(done, epochs), desc="epochs", initial=done, total=epochs, disable=None)


def plain(settings: Config) -> dict[str, Any]:
    """The settings as plain data, without the paths of this machine."""
    data = replace(settings.data, manifest=Path(settings.data.manifest.name), beds=None)
    text = json.dumps(asdict(replace(settings, data=data)), default=str)
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
        calibrate.calibrate_run(settings, run)
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
