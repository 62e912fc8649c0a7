"""A run's own networks, beside the peers: of each part the one that never met its clips."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from audio_model.decision import DecisionRule
from training import checkpoint
from training.answers import Part
from training.calibrate import fit_rule
from training.checkpoint import CHECKPOINT, network_folder
from training.config import Config
from training.infer import HeardTake, Take, hear
from training.judge import JudgedTake, judge
from training.manifest import Manifest
from training.network import Network

NAME = "this project"


@dataclass(frozen=True)
class Ours:
    """A network and the rule that its part is judged by, neither of which met the part."""

    network: Network
    rule: DecisionRule

    @classmethod
    def load(cls, settings: Config, run: Path, part: Part, manifest: Manifest) -> Self:
        """Raises ModelError, and UsageError for a network of other clips."""
        fold = part.name if settings.split.folds else None
        trained = checkpoint.load(network_folder(run, fold) / CHECKPOINT)
        trained.check_manifest(manifest)
        return cls(trained.build(), fit_rule(part.fitted_on, settings.calibration))

    def hear(self, takes: Sequence[Take]) -> list[HeardTake]:
        return hear(self.network, takes)

    def judge(self, takes: Sequence[Take]) -> list[JudgedTake]:
        return judge(self.hear(takes), self.rule)
