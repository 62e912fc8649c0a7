"""Sounds that may recur in any call, and come with the product: music on hold, prompts of a line.

They are kept as the codes that a store keeps, without audio. ``training.corpora.sounds`` makes
them, and tells where they come from.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from audio_model.known.fingerprint import NOTHING, Codes
from audio_model.known.recording import POSITIONS_PER_SECOND, RecordingMark
from audio_model.known.store import Store

SOUNDS = Path(__file__).with_name("sounds.npz")

LEAST_SECONDS = 1.6
"""Seconds that must tell something; a shorter sound could not be found surely."""


@dataclass(frozen=True)
class Sound:
    """One sound."""

    name: str
    codes: Codes
    """The codes of its positions. [shape=(n_positions,)]"""

    @property
    def is_known(self) -> bool:
        """Return whether a call that holds it can be found by it."""
        return bool((self.codes != NOTHING).sum() >= LEAST_SECONDS * POSITIONS_PER_SECOND)


def sounds() -> list[Sound]:
    """Return the sounds that come with the product."""
    with np.load(SOUNDS) as file:
        names, ends, codes = (file[key] for key in ("names", "ends", "codes"))
    parts = np.split(codes, ends[:-1])
    return [Sound(str(name), part) for name, part in zip(names, parts, strict=True)]


def allow_sounds(store: Store) -> int:
    """Add each sound that a store has no recording of by its name, as one that may recur.

    Returns how many are new. Raises StoreError.
    """
    n = 0
    with store.writing():
        for sound in sounds():
            if not store.named(sound.name):
                store.mark(store.take(sound.name, sound.codes), RecordingMark.ALLOWED)
                n += 1
    return n
