"""The summary of a run's results, in one pass and in memory that does not grow with them."""

import heapq
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Generic, TypeVar

from audio_model.decision import Reason
from audio_model.report.slices import SAMPLE_ROWS, Slice, guess_slices
from audio_model.steps import STEPS_PER_SECOND
from audio_model.tables import cells
from audio_model.tables.results import Outcome, Result

SCORE_BINS = 50
MOST_UNCERTAIN, MOST_SURE = 60, 10
"""Recordings that are kept: those nearest even odds, and the surest of each verdict."""

EXAMPLES_OF_A_CAUSE = 3
_MAX_CAUSES = 200
_MAX_CAUSE_CHARS = 160
_LONGEST_SECONDS = 600.0

# The parts that differ between errors of one cause: numbers, and names in quotes.
_PARTICULAR = re.compile(r"'[^']*'|\"[^\"]*\"|\b0x[0-9a-fA-F]+\b|\b\d+(?:\.\d+)?\b")

_OUTCOMES = (Outcome.LIVE, Outcome.RECORDED)
"""By label."""

Item = TypeVar("Item")


class Smallest(Generic[Item]):
    """Keeps the few items with the smallest keys; of equal keys, the first."""

    def __init__(self, size: int, key: Callable[[Item], float]) -> None:
        self._size, self._key = size, key
        self._kept: list[tuple[float, int, Item]] = []
        self._seen = 0

    def add(self, item: Item) -> None:
        """Take an item, and keep it if it is among the smallest."""
        self._seen += 1
        # heapq keeps the smallest on top: negated, that is the first to go.
        entry = (-self._key(item), -self._seen, item)
        if len(self._kept) < self._size:
            heapq.heappush(self._kept, entry)
        elif self._kept and entry[:2] > self._kept[0][:2]:
            heapq.heapreplace(self._kept, entry)

    def sorted(self) -> list[Item]:
        """Return the items kept, the smallest first."""
        return [item for _, _, item in sorted(self._kept, key=lambda e: e[:2], reverse=True)]


@dataclass
class Cause:
    """Errors that are alike but for numbers and names."""

    count: int = 0
    examples: list[Result] = field(default_factory=list)


@dataclass
class Summary:
    """Counts over all rows, and the recordings to look at."""

    slices: list[Slice]
    counts: Counter[Outcome] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    """Reasons of unknown verdicts."""
    scores: dict[Outcome, list[int]] = field(
        default_factory=lambda: {kind: [0] * SCORE_BINS for kind in Outcome}
    )
    """Counts in SCORE_BINS equal bins from 0 to 1."""
    decided: dict[Outcome, Counter[int]] = field(
        default_factory=lambda: {kind: Counter() for kind in Outcome}
    )
    """Counts by the step after which the verdict came."""
    speech: dict[Outcome, Counter[int]] = field(
        default_factory=lambda: {kind: Counter() for kind in Outcome}
    )
    """Counts by the steps that held speech."""
    seconds: float = 0.0
    """Audio heard."""
    labels: dict[Outcome, Counter[Outcome]] = field(default_factory=dict)
    """Counts by what the column ``label`` says, recorded or live; of rows that say so."""
    causes: dict[str, Cause] = field(default_factory=dict)
    uncertain: Smallest[Result] = field(
        default_factory=lambda: Smallest(MOST_UNCERTAIN, key=_from_even_odds)
    )
    surest: dict[Outcome, Smallest[Result]] = field(
        default_factory=lambda: {
            kind: Smallest(MOST_SURE, key=lambda result: -_from_even_odds(result))
            for kind in (Outcome.RECORDED, Outcome.LIVE)
        }
    )

    @property
    def total(self) -> int:
        """Return the number of rows: recordings, or channels of them."""
        return self.counts.total()

    def add(self, result: Result) -> None:
        """Count one row."""
        outcome = result.outcome
        self.counts[outcome] += 1
        for each in self.slices:
            each.add(result)
        with suppress(ValueError):
            label = cells.label(result.carried, "label")
            if label is not None:
                self.labels.setdefault(_OUTCOMES[label], Counter())[outcome] += 1
        if outcome is Outcome.ERROR:
            self._add_error(result)
            return
        self.seconds += result.seconds or 0.0
        if outcome is Outcome.UNKNOWN:
            self.reasons[result.reason] += 1
        if result.speech_seconds is not None:
            self.speech[outcome][_steps(result.speech_seconds)] += 1
        if result.decided_at is not None:
            self.decided[outcome][_steps(result.decided_at)] += 1
        if result.score is None:
            return
        self.scores[outcome][min(int(result.score * SCORE_BINS), SCORE_BINS - 1)] += 1
        # For silence and tones the score means nothing, however near even odds it is.
        if result.reason in ("", Reason.UNSURE):
            self.uncertain.add(result)
        if outcome in self.surest:
            self.surest[outcome].add(result)

    def _add_error(self, result: Result) -> None:
        name = cause_of(result.error)
        if name not in self.causes and len(self.causes) >= _MAX_CAUSES:
            name = ""
        cause = self.causes.setdefault(name, Cause())
        cause.count += 1
        if len(cause.examples) < EXAMPLES_OF_A_CAUSE:
            cause.examples.append(result)


def summarise(results: Iterable[Result]) -> Summary:
    """Count all results."""
    sample, rows = peek(results)
    summary = Summary([Slice(by) for by in guess_slices(sample)])
    for result in rows:
        summary.add(result)
    return summary


def peek(results: Iterable[Result]) -> tuple[Sequence[Result], Iterator[Result]]:
    """Return the first rows, to guess columns from, and an iterator over all of them."""
    rows = iter(results)
    sample = list(islice(rows, SAMPLE_ROWS))
    return sample, chain(sample, rows)


def cause_of(error: str) -> str:
    """Return an error's text without the part that is particular to its recording."""
    return _PARTICULAR.sub("…", error)[:_MAX_CAUSE_CHARS]


def median_seconds(steps: Counter[int]) -> float | None:
    """Return the median of counts by step, in seconds; None without counts."""
    half = steps.total() / 2
    for step, count in sorted(steps.items()):
        half -= count
        if half <= 0:
            return step / STEPS_PER_SECOND
    return None


def wilson_interval(part: int, whole: int) -> tuple[float, float]:
    """Return the 95 % interval of a share; it is 0 to 1 if ``whole`` is 0.

    Source: Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
    """
    if not whole:
        return 0.0, 1.0
    z, share = 1.96, part / whole
    centre = (share + z * z / (2 * whole)) / (1 + z * z / whole)
    half = z / (1 + z * z / whole) * math.sqrt(share * (1 - share) / whole + (z / (2 * whole)) ** 2)
    return max(0.0, centre - half), min(1.0, centre + half)


def _from_even_odds(result: Result) -> float:
    return abs((result.score or 0.0) - 0.5)


def _steps(seconds: float) -> int:
    return round(min(max(seconds, 0.0), _LONGEST_SECONDS) * STEPS_PER_SECOND)
