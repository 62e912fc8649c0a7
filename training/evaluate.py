"""Choose the decision and measure a run: ``python -m training.evaluate RUN --config FILE``.

The network answers to clips that no network has learnt from: the config's ``unmet`` manifest, or
else the test split. Calibration and thresholds are fitted with one corpus left out at a time, and
every corpus is judged by what the others chose. The rule of the model itself is fitted to all.
Writes ``metrics.json``, ``report.md`` and plots to the run, and rule and figures into its
checkpoint. The run keeps the answers, so a second call does not listen again.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from audio_model.files import write_whole
from audio_model.fitting import metrics
from training import checkpoint, config
from training.checkpoint import CHECKPOINT
from training.command import run_command
from training.config import Config
from training.data.corpus import Corpus
from training.evaluation import figures, report
from training.evaluation.answers import answers_of
from training.evaluation.crossfit import Judgement, cross_fit
from training.evaluation.infer import Take, hear
from training.files import write_figures
from training.network import Network


def quick_check(network: Network, takes: Sequence[Take]) -> dict[str, float]:
    """Return the equal error rate of the plain logit after 1 and 3 s, for a training run's log.

    Takes of one class alone have none.
    """
    heard = [h for h in hear(network, takes) if len(h.steps)]
    label, weight = [h.label for h in heard], [h.weight for h in heard]
    if set(label) != {0, 1}:
        return {}
    return {
        f"dev_eer_{seconds}s": metrics.eer(
            [h.steps.logit[h.last_step(seconds)] for h in heard], label, weight
        )
        for seconds in (1, 3)
    }


def judgement_of(settings: Config, run: Path, corpus: Corpus | None = None) -> Judgement:
    """Judge a trained run by rules that are cross-fitted to its answers.

    ``corpus`` is the run's data, read from its manifests unless given. Raises AudioModelError.
    """
    torch.set_num_threads(settings.train.threads)
    trained = checkpoint.load(run / CHECKPOINT)
    corpus = corpus or Corpus.load(settings)
    if corpus.unmet is None:
        # Of another manifest's test split, the network may have learnt.
        trained.check_manifest(corpus.manifest)
    elif corpus.manifest.hash != trained.manifest_hash:
        print(
            "the network learnt from another manifest than that of the config: "
            "whether it has met the clips that judge it is not checked",
            file=sys.stderr,
        )
    return cross_fit(answers_of(trained, corpus, settings, run), settings.calibration)


def evaluate_run(settings: Config, run: Path, draws: int = 200) -> None:
    """Fit the rule of a trained run and measure it. Raises AudioModelError."""
    judgement = judgement_of(settings, run)
    measured = figures.of_judgement(judgement, settings.unmet.groups, draws)
    text = report.as_markdown(measured)
    write_figures(run / "metrics.json", measured)
    write_whole(run / "report.md", text)
    report.draw(judgement.takes, measured, run)
    trained = checkpoint.load(run / CHECKPOINT)
    replace(trained, decision=judgement.final, metrics=figures.summary(measured)).save(
        run / CHECKPOINT
    )
    print(text, file=sys.stderr)


def main(arguments: list[str] | None = None) -> int:
    """Evaluate a run and return the exit status."""
    return run_command(
        "evaluate", __doc__, arguments, lambda o: evaluate_run(config.load(o.config), o.run)
    )


if __name__ == "__main__":
    sys.exit(main())
