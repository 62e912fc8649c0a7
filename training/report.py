"""The figures of an evaluation for people: Markdown and plots."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from audio_model.decision import DecisionRule, sigmoid
from training import metrics, plots
from training.infer import HeardTake

CONDITIONS = {"raw": "as recorded", "line": "through a simulated line"}
MIN_TAKES = 10
"""Smaller slices are in ``metrics.json`` alone: their shares say little."""
PLOTTED_SECONDS = 3.0
"""Audio heard in the DET, reliability and histogram plots."""


def as_markdown(figures: Mapping[str, Any]) -> str:
    """The whole of ``metrics.json`` as tables."""
    lines = []
    for condition, title in CONDITIONS.items():
        of = figures[condition]
        takes, groups = of["takes"], of["groups"]
        lines += [
            f"### Test sources, {title}",
            "",
            f"{takes['recorded']} takes of {groups['recorded']} recorded voices, "
            f"{takes['live']} takes of {groups['live']} live callers; sources weigh alike; "
            "95 % intervals by bootstrap over voices and callers.",
            "",
            "| audio heard | EER | miss at 1 % false alarms | at 5 % | AUC | ECE | Brier |",
            "|---|---|---|---|---|---|---|",
        ]
        for row in of["by_prefix"]:
            cells = [_percent(row[name]) for name in ("eer", "miss_at_1", "miss_at_5")]
            cells += [_number(row["auc"]), _percent(row["ece"]), _number(row["brier"])]
            lines.append(f"| {row['seconds']:g} s | " + " | ".join(cells) + " |")
        lines += ["", *_decision(of["decision"]), ""]
        for name, rows in (("corpus", of["by_corpus"]), ("language", of["by_language"])):
            lines += [
                f"| class | {name} | takes | recorded | live | unknown |",
                "|---|---|---|---|---|---|",
            ]
            for row in rows:
                if row["takes"] < MIN_TAKES:
                    continue
                kind = "recorded" if row["label"] else "live"
                shares = " | ".join(f"{row[k]:.1%}" for k in ("recorded", "live", "unknown"))
                lines.append(f"| {kind} | {row['slice'] or '-'} | {row['takes']} | {shares} |")
            lines.append("")
    tones = figures["tones"]
    lines += [
        f"Call-progress tones (neither class, {tones['takes']} takes): "
        f"{tones['unknown']:.1%} unknown, {tones['recorded']:.1%} recorded, "
        f"{tones['live']:.1%} live.",
        "",
    ]
    return "\n".join(lines)


def _decision(of: Mapping[str, Any]) -> list[str]:
    lines = [
        f"At a budget of {of['max_false_alarm']:.1%} false alarms, `recorded` is said at some "
        f"moment of {of['false_alarm']:.1%} of the live callers, and never of {of['miss']:.1%} of "
        "the recordings. At the end of the clip:",
        "",
        "| class | called recorded | live | unknown |",
        "|---|---|---|---|",
    ]
    for name, shares in of["verdicts"].items():
        cells = " | ".join(f"{shares[kind]:.1%}" for kind in ("recorded", "live", "unknown"))
        lines.append(f"| {name} | {cells} |")
    if times := of["decided_at"]:
        lines += [
            "",
            f"Decided after {times['median']:.2f} s in the median (10 % by {times['p10']:.2f} s, "
            f"90 % by {times['p90']:.2f} s).",
        ]
    return lines


def _percent(value: Mapping[str, float]) -> str:
    return f"{value['value']:.1%} ({value['low']:.1%} to {value['high']:.1%})"


def _number(value: Mapping[str, float]) -> str:
    return f"{value['value']:.3f} ({value['low']:.3f} to {value['high']:.3f})"


def draw(
    heard: Mapping[str, Sequence[HeardTake]],
    figures: Mapping[str, Any],
    rule: DecisionRule,
    run: Path,
) -> None:
    """DET curves, reliability, histogram and error by length of audio, as PNG files in ``run``."""
    curves = {}
    for condition, takes in heard.items():
        takes = [h for h in takes if len(h.steps)]
        scores = [sigmoid(float(h.log_odds(rule)[h.last_step(PLOTTED_SECONDS)])) for h in takes]
        labels, weights = [h.label for h in takes], [h.weight for h in takes]
        curves[CONDITIONS[condition]] = metrics.det_curve(scores, labels, weights)
        bins = metrics.reliability(scores, labels, weights)
        plots.reliability(bins, run / f"reliability_{condition}.png")
        plots.score_histogram(scores, labels, run / f"scores_{condition}.png")
    plots.det(curves, run / "det.png")
    rates = {}
    for condition, title in CONDITIONS.items():
        rows = figures[condition]["by_prefix"]
        for name, label in (("eer", "EER"), ("miss_at_1", "miss at 1 % false alarms")):
            rates[f"{label}, {title}"] = [row[name]["value"] for row in rows]
    seconds = [row["seconds"] for row in figures["raw"]["by_prefix"]]
    plots.error_by_prefix(seconds, rates, run / "error_by_prefix.png")
