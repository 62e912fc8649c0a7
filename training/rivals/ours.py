"""A run's own network, beside the rivals and under audit."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from audio_model.errors import UsageError
from audio_model.rule import DecisionRule
from training import checkpoint
from training.checkpoint import CHECKPOINT
from training.evaluation.infer import HeardTake, Take, hear
from training.evaluation.judge import JudgedTake, judge
from training.network import Network

NAME = "this project"


@dataclass(frozen=True)
class Ours:
    """The network of a run, and the rule that it ships with."""

    network: Network
    rule: DecisionRule

    @classmethod
    def load(cls, run: Path) -> Self:
        """Load a run's network. Raises ModelError, and UsageError if it has no rule."""
        trained = checkpoint.load(run / CHECKPOINT)
        if trained.decision is None:
            raise UsageError(f"{run}: not evaluated yet: run training.evaluate first")
        return cls(trained.build(), trained.decision)

    def hear(self, takes: Sequence[Take]) -> list[HeardTake]:
        """Listen to labelled takes."""
        return hear(self.network, takes)

    def judge(self, takes: Sequence[Take]) -> list[JudgedTake]:
        """Listen to labelled takes, and judge them by the rule."""
        return judge(self.hear(takes), self.rule)
