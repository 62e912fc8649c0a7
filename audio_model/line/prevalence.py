"""Estimate the share of recordings among unmarked calls from their scores alone.

Source: Saerens, Latinne and Decaestecker, "Adjusting the outputs of a classifier to new a priori
probabilities", Neural Computation 14, 2002. The expected class of each call under one share gives
the next share, until it stays (EM). The estimate is as true as the scores are calibrated, and what
they mean on a line is known from its marks alone: the interval tells what both leave open.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from audio_model.errors import UsageError
from audio_model.fitting.answer import Array, calibrated, probabilities
from audio_model.rule import Calibration, DecisionRule
from audio_model.tables.columns import Wanted
from audio_model.tables.readers import read_table
from audio_model.tables.results import Results

BINS_PER_UNIT = 20
"""Bins of log odds in which calls are counted, so that a million take no memory."""
BINS_PER_SECOND = 10
"""The same of seconds of voice."""
POSSIBLE = 50
"""Calibrations by which the interval is widened."""
_MOST_ROUNDS, _ENOUGH = 10_000, 1e-9
_NEEDED = ("logit", "speech_seconds")


@dataclass(frozen=True)
class Prevalence:
    """The share of recordings among calls, with its 95 % interval."""

    share: float
    low: float
    high: float
    calls: int


def prevalence_in(
    paths: Iterable[str], rule: DecisionRule, possible: Sequence[Calibration] = ()
) -> Prevalence:
    """Estimate the share of recordings in results, by the rule's calibration at even prevalence.

    Calls without enough voice to decide on are left out. The interval has room for the shares that
    other ``possible`` calibrations give. Raises UsageError if no call is left, ResultsError if
    results can't be read.
    """
    longest = rule.calibration.voice_seconds[-1]
    counts: Counter[tuple[int, int]] = Counter()
    for path in paths:
        for logit, voice in _answers(path):
            if voice >= rule.min_voice_seconds:
                counts[_bin(logit, min(voice, longest))] += 1
    if not counts:
        raise UsageError("no call of the results has a logit and enough voice")
    bins, weight = np.array(list(counts)), np.array(list(counts.values()), float)
    logits, voices = bins[:, 0] / BINS_PER_UNIT, bins[:, 1] / BINS_PER_SECOND

    def by(calibration: Calibration) -> Prevalence:
        return estimate(*_counted(calibrated(logits, voices, calibration), weight))

    found = by(rule.calibration)
    if not possible:
        return found
    others = np.std([by(each).share for each in possible])
    low, high = (
        found.share + sign * math.hypot(side - found.share, 1.96 * others)
        for sign, side in ((-1, found.low), (1, found.high))
    )
    return replace(found, low=max(0.0, low), high=min(1.0, high))


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


def _bin(logit: float, voice_seconds: float) -> tuple[int, int]:
    return round(logit * BINS_PER_UNIT), round(voice_seconds * BINS_PER_SECOND)


def _counted(log_odds: Array, weight: Array) -> tuple[Array, Array]:
    """Return bins of log odds, and the weight of each."""
    bins, index = np.unique(np.round(log_odds * BINS_PER_UNIT), return_inverse=True)
    counted: Array = np.bincount(index, weight).astype(float)
    return bins / BINS_PER_UNIT, counted
