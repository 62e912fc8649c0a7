"""Estimate the share of recordings among unmarked calls from their scores alone.

Source: Saerens, Latinne and Decaestecker, "Adjusting the outputs of a classifier to new a priori
probabilities", Neural Computation 14, 2002. The expected class of each call under one share gives
the next share, until it stays (EM). The estimate is as true as the scores are calibrated.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from audio_model.errors import UsageError
from audio_model.fitting.answer import Array, probabilities
from audio_model.rule import Calibration, DecisionRule
from audio_model.tables.columns import Wanted
from audio_model.tables.readers import read_table
from audio_model.tables.results import Results

BINS_PER_UNIT = 20
"""Bins of log odds in which calls are counted, so that a million take no memory."""
_MOST_ROUNDS, _ENOUGH = 10_000, 1e-9
_NEEDED = ("logit", "speech_seconds")


@dataclass(frozen=True)
class Prevalence:
    """The share of recordings among calls, with its 95 % interval."""

    share: float
    low: float
    high: float
    calls: int


def prevalence_in(paths: Iterable[str], rule: DecisionRule) -> Prevalence:
    """Estimate the share of recordings in results, by the rule's calibration at even prevalence.

    Calls without enough voice to decide on are left out. Raises UsageError if none is left,
    ResultsError if results can't be read.
    """
    counts: Counter[int] = Counter()
    for path in paths:
        for logit, voice in _answers(path):
            if voice >= rule.min_voice_seconds:
                counts[_bin(rule.calibration, logit, voice)] += 1
    if not counts:
        raise UsageError("no call of the results has a logit and enough voice")
    log_odds = np.array(list(counts)) / BINS_PER_UNIT
    return estimate(log_odds, np.array(list(counts.values()), float))


def estimate(log_odds: Array, weight: Array) -> Prevalence:
    """Estimate the share from log odds at even prevalence.

    Args:
        log_odds: the log odds of recorded. [shape=(n,)]
        weight: how many calls have them. [shape=(n,)]

    The interval is by the information that the calls hold, as if the scores were true.
    """
    probability = probabilities(log_odds)
    share = 0.5
    for _ in range(_MOST_ROUNDS):
        recorded = share * probability
        expected = recorded / (recorded + (1 - share) * (1 - probability))
        former, share = share, float(np.average(expected, weights=weight))
        if abs(share - former) < _ENOUGH:
            break
    mixed = share * probability + (1 - share) * (1 - probability)
    information = float(np.sum(weight * ((2 * probability - 1) / mixed) ** 2))
    wide = 1.96 / math.sqrt(information) if information else 1.0
    return Prevalence(
        share, max(0.0, share - wide), min(1.0, share + wide), round(float(weight.sum()))
    )


def _answers(path: str) -> Iterator[tuple[float, float]]:
    """Yield logit and seconds of voice of the rows that have them."""
    for part in Results.open(path).parts:
        for _, values in read_table(part, Wanted(_NEEDED)):
            if isinstance(values, str):
                continue
            try:
                logit, voice = (float(str(values.get(name))) for name in _NEEDED)
            except ValueError:
                continue
            if math.isfinite(logit) and math.isfinite(voice):
                yield logit, voice


def _bin(calibration: Calibration, logit: float, voice_seconds: float) -> int:
    return round(calibration.log_odds(logit, voice_seconds) * BINS_PER_UNIT)
