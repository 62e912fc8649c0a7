"""Takes with answers made by hand, for tests of calibration and evaluation."""

from collections.abc import Sequence

from audio_model.steps import STEP_SECONDS, Heard
from tests import answers
from tests.training import made
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
    seconds = len(logits) * STEP_SECONDS
    clip = made.clip(name, label, **columns)
    return HeardTake.of(clip, condition, seconds, answers.steps(logits, kinds), weight)
