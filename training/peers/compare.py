"""The table of peers: fitted on a fold's training takes, measured on what it holds out."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training import metrics
from training.figures import EVERY_METRIC
from training.infer import Take
from training.metrics import source_weights
from training.peers.amd import Amd
from training.peers.pauses import Pauses
from training.peers.peer import SECONDS, Peer
from training.peers.plain_cnn import PlainCnn
from training.peers.published import PUBLISHED
from training.peers.trivial import Trivial

Figures = dict[str, Any]
TITLES = {
    "eer": "EER",
    "miss_at_1": "Miss at 1 % false alarms",
    "miss_at_5": "Miss at 5 % false alarms",
}


def all_peers() -> list[Peer]:
    return [Amd(), Trivial(), Pauses(), PlainCnn()]


def compare(
    peers: Sequence[Peer],
    train: Sequence[Take],
    held_out: Sequence[Take],
    *,
    seed: int,
    draws: int,
) -> Figures:
    """Figures of each peer in each condition of the held-out takes, by name.

    Peers learn from ``train`` in all its conditions, but for the plain CNN, which knows of none.
    All takes are labelled. Plain data.
    """
    figures: Figures = {}
    for peer in peers:
        peer.fit(train, seed)
        figures[peer.name] = {
            condition: figures_of(peer, takes, draws)
            for condition, takes in by_condition(held_out).items()
        }
    return figures


def by_condition(takes: Sequence[Take]) -> dict[str, list[Take]]:
    groups: dict[str, list[Take]] = defaultdict(list)
    for take in takes:
        groups[take.condition].append(take)
    return groups


def figures_of(peer: Peer, takes: Sequence[Take], draws: int) -> Figures:
    """Figures of a fitted peer in one condition; ``decides`` if it has a rule of its own."""
    scores = peer.scores([take.samples for take in takes])
    figures = score_figures(takes, scores, draws)
    if peer.thresholds is not None:
        live_at, recorded_at = peer.thresholds
        labels = np.array([take.clip.label for take in takes])
        weights = source_weights([take.clip.source for take in takes])

        def share(which: NDArray[np.bool_], label: int) -> float:
            return float(np.average(which[labels == label], weights=weights[labels == label]))

        unsure = (scores > live_at) & (scores < recorded_at)
        figures["decides"] = {
            "false_alarm": share(scores >= recorded_at, 0),
            "miss": share(scores < recorded_at, 1),
            "unsure_live": share(unsure, 0),
            "unsure_recorded": share(unsure, 1),
        }
    return figures


def score_figures(takes: Sequence[Take], scores: NDArray[np.float64], draws: int) -> Figures:
    """EER and misses of scores, high = recorded, with 95 % intervals over groups.

    Sources count alike within a class. The takes are labelled and in one condition.
    """
    labels = np.array([take.clip.label for take in takes])
    groups = [take.clip.group for take in takes]
    weights = source_weights([take.clip.source for take in takes])
    figures: Figures = {"takes": len(takes)}
    for name in TITLES:
        metric = EVERY_METRIC[name]
        low, high = metrics.bootstrap(metric, scores, labels, groups, weights, n=draws)
        figures[name] = {"value": metric(scores, labels, weights), "low": low, "high": high}
    return figures


def as_markdown(folds: Mapping[str, Figures]) -> str:
    """Tables of the figures of :func:`compare` for each fold, by the fold's name."""
    by_fold = list(folds.values())
    lines = []
    for condition in next(iter(by_fold[0].values())):
        lines += [f"### {condition}, {SECONDS:g} s of audio", ""]
        for metric, title in TITLES.items():
            lines += [
                f"| {title} | " + " | ".join(folds) + " | mean |",
                "|---" * (len(folds) + 2) + "|",
            ]
            for name in by_fold[0]:
                cells = [figures[name][condition][metric] for figures in by_fold]
                mean = np.mean([cell["value"] for cell in cells])
                shown = [f"{c['value']:.1%} ({c['low']:.1%} to {c['high']:.1%})" for c in cells]
                lines.append(f"| {name} | " + " | ".join([*shown, f"{mean:.1%}"]) + " |")
            lines.append("")
        lines += _decisions(folds, condition)
    lines += ["### Measured elsewhere, by others, on other calls", ""]
    lines += ["| who | figures | source |", "|---|---|---|"]
    lines += [f"| {each.who} | {each.figures} | {each.source} |" for each in PUBLISHED]
    return "\n".join([*lines, ""])


def _decisions(folds: Mapping[str, Figures], condition: str) -> list[str]:
    """What the peers with a rule of their own decide, or nothing."""
    rows = [
        f"| {name} | {fold} | {of['false_alarm']:.1%} | {of['miss']:.1%} "
        f"| {of['unsure_live']:.1%} | {of['unsure_recorded']:.1%} |"
        for fold, figures in folds.items()
        for name, conditions in figures.items()
        if (of := conditions[condition].get("decides"))
    ]
    if not rows:
        return []
    head = "| by its own rule | fold | false alarms | misses | unsure of live | of recorded |"
    note = "AMD's rules expect a callee's short greeting; these are callers who go on speaking."
    return [head, "|---|---|---|---|---|---|", *rows, "", note, ""]
