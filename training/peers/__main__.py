"""The peers beside our networks: ``python -m training.peers RUN --config FILE``.

Every peer learns from what a fold's network learnt from (its training and dev splits) and hears
the first three seconds of what the fold holds out. Writes ``peers.json`` and ``peers.md`` to the
run. A minute or two of one core a fold.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from training import config
from training.answers import parts_of
from training.command import run_command
from training.config import Config
from training.corpus import Corpus
from training.files import write_atomically
from training.infer import Take
from training.peers.compare import (
    Figures,
    all_peers,
    as_markdown,
    by_condition,
    compare,
    score_figures,
)
from training.peers.ours import NAME, Ours
from training.peers.peer import SECONDS, takes_of
from training.split import SplitName


def compare_run(settings: Config, run: Path, draws: int = 200) -> None:
    """Write the table of a run whose answers are kept. Raises AudioModelError."""
    torch.set_num_threads(settings.train.threads)
    seed, peers = settings.train.seed, all_peers()
    folds: dict[str, Figures] = {}
    every = Corpus.load(settings)
    for part in parts_of(settings, run, every):
        ours = Ours.load(settings, run, part, every.manifest)
        corpus = every.in_fold(part.name if settings.split.folds else None)
        learnt = [*corpus.clips(SplitName.TRAIN), *corpus.clips(SplitName.DEV)]
        train = takes_of(corpus.load_sounds(learnt), seed)
        held_out = takes_of(corpus.load_sounds(corpus.clips(SplitName.TEST)), seed)
        folds[part.name] = {NAME: our_figures(ours, held_out, draws)} | compare(
            peers, train, held_out, seed=seed, draws=draws
        )
    text = as_markdown(folds)
    write_atomically(run / "peers.json", (json.dumps(folds, indent=1) + "\n").encode())
    write_atomically(run / "peers.md", text.encode())
    print(text, file=sys.stderr)


def our_figures(ours: Ours, takes: Sequence[Take], draws: int) -> Figures:
    """The network's figures in each condition, on the takes that the peers hear."""
    figures = {}
    for condition, each in by_condition(takes).items():
        scores = np.array([judged.score(SECONDS) for judged in ours.judge(each)])
        figures[condition] = score_figures(each, scores, draws)
    return figures


def main(arguments: list[str] | None = None) -> int:
    return run_command(
        "peers", __doc__, arguments, lambda o: compare_run(config.load(o.config), o.run)
    )


if __name__ == "__main__":
    sys.exit(main())
