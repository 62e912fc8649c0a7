"""Scenes drawn once and learnt from many times.

Simulating a line costs more than learning from what came through it. So a run draws a large pool
of scenes first, keeps their features on disk, and passes over them several times.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm import tqdm

from audio_model.files import write_whole
from training.data.scenes import Scene, Scenes

BATCH_SIZE = 32
IDENTITY = "pool.json"
ARRAYS = ("log_mel", "label", "heard", "sound")


@dataclass(frozen=True)
class Pool:
    """Features and targets of scenes, mapped from disk."""

    log_mel: NDArray[np.float16]
    """[shape=(n_drawn, N_MELS, n_frames)]"""
    label: NDArray[np.int64]
    """[shape=(n_drawn,)]"""
    heard: NDArray[np.int64]
    """[shape=(n_drawn, n_steps)]"""
    sound: NDArray[np.int64]
    """Number of the sound that a scene holds. [shape=(n_drawn,)]"""
    scenes: NDArray[np.int64]
    """The scenes that are learnt from, of all that were drawn. [shape=(len(self),)]"""
    weight: NDArray[np.float64]
    """How many times each of them comes in a pass, in the mean. [shape=(len(self),)]"""

    def __len__(self) -> int:
        return len(self.scenes)

    def class_weights(self) -> Tensor:
        """Return the weights of scenes of class 0 and 1 that make both classes count alike."""
        share = np.bincount(self.label[self.scenes].clip(min=-1) + 1, minlength=3)[1:]
        return torch.from_numpy(share.sum() / (2 * share.clip(min=1))).float()

    def batches(self, size: int, generator: torch.Generator) -> Iterator[tuple[Tensor, ...]]:
        """Yield log-mel, label and heard in whole batches, in random order.

        A scene of weight 1 comes once at most, one of weight 1.6 once or twice. There are as many
        batches as if all weights were 1, or one fewer.
        """
        chances = torch.rand(len(self), generator=generator).numpy()
        dealt = np.repeat(self.scenes, np.floor(self.weight + chances).astype(np.int64))
        order = dealt[torch.randperm(len(dealt), generator=generator).numpy()][: len(self)]
        for start in range(0, len(order) - size + 1, size):
            chosen = order[start : start + size]
            # In rising order the disk is read forwards; the batch is the same set.
            chosen.sort()
            yield (
                torch.from_numpy(self.log_mel[chosen].astype(np.float32)),
                torch.from_numpy(self.label[chosen]),
                torch.from_numpy(self.heard[chosen]),
            )


def prepare(scenes: Scenes, n_scenes: int, workers: int, folder: Path, identity: Any) -> Pool:
    """Return the first ``n_scenes`` scenes, drawn now unless ``folder`` holds them already.

    ``identity`` is plain data with all that the scenes depend on. It tells whether those of the
    folder are the same.
    """
    folder.mkdir(exist_ok=True)
    stamp = folder / IDENTITY
    wanted = json.dumps([n_scenes, identity], sort_keys=True)
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        stamp.unlink(missing_ok=True)
        _draw(scenes, n_scenes, workers, folder)
        write_whole(stamp, wanted)
    return open_pool(folder)


def open_pool(folder: Path) -> Pool:
    """Open a pool that :func:`prepare` has drawn."""
    log_mel, label, heard, sound = (
        np.load(folder / f"{name}.npy", mmap_mode="r") for name in ARRAYS
    )
    return Pool(log_mel, label, heard, sound, np.arange(len(label)), np.ones(len(label)))


def _draw(scenes: Scenes, n_scenes: int, workers: int, folder: Path) -> None:
    first = scenes[0]
    shapes: dict[str, Sequence[int]] = {name: np.shape(getattr(first, name)) for name in ARRAYS}
    files = {
        name: open_memmap(
            folder / f"{name}.npy",
            "w+",
            np.float16 if name == "log_mel" else np.int64,
            (n_scenes, *shape),
        )
        for name, shape in shapes.items()
    }
    loader: DataLoader[Scene] = DataLoader(
        scenes, batch_size=BATCH_SIZE, sampler=range(n_scenes), num_workers=workers
    )
    done = 0
    with tqdm(total=n_scenes, desc="drawing scenes", unit="scene", disable=None) as progress:
        for batch in loader:
            n = len(batch.label)
            for name, file in files.items():
                file[done : done + n] = getattr(batch, name).numpy()
            done += n
            progress.update(n)
    for file in files.values():
        file.flush()
