"""One network learns, epoch by epoch, in a folder that an interrupted run goes on from."""

import csv
import io
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from audio_model.errors import UsageError
from audio_model.files import write_bytes, write_whole
from training.checkpoint import CHECKPOINT, Checkpoint
from training.config import Config, plain
from training.data.learnt import LearntData
from training.data.pool import Pool
from training.learning import Trainer
from training.network import Network

STATE = "state.pt"
"""The file from which training resumes, written after each epoch."""


class RunLog:
    """``log.csv``: a row an epoch, rewritten whole so that it agrees with the saved state."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.rows: list[dict[str, float]] = []

    def resume(self, epochs: int) -> None:
        """Read the log of the first epochs, and drop the later rows."""
        with self._path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                self.rows.append({name: float(value) for name, value in row.items() if value})
        del self.rows[epochs:]

    def add(self, row: dict[str, float]) -> None:
        """Add a row and write the log."""
        self.rows.append(row)
        names = list(dict.fromkeys(name for row in self.rows for name in row))
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, names)
        writer.writeheader()
        # Read back by a resumed run, the cells must give the same text again.
        writer.writerows({k: f"{v:.10g}" for k, v in row.items()} for row in self.rows)
        write_whole(self._path, text.getvalue())


@dataclass(frozen=True)
class Learning:
    """The settings of one network that learns, and the folder that it learns in."""

    settings: Config
    folder: Path
    identity: str
    """All that the weights depend on."""
    manifest_hash: str
    learnt: LearntData

    def state(self) -> dict[str, Any] | None:
        """Return what a run that was begun goes on from. Raises UsageError if it is another run."""
        file = self.folder / STATE
        if not file.exists():
            return None
        state: dict[str, Any] = torch.load(file, weights_only=True)
        if state["identity"] != self.identity:
            raise UsageError(
                f"{self.folder} holds a run with another config or manifest: "
                "name a new folder with --run, or remove this one"
            )
        return state

    def run(
        self,
        pool: Pool,
        check: Callable[[Network], dict[str, float]],
        teachers: Sequence[Network] = (),
        former: Network | None = None,
    ) -> RunLog:
        """Learn, or go on learning, and write the checkpoint. Raises UsageError.

        ``check`` gives the figures of the network so far, for the row of an epoch in the log.
        ``teachers`` and ``former`` are those of :class:`training.learning.Trainer`.
        """
        torch.set_num_threads(self.settings.train.threads)
        trainer = Trainer(self.settings, pool, teachers, former)
        log = RunLog(self.folder / "log.csv")
        state = self.state()
        if state:
            trainer.resume(state["trainer"])
            log.resume(trainer.epoch)
        for _ in epochs(trainer.epoch, trainer.epochs):
            row = {"epoch": trainer.epoch + 1.0, "rate": float(trainer.schedule.get_last_lr()[0])}
            row |= trainer.run_epoch()
            row |= check(trainer.averaged())
            log.add(row)
            tqdm.write(" ".join(f"{k} {v:.4g}" for k, v in row.items()), file=sys.stderr)
            content = io.BytesIO()
            torch.save({"trainer": trainer.state(), "identity": self.identity}, content)
            write_bytes(self.folder / STATE, content.getvalue())
        checkpoint = Checkpoint(
            network=self.settings.network,
            weights=trainer.averaged().state_dict(),
            manifest_hash=self.manifest_hash,
            config=plain(self.settings),
            learnt=self.learnt,
        )
        checkpoint.save(self.folder / CHECKPOINT)
        return log


def epochs(done: int, total: int) -> Iterator[int]:
    """Yield the epochs that are left, with a bar that shows how far they have come."""
    yield from tqdm(range(done, total), desc="epochs", initial=done, total=total, disable=None)
