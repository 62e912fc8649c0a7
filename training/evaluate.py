"""Figures on sources that the model never met: ``python -m training.evaluate RUN --config FILE``.

The test split is heard as recorded and through simulated lines, at growing lengths of audio, and
decided by the stored rule. Writes ``metrics.json``, ``report.md`` and plots to the run, and the
figures into the checkpoint.
"""

import json
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from audio_model.decision import DecisionRule, OperatingPoint, Verdict, VerdictKind, decide, sigmoid
from audio_model.errors import UsageError
from audio_model.frontend import SAMPLE_RATE
from audio_model.steps import STEP_SECONDS, Steps
from training import checkpoint, config, metrics, report
from training.calibrate import extreme_scores
from training.command import run_command
from training.config import Config
from training.corpus import Corpus
from training.files import write_atomically
from training.infer import HeardTake, Take, hear, listen, raw, through_lines
from training.manifest import Clip
from training.network import Network
from training.split import SplitName

PREFIX_SECONDS = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
MAX_FALSE_ALARM = 0.01
"""Budget at which decisions are reported."""
CLASSES = ("live", "recorded")
TEST_SEED = 1
"""Of the simulated lines; another than calibration's."""
Figures = dict[str, Any]


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


def figures_at(
    heard: Sequence[HeardTake], rule: DecisionRule, seconds: float, draws: int
) -> Figures:
    """Figures of the score after so many seconds, with 95 % intervals over groups."""
    heard = [h for h in heard if len(h.steps)]
    score = [sigmoid(float(h.log_odds(rule)[h.last_step(seconds)])) for h in heard]
    label, weight = np.array([h.label for h in heard]), np.array([h.weight for h in heard])
    # The score is a probability for equally common classes, so ECE and Brier weigh them alike.
    for each in (0, 1):
        weight[label == each] /= weight[label == each].sum()
    group = [h.take.clip.group for h in heard]

    def with_interval(metric: metrics.Metric) -> Figures:
        low, high = metrics.bootstrap(metric, score, label, group, weight, n=draws)
        return {"value": metric(score, label, weight), "low": low, "high": high}

    def miss_at(budget: float) -> metrics.Metric:
        return lambda s, c, w: metrics.miss_at_false_alarm(s, c, w, max_false_alarm=budget)

    return {
        "seconds": seconds,
        "eer": with_interval(metrics.eer),
        "auc": with_interval(metrics.auc),
        "miss_at_1": with_interval(miss_at(0.01)),
        "miss_at_5": with_interval(miss_at(0.05)),
        "ece": with_interval(metrics.ece),
        "brier": with_interval(metrics.brier),
    }


def decisions(
    heard: Sequence[HeardTake], rule: DecisionRule, point: OperatingPoint
) -> tuple[Figures, list[Verdict]]:
    """How often which verdict is given to each class, and when."""
    verdicts = [decide(h.steps, rule, point, len(h.take.samples) / SAMPLE_RATE) for h in heard]
    label = np.array([h.label for h in heard])
    weight = np.array([h.weight for h in heard])
    kind = np.array([v.verdict for v in verdicts])
    rates = {
        name: {
            each.value: float(
                np.average(kind[label == value] == each, weights=weight[label == value])
            )
            for each in VerdictKind
        }
        for name, value in (("live", 0), ("recorded", 1))
    }
    times = [v.decided_at for v in verdicts if v.decided_at is not None]
    highest = np.array([extreme_scores(h, rule)[1] for h in heard])
    flagged = highest >= point.recorded_at
    summary = {
        "max_false_alarm": point.max_false_alarm,
        "false_alarm": float(np.average(flagged[label == 0], weights=weight[label == 0])),
        "miss": float(np.average(~flagged[label == 1], weights=weight[label == 1])),
        "verdicts": rates,
        "decided_at": dict(
            zip(("p10", "median", "p90"), np.quantile(times, (0.1, 0.5, 0.9)).tolist(), strict=True)
        ) if times else None,
    }  # fmt: skip
    return summary, verdicts


def by_slice(
    heard: Sequence[HeardTake], verdicts: Sequence[Verdict], key: Callable[[Clip], str]
) -> list[Figures]:
    """Verdicts in each slice of each class, such as a corpus or a language."""
    slices: dict[tuple[int, str], list[VerdictKind]] = defaultdict(list)
    for h, verdict in zip(heard, verdicts, strict=True):
        slices[h.label, key(h.take.clip)].append(verdict.verdict)
    return [
        {
            "label": label,
            "slice": name,
            "takes": len(kinds),
            **{kind.value: kinds.count(kind) / len(kinds) for kind in VerdictKind},
        }
        for (label, name), kinds in sorted(slices.items())
    ]


def figures_of(
    heard: Sequence[HeardTake], rule: DecisionRule, point: OperatingPoint, draws: int
) -> Figures:
    """All figures of one condition."""
    summary, verdicts = decisions(heard, rule, point)
    return {
        "takes": {name: sum(h.label == n for h in heard) for n, name in enumerate(CLASSES)},
        "groups": {
            name: len({h.take.clip.group for h in heard if h.label == n})
            for n, name in enumerate(CLASSES)
        },
        "by_prefix": [figures_at(heard, rule, seconds, draws) for seconds in PREFIX_SECONDS],
        "decision": summary,
        "by_corpus": by_slice(heard, verdicts, lambda clip: clip.corpus),
        "by_language": by_slice(heard, verdicts, lambda clip: clip.language),
    }


def tone_figures(answers: Sequence[Steps], rule: DecisionRule, point: OperatingPoint) -> Figures:
    """Verdicts on takes that are neither recorded nor live; all but unknown are wrong."""
    kinds = [decide(s, rule, point, len(s) * STEP_SECONDS).verdict for s in answers]
    return {
        "takes": len(kinds),
        **{kind.value: kinds.count(kind) / max(1, len(kinds)) for kind in VerdictKind},
    }


def evaluate_run(settings: Config, run: Path, draws: int = 500) -> None:
    """Measure a calibrated run on its test split. Raises AudioModelError."""
    torch.set_num_threads(settings.train.threads)
    file = run / "checkpoint.safetensors"
    trained = checkpoint.load(file)
    if trained.decision is None:
        raise UsageError(f"{file} holds no operating points: run training.calibrate first")
    rule = trained.decision
    # A small dev split may not resolve the budget: then the nearest that it does is reported.
    point = min(rule.operating_points, key=lambda p: abs(p.max_false_alarm - MAX_FALSE_ALARM))
    corpus = Corpus.load(settings)
    trained.check_manifest(corpus.manifest)
    sounds, around = corpus.sounds(SplitName.TEST), corpus.around(SplitName.TEST)
    lines = settings.calibration.lines
    network = trained.build()
    takes = {
        "raw": raw(sounds),
        "line": through_lines(sounds, around, settings.line, lines=lines, seed=TEST_SEED),
    }
    heard = {condition: hear(network, each) for condition, each in takes.items()}
    figures = {name: figures_of(each, rule, point, draws) for name, each in heard.items()}
    tones = [take for take in takes["line"] if take.clip.label is None]
    figures["tones"] = tone_figures(listen(network, tones), rule, point)
    write_atomically(run / "metrics.json", (json.dumps(figures, indent=1) + "\n").encode())
    write_atomically(run / "report.md", report.as_markdown(figures).encode())
    report.draw(heard, figures, rule, run)
    replace(trained, metrics=figures).save(file)
    print(report.as_markdown(figures), file=sys.stderr)


def main(arguments: list[str] | None = None) -> int:
    return run_command(
        "evaluate", __doc__, arguments, lambda o: evaluate_run(config.load(o.config), o.run)
    )


if __name__ == "__main__":
    sys.exit(main())
