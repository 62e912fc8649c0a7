"""Trees learn what tells the classes apart, remember features, and hear three seconds."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from audio_model.frontend import Samples
from tests import sounds
from tests.training import made
from training.evaluation.infer import Take
from training.rivals.rival import balanced_weights
from training.rivals.trees import FeatureTrees
from training.rivals.trivial import FEATURES, Trivial


def takes(n: int, *, quieter_db: float = 0.0) -> list[Take]:
    """Noise of both classes; recorded is so much quieter."""
    return [
        Take(
            made.clip(f"{label}{k}", label, source=f"{label}s{k % 5}"),
            sounds.noise(0.5, seed=k, level=0.1 * 10 ** (-quieter_db * label / 20)),
            "raw",
        )
        for k in range(n)
        for label in (0, 1)
    ]


def test_six_trivial_features_tell_a_level() -> None:
    rival = Trivial()
    rival.fit(takes(60, quieter_db=12), 0)
    quiet, loud = (sounds.noise(0.5, seed=99, level=level) for level in (0.025, 0.1))
    recorded, live = rival.scores([quiet, loud])
    assert recorded > 0.9
    assert live < 0.1
    assert len(FEATURES) == rival.features([quiet]).shape[1] == 6


def test_a_second_fit_starts_anew() -> None:
    once, twice = Trivial(), Trivial()
    twice.fit(takes(60, quieter_db=-12), 0)
    for rival in (once, twice):
        rival.fit(takes(60, quieter_db=12), 0)
    clip = [sounds.noise(0.5, seed=99)]
    np.testing.assert_array_equal(once.scores(clip), twice.scores(clip))


class Counting(FeatureTrees):
    """The mean as a feature, and how many clips it was asked for."""

    name = "counting"

    def __init__(self) -> None:
        super().__init__()
        self.longest = self.asked = 0

    def features(self, clips: Sequence[Samples]) -> NDArray[np.float64]:
        self.asked += len(clips)
        self.longest = max(self.longest, *map(len, clips))
        return np.array([[float(np.mean(np.abs(samples)))] for samples in clips])


def test_features_are_computed_once_and_of_three_seconds() -> None:
    rival = Counting()
    given = takes(30, quieter_db=6)
    rival.fit(given, 0)
    rival.fit(given, 1)
    rival.scores([given[0].samples, sounds.noise(5), sounds.noise(5)])
    assert rival.asked == 61
    assert rival.longest == 24_000
    longer, cut = sounds.noise(5), sounds.noise(5)[:24_000]
    assert rival.scores([longer])[0] == rival.scores([cut])[0]


def test_classes_and_sources_count_alike() -> None:
    of = [("a", 1)] * 3 + [("b", 1)] + [("c", 0)] * 2
    given = [
        Take(made.clip(f"{n}", label, source=source), sounds.silence(0.1), "raw")
        for n, (source, label) in enumerate(of)
    ]
    assert balanced_weights(given) == pytest.approx([0.5, 0.5, 0.5, 1.5, 1.5, 1.5])
