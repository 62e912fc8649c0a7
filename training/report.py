"""The figures of an evaluation for people: Markdown and plots."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from training import metrics, plots
from training.figures import CLASSES, SLICE_SECONDS, weights
from training.judge import JudgedTake

CONDITIONS = {
    "raw": "as recorded",
    "matched": "matched channel",
    "line": "random lines",
}
MIN_TAKES = 10
"""Smaller slices are in ``metrics.json`` alone: their shares say little."""
ERROR_COLUMNS = {
    "eer": "EER",
    "miss_at_0.1": "miss at 0.1 % false alarms",
    "miss_at_1": "at 1 %",
    "miss_at_5": "at 5 %",
    "auc": "AUC",
    "ece": "ECE",
    "brier": "Brier",
}
PLAIN_NUMBERS = ("auc", "brier")


def as_markdown(measured: Mapping[str, Any], parts: Collection[str] | None = None) -> str:
    """``metrics.json`` as tables: an overview, then the details of some parts, by default all."""
    lines = [
        *_overview(measured),
        "Values in brackets are 95 % intervals by bootstrap over voices and callers; classes, and "
        "the sources within a class, count alike.",
        "",
    ]
    for part, of in measured.items():
        if parts is not None and part not in parts:
            continue
        for condition, title in CONDITIONS.items():
            lines += _condition(f"{part}, {title}", of[condition])
        lines += [f"### {part}, by codec and noise ({SLICE_SECONDS:g} s, matched channel)", ""]
        lines += _slices(of["slices"])
        tones = of["tones"]
        lines += [
            f"Call-progress tones (neither class, {tones['takes']} takes): "
            f"{tones['unknown']:.1%} unknown, {tones['recorded']:.1%} recorded, "
            f"{tones['live']:.1%} live.",
            "",
        ]
    return "\n".join(lines)


def _overview(measured: Mapping[str, Any]) -> list[str]:
    lines = [
        f"### After {SLICE_SECONDS:g} s",
        "",
        "| sources | condition | live callers | recorded voices | EER | miss at 1 % false alarms "
        "| ECE | decided at (median) | of live flagged | of recordings flagged |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for part, of in measured.items():
        for condition, title in CONDITIONS.items():
            row = at(of[condition]["by_prefix"], SLICE_SECONDS)
            decision = of[condition]["decision"]
            groups = of[condition]["groups"]
            cells = [_value(row, name) for name in ("eer", "miss_at_1", "ece")]
            recorded, live = decision.get("recorded"), decision.get("live")
            times = recorded and recorded["decided_at"]
            cells.append(f"{times['median']:.2f} s" if times else "-")
            cells += [
                f"{of_class['flagged']:.1%}" if of_class else "-" for of_class in (live, recorded)
            ]
            named = [part, title, str(groups["live"]), str(groups["recorded"])]
            lines.append("| " + " | ".join([*named, *cells]) + " |")
    return [*lines, ""]


def at(rows: Sequence[Mapping[str, Any]], seconds: float) -> Mapping[str, Any] | None:
    """The row of a length of audio, if it was measured."""
    return next((row for row in rows if row["seconds"] == seconds), None)


def _condition(title: str, of: Mapping[str, Any]) -> list[str]:
    groups = of["groups"]
    lines = [
        f"### {title}",
        "",
        f"{groups['recorded']} recorded voices, {groups['live']} live callers.",
        "",
        "| audio heard | takes | " + " | ".join(ERROR_COLUMNS.values()) + " |",
        "|---" * (len(ERROR_COLUMNS) + 2) + "|",
    ]
    for row in of["by_prefix"]:
        cells = [_value(row, name) for name in ERROR_COLUMNS]
        takes = "/".join(str(row["takes"][name]) for name in reversed(CLASSES))
        lines.append(f"| {row['seconds']:g} s | {takes} | " + " | ".join(cells) + " |")
    lines += ["", *_decision(of["decision"]), ""]
    for name, rows in (("corpus", of["by_corpus"]), ("language", of["by_language"])):
        lines += [
            f"| class | {name} | takes | recorded | live | unknown | EER | miss at 1 % |",
            "|---|---|---|---|---|---|---|---|",
        ]
        for row in rows:
            if row["takes"] < MIN_TAKES:
                continue
            shares = [f"{row[k]:.1%}" for k in ("recorded", "live", "unknown")]
            errors = [_value(row["errors"], k) for k in ("eer", "miss_at_1")]
            cells = [CLASSES[row["label"]], row["slice"] or "-", str(row["takes"])]
            lines.append("| " + " | ".join([*cells, *shares, *errors]) + " |")
        lines.append("")
    return lines


def _decision(of: Mapping[str, Any]) -> list[str]:
    lines = [
        "| class | flagged at some moment | at the end recorded | live | unknown "
        "| decided at (10 %, median, 90 %) | decided by 1 s | 1.5 s | 2 s | 3 s |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, row in of.items():
        cells = [f"{row[kind]:.1%}" for kind in ("flagged", "recorded", "live", "unknown")]
        times = row["decided_at"]
        quantiles = ("p10", "median", "p90")
        cells.append(", ".join(f"{times[k]:.2f} s" for k in quantiles) if times else "-")
        cells += [f"{row['decided_by'][key]:.1%}" for key in ("1", "1.5", "2", "3")]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def _slices(of: Mapping[str, Any]) -> list[str]:
    if not of:
        return []
    lines = [
        "| condition | EER | miss at 1 % false alarms | of live flagged | of recordings flagged |",
        "|---|---|---|---|---|",
    ]
    for name, row in of.items():
        cells = [_value(row["errors"], k) for k in ("eer", "miss_at_1")]
        flagged = [row["decision"].get(k) for k in CLASSES]
        cells += [f"{of_class['flagged']:.1%}" if of_class else "-" for of_class in flagged]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return [*lines, ""]


def _value(row: Mapping[str, Any] | None, name: str) -> str:
    if row is None:
        return "-"
    shown = "{:.3f}" if name in PLAIN_NUMBERS else "{:.1%}"
    value, low, high = (shown.format(row[name][key]) for key in ("value", "low", "high"))
    return f"{value} ({low} to {high})"


def draw(
    judged: Mapping[str, Sequence[JudgedTake]], measured: Mapping[str, Any], run: Path
) -> None:
    """DET curves, reliability, histogram and error by length of audio, as PNG files in ``run``.

    Args:
        judged: the takes of all parts, by condition.
    """
    curves = {}
    for condition, title in CONDITIONS.items():
        takes = judged[condition]
        scores = [take.score(SLICE_SECONDS) for take in takes]
        labels = [take.heard.label for take in takes]
        weight = weights(takes)
        curves[title] = metrics.det_curve(scores, labels, weight)
        bins = metrics.reliability(scores, labels, weight)
        plots.reliability(bins, run / f"reliability_{condition}.png")
        plots.score_histogram(scores, labels, run / f"scores_{condition}.png")
    plots.det(curves, run / "det.png")
    rates = {}
    seconds: list[float] = []
    of = list(measured.values())[-1]
    for condition, title in CONDITIONS.items():
        rows = of[condition]["by_prefix"]
        seconds = max(seconds, [row["seconds"] for row in rows], key=len)
        rates[f"EER, {title}"] = [row["eer"]["value"] for row in rows]
    plots.error_by_prefix(seconds, rates, run / "error_by_prefix.png")
