"""The figures of an evaluation for people: Markdown and plots."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from audio_model.fitting import metrics
from training.evaluation import plots
from training.evaluation.figures import CLASSES, SLICE_SECONDS, weights
from training.evaluation.judge import ENOUGH_VOICE_SECONDS, JudgedTake
from training.markdown import table

CONDITIONS = {
    "raw": "as recorded",
    "matched": "matched channel",
    "line": "random lines",
}
MIN_CLIPS = 10
"""Smaller slices are in ``metrics.json`` alone: their shares say little."""
ERRORS = {"eer": "EER", "miss_at_1": "miss at 1 %", "miss_at_5": "at 5 %"}
NOTE = (
    "Values in brackets are 95 % intervals by bootstrap over voices and callers. Classes count "
    "alike, then corpora, then sources. Misses are read at that share of false alarms."
)


def as_markdown(measured: Mapping[str, Any]) -> str:
    """Return the whole of ``metrics.json`` as tables."""
    conditions = measured["conditions"]
    lines = [*overview(conditions), "", NOTE, ""]
    lines += [f"### By group of corpora, after {SLICE_SECONDS:g} s", "", *by_group(conditions), ""]
    lines += ["### By language", "", *by_language(conditions), ""]
    lines += ["### By seconds heard", "", *by_prefix(conditions), ""]
    lines += ["### By seconds of voice", "", *by_voice(conditions), ""]
    lines += ["### Verdicts", "", *verdicts(conditions), ""]
    lines += ["### By codec and noise (matched channel)", "", *slices(measured["slices"]), ""]
    for condition, title in CONDITIONS.items():
        lines += [f"### Corpora, {title}", "", *by_corpus(conditions[condition]), ""]
    return "\n".join([*lines, tones(measured["tones"]), ""])


def percent(value: float | None, digits: int = 1) -> str:
    """Return a share as text; a dash for none."""
    return "-" if value is None else f"{value:.{digits}%}"


def interval(row: Mapping[str, Any] | None, name: str) -> str:
    """Return a metric with its interval; a dash where there is none."""
    if row is None:
        return "-"
    of = row[name]
    return f"{of['value']:.1%} ({of['low']:.0%} to {of['high']:.0%})"


def overview(conditions: Mapping[str, Any]) -> list[str]:
    """Return one row a condition: errors of the score, and shares of verdicts."""
    rows = []
    for condition, title in CONDITIONS.items():
        of = conditions[condition]["all"]
        live, recorded = (of["decision"][name] for name in CLASSES)
        first = recorded["first_at"]
        unknown = [each["unknown_of_enough_voice"] for each in (live, recorded)]
        rows.append([
            title,
            *(interval(of["errors"], name) for name in ("eer", "miss_at_1", "ece")),
            percent(live["said_recorded"]),
            percent(recorded["said_recorded"]),
            percent(live["live"]),
            percent(recorded["said_live"]),
            "-" if None in unknown else percent(sum(unknown) / 2),
            f"{first['median']:.2f} s" if first else "-",
        ])  # fmt: skip
    head = [
        f"after {SLICE_SECONDS:g} s", "EER", "miss at 1 %", "ECE",
        "live flagged", "recordings caught", "live said live", "recordings said live",
        f"unknown of {ENOUGH_VOICE_SECONDS:g} s of voice", "first decision (median)",
    ]  # fmt: skip
    return table(head, rows)


def _titles(names: Iterable[str]) -> list[str]:
    return [f"{error}, {CONDITIONS[name]}" for name in names for error in list(ERRORS.values())[:2]]


def by_group(conditions: Mapping[str, Any]) -> list[str]:
    """Return one row a group of corpora: EER and misses, as recorded and matched."""
    return _each_slice(conditions, "by_group")


def by_language(conditions: Mapping[str, Any], most: int | None = None) -> list[str]:
    """Return one row a language that both classes speak.

    There are at ``most`` so many: those with most clips.
    """
    return _each_slice(conditions, "by_language", most)


def _each_slice(conditions: Mapping[str, Any], key: str, most: int | None = None) -> list[str]:
    chosen = ("raw", "matched")
    raw, matched = ({row["slice"]: row for row in conditions[name][key]} for name in chosen)
    measured = [
        (row, matched[name])
        for name, row in raw.items()
        if row["errors"] and name in matched and matched[name]["errors"]
    ]
    shown = sorted(measured, key=lambda pair: -pair[0]["clips"])[:most]
    rows = [
        [
            pair[0]["slice"] or "not noted",
            str(pair[0]["clips"]),
            *(interval(of["errors"], error) for of in pair for error in ("eer", "miss_at_1")),
        ]
        for pair in measured
        if pair in shown
    ]
    return table(["", "clips", *_titles(chosen)], rows)


def by_prefix(conditions: Mapping[str, Any]) -> list[str]:
    """Return one row a length of audio, with the EER in each condition."""
    return _lengths(conditions, "by_prefix")


def by_voice(conditions: Mapping[str, Any]) -> list[str]:
    """Return one row a length of voice, with the EER in each condition."""
    return _lengths(conditions, "by_voice")


def _lengths(conditions: Mapping[str, Any], key: str) -> list[str]:
    values = {name: {row["seconds"]: row for row in conditions[name][key]} for name in CONDITIONS}
    seconds = sorted({each for rows in values.values() for each in rows})
    rows = [
        [f"{each:g} s", *(interval(of.get(each), "eer") for of in values.values())]
        for each in seconds
    ]
    return table(["", *(f"EER, {title}" for title in CONDITIONS.values())], rows)


def verdicts(conditions: Mapping[str, Any]) -> list[str]:
    """Return the verdicts on each class at the end, at any moment, and when first."""
    rows = []
    for condition, title in CONDITIONS.items():
        for name, of in conditions[condition]["all"]["decision"].items():
            first = of["first_at"]
            rows.append([
                f"{title}, {name}",
                *(percent(of[kind]) for kind in ("recorded", "live", "unknown")),
                percent(of["said_recorded"]), percent(of["said_live"]),
                ", ".join(f"{first[k]:.2f}" for k in ("p10", "median", "p90")) if first else "-",
                percent(of["changed_later"]),
            ])  # fmt: skip
    head = [
        "", "recorded", "live", "unknown", "ever recorded", "ever live",
        "first decision (10 %, median, 90 %), s", "changed later",
    ]  # fmt: skip
    return table(head, rows)


def slices(of: Mapping[str, Any]) -> list[str]:
    """Return one row a codec or a signal-to-noise ratio."""
    rows = []
    for name, row in of.items():
        flagged = [row["decision"].get(each) for each in CLASSES]
        rows.append([
            name,
            *(interval(row["errors"], error) for error in ERRORS),
            *(percent(each["said_recorded"]) if each else "-" for each in flagged),
        ])  # fmt: skip
    return table(["condition", *ERRORS.values(), "live flagged", "recordings caught"], rows)


def by_corpus(condition: Mapping[str, Any]) -> list[str]:
    """Return one row a corpus: its verdicts, and its errors against the whole other class."""
    rows = []
    for row in condition["by_corpus"]:
        if row["clips"] < MIN_CLIPS:
            continue
        name = CLASSES[row["label"]]
        said = row["decision"][name]
        rows.append([
            name, row["slice"], str(row["clips"]),
            *(percent(said[kind]) for kind in ("recorded", "live", "unknown")),
            *(interval(row["errors"], error) for error in ("eer", "miss_at_1")),
        ])  # fmt: skip
    head = ["class", "corpus", "clips", "recorded", "live", "unknown", "EER", "miss at 1 %"]
    return table(head, rows)


def tones(of: Mapping[str, Any]) -> str:
    """Return one sentence on call-progress tones."""
    if not of["takes"]:
        return "No call-progress tones were judged."
    return (
        f"Call-progress tones (neither class, {of['takes']} takes): {of['unknown']:.1%} unknown, "
        f"{of['recorded']:.1%} recorded, {of['live']:.1%} live."
    )


def draw(
    judged: Mapping[str, Sequence[JudgedTake]], measured: Mapping[str, Any], run: Path
) -> None:
    """Write DET curves, reliability, histograms and error by length of audio as PNG to ``run``."""
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
    for condition, title in CONDITIONS.items():
        rows = measured["conditions"][condition]["by_prefix"]
        seconds = max(seconds, [row["seconds"] for row in rows], key=len)
        rates[f"EER, {title}"] = [row["eer"]["value"] for row in rows]
    plots.error_by_prefix(seconds, rates, run / "error_by_prefix.png")
