"""The network's scores against the nuisances: matched subsets, pitch and correlations.

All take judged takes and a :func:`training.data.nuisance.table` of what was heard, row for row.
"""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from training.data import nuisance
from training.evaluation.figures import CLASSES, SLICE_SECONDS, Figures, after, of_slice
from training.evaluation.judge import JudgedTake

CELLS = {"speech_share": 0.05, "level_db": 3.0}
"""Takes match that lie in one cell of this size."""
HIGH_PITCH_HZ = 160.0
"""A pitch between the means of men's and women's speech, about 120 and 200 Hz.

Source: Titze, "Principles of Voice Production", 1994.
"""


def matched_subset(takes: Sequence[JudgedTake], table: NDArray[np.float64], draws: int) -> Figures:
    """Return error rates of all takes, and of a subset that matches in speech and loudness.

    Coarsened exact matching (Iacus, King and Porro, "Causal inference without balance checking",
    2012): each cell gives as many takes of one class as of the other. A figure with too few sources
    is None.
    """
    columns = table[:, [nuisance.NAMES.index(name) for name in CELLS]]
    cells: dict[tuple[int, ...], tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for number, place in enumerate(np.floor(columns / list(CELLS.values())).astype(int)):
        cells[tuple(place.tolist())][takes[number].heard.label].append(number)
    rng = np.random.default_rng(0)
    subset = [
        takes[number]
        for classes in cells.values()
        for of_class in classes
        for number in rng.permutation(of_class)[: min(map(len, classes))].astype(int)
    ]
    return {
        name: after(chosen, SLICE_SECONDS, draws)
        for name, chosen in (("all", takes), ("subset", subset))
    }


def by_pitch(takes: Sequence[JudgedTake], table: NDArray[np.float64], draws: int) -> Figures:
    """Return figures among low voices and among high ones, which stand for men and for women.

    Most prompts are spoken by women. Where the score follows the pitch, rates over all voices look
    better than those within either half, and the false alarms fall on women.
    """
    pitch = table[:, nuisance.NAMES.index("pitch_hz")]
    return {
        name: of_slice([t for t, is_in in zip(takes, within, strict=True) if is_in], [], draws)
        for name, within in (("low", pitch < HIGH_PITCH_HZ), ("high", pitch >= HIGH_PITCH_HZ))
    }


def correlations(takes: Sequence[JudgedTake], table: NDArray[np.float64]) -> Figures:
    """Return Spearman's rank correlation of the scores with each nuisance, within each class.

    A nuisance that is the same for the whole class correlates with nothing: 0. The corpora of a
    class differ in nuisances and in how clear they are, so a correlation is a hint and no proof.
    """
    scores = np.array([take.score(SLICE_SECONDS) for take in takes])
    labels = np.array([take.heard.label for take in takes])
    return {
        of: {
            name: spearman(scores[labels == label], column[labels == label])
            for name, column in zip(nuisance.NAMES, table.T, strict=True)
        }
        for label, of in enumerate(CLASSES)
    }


def spearman(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Return Spearman's rank correlation; 0 for constants."""
    return float(spearmanr(a, b).statistic) if np.ptp(a) and np.ptp(b) else 0.0
