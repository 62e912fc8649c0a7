"""How often each scene comes, so that the pitch of a voice does not tell its class.

Prompts are spoken by women, nearly all of them, and most live corpora hold more men. A network
that hears "a woman, therefore recorded" is right more often than not on such data, and wrong about
half of the callers. A line can't make that alike, so scenes of what is rare in a class come more
often in a pass: low recorded voices and high live ones.
"""

import numpy as np
from numpy.typing import NDArray

EDGES_HZ = (115.0, 140.0, 165.0, 195.0, 220.0)
"""The edges of the bins of pitch. Each bin has about as many clips of all corpora."""
MOST = 6.0
"""The most that a scene comes in place of once: a few voices would be learnt by heart."""


def pitch_weights(
    pitch_hz: NDArray[np.float64], label: NDArray[np.int64], strength: float
) -> NDArray[np.float64]:
    """Return how many times each scene comes in a pass, 1 in the mean of each class.

    Args:
        pitch_hz: pitch of the voice in each scene, NaN without a voice. [shape=(n_scenes,)]
        label: 1, 0 or below for neither. [shape=(n_scenes,)]
        strength: 0 leaves scenes as they were drawn; 1 gives both classes one distribution of
            pitch (the geometric mean of theirs), within ``MOST``. Values between are powers.
    """
    weights = np.ones(len(label))
    bins = np.digitize(pitch_hz, EDGES_HZ)
    voiced = np.isfinite(pitch_hz)
    of_class = [voiced & (label == each) for each in (0, 1)]
    if not all(chosen.any() for chosen in of_class):
        return weights
    shares = np.array(
        [
            np.bincount(bins[chosen], minlength=len(EDGES_HZ) + 1) / chosen.sum()
            for chosen in of_class
        ]
    )
    wanted = np.sqrt(shares.prod(axis=0))
    wanted /= wanted.sum() or 1.0
    for chosen, share in zip(of_class, shares, strict=True):
        ratio = np.divide(wanted, share, out=np.ones_like(share), where=share > 0)
        weights[chosen] = np.clip(ratio, 1 / MOST, MOST)[bins[chosen]] ** strength
        weights[chosen] /= weights[chosen].mean()
    return weights
