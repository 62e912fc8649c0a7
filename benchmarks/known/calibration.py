"""How often each probability of a match is right, and the two numbers that would make it so."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from sklearn.linear_model import LogisticRegression

from audio_model.known.match import EVEN_ODDS_AT, ODDS_SLOPE, Match

EDGES = (0.0, 0.01, 0.1, 0.5, 0.9, 0.99, 1.01)

Twins = frozenset[frozenset[str]]
"""Pairs of recordings, by their names, which match as they are and as a whole."""


@dataclass(frozen=True)
class Told:
    """What a query was told."""

    asked: str
    """The recording that it was cut from."""
    match: Match
    right: bool

    def is_of(self, twins: Twins) -> bool:
        """Return whether the match is of one of some pairs."""
        return frozenset((self.asked, self.match.recording.name)) in twins


def fit(told: Sequence[Told]) -> tuple[float, float]:
    """Fit a logistic regression of what is right on what a match is worth.

    Returns:
        the slope of the log odds, and the worth at which odds are even.
    """
    worth = np.array([[one.match.worth] for one in told])
    # Without a penalty, as Platt (1999) fits it.
    model = LogisticRegression(C=np.inf).fit(worth, [one.right for one in told])
    slope = float(model.coef_[0, 0])
    return slope, float(-model.intercept_[0] / slope)


def print_reliability(told: Sequence[Told], twins: Twins) -> None:
    """Print how often each probability was right, of all queries and without those of twins."""
    others = [one for one in told if not one.is_of(twins)]
    print(
        "\neach query asked for its recording, and for the likeliest of all others; without those "
        f"of {len(twins)} pairs of recordings that match as a whole, unless they are right"
    )
    print("\n| probability told | queries | told on average | right | right, with those pairs |")
    print("|---|---|---|---|---|")
    for low, high in pairwise(EDGES):
        means = []
        for which in (others, told):
            within = [
                (one.match.probability, one.right)
                for one in which
                if low <= one.match.probability < high
            ]
            means.append((len(within), *(np.mean(within, axis=0) if within else (0.0, 0.0))))
        (n, mean, right), (n_all, _, right_all) = means
        if n_all:
            print(f"| {low:g} to {high:g} | {n} | {mean:.3f} | {right:.3f} | {right_all:.3f} |")


def print_fit(told: Sequence[Told], twins: Twins) -> None:
    """Print the two numbers of the probability as they are, and as these queries would have them.

    Twins are left out: that an engine's voices read one text alike says nothing of a worth.
    """
    slope, even = fit([one for one in told if not one.is_of(twins)])
    print(f"\nODDS_SLOPE = {slope:.1f}, EVEN_ODDS_AT = {even:.4f}", end="")
    print(f" (they are {ODDS_SLOPE:g} and {EVEN_ODDS_AT:g})")
