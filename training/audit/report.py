"""The figures of an audit for people."""

from collections.abc import Iterable, Mapping
from typing import Any

from audio_model.decision import VerdictKind
from training.audit.bounds import MAX_AUC_ALONE, MAX_AUC_TOGETHER, MAX_CHANGED
from training.audit.scores import HIGH_PITCH_HZ
from training.evaluation.figures import CLASSES, SLICE_SECONDS
from training.evaluation.report import CONDITIONS, interval, percent
from training.markdown import table

WORST = 3
"""Correlations shown of each class."""
VOICES = {"low": "low (men)", "high": "high (women)"}


def as_markdown(report: Mapping[str, Any]) -> str:
    """Return the whole of ``audit.json`` as tables, and which bounds it exceeds."""
    problems = [f"- {problem}" for problem in report["exceeded"]] or ["None."]
    sections = [
        ("Bounds exceeded", problems),
        ("Can the label be told from nuisances alone?", _separability(report["separability"])),
        ("One thing changed: which verdicts change?", _changes(report["changes"])),
        ("The same voice, live and played back", _playback(report["playback"])),
        ("Classes that speak as much, as loudly", _subsets(report["subsets"])),
        ("Low voices and high ones", [*_about_pitch(), *by_pitch(report["pitch"])]),
        ("Languages", _languages(report["language"])),
        ("What the score follows within a class (Spearman)", _correlations(report["correlations"])),
    ]
    lines = [line for title, of in sections for line in (f"### {title}", "", *of, "")]
    return "\n".join(lines)


def by_pitch(conditions: Mapping[str, Any]) -> list[str]:
    """Return one row for the low and one for the high voices of each condition."""
    return _slices(
        "voices",
        (
            (condition, VOICES[name], of)
            for condition, halves in conditions.items()
            for name, of in halves.items()
        ),
    )


def _about_pitch() -> list[str]:
    return [
        f"Below and from {HIGH_PITCH_HZ:g} Hz on. Nobody noted who is a man and who is a woman: "
        "the median pitch stands for it.",
        "",
    ]


def _languages(conditions: Mapping[str, Any]) -> list[str]:
    return _slices(
        "language",
        (
            (condition, of["slice"] or "-", of)
            for condition, rows in conditions.items()
            for of in rows
        ),
    )


def _slices(what: str, rows: Iterable[tuple[str, str, Mapping[str, Any]]]) -> list[str]:
    """Return a table of slices: errors, and the verdicts on each class at any moment."""

    def said(of: Mapping[str, Any], name: str, verdict: str) -> str:
        return percent(of["decision"][name][f"said_{verdict}"]) if name in of["decision"] else "-"

    return table(
        [
            "condition", what, "takes", f"EER after {SLICE_SECONDS:g} s",
            *("live flagged", "live said live", "recordings caught", "recordings said live"),
        ],
        (
            [
                CONDITIONS[condition], name, str(of["takes"]), interval(of["errors"], "eer"),
                *(said(of, name, verdict) for name in CLASSES for verdict in CLASSES[::-1]),
            ]
            for condition, name, of in rows
        ),
    )  # fmt: skip


def _separability(conditions: Mapping[str, Any]) -> list[str]:
    columns = {f"{c}, by {by}": of for c, keys in conditions.items() for by, of in keys.items()}

    def row(name: str) -> list[str]:
        each = [of[name] for of in columns.values()]
        return [name, *(f"{of['auc']:.2f} ({of['eer']:.0%})" for of in each)]

    return [
        "AUC (EER) of trees that learn from some groups or corpora and are asked on others. "
        f"Bounds, matched, by corpus: AUC {MAX_AUC_ALONE:g} alone, {MAX_AUC_TOGETHER:g} together.",
        "",
        *table(["nuisance", *columns], map(row, next(iter(columns.values())))),
    ]


def _changes(changes: Mapping[str, Any]) -> list[str]:
    def row(name: str, of: Mapping[str, Any]) -> list[str]:
        shares = (of["changed"], of["opposed"], *(of[each]["changed"] for each in CLASSES))
        return [name, *map(percent, shares), f"{of['score_change']:.3f}"]

    return [
        "Verdicts at the end of a clip, before and after. *Opposed* goes from recorded to live or "
        f"back; the rest goes into or out of unknown. Bound: {MAX_CHANGED:.0%} changed.",
        "",
        *table(
            ["change", "changed", "opposed", *CLASSES, "mean move of the score"],
            (row(name, of) for name, of in changes.items()),
        ),
    ]


def _playback(playback: Mapping[str, Any]) -> list[str]:
    def row(name: str) -> list[str]:
        of = playback[name]
        shares = (f"{of['before'][kind]:.1%} → {of['after'][kind]:.1%}" for kind in VerdictKind)
        return [name, f"{of['log_odds_change']:+.2f}", *shares]

    return [
        "Shares of verdicts of the clip and of its playback (MP3, loudspeaker, room), and the mean "
        "move of the log odds towards recorded.",
        "",
        *table(
            ["class", "log odds", *(f"{kind} before → after" for kind in VerdictKind)],
            map(row, CLASSES),
        ),
    ]


def _subsets(conditions: Mapping[str, Any]) -> list[str]:
    def eer(figures: Mapping[str, Any] | None) -> str:
        if figures is None:
            return "too few sources"
        return f"{interval(figures, 'eer')}, {sum(figures['takes'].values())} takes"

    return table(
        ["condition", "EER of all", "EER of the matched subset"],
        (
            [CONDITIONS[condition], eer(of["all"]), eer(of["subset"])]
            for condition, of in conditions.items()
        ),
    )


def _correlations(conditions: Mapping[str, Any]) -> list[str]:
    def worst(of_class: Mapping[str, float]) -> str:
        ranked = sorted(of_class.items(), key=lambda pair: -abs(pair[1]))
        return ", ".join(f"{name} {value:+.2f}" for name, value in ranked[:WORST])

    return table(
        ["condition", *CLASSES],
        (
            [CONDITIONS[condition], *(worst(of[name]) for name in CLASSES)]
            for condition, of in conditions.items()
        ),
    )
