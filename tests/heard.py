"""Takes with answers made by hand, for tests of calibration and evaluation."""

from collections.abc import Sequence

import numpy as np

from audio_model.steps import STEP_SECONDS, Heard, Steps
from tests import clips
from training.evaluation.infer import HeardTake


def take(
    logits: Sequence[float],
    label: int,
    name: str,
    *,
    kinds: Sequence[Heard] | None = None,
    weight: float = 1.0,
    condition: str = "raw",
    **columns: str,
) -> HeardTake:
    """A take whose every step holds voice, unless ``kinds`` are given."""
    n_steps = len(logits)
    heard = np.eye(len(Heard), dtype=np.float32)[list(kinds or [Heard.VOICE] * n_steps)]
    steps = Steps(
        np.array(logits, np.float32),
        heard.reshape(n_steps, len(Heard)),
        np.full(n_steps, -20, np.float32),
    )
    return HeardTake.of(
        clips.clip(name, label, **columns), condition, n_steps * STEP_SECONDS, steps, weight
    )
