"""What exceeds a bound is named, with the figure and the bound."""

from typing import Any

from training.audit.bounds import (
    MAX_AUC_ALONE,
    MAX_AUC_TOGETHER,
    MAX_CHANGED,
    exceeded,
)


def report(alone: float, together: float, changed: float) -> dict[str, Any]:
    """A nuisance, and one change."""
    by = {"level_db": {"auc": alone}, "all": {"auc": together}}
    loose = {"level_db": {"auc": 1.0}, "all": {"auc": 1.0}}
    return {
        "separability": {"raw": {"corpus": loose}, "matched": {"group": loose, "corpus": by}},
        "changes": {"a room": {"changed": changed}},
    }


def test_what_is_at_its_bound_is_within() -> None:
    assert exceeded(report(MAX_AUC_ALONE, MAX_AUC_TOGETHER, MAX_CHANGED)) == []


def test_each_excess_is_named() -> None:
    problems = exceeded(report(0.9, 0.95, 0.05))
    assert len(problems) == 3
    level, together, room = problems
    assert level.startswith("level_db")
    assert "0.90" in level
    assert "0.95" in together
    assert room == "a room changes 5.0% of the verdicts, the bound is 2%"
