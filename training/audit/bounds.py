"""What must hold of a run, and what does not."""

from collections.abc import Mapping
from typing import Any

import numpy as np

MAX_AUC_ALONE = 0.65
MAX_AUC_TOGETHER = 0.70
"""Of trees on one nuisance and on all; matched, by whole corpora. 0.5 is chance."""
MAX_CHANGED = 0.02
"""Share of verdicts that one change may change, in the mean of the folds."""


def exceeded(report: Mapping[str, Any]) -> list[str]:
    """A sentence for each bound that the figures of an audit exceed."""
    problems = []
    for name, figures in report["separability"]["matched"]["corpus"].items():
        bound = MAX_AUC_TOGETHER if name == "all" else MAX_AUC_ALONE
        if figures["auc"] > bound:
            problems.append(
                f"{name} tells the label: AUC {figures['auc']:.2f}, the bound is {bound:g}"
            )
    for change, rate in changed_in_mean(report).items():
        if rate > MAX_CHANGED:
            problems.append(
                f"{change} changes {rate:.1%} of the verdicts, the bound is {MAX_CHANGED:.0%}"
            )
    return problems


def changed_in_mean(report: Mapping[str, Any]) -> dict[str, float]:
    """The share of verdicts that each change changes, folds alike."""
    folds = report["folds"].values()
    names = next(iter(folds))["changes"]
    return {
        name: float(np.mean([fold["changes"][name]["changed"] for fold in folds])) for name in names
    }
