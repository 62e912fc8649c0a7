"""What must hold of a run, and what does not."""

from collections.abc import Mapping
from typing import Any

MAX_AUC_ALONE = 0.65
MAX_AUC_TOGETHER = 0.70
"""AUC of trees on one nuisance and on all; matched, by whole corpora. 0.5 is chance."""
MAX_CHANGED = 0.02
"""Share of verdicts that one change may change; classes count alike."""


def exceeded(report: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each bound that the figures of an audit exceed."""
    problems = []
    for name, figures in report["separability"]["matched"]["corpus"].items():
        bound = MAX_AUC_TOGETHER if name == "all" else MAX_AUC_ALONE
        if figures["auc"] > bound:
            problems.append(
                f"{name} tells the label: AUC {figures['auc']:.2f}, the bound is {bound:g}"
            )
    for change, effect in report["changes"].items():
        if effect["changed"] > MAX_CHANGED:
            problems.append(
                f"{change} changes {effect['changed']:.1%} of the verdicts, "
                f"the bound is {MAX_CHANGED:.0%}"
            )
    return problems
