"""The network's answer to a call whose class is known."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from audio_model.decision import sigmoid
from audio_model.rule import Calibration, DecisionRule
from audio_model.steps import STEPS_PER_SECOND, Heard, Steps

Array = NDArray[np.float64]


def probabilities(log_odds: Array) -> Array:
    """Return the probabilities with these log odds, none so near to 0 or 1 that it equals them."""
    probability: Array = 1 / (1 + np.exp(-np.clip(log_odds, -30, 30)))
    return probability


def calibrated(logit: NDArray[np.floating], voice_seconds: Array, by: Calibration) -> Array:
    """Return the log odds that logits have after so many seconds of voice. [shape=(n,)]"""
    slope = np.interp(voice_seconds, by.voice_seconds, by.slope)
    log_odds: Array = slope * logit + np.interp(voice_seconds, by.voice_seconds, by.offset)
    return log_odds


@dataclass(frozen=True)
class Answer:
    """The network's answer to a labelled call, and the weight of the call."""

    label: int
    """1 recorded, 0 live."""
    source: str
    """One voice, campaign or caller."""
    group: str
    """The key that never crosses a split."""
    seconds: float
    """Length of what was heard."""
    steps: Steps
    weight: float

    @cached_property
    def voice_seconds(self) -> Array:
        """Return the voice heard up to each step's end. [shape=(n_steps,)]

        It is counted as the decision counts it.
        """
        heard = self.steps.heard
        is_voice = heard[:, Heard.VOICE] == heard.max(axis=1)
        return np.cumsum(is_voice) / STEPS_PER_SECOND

    def last_step(self, seconds: float) -> int:
        """Return the index of the last answer within ``seconds``.

        For a shorter call it is the index of the last answer.
        """
        return min(len(self.steps), int(seconds * STEPS_PER_SECOND)) - 1

    def log_odds(self, calibration: Calibration) -> Array:
        """Return the calibrated log odds of recorded at each step. [shape=(n_steps,)]"""
        return calibrated(self.steps.logit, self.voice_seconds, calibration)

    def extreme_scores(self, rule: DecisionRule) -> tuple[float, float]:
        """Return the lowest and the highest cautious score of the steps that may decide.

        Caution raises the scores that might say *live* and lowers those that might say *recorded*.
        The verdict is *live* at some moment if the lowest reaches ``live_at``, and *recorded* if
        the highest reaches ``recorded_at``. If no step may decide they are 1 and 0.
        """
        may = self.voice_seconds >= rule.min_voice_seconds
        if not may.any():
            return 1.0, 0.0
        log_odds, voice = self.log_odds(rule.calibration)[may], self.voice_seconds[may]
        lowest = np.min(log_odds + rule.live_caution / voice)
        highest = np.max(log_odds - rule.caution / voice)
        return sigmoid(float(lowest)), sigmoid(float(highest))
