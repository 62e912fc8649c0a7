"""Answers as they are judged: the rule's score at each step, and the verdict it comes to."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audio_model.decision import DecisionRule, Verdict, decide, sigmoid
from audio_model.steps import STEPS_PER_SECOND
from training.calibrate import extreme_scores, point_of
from training.infer import HeardTake


@dataclass(frozen=True)
class JudgedTake:
    """A take under the rule of its part. Takes of several parts can be counted together."""

    heard: HeardTake
    log_odds: NDArray[np.float64]
    """Calibrated log odds of recorded at each step. [shape=(n_steps,)]"""
    verdict: Verdict
    """At the end of the take."""
    flagged: bool
    """Whether ``recorded`` was said at any moment."""

    def score(self, seconds: float) -> float:
        """Calibrated probability after so many seconds; a shorter take is heard to its end."""
        return sigmoid(float(self.log_odds[self.heard.last_step(seconds)]))

    def lasts(self, seconds: float) -> bool:
        """Whether the take holds so many seconds, to the last step."""
        return len(self.heard.steps) >= int(seconds * STEPS_PER_SECOND)


def judge(heard: Sequence[HeardTake], rule: DecisionRule) -> list[JudgedTake]:
    """The takes that hold at least a step, under one rule."""
    point = point_of(rule)
    return [
        JudgedTake(
            take,
            take.log_odds(rule),
            decide(take.steps, rule, point, take.seconds),
            extreme_scores(take, rule)[1] >= point.recorded_at,
        )
        for take in heard
        if len(take.steps)
    ]
