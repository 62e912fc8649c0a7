"""Clips and sounds in memory."""

from pathlib import Path
from typing import Any

import numpy as np

from audio_model.frontend import HOP_LENGTH
from tests import sounds
from training.data.manifest import Clip
from training.data.scenes import Sound


def clip(name: str = "a.wav", label: int | None = 1, **columns: Any) -> Clip:
    """A clip of no file; its source is its name unless it is given."""
    source = columns.pop("source", name)
    group = columns.pop("group", source)
    corpus = columns.pop("corpus", "own")
    return Clip(Path("/nowhere") / name, name, label, source, group, corpus, **columns)


def sound(
    samples: sounds.Samples, of: Clip | None = None, active: np.ndarray | None = None
) -> Sound:
    """A sound in memory, active throughout unless told otherwise."""
    n_frames = len(samples) // HOP_LENGTH
    return Sound(of or clip(), samples, np.ones(n_frames, bool) if active is None else active)
