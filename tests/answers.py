"""Answers to calls that nobody has heard, made by hand."""

from collections.abc import Sequence

import numpy as np

from audio_model.fitting.answer import Answer
from audio_model.steps import STEP_SECONDS, Heard, Steps


def steps(logits: Sequence[float], kinds: Sequence[Heard] | None = None) -> Steps:
    """Return steps of which every one holds voice, unless ``kinds`` are given."""
    heard = np.eye(len(Heard), dtype=np.float32)[list(kinds or [Heard.VOICE] * len(logits))]
    return Steps(
        np.array(logits, np.float32),
        heard.reshape(len(logits), len(Heard)),
        np.full(len(logits), -20, np.float32),
    )


def answer(
    logits: Sequence[float],
    label: int,
    name: str,
    *,
    kinds: Sequence[Heard] | None = None,
    weight: float = 1.0,
    group: str | None = None,
) -> Answer:
    """Return the answers to a call whose source, and group unless it is given, is its name."""
    seconds = len(logits) * STEP_SECONDS
    return Answer(label, name, group or name, seconds, steps(logits, kinds), weight)
