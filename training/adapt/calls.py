"""Marked calls as the old network hears them, ready to learn from."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from audio_model.errors import AudioError, UsageError, printable
from audio_model.frontend import N_MELS, log_mel
from audio_model.steps import FRAMES_PER_STEP, STEP_SAMPLES, Steps
from training.adapt.depth import BATCH_SIZE, Depth, frozen, learnt
from training.data import manifest as manifests
from training.data.corpus import apart_from
from training.data.manifest import Clip, Manifest
from training.data.scenes import IGNORED
from training.evaluation.infer import HEARD_SECONDS, HeardTake, Take, heard_takes, listen
from training.network import Network

MIN_GROUPS = 3
"""Fewest groups of a class: one to learn from, one to choose by, one to judge by."""
NAMES = ("live", "recorded")


@dataclass(frozen=True)
class Marks:
    """The calls of a manifest that can be learnt from, and the reasons against the others."""

    manifest: Manifest
    left_out: dict[str, str]
    """Name of a clip to the reason."""

    @classmethod
    def of(cls, manifest: Manifest, unmet: Manifest | None) -> "Marks":
        """Set aside calls that can't be read, may not teach, are repeated, or are in ``unmet``.

        Raises ManifestError for the same audio under both labels, and UsageError if nothing is
        left.
        """
        left_out = {}
        for problem in manifest.left_out:
            where, _, why = problem.partition(": ")
            left_out[where] = why
        for clip in manifest.clips:
            if clip.label is None:
                left_out[clip.name] = "neither recorded nor live"
            elif not clip.may_train:
                left_out[clip.name] = "may_train is no"
            else:
                try:
                    _ = clip.audio_hash
                except AudioError as error:
                    left_out[clip.name] = error.message
        kept = tuple(clip for clip in manifest.clips if clip.name not in left_out)
        single = manifests.deduplicate(replace(manifest, clips=kept))
        for duplicate in single.duplicates:
            left_out[duplicate.dropped.name] = f"the same audio as {duplicate.kept.name}"
        used = single.manifest
        if unmet and used.clips:
            used = apart_from(used, unmet)
            names = {clip.name for clip in used.clips}
            shared = (clip.name for clip in single.manifest.clips if clip.name not in names)
            left_out |= dict.fromkeys(
                shared, "shares a voice, a call or audio with the unmet clips"
            )
        return cls(used, left_out)


def check_enough(clips: Sequence[Clip], left_out: Mapping[str, str]) -> None:
    """Raise UsageError that names the class with too few groups to learn from and to judge by.

    ``left_out`` holds the reasons of calls of no use by their names. The error tells the first: a
    class may have too few groups because of these calls.
    """
    why = ""
    if left_out:
        call, reason = next(iter(left_out.items()))
        why = f". Calls of no use: {len(left_out)}, such as {printable(call)}: {reason}"
    for label, name in enumerate(NAMES):
        groups = {clip.group for clip in clips if clip.label == label}
        if len(groups) < MIN_GROUPS:
            held = f"{len(groups)} group{'' if len(groups) == 1 else 's'}" if groups else "no call"
            raise UsageError(
                f"{name}: {held} among the marked calls, and at least {MIN_GROUPS} are needed "
                f"(a group is a caller, a voice or a campaign): the shipped network stays{why}"
            )


class Calls:
    """Labelled takes, their features, and the old network's answers."""

    def __init__(self, old: Network, takes: Sequence[Take], seconds: float = HEARD_SECONDS) -> None:
        """Listen to so much of takes that have a label. ``old`` is the network that is adapted."""
        self.network = old
        parts = list(listen(old, takes, seconds))
        self.old: list[HeardTake] = heard_takes(takes, parts)
        """The old network's answer to each."""
        size = max(len(take.steps) for take in self.old)
        self.log_mel = torch.zeros(len(takes), N_MELS, size * FRAMES_PER_STEP)
        self.held = torch.full((len(takes), size), IGNORED)
        """The class of each step by the old network. [shape=(n_calls, n_steps)]"""
        for number, (samples, steps) in enumerate(parts):
            n = len(steps)
            features = log_mel(samples[: n * STEP_SAMPLES])
            self.log_mel[number, :, : features.shape[1]] = torch.from_numpy(features)
            self.held[number, :n] = torch.from_numpy(steps.heard.argmax(axis=1))
        self.logit = torch.zeros(len(takes), size)
        """The old network's logits. [shape=(n_calls, n_steps)]"""
        for number, heard in enumerate(self.old):
            self.logit[number, : len(heard.steps)] = torch.from_numpy(heard.steps.logit)
        self._features: dict[Depth, Tensor] = {}
        self._name()

    def _name(self) -> None:
        self.label: NDArray[np.int64] = np.array([heard.label for heard in self.old])
        self.group: NDArray[np.str_] = np.array([heard.group for heard in self.old])

    def __len__(self) -> int:
        return len(self.old)

    def some(self, chosen: Sequence[int]) -> "Calls":
        """Return some of the calls, without listening again."""
        few = copy.copy(self)
        few.old = [self.old[number] for number in chosen]
        few.log_mel, few.held = self.log_mel[chosen], self.held[chosen]
        few.logit = self.logit[chosen]
        few._features = {depth: of[chosen] for depth, of in self._features.items()}
        few._name()
        return few

    def mark(self, labels: Sequence[int]) -> None:
        """Mark the calls anew."""
        self.old = [
            replace(each, label=label) for each, label in zip(self.old, labels, strict=True)
        ]
        self._name()

    def features(self, depth: Depth) -> Tensor:
        """Return the output of the frozen layers for every call, computed once."""
        if depth not in self._features:
            self._features[depth] = frozen(self.network, self.log_mel, depth)
        return self._features[depth]

    @torch.no_grad()
    def heard_by(
        self, network: Network, depth: Depth, chosen: Sequence[int] | None = None
    ) -> list[HeardTake]:
        """Return the answers of a network with the same frozen layers to some calls, or to all."""
        answers = []
        features = self.features(depth)
        chosen = range(len(self)) if chosen is None else chosen
        for part in torch.split(torch.tensor(chosen), BATCH_SIZE):
            logit, held = learnt(network, features[part], depth)
            for row, number in enumerate(part.tolist()):
                old = self.old[number]
                n = len(old.steps)
                probability = old.steps.heard
                if held is not None:
                    probability = torch.softmax(held[row], dim=0).T[:n].numpy()
                steps = Steps(logit[row, :n].numpy(), probability, old.steps.level_db)
                answers.append(replace(old, steps=steps))
        return answers
