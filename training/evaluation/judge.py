"""Judged answers: the rule's score at each step, and the verdict."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audio_model.decision import Verdict, VerdictChange, VerdictKind, decide, sigmoid
from audio_model.rule import DecisionRule
from audio_model.steps import STEPS_PER_SECOND
from training.evaluation.infer import HeardTake

ENOUGH_VOICE_SECONDS = 2.0
"""Voice after which a verdict may be expected."""


@dataclass(frozen=True)
class JudgedTake:
    """A take under the rule of its part. Takes of several parts can be counted together."""

    heard: HeardTake
    log_odds: NDArray[np.float64]
    """Calibrated log odds of recorded at each step. [shape=(n_steps,)]"""
    verdict: Verdict
    """At the end of the take."""

    @property
    def changes(self) -> tuple[VerdictChange, ...]:
        """Return the verdicts in their order."""
        return self.verdict.evidence.changes

    def said(self, kind: VerdictKind) -> bool:
        """Return whether this verdict was given at any moment."""
        return any(change.verdict is kind for change in self.changes)

    @property
    def flagged(self) -> bool:
        """Return whether the verdict was ``recorded`` at any moment."""
        return self.said(VerdictKind.RECORDED)

    @property
    def has_enough_voice(self) -> bool:
        """Return whether the take holds ``ENOUGH_VOICE_SECONDS`` of voice."""
        return self.verdict.speech_seconds >= ENOUGH_VOICE_SECONDS

    def score(self, seconds: float) -> float:
        """Return the probability after so many seconds, or at the end of a shorter take."""
        return sigmoid(float(self.log_odds[self.heard.last_step(seconds)]))

    def score_after_voice(self, seconds: float) -> float | None:
        """Return the probability after so many seconds of voice; None for too little."""
        enough = np.flatnonzero(self.heard.voice_seconds >= seconds)
        return sigmoid(float(self.log_odds[enough[0]])) if len(enough) else None

    def lasts(self, seconds: float) -> bool:
        """Return whether the take holds so many seconds, to the last step."""
        return len(self.heard.steps) >= int(seconds * STEPS_PER_SECOND)


def judge(heard: Sequence[HeardTake], rule: DecisionRule) -> list[JudgedTake]:
    """Judge the takes that hold at least a step, by one rule."""
    point = rule.reported_point
    return [
        JudgedTake(
            take, take.log_odds(rule.calibration), decide(take.steps, rule, point, take.seconds)
        )
        for take in heard
        if len(take.steps)
    ]
