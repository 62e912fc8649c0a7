"""Audit a run for shortcuts: ``python -m training.audit RUN --config FILE``.

It reads the network's kept answers to the clips that judge it, under rules that other corpora
chose. It also hears clips again after one change each, under the rule that ships. Writes
``audit.json`` and ``audit.md`` to the run, and names the bounds that are exceeded. Takes some
minutes of one core.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from audio_model.files import write_whole
from audio_model.frontend import SAMPLE_RATE
from training import config
from training.audit.bounds import exceeded
from training.audit.changes import CHANGES, played_back
from training.audit.report import as_markdown
from training.audit.scores import by_pitch, correlations, matched_subset
from training.audit.separability import KEYS, separability
from training.audit.verdicts import changed, choose, effect
from training.augment import MatchedChannel
from training.command import run_command
from training.config import Config
from training.data import nuisance
from training.data.corpus import Corpus
from training.data.scenes import Sound
from training.evaluate import judgement_of
from training.evaluation.crossfit import Judgement
from training.evaluation.figures import SLICE_SECONDS, Figures, by_language
from training.evaluation.infer import Take, matched, raw
from training.files import write_figures
from training.rivals.compare import by_condition
from training.rivals.ours import Ours
from training.rivals.rival import takes_of

TAKES_EACH = 200
"""Takes of each class that every change is heard with."""


def audit_run(settings: Config, run: Path, takes_each: int = TAKES_EACH, draws: int = 200) -> None:
    """Write the audit of an evaluated run. Raises AudioModelError."""
    torch.set_num_threads(settings.train.threads)
    seed = settings.train.seed
    corpus = Corpus.load(settings)
    ours = Ours.load(run)
    judgement = judgement_of(settings, run, corpus)
    sounds = corpus.judged_sounds()
    report: Figures = {
        "separability": {
            condition: {by: separability(takes, by) for by in KEYS}
            for condition, takes in by_condition(takes_of(sounds, seed)).items()
        },
        **changes_figures(ours, choose(raw(sounds), takes_each)),
        **scores_figures(judgement, sounds, seed, draws),
    }
    report["exceeded"] = exceeded(report)
    text = as_markdown(report)
    write_figures(run / "audit.json", report)
    write_whole(run / "audit.md", text)
    print(text, file=sys.stderr)


def changes_figures(ours: Ours, takes: Sequence[Take]) -> Figures:
    """Return the effect of each change, and of playback, on verdicts and scores of clips."""
    before = ours.hear(takes)
    changes = tqdm((CHANGES | {"playback": played_back}).items(), desc="changes", disable=None)
    effects = {
        name: effect(before, ours.hear(changed(takes, change)), ours.rule)
        for name, change in changes
    }
    return {"playback": effects.pop("playback"), "changes": effects}


def scores_figures(judgement: Judgement, sounds: Sequence[Sound], seed: int, draws: int) -> Figures:
    """Return figures of the judged takes beside the nuisances of what was heard of them.

    ``sounds`` are the judged clips, and ``seed`` the one that their answers were given with.
    """
    figures: Figures = {"subsets": {}, "pitch": {}, "language": {}, "correlations": {}}
    for heard in (raw(sounds), matched(sounds, MatchedChannel(), seed=seed)):
        condition = heard[0].condition
        judged = judgement.takes[condition]
        measured = nuisances_of(heard)
        table = np.stack([measured[take.heard.clip.name] for take in judged])
        figures["subsets"][condition] = matched_subset(judged, table, draws)
        figures["pitch"][condition] = by_pitch(judged, table, draws)
        figures["language"][condition] = by_language(judged, draws)
        figures["correlations"][condition] = correlations(judged, table)
    return figures


def nuisances_of(takes: Sequence[Take]) -> dict[str, NDArray[np.float64]]:
    """Return a row of nuisances for each clip, by its name, of what is heard in the figures."""
    n_samples = round(SLICE_SECONDS * SAMPLE_RATE)
    table = nuisance.table([take.samples[:n_samples] for take in takes])
    return {take.clip.name: row for take, row in zip(takes, table, strict=True)}


def main(arguments: list[str] | None = None) -> int:
    """Audit a run and return the exit status."""
    return run_command(
        "audit", __doc__, arguments, lambda o: audit_run(config.load(o.config), o.run)
    )


if __name__ == "__main__":
    sys.exit(main())
