"""The table of rivals: fitted on training takes, measured on the clips that judge a run."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audio_model.fitting import metrics
from audio_model.fitting.metrics import corpus_weights
from training.data.manifest import Clip
from training.evaluation.figures import EVERY_METRIC, Figures, Groups
from training.evaluation.infer import Take
from training.evaluation.report import percent
from training.markdown import table
from training.rivals.amd import Amd
from training.rivals.pauses import Pauses
from training.rivals.plain_cnn import PlainCnn
from training.rivals.published import PUBLISHED
from training.rivals.rival import SECONDS, Rival
from training.rivals.trivial import Trivial

ERRORS = ("eer", "miss_at_1")
ALL = "all"
"""Name of all corpora together, beside the groups."""


def all_rivals() -> list[Rival]:
    """Return all rivals."""
    return [Amd(), Trivial(), Pauses(), PlainCnn()]


def compare(
    rivals: Sequence[Rival],
    train: Sequence[Take],
    judged: Sequence[Take],
    groups: Groups,
    *,
    seed: int,
    draws: int,
) -> Figures:
    """Return figures of each rival, by its name, the condition and the group of corpora.

    Rivals learn from ``train`` in all its conditions; the plain CNN learns from clips as recorded.
    All takes are labelled. The figures are plain data.
    """
    figures: Figures = {}
    for rival in rivals:
        rival.fit(train, seed)
        figures[rival.name] = {}
        for condition, takes in by_condition(judged).items():
            scores = rival.scores([take.samples for take in takes])
            row = figures_by_group(takes, scores, groups, draws)
            if rival.thresholds is not None:
                row["decides"] = decides(takes, scores, *rival.thresholds)
            figures[rival.name][condition] = row
    return figures


def by_condition(takes: Sequence[Take]) -> dict[str, list[Take]]:
    """Sort takes by their condition."""
    groups: dict[str, list[Take]] = defaultdict(list)
    for take in takes:
        groups[take.condition].append(take)
    return groups


def weights_of(clips: Sequence[Clip]) -> NDArray[np.float64]:
    """Return weights: within a class corpora count alike, and within a corpus its sources."""
    return corpus_weights([f"{c.label}/{c.corpus}" for c in clips], [c.source for c in clips])


def figures_by_group(
    takes: Sequence[Take], scores: NDArray[np.float64], groups: Groups, draws: int
) -> Figures:
    """Return EER and misses of all takes and of each group, with 95 % intervals.

    Intervals are over voices and callers. A group of one class is measured against the whole other
    class, and one without takes is left out. The takes are labelled.
    """
    every = {name for corpora in groups.values() for name in corpora}
    figures: Figures = {}
    for name, corpora in ({ALL: every} | dict(groups)).items():
        inside = np.array([name == ALL or take.clip.corpus in corpora for take in takes])
        labels = np.array([take.clip.label for take in takes])
        if not inside.any():
            continue
        present = set(labels[inside].tolist())
        chosen = np.flatnonzero(inside | ~np.isin(labels, list(present))).tolist()
        clips = [takes[n].clip for n in chosen]
        if {clip.label for clip in clips} != {0, 1}:
            continue
        of = scores[chosen], labels[chosen]
        weight, group = weights_of(clips), [clip.group for clip in clips]
        figures[name] = {"takes": len(clips)}
        for error in ERRORS:
            metric = EVERY_METRIC[error]
            low, high = metrics.bootstrap(metric, *of, group, weight, n=draws)
            figures[name][error] = {"value": metric(*of, weight), "low": low, "high": high}
    return figures


def decides(
    takes: Sequence[Take], scores: NDArray[np.float64], live_at: float, recorded_at: float
) -> Figures:
    """Return the decisions of a rival with a rule of its own."""
    labels = np.array([take.clip.label for take in takes])
    weights = weights_of([take.clip for take in takes])

    def share(which: NDArray[np.bool_], label: int) -> float:
        return float(np.average(which[labels == label], weights=weights[labels == label]))

    unsure = (scores > live_at) & (scores < recorded_at)
    return {
        "false_alarm": share(scores >= recorded_at, 0),
        "miss": share(scores < recorded_at, 1),
        "unsure_live": share(unsure, 0),
        "unsure_recorded": share(unsure, 1),
    }


def as_markdown(figures: Mapping[str, Figures]) -> str:
    """Return tables of the figures of :func:`compare`."""
    lines: list[str] = []
    conditions = next(iter(figures.values()))
    for condition, groups in conditions.items():
        names = [name for name in groups if name != "decides"]
        lines += [f"### {condition}, {SECONDS:g} s of audio: EER / miss at 1 % false alarms", ""]
        rows = [
            [rival, *(_cell(of[condition][name]) for name in names)]
            for rival, of in figures.items()
        ]
        lines += [*table(["", *names], rows), ""]
    rows = [
        [name, condition, *map(percent, of["decides"].values())]
        for name, conditions in figures.items()
        for condition, of in conditions.items()
        if "decides" in of
    ]
    head = ["by its own rule", "", "false alarms", "misses", "unsure of live", "of recordings"]
    note = "AMD's rules expect a callee's short greeting; these are callers who go on speaking."
    lines += [*table(head, rows), "", note, ""]
    lines += ["### Measured elsewhere, by others, on other calls", ""]
    published = [[each.who, each.figures, each.source] for each in PUBLISHED]
    return "\n".join([*lines, *table(["who", "figures", "source"], published), ""])


def _cell(of: Mapping[str, Any]) -> str:
    eer, miss = of["eer"], of["miss_at_1"]
    return f"{eer['value']:.1%} ({eer['low']:.0%} to {eer['high']:.0%}) / {miss['value']:.0%}"
