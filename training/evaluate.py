"""Figures on sources that no network met before: ``python -m training.evaluate RUN --config FILE``.

Reads the run's answers (:mod:`training.answers`). With folds, whole corpora of both classes were
held out from the network that answers, with their voices, groups and scripts; and each fold is
judged by a rule that was fitted on the other folds' answers. Without folds, the test split is
judged by a rule that was fitted on dev. Writes ``metrics.json``, ``report.md`` and plots to the
run, and the figures into the checkpoint.
"""

import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from audio_model.decision import VerdictKind, decide
from audio_model.errors import UsageError
from audio_model.steps import STEP_SECONDS
from training import checkpoint, config, figures, metrics, report
from training.answers import Part, parts_of
from training.calibrate import fit_rule, point_of
from training.checkpoint import CHECKPOINT
from training.command import run_command
from training.config import EVERY_FOLD, CalibrationConfig, Config
from training.corpus import Corpus
from training.files import write_atomically
from training.infer import Take, hear
from training.judge import JudgedTake, judge
from training.network import Network


def quick_check(network: Network, takes: Sequence[Take]) -> dict[str, float]:
    """Equal error rate of the plain logit after 1 and 3 s, for the log of a training run."""
    heard = [h for h in hear(network, takes) if len(h.steps)]
    label, weight = [h.label for h in heard], [h.weight for h in heard]
    return {
        f"dev_eer_{seconds}s": metrics.eer(
            [h.steps.logit[h.last_step(seconds)] for h in heard], label, weight
        )
        for seconds in (1, 3)
    }


def judged_part(
    part: Part, settings: CalibrationConfig
) -> tuple[dict[str, list[JudgedTake]], list[VerdictKind]]:
    """A part's takes by condition, and the verdicts on tones, by a rule fitted on other sources."""
    rule = fit_rule(part.fitted_on, settings)
    judged: dict[str, list[JudgedTake]] = defaultdict(list)
    for take in judge(part.tested.heard, rule):
        judged[take.heard.condition].append(take)
    point = point_of(rule)
    tones = [
        decide(steps, rule, point, len(steps) * STEP_SECONDS).verdict for steps in part.tested.tones
    ]
    return judged, tones


def evaluate_run(settings: Config, run: Path, draws: int = 200) -> None:
    """Measure a calibrated run. Raises AudioModelError."""
    trained = checkpoint.load(run / CHECKPOINT)
    if trained.decision is None:
        raise UsageError(
            f"{run / CHECKPOINT} holds no operating points: run training.calibrate first"
        )
    corpus = Corpus.load(settings)
    trained.check_manifest(corpus.manifest)
    parts = parts_of(settings, run, corpus)
    measured: dict[str, figures.Figures] = {}
    every: dict[str, list[JudgedTake]] = defaultdict(list)
    every_tone: list[VerdictKind] = []
    for part in parts:
        judged, tones = judged_part(part, settings.calibration)
        measured[part.name] = figures.of_part(judged, tones, draws)
        every_tone += tones
        for condition, takes in judged.items():
            every[condition] += takes
    if len(parts) > 1:
        measured[EVERY_FOLD] = figures.of_part(every, every_tone, draws)
    text = report.as_markdown(measured)
    write_atomically(run / "metrics.json", (json.dumps(measured, indent=1) + "\n").encode())
    write_atomically(run / "report.md", text.encode())
    report.draw(every, measured, run)
    replace(trained, metrics=figures.summary(measured)).save(run / CHECKPOINT)
    print(text, file=sys.stderr)


def main(arguments: list[str] | None = None) -> int:
    return run_command(
        "evaluate", __doc__, arguments, lambda o: evaluate_run(config.load(o.config), o.run)
    )


if __name__ == "__main__":
    sys.exit(main())
