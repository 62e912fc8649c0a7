"""The data of a run in memory: manifest, split, sounds, and the surroundings of lines."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from hashlib import blake2b
from pathlib import Path

from tqdm import tqdm

from audio_model import audio
from audio_model.errors import UsageError
from audio_model.frontend import Samples
from training import manifest as manifests
from training import split as splits
from training.augment import Surroundings
from training.config import Config, SplitConfig
from training.dataset import Sound, load_sound
from training.manifest import Clip, Manifest
from training.split import Split, SplitName

HELD_OUT_BEDS = 5
"""One bed and room in so many is kept for dev and test."""


@dataclass(frozen=True)
class Bed:
    kind: str
    """``bed`` a background, ``rir`` a room's impulse response."""
    held_out: bool
    samples: Samples


class Corpus:
    """Clips that are checked, deduplicated and split; audio is decoded when it is asked for."""

    def __init__(self, settings: Config, manifest: Manifest, split: Split) -> None:
        self._settings = settings
        self.manifest, self.split = manifest, split
        self.sounds = cache(self._sounds)
        self._beds = load_beds(settings.data.beds) if settings.data.beds else []

    @classmethod
    def load(cls, settings: Config, fold: str | None = None) -> "Corpus":
        """Read the manifests and split them, by default as the model that is shipped sees them.

        The test split of a fold is what it holds out, and nothing else.
        Raises ManifestError, AudioError, UsageError.
        """
        loaded = manifests.load_all(settings.data.manifests)
        manifest = manifests.deduplicate(loaded).manifest
        return cls(settings, manifest, split_of(manifest, settings.split, fold))

    def in_fold(self, fold: str | None) -> "Corpus":
        """The same clips, split for another of the run's networks. Raises UsageError."""
        split = split_of(self.manifest, self._settings.split, fold)
        return Corpus(self._settings, self.manifest, split)

    @cached_property
    def learnt_from(self) -> Sequence[Clip]:
        """The clips that some network of the run may learn from, in the order of their names."""
        networks: list[str | None] = [*self._settings.split.folds, None]
        splits = (split_of(self.manifest, self._settings.split, fold) for fold in networks)
        return sorted({c for split in splits for c in split.train}, key=lambda clip: clip.name)

    def clips(self, name: SplitName) -> Sequence[Clip]:
        clips: Sequence[Clip] = getattr(self.split, name)
        return clips

    def _sounds(self, name: SplitName) -> list[Sound]:
        return self.load_sounds(self.clips(name))

    def load_sounds(self, clips: Sequence[Clip]) -> list[Sound]:
        """Decode clips. Raises AudioError."""
        seconds = self._settings.data.max_seconds
        shown = tqdm(clips, desc="reading", unit="clip", disable=None)
        return [load_sound(clip, seconds) for clip in shown]

    def around(self, name: SplitName) -> Surroundings:
        """Beds, rooms and music of lines for a split; dev and test share what train never meets."""
        held_out = name is not SplitName.TRAIN
        beds = [bed for bed in self._beds if bed.held_out == held_out]
        kind = self._settings.data.music_kind
        return Surroundings(
            beds=[bed.samples for bed in beds if bed.kind == "bed"],
            rooms=[bed.samples for bed in beds if bed.kind == "rir"],
            music=[s.samples for s in self.sounds(name) if s.clip.kind.startswith(kind)],
        )


def split_of(manifest: Manifest, settings: SplitConfig, fold: str | None) -> Split:
    """The split of a run, or of one of its folds. Raises UsageError."""
    dev, test, seed, holdout = settings.dev, settings.test, settings.seed, settings.holdout
    if fold is not None:
        # A fold's own seed: other voices are in each fold's dev split.
        test, seed = 0.0, seed + 1 + list(settings.folds).index(fold)
        holdout = holdout | dict.fromkeys(settings.folds[fold], SplitName.TEST.value)
    shares = {"train": 1 - dev - test, "dev": dev, "test": test}
    split = splits.split(manifest.clips, shares, seed, holdout=holdout)
    if fold is not None and not {clip.label for clip in split.test} >= {0, 1}:
        raise UsageError(f"split.folds: {fold} holds out no clips of one class")
    return split


def load_beds(path: Path) -> list[Bed]:
    """Read ``beds``: a CSV with columns path and kind, and recording where one has several cuts."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    beds = []
    for line, row in enumerate(rows, start=2):
        if row.get("kind") not in ("bed", "rir") or not row.get("path"):
            raise UsageError(f"{path}: line {line}: path and kind (bed or rir) are wanted")
        recording = row.get("recording") or row["path"]
        held_out = blake2b(recording.encode()).digest()[0] % HELD_OUT_BEDS == 0
        samples = audio.read(path.parent / row["path"], max_seconds=10.0)
        beds.append(Bed(row["kind"], held_out, samples))
    return beds
