"""Audit a run for shortcuts: ``python -m training.audit RUN --config FILE``.

Reads the networks of a run whose answers are kept, and the clips that they never met. Writes
``audit.json`` and ``audit.md`` to the run, and names the bounds that are exceeded. Some minutes of
one core a fold.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from tqdm import tqdm

from training import config
from training.audit.bounds import exceeded
from training.audit.changes import CHANGES, played_back
from training.audit.report import as_markdown
from training.audit.scores import by_pitch, correlations, matched_subset
from training.audit.separability import KEYS, separability
from training.audit.verdicts import Figures, changed, choose, effect
from training.command import run_command
from training.config import Config
from training.data import nuisance
from training.data.corpus import Corpus
from training.evaluation.answers import parts_of
from training.evaluation.infer import Take, raw
from training.files import write_atomically
from training.rivals.compare import by_condition
from training.rivals.ours import Ours
from training.rivals.rival import takes_of

TAKES_EACH = 200
"""Of each class and fold that every change is heard with."""


def audit_run(settings: Config, run: Path, takes_each: int = TAKES_EACH, draws: int = 200) -> None:
    """Write the audit of a run whose answers are kept. Raises AudioModelError."""
    torch.set_num_threads(settings.train.threads)
    starts: list[Take] = []
    folds: dict[str, Figures] = {}
    corpus = Corpus.load(settings)
    for part in parts_of(settings, run, corpus):
        sounds = corpus.load_sounds([take.clip for take in part.tested.of("raw")])
        ours = Ours.load(settings, run, part, corpus.manifest)
        starts_of_part = takes_of(sounds, settings.train.seed)
        folds[part.name] = {
            **changes_figures(ours, choose(raw(sounds), takes_each)),
            **scores_figures(ours, starts_of_part, draws),
        }
        starts += starts_of_part
    report: Figures = {
        "separability": {
            condition: {by: separability(takes, by) for by in KEYS}
            for condition, takes in by_condition(starts).items()
        },
        "folds": folds,
    }
    report["exceeded"] = exceeded(report)
    text = as_markdown(report)
    write_atomically(run / "audit.json", (json.dumps(report, indent=1) + "\n").encode())
    write_atomically(run / "audit.md", text.encode())
    print(text, file=sys.stderr)


def changes_figures(ours: Ours, takes: Sequence[Take]) -> Figures:
    """Verdicts and scores of whole clips after each change, and after playback."""
    before = ours.hear(takes)
    changes = tqdm((CHANGES | {"playback": played_back}).items(), desc="changes", disable=None)
    effects = {
        name: effect(before, ours.hear(changed(takes, change)), ours.rule)
        for name, change in changes
    }
    return {"playback": effects.pop("playback"), "changes": effects}


def scores_figures(ours: Ours, takes: Sequence[Take], draws: int) -> Figures:
    """Scores against nuisances in each condition."""
    figures: Figures = {"subsets": {}, "pitch": {}, "correlations": {}}
    for condition, each in by_condition(takes).items():
        judged = ours.judge(each)
        table = nuisance.table([take.samples for take in each])
        figures["subsets"][condition] = matched_subset(judged, table, draws)
        figures["pitch"][condition] = by_pitch(judged, table, draws)
        figures["correlations"][condition] = correlations(judged, table)
    return figures


def main(arguments: list[str] | None = None) -> int:
    return run_command(
        "audit", __doc__, arguments, lambda o: audit_run(config.load(o.config), o.run)
    )


if __name__ == "__main__":
    sys.exit(main())
