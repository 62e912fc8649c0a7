"""Gradient-boosted trees on a few features of each clip: the shape of two rivals."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from audio_model.frontend import Samples
from training.evaluation.infer import Take
from training.rivals.rival import balanced_weights, heard


def shallow_trees(seed: int) -> HistGradientBoostingClassifier:
    """Return trees that fit a few hundred sources."""
    return HistGradientBoostingClassifier(
        max_iter=100, learning_rate=0.1, max_leaf_nodes=8, min_samples_leaf=20, random_state=seed
    )


class FeatureTrees(ABC):
    """A rival by its features. Learns from takes in every condition that it is given."""

    thresholds = None

    def __init__(self) -> None:
        self._features_of: dict[bytes, NDArray[np.float64]] = {}

    @property
    @abstractmethod
    def name(self) -> str:
        """Return the rival's name in tables."""

    @abstractmethod
    def features(self, clips: Sequence[Samples]) -> NDArray[np.float64]:
        """Return the features of clips. [shape=(n_clips, n_features)]"""

    def fit(self, takes: Sequence[Take], seed: int) -> None:
        """Fit the trees, with balanced weights."""
        features = self._remembered([take.samples for take in takes])
        labels = [take.clip.label for take in takes]
        self._trees = shallow_trees(seed)
        self._trees.fit(features, labels, sample_weight=balanced_weights(takes))

    def scores(self, clips: Sequence[Samples]) -> NDArray[np.float64]:
        """Return the trees' probabilities. [shape=(n_clips,)]"""
        return np.asarray(self._trees.predict_proba(self._remembered(clips))[:, 1])

    def _remembered(self, clips: Sequence[Samples]) -> NDArray[np.float64]:
        """Return the features of clips, computed once however often a clip is heard."""
        starts = [heard(samples) for samples in clips]
        keys = [blake2b(samples.tobytes(), digest_size=16).digest() for samples in starts]
        new = {k: s for k, s in zip(keys, starts, strict=True) if k not in self._features_of}
        if new:
            features = self.features(list(new.values()))
            self._features_of.update(zip(new, features, strict=True))
        return np.array([self._features_of[key] for key in keys])
