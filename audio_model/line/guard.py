"""Decide whether a new rule may replace the one in use, by what its figures prove."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from audio_model.fitting.answer import Answer
from audio_model.line.judge import (
    CHANGE,
    CONTRADICTED,
    DRAWS,
    Figure,
    Judged,
    figures_of,
    most_contradicted,
)

Figures = Mapping[str, Mapping[str, Figure]]


@dataclass(frozen=True)
class Condition:
    """One thing that must hold, on calls that the new rule was not chosen by."""

    text: str
    holds: bool


MIN_GROUPS = 10
"""Groups of a class from which on a bootstrap over them is to be trusted."""


def without_contradicted(
    answers: Sequence[Answer], sides: Mapping[str, Judged], draws: int = DRAWS
) -> Figure:
    """Return the change of the log loss without the groups that scores contradict most."""
    kept = np.delete(np.arange(len(answers)), most_contradicted(answers, sides))
    of_kept = {name: judged.some(kept) for name, judged in sides.items()}
    figures = figures_of([answers[n] for n in kept.tolist()], of_kept, draws, ("log_loss",))
    return figures["log_loss"][CHANGE]


def conditions(
    figures: Figures, uncontradicted: Figure, budget: float, groups: tuple[int, int]
) -> list[Condition]:
    """Return what must hold for a new rule to replace the old one.

    Scores must be better with confidence, so that few marks replace nothing, and not for the sake
    of marks that may be wrong. The false-alarm budget must be credible. Recordings must not be
    lost, unless the old rule caught them outside its budget.

    Args:
        figures: the figures of calls that were held out.
        uncontradicted: what :func:`without_contradicted` gives.
        budget: share of live callers who may be called recorded.
        groups: how many of live callers and of recordings there are.
    """
    loss, flagged = figures["log_loss"][CHANGE], figures["live_flagged"]
    caught = figures["recordings_caught"][CHANGE]
    old_breaks = flagged["before"]["low"] > budget
    return [
        Condition(
            f"at least {MIN_GROUPS} callers and {MIN_GROUPS} sources of recordings: "
            f"{groups[0]} and {groups[1]}",
            min(groups) >= MIN_GROUPS,
        ),
        Condition(f"scores are better with confidence: log loss {_signed(loss)}", loss["high"] < 0),
        Condition(
            f"so they are without the {CONTRADICTED:.0%} of the sources that they contradict most, "
            f"whose marks may be wrong: log loss {_signed(uncontradicted)}",
            uncontradicted["high"] < 0,
        ),
        Condition(
            f"live callers flagged agree with the budget of {budget:.2%}: "
            f"{_rate(flagged['after'])}",
            flagged["after"]["low"] <= budget,
        ),
        Condition(
            "recordings caught are not fewer with confidence: "
            f"{100 * caught['value']:+.1f} points ({100 * caught['low']:+.1f} to "
            f"{100 * caught['high']:+.1f})" + (", of a rule that broke its budget" * old_breaks),
            caught["high"] >= 0 or old_breaks,
        ),
    ]


def _signed(figure: Figure) -> str:
    return f"{figure['value']:+.3f} ({figure['low']:+.3f} to {figure['high']:+.3f})"


def _rate(figure: Figure) -> str:
    return f"{figure['value']:.1%} ({figure['low']:.1%} to {figure['high']:.1%})"
