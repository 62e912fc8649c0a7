"""The data of a run in memory: manifest, split, sounds, and the surroundings of lines."""

import csv
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from hashlib import blake2b
from pathlib import Path

from tqdm import tqdm

from audio_model import audio
from audio_model.errors import UsageError
from audio_model.frontend import Samples
from training.augment import Surroundings
from training.config import Config, SplitConfig
from training.data import manifest as manifests
from training.data import split as splits
from training.data.manifest import Clip, Manifest
from training.data.scenes import Sound, load_call, load_sound
from training.data.split import Split, SplitName

HELD_OUT_BEDS = 5
"""One bed and room in so many is kept for dev and test."""


@dataclass(frozen=True)
class Bed:
    """A background or a room for simulated lines."""

    kind: str
    """``bed`` a background, ``rir`` a room's impulse response."""
    held_out: bool
    samples: Samples


class Corpus:
    """Clips that are checked, deduplicated and split; audio is decoded when it is asked for."""

    def __init__(
        self, settings: Config, manifest: Manifest, split: Split, unmet: Manifest | None
    ) -> None:
        self._settings = settings
        self.manifest, self.split, self.unmet = manifest, split, unmet
        self.sounds = cache(self._sounds)
        self._beds = load_beds(settings.data.beds) if settings.data.beds else []

    @classmethod
    def load(cls, settings: Config) -> "Corpus":
        """Read the manifests, set aside what is not learnt from, and split the rest.

        Raises ManifestError, AudioError, UsageError.
        """
        unmet = settings.unmet.manifest and manifests.load(settings.unmet.manifest)
        if settings.data.manifests:
            loaded = manifests.load_all(settings.data.manifests)
        elif unmet:
            loaded = Manifest(unmet.path, ())  # Unmet clips judge a network that has learnt.
        else:
            raise UsageError("data.manifests: it names none, and nor does [unmet]")
        used = without(loaded, settings.data.leave_out)
        manifest = manifests.deduplicate(used).manifest
        if unmet:
            manifest = apart_from(manifest, unmet)
        return cls(settings, manifest, split_of(manifest, settings.split), unmet or None)

    @property
    def judged(self) -> Sequence[Clip]:
        """Return the labelled clips that choose the decision rule and give the figures.

        They are the unmet ones, or the test split of a run without unmet ones.
        """
        clips = self.unmet.clips if self.unmet else self.split.test
        return [clip for clip in clips if clip.label is not None]

    @property
    def judged_hash(self) -> str:
        """Return a hex digest of what answers depend on beside the network.

        That is clips, tones, beds and rooms. Raises AudioError.
        """
        manifests_of = [of.hash for of in (self.unmet, self.manifest) if of]
        heard = [[clip.name for clip in clips] for clips in (self.judged, self.split.dev)]
        digest = blake2b(json.dumps([*manifests_of, *heard]).encode("ascii"), digest_size=16)
        for bed in self._beds:
            digest.update(f"{bed.kind} {bed.held_out}".encode() + bed.samples.tobytes())
        return digest.hexdigest()

    def clips(self, name: SplitName) -> Sequence[Clip]:
        """Return the clips of a split."""
        clips: Sequence[Clip] = getattr(self.split, name)
        return clips

    def _sounds(self, name: SplitName) -> list[Sound]:
        seconds = self._settings.data.max_seconds
        return [load_sound(clip, seconds) for clip in _shown(self.clips(name))]

    def judged_sounds(self) -> list[Sound]:
        """Decode as much of the judged clips as the detector reads. Raises AudioError."""
        return [load_call(clip) for clip in _shown(self.judged)]

    def around(self, name: SplitName) -> Surroundings:
        """Return beds, rooms and music for a split.

        Dev and test share those that train never has.
        """
        held_out = name is not SplitName.TRAIN
        beds = [bed for bed in self._beds if bed.held_out == held_out]
        kind = self._settings.data.music_kind
        return Surroundings(
            beds=[bed.samples for bed in beds if bed.kind == "bed"],
            rooms=[bed.samples for bed in beds if bed.kind == "rir"],
            music=[s.samples for s in self.sounds(name) if s.clip.kind.startswith(kind)],
        )


def _shown(clips: Sequence[Clip]) -> Iterable[Clip]:
    return tqdm(clips, desc="reading", unit="clip", disable=None)


def without(manifest: Manifest, left_out: Collection[str]) -> Manifest:
    """Return the manifest without some corpora or sources. Raises UsageError for unknown ones."""
    known = {name for clip in manifest.clips for name in (clip.corpus, clip.source)}
    if unknown := sorted(set(left_out) - known):
        raise UsageError(
            f"data.leave_out: the manifests have no corpus and no source {unknown[0]!r}"
        )
    kept = (c for c in manifest.clips if not {c.corpus, c.source} & set(left_out))
    return replace(manifest, clips=tuple(kept))


def apart_from(manifest: Manifest, unmet: Manifest) -> Manifest:
    """Return the manifest without clips that share a voice, a call or audio with ``unmet``.

    Raises AudioError, and UsageError if nothing is left.
    """
    voices = {name for clip in unmet.clips for name in (clip.source, clip.group)}
    calls = {clip.call for clip in unmet.clips if clip.call}
    audio_hashes = {clip.audio_hash for clip in unmet.clips}
    kept = tuple(
        clip
        for clip in manifest.clips
        if not {clip.source, clip.group} & voices
        and clip.call not in calls
        and clip.audio_hash not in audio_hashes
    )
    if manifest.clips and not kept:
        raise UsageError(f"{unmet.path}: it holds every clip that there is to learn from")
    return replace(manifest, clips=kept)


def split_of(manifest: Manifest, settings: SplitConfig) -> Split:
    """Return the split of a run. Raises UsageError."""
    shares = {
        "train": 1 - settings.dev - settings.test,
        "dev": settings.dev,
        "test": settings.test,
    }
    return splits.split(manifest.clips, shares, settings.seed, holdout=settings.holdout)


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
