"""How far a call and a recording wander about each other's time, as far as their codes tell.

Samples that are played keep their time. A voice that says the same again wanders, if ever so
little, and a synthetic one that was made from other text before and behind does, too.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

WANDER_STEPS = 5
WANDER_CODES = 9
LEAST_RISE = 0.03
MAX_WRONG = 0.25
"""Wander is told from the bits that are wrong up to so many steps of 16 ms before and behind the
alignment, in means over so many codes (0.7 s). Pieces with a larger share of wrong bits, such as a
name in a template, say nothing of time.
"""


def wander_of(
    wrong: NDArray[np.float64],
    telling: NDArray[np.bool_],
    parts: Sequence[slice],
    rest: NDArray[np.float64] | None = None,
    untold: float = 0.0,
) -> float:
    """Return how far a stretch wanders about its alignment.

    Args:
        wrong: share of wrong bits, some codes before and behind each position.
            [shape=(n_positions, 2 * WANDER_STEPS + 1)]
        telling: which positions have evidence for all of that.
        parts: positions of each piece that tell its time.
        rest: what rounding left of a drift at each position, in codes.
        untold: returned if no piece is long enough to tell.
    """
    before = wrong[:, :WANDER_STEPS].mean(axis=1)
    here = wrong[:, WANDER_STEPS]
    behind = wrong[:, WANDER_STEPS + 1 :].mean(axis=1)
    aside = behind - before
    if rest is not None:
        # Rounding moves the codes about their time: what goes along with it is no wander.
        rest = rest - rest[telling].mean() if telling.any() else rest
        moved = float(rest[telling] @ aside[telling])
        aside = aside - rest * moved / max(float(rest[telling] @ rest[telling]), 1e-9)
    window = np.full(WANDER_CODES, 1 / WANDER_CODES)
    squares, rises = [], []
    for part in parts:
        chosen = part.start + np.flatnonzero(telling[part])
        if len(chosen) < WANDER_CODES:
            continue
        # A name spoken into a template agrees nowhere, and says nothing of time.
        agreeing = np.convolve(here[chosen], window, "valid") <= MAX_WRONG
        if not agreeing.any():
            continue
        means = np.convolve(aside[chosen], window, "valid")[agreeing]
        squares.append((means - means.mean()) ** 2)
        rises.append(((before + behind) / 2 - here)[chosen])
    if not squares:
        return untold
    # Wrong bits rise alike on both sides of the true time, so that their difference tells it.
    rise = max(float(np.concatenate(rises).mean()), LEAST_RISE)
    return float(np.sqrt(np.concatenate(squares).mean())) / (2 * rise)
