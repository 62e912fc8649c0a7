"""Decide whether a new rule may replace the one in use, by what its figures prove."""

from collections.abc import Mapping
from dataclasses import dataclass

from audio_model.line.judge import CHANGE, Figure

Figures = Mapping[str, Mapping[str, Figure]]


@dataclass(frozen=True)
class Condition:
    """One thing that must hold, on calls that the new rule was not chosen by."""

    text: str
    holds: bool


MIN_GROUPS = 10
"""Groups of a class from which on a bootstrap over them is to be trusted."""


def conditions(figures: Figures, budget: float, groups: tuple[int, int]) -> list[Condition]:
    """Return what must hold for a new rule to replace the old one.

    Scores must be better with confidence, so that few marks replace nothing. The false-alarm budget
    must be credible. Recordings must not be lost, unless the old rule caught them outside its
    budget.

    Args:
        figures: of calls that were held out.
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
