"""Six trivial features: what a clip's line and file give away, and its share of speech.

No way to tell presence, but on corpora that differ in them it looks like one. A detector that is
not well ahead of this has learnt the corpora.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from audio_model.frontend import Samples
from training.data import nuisance
from training.rivals.trees import FeatureTrees

FEATURES = ("level_db", "floor_db", "zeros", "low_band_db", "high_band_db", "speech_share")
COLUMNS = [nuisance.NAMES.index(name) for name in FEATURES]


class Trivial(FeatureTrees):
    """Trees on six trivial features."""

    name = "six trivial features, trees"

    def features(self, clips: Sequence[Samples]) -> NDArray[np.float64]:
        """Return the six features. [shape=(n_clips, 6)]"""
        return nuisance.table(clips)[:, COLUMNS]
