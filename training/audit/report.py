"""The figures of an audit for people."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from audio_model.decision import VerdictKind
from training.audit.bounds import MAX_AUC_ALONE, MAX_AUC_TOGETHER, MAX_CHANGED, changed_in_mean
from training.audit.scores import HIGH_PITCH_HZ
from training.evaluation.figures import CLASSES

WORST = 3
"""Correlations shown of each class."""


def as_markdown(report: Mapping[str, Any]) -> str:
    """The whole of ``audit.json`` as tables, and which bounds it exceeds."""
    problems = [f"- {problem}" for problem in report["exceeded"]] or ["None."]
    return "\n".join(
        [
            "### Bounds exceeded",
            "",
            *problems,
            "",
            *_separability(report["separability"]),
            *_changes(report),
            *_playback(report["folds"]),
            *_subsets(report["folds"]),
            *_pitch(report["folds"]),
            *_correlations(report["folds"]),
        ]
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(cells) + " |" for cells in (head, *rows)]
    return [lines[0], "|" + "---|" * len(head), *lines[1:], ""]


def _separability(conditions: Mapping[str, Any]) -> list[str]:
    columns = {f"{c}, by {by}": of for c, keys in conditions.items() for by, of in keys.items()}

    def row(name: str) -> list[str]:
        each = [of[name] for of in columns.values()]
        return [name, *(f"{of['auc']:.2f} ({of['eer']:.0%})" for of in each)]

    return [
        "### Can the label be told from nuisances alone?",
        "",
        "AUC (EER) of trees that learn from some groups or corpora and are asked on others. "
        f"Bounds, matched, by corpus: AUC {MAX_AUC_ALONE:g} alone, {MAX_AUC_TOGETHER:g} together.",
        "",
        *_table(
            ["nuisance", *columns],
            map(row, next(iter(columns.values()))),
        ),
    ]


def _changes(report: Mapping[str, Any]) -> list[str]:
    folds = {fold: of["changes"] for fold, of in report["folds"].items()}

    def row(name: str, mean: float) -> list[str]:
        each = [changes[name] for changes in folds.values()]
        cells = [f"{of['changed']:.1%} ({of['opposed']:.1%})" for of in each]
        moved = sum(of["score_change"] for of in each) / len(each)
        return [name, *cells, f"{mean:.1%}", f"{moved:.3f}"]

    return [
        "### One thing changed: which verdicts change?",
        "",
        "In brackets the part that goes from recorded to live or back; the rest goes into or out "
        f"of unknown. Bound: {MAX_CHANGED:.0%} in the mean of the folds.",
        "",
        *_table(
            ["change", *folds, "mean", "mean move of the score"],
            (row(name, mean) for name, mean in changed_in_mean(report).items()),
        ),
    ]


def _playback(folds: Mapping[str, Any]) -> list[str]:
    return [
        "### The same voice, live and played back",
        "",
        "Shares of verdicts of the clip and of its playback (MP3, loudspeaker, room), and the mean "
        "move of the log odds towards recorded.",
        "",
        *_table(
            ["fold", "class", "log odds", *(f"{kind} before → after" for kind in VerdictKind)],
            (
                [
                    fold,
                    name,
                    f"{of['playback'][name]['log_odds_change']:+.2f}",
                    *(
                        f"{of['playback'][name]['before'][kind]:.1%} → "
                        f"{of['playback'][name]['after'][kind]:.1%}"
                        for kind in VerdictKind
                    ),
                ]
                for fold, of in folds.items()
                for name in CLASSES
            ),
        ),
    ]


def _eer(figures: Mapping[str, Any] | None) -> str:
    if figures is None:
        return "too few sources"
    value, takes = figures["eer"], sum(figures["takes"].values())
    return f"{value['value']:.1%} ({value['low']:.1%} to {value['high']:.1%}), {takes} takes"


def _subsets(folds: Mapping[str, Any]) -> list[str]:
    return [
        "### Classes that speak as much, as loudly",
        "",
        *_table(
            ["fold", "condition", "EER of all", "EER of the matched subset"],
            (
                [fold, condition, _eer(subset["all"]), _eer(subset["subset"])]
                for fold, of in folds.items()
                for condition, subset in of["subsets"].items()
            ),
        ),
    ]


def _pitch(folds: Mapping[str, Any]) -> list[str]:
    def share(value: float | None) -> str:
        return "-" if value is None else f"{value:.1%}"

    return [
        "### Low voices and high ones",
        "",
        f"Below and from {HIGH_PITCH_HZ:g} Hz on; the last columns are the takes that were flagged "
        "as recorded at some moment.",
        "",
        *_table(
            ["fold", "condition", "voices", "EER", *CLASSES],
            (
                [fold, condition, name, _eer(of["errors"]), *map(share, of["flagged"].values())]
                for fold, figures in folds.items()
                for condition, halves in figures["pitch"].items()
                for name, of in halves.items()
            ),
        ),
    ]


def _correlations(folds: Mapping[str, Any]) -> list[str]:
    def worst(of_class: Mapping[str, float]) -> str:
        ranked = sorted(of_class.items(), key=lambda pair: -abs(pair[1]))
        return ", ".join(f"{name} {value:+.2f}" for name, value in ranked[:WORST])

    return [
        "### What the score follows within a class (Spearman)",
        "",
        *_table(
            ["fold", "condition", *CLASSES],
            (
                [fold, condition, *(worst(correlations[name]) for name in CLASSES)]
                for fold, of in folds.items()
                for condition, correlations in of["correlations"].items()
            ),
        ),
    ]
