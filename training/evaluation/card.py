"""The model card of a finished run: ``python -m training.evaluation.card RUN --config FILE``.

Fills ``model_card.md`` beside this file with the figures of the run, and writes ``MODEL_CARD.md``.
The card is short, at most ``MAX_LINES``; every other figure is in the run's ``report.md``,
``rivals.md`` and ``audit.md``.
"""

import json
import sys
from argparse import Namespace
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

from audio_model.errors import UsageError
from audio_model.files import write_whole
from audio_model.frontend import FRAMES_PER_SECOND
from audio_model.rule import PREVALENCE, DecisionRule
from training import checkpoint, config
from training.audit import report as audit_report
from training.call_graph import front_end_flops
from training.checkpoint import CHECKPOINT
from training.command import run_command
from training.config import Config
from training.data.learnt import LearntCorpus, LearntData
from training.evaluation import report
from training.evaluation.figures import CLASSES, SLICE_SECONDS
from training.evaluation.report import percent
from training.markdown import table
from training.network import count_flops
from training.rivals.compare import ALL
from training.rivals.rival import SECONDS as RIVAL_SECONDS

TEMPLATE = Path(__file__).with_name("model_card.md")
OUTPUT = Path("MODEL_CARD.md")
SECONDS = 4.0
"""Audio that the network's cost is told for."""
MAX_LINES = 150
MOST_LANGUAGES = 8
"""Languages in the card, those with most clips."""
MOST_CORPORA = 8
"""Corpora of a class with a row of their own, those with most clips; the others share a row."""
MOST_BOUNDS = 6
"""Bounds exceeded that the card names."""


def make(settings: Config, run: Path) -> str:
    """Return the text of the card. Raises UsageError if the run is not finished."""
    trained = checkpoint.load(run / CHECKPOINT)
    measured = _figures(run, "metrics")
    if trained.decision is None or measured is None:
        raise UsageError(f"{run}: not evaluated yet: run training.evaluate first")
    if trained.learnt is None:
        raise UsageError(f"{run / CHECKPOINT}: it does not say what it learnt from: train it anew")
    conditions = measured["conditions"]
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        parameters=sum(p.numel() for p in trained.build().parameters()),
        mflop=f"{count_flops(trained.network, SECONDS) / 1e6:.0f}",
        front_end_mflop=f"{front_end_flops() * round(SECONDS * FRAMES_PER_SECOND) / 1e6:.0f}",
        kilobytes=round((run / "model.onnx").stat().st_size / 1000),
        weights_hash=f"`{trained.weights_hash}`",
        manifest_hash=f"`{trained.manifest_hash}`",
        prevalence=f"{PREVALENCE:.0%}",
        judged=judged(conditions["raw"], is_unmet=settings.unmet.manifest is not None),
        note=report.NOTE,
        overview=_lines(report.overview(conditions)),
        point=point(trained.decision),
        seconds=f"{SLICE_SECONDS:g}",
        groups=_lines(groups(conditions)),
        languages=_lines(report.by_language(conditions, MOST_LANGUAGES)),
        prefixes=_lines(report.by_prefix(conditions)),
        rivals=_lines(rivals(_figures(run, "rivals"))),
        audit=_lines(audit(_figures(run, "audit"))),
        data=_lines(data(trained.learnt.corpora)),
        learnt=learnt(trained.learnt),
        tones=report.tones(measured["tones"]),
    )


def _figures(run: Path, name: str) -> dict[str, Any] | None:
    """Return the figures in a JSON file of the run; None if it has none of that name."""
    file = run / f"{name}.json"
    if not file.exists():
        return None
    figures: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return figures


def _lines(lines: Iterable[str]) -> str:
    return "\n".join(lines)


def judged(condition: Mapping[str, Any], *, is_unmet: bool) -> str:
    """Return a sentence on the clips that the figures are measured on."""
    of_each = (
        f"{condition['takes'][name]} {clips} of {condition['groups'][name]} {voices} "
        f"in {condition['corpora'][name]} corpora"
        for name, clips, voices in zip(
            CLASSES, ("live clips", "recorded clips"), ("callers", "voices"), strict=True
        )
    )
    of_what = "corpora that the network has not met" if is_unmet else "voices held out of training"
    return f"Measured on {of_what}: {' and '.join(of_each)}."


def point(rule: DecisionRule) -> str:
    """Return a sentence on the operating point that the verdicts are given at."""
    of = rule.reported_point
    return (
        f"Verdicts are given at a budget of {of.max_false_alarm:.1%} false alarms. The rule that "
        f"ships says recorded from a score of {of.recorded_at:.3f} and live up to "
        f"{of.live_at:.3f}, with margins that shrink as voice is heard. On the clips that it was "
        f"fitted to it flags {of.false_alarm:.1%} of live callers, misses {of.miss:.1%} of "
        f"recordings and says live of {of.passed:.1%}."
    )


def groups(conditions: Mapping[str, Any]) -> list[str]:
    """Return the table by group of corpora, or a line where the config names none."""
    if not any(condition["by_group"] for condition in conditions.values()):
        return ["The run's config names no groups of corpora (`[unmet.groups]`)."]
    return report.by_group(conditions)


def rivals(figures: Mapping[str, Any] | None) -> list[str]:
    """Return the table of rivals: EER as recorded and matched, of each group of corpora."""
    if figures is None:
        return ["Not measured: run `python -m training.rivals`."]
    raw = next(iter(figures.values()))["raw"]
    names = [name for name in raw if name != "decides"]

    def cell(of: Mapping[str, Any], name: str) -> str:
        shown = ("raw", "matched")
        return " / ".join(
            percent(of[each][name]["eer"]["value"]) if name in of.get(each, {}) else "-"
            for each in shown
        )

    head = [f"EER after {RIVAL_SECONDS:g} s, as recorded / matched"]
    head += ["all corpora" if name == ALL else name for name in names]
    return table(
        head, ([rival, *(cell(of, name) for name in names)] for rival, of in figures.items())
    )


def audit(figures: Mapping[str, Any] | None) -> list[str]:
    """Return which bounds the audit found exceeded, and its table of low and high voices."""
    if figures is None:
        return ["Not measured: run `python -m training.audit`."]
    problems: Sequence[str] = figures["exceeded"]
    told = list(problems[:MOST_BOUNDS])
    if len(problems) > MOST_BOUNDS:
        told.append(f"and {len(problems) - MOST_BOUNDS} more")
    return [
        f"Bounds exceeded: {'; '.join(told) or 'none'}.",
        "",
        *audit_report.by_pitch(figures["pitch"]),
    ]


def data(corpora: Sequence[LearntCorpus]) -> list[str]:
    """Return a row for each of the larger corpora, and one of each class for the others."""
    rows = []
    for class_name in sorted({corpus.class_name for corpus in corpora}):
        of_class = [corpus for corpus in corpora if corpus.class_name == class_name]
        ranked = sorted(of_class, key=lambda corpus: (-corpus.clips, corpus.name))
        n_shown = len(ranked) if len(ranked) <= MOST_CORPORA else MOST_CORPORA - 1
        shown, others = ranked[:n_shown], ranked[n_shown:]
        for corpus in sorted(shown, key=lambda corpus: corpus.name):
            count = str(corpus.clips_learnt)
            rows.append([corpus.name, class_name, _cell(corpus.kind), count, _cell(corpus.licence)])
        if others:
            by_name = sorted(others, key=lambda corpus: corpus.name)
            licences = "; ".join(f"{each.name}: {_cell(each.licence)}" for each in by_name)
            count = str(sum(corpus.clips_learnt for corpus in others))
            rows.append([f"{len(others)} smaller ones", class_name, "", count, licences])
    return table(["corpus", "class", "what", "clips learnt from", "licence"], rows)


def _cell(text: str) -> str:
    """Return a manifest's words as a cell of a table."""
    return text.replace("|", "/") or "-"


def learnt(of: LearntData) -> str:
    """Return a sentence on how much was learnt from."""
    return (
        f"{of.clips} clips were learnt from, of {of.live_callers} live callers and "
        f"{of.recorded_voices} recorded voices."
    )


def write_card(options: Namespace) -> None:
    """Write ``MODEL_CARD.md`` to the working folder. Raises AudioModelError."""
    write_whole(OUTPUT, make(config.load(options.config), options.run))


def main(arguments: list[str] | None = None) -> int:
    """Write the model card and return the exit status."""
    return run_command("evaluation.card", __doc__, arguments, write_card)


if __name__ == "__main__":
    sys.exit(main())
