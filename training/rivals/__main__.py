"""Compare rivals with our network: ``python -m training.rivals RUN --config FILE``.

Every rival learns from the same clips as the network (the training and dev splits) and hears the
first three seconds of the clips that judge it. Writes ``rivals.json`` and ``rivals.md`` to the run.
Takes some minutes of one core.
"""

import sys
from pathlib import Path

import numpy as np
import torch

from audio_model.files import write_whole
from training import checkpoint, config
from training.checkpoint import CHECKPOINT
from training.command import run_command
from training.config import Config
from training.data.corpus import Corpus
from training.data.split import SplitName
from training.evaluation.figures import Figures
from training.files import write_figures
from training.rivals.compare import all_rivals, as_markdown, by_condition, compare
from training.rivals.compare import figures_by_group as by_group
from training.rivals.ours import NAME, Ours
from training.rivals.rival import SECONDS, takes_of


def compare_run(settings: Config, run: Path, draws: int = 200) -> None:
    """Write the table of a trained run. Raises AudioModelError."""
    torch.set_num_threads(settings.train.threads)
    seed, groups = settings.train.seed, settings.unmet.groups
    corpus = Corpus.load(settings)
    ours = Ours.load(run)
    checkpoint.load(run / CHECKPOINT).check_manifest(corpus.manifest)
    learnt = [*corpus.sounds(SplitName.TRAIN), *corpus.sounds(SplitName.DEV)]
    train = takes_of(learnt, seed)
    judged = takes_of(corpus.judged_sounds(), seed)
    own: Figures = {}
    for condition, takes in by_condition(judged).items():
        scores = np.array([take.steps.logit[take.last_step(SECONDS)] for take in ours.hear(takes)])
        own[condition] = by_group(takes, scores, groups, draws)
    figures = {NAME: own} | compare(all_rivals(), train, judged, groups, seed=seed, draws=draws)
    text = as_markdown(figures)
    write_figures(run / "rivals.json", figures)
    write_whole(run / "rivals.md", text)
    print(text, file=sys.stderr)


def main(arguments: list[str] | None = None) -> int:
    """Compare the rivals and return the exit status."""
    return run_command(
        "rivals", __doc__, arguments, lambda o: compare_run(config.load(o.config), o.run)
    )


if __name__ == "__main__":
    sys.exit(main())
