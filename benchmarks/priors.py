"""Measure how far lines are apart, for the priors of ``audio-model tune``.

Run it with ``python -m benchmarks.priors``. A line is a pair of corpora of the config's ``unmet``
manifest, one of live callers and one of recordings, in every condition on which thresholds are
chosen. Its calibration is fitted from that of all corpora, and the report says how far it moves.
For callers it says how high their scores go under the rule of all corpora, within a corpus and
between corpora.

The run's answers are read where ``training.evaluate`` left them, so no network listens.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from audio_model.fitting.answer import Array
from audio_model.fitting.calibration import Spread, fit_calibration
from audio_model.fitting.own import change_of, reached
from audio_model.rule import Calibration, DecisionRule
from benchmarks.command import parser_of
from benchmarks.tune import read_answers, weighted
from training.evaluation.answers import MAIN_CONDITIONS
from training.evaluation.infer import HeardTake
from training.evaluation.rule import fit_rule
from training.markdown import table

FREE = Spread(log_slope=3.0, offset=3.0)
"""Wide enough to hold nothing back that calls tell, and to end where classes are told apart."""
LEAST_GROUPS = 8
"""Callers or sources of a corpus that tell of a line."""
MAD_OF_NORMAL = 1.4826
"""A normal distribution's standard deviation, in medians of absolute deviations."""


@dataclass(frozen=True)
class Apart:
    """How far the calibrations of lines lie from that of all."""

    log_slope: Array
    """[shape=(n_lines,)]"""
    offset: Array
    """[shape=(n_lines,)]"""


@dataclass(frozen=True)
class Callers:
    """The highest log odds of a corpus's callers."""

    corpus: str
    n: int
    mean: float
    deviation: float


def corpora(takes: Sequence[HeardTake], label: int) -> dict[str, list[HeardTake]]:
    """Return the takes of each corpus of a class that has enough groups, groups counting alike."""
    found: dict[str, list[HeardTake]] = {}
    for take in takes:
        if take.label == label:
            found.setdefault(take.clip.corpus, []).append(take)
    return {
        name: weighted(mine)
        for name, mine in sorted(found.items())
        if len({take.group for take in mine}) >= LEAST_GROUPS
    }


def apart(takes: Sequence[HeardTake], of_all: Calibration) -> Apart:
    """Fit the calibration of every pair of corpora."""
    changes = [
        change_of(of_all, fit_calibration([*live, *recorded], of_all, FREE))
        for live in corpora(takes, 0).values()
        for recorded in corpora(takes, 1).values()
    ]
    slope, offset = np.array(changes).T
    return Apart(np.log(slope), offset)


def callers(takes: Sequence[HeardTake], rule: DecisionRule) -> Iterator[Callers]:
    """Yield how high the scores of each live corpus's callers go."""
    for name, mine in corpora(takes, 0).items():
        log_odds, weight = reached(mine, rule, high=True)
        mean = float(np.average(log_odds, weights=weight))
        deviation = float(np.sqrt(np.average((log_odds - mean) ** 2, weights=weight)))
        yield Callers(name, len({take.group for take in mine}), mean, deviation)


def deviations(values: Array) -> tuple[float, float]:
    """Return the standard deviation about 0, and the one that outliers do not move."""
    return float(np.sqrt(np.mean(values**2))), float(MAD_OF_NORMAL * np.median(np.abs(values)))


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; returns the exit status."""
    parser = parser_of("priors", __doc__)
    parser.add_argument("--config", type=Path, required=True, help="config of the run")
    parser.add_argument(
        "--run", type=Path, required=True, help="run folder, with checkpoint and answers"
    )
    args = parser.parse_args(arguments)
    settings, answers = read_answers(args.config, args.run)
    takes = [take for take in answers.of(*MAIN_CONDITIONS) if len(take.steps)]
    rule = fit_rule(takes, settings.calibration)
    lines = apart(takes, rule.calibration)
    told = [("log slope", lines.log_slope), ("offset", lines.offset)]
    rows = [
        (name, str(len(of)), *(f"{each:.2f}" for each in (*deviations(of), of.min(), of.max())))
        for name, of in told
    ]
    head = ("of lines", "lines", "deviation", "without outliers", "least", "most")
    print("\n".join(table(head, rows)), end="\n\n")
    reach = list(callers(takes, rule))
    by_corpus = [(of.corpus, str(of.n), f"{of.mean:.2f}", f"{of.deviation:.2f}") for of in reach]
    within = float(np.mean([of.deviation for of in reach]))
    between = float(np.std([of.mean for of in reach], ddof=1))
    by_corpus.append(("between corpora", str(len(reach)), "", f"{between:.2f}"))
    by_corpus.append(("within one, in the mean", "", "", f"{within:.2f}"))
    of_callers = ("live corpus", "groups", "mean of the highest log odds", "deviation")
    print("\n".join(table(of_callers, by_corpus)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
