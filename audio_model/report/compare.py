"""The changes between two results: of recordings that both have, and of all calls as a whole."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice, zip_longest

from audio_model.report.drift import Drift
from audio_model.report.slices import (
    MAX_FOLDERS,
    MAX_GROUPS,
    SAMPLE_ROWS,
    SliceBy,
    SliceKind,
    group_folders,
    guess_slices,
)
from audio_model.report.summary import Smallest
from audio_model.tables.results import Outcome, Result

LARGEST_SHIFTS = 20
EXAMPLES_MISSING = 10
SHIFT_STEPS = 1000
"""Steps in which shifts of the score are counted, from 0 to 1 and from 0 to -1."""

CLASSES = (Outcome.RECORDED, Outcome.LIVE)

Pair = tuple[Result, Result]
"""Old and new of one recording, or of one channel of it."""


@dataclass
class Shifts:
    """Changes of verdict and score over some recordings."""

    joined: int = 0
    flips: int = 0
    """Recordings whose verdict is another one; an error is one, too."""
    scored: int = 0
    """Recordings with a score on both sides."""
    sum: float = 0.0
    sum_of_sizes: float = 0.0
    recorded: list[int] = field(default_factory=lambda: [0, 0])
    """How many were called recorded: old, new."""

    def add(self, old: Result, new: Result) -> None:
        """Count a pair of results."""
        self.joined += 1
        self.flips += old.outcome is not new.outcome
        for side, result in enumerate((old, new)):
            self.recorded[side] += result.outcome is Outcome.RECORDED
        if old.score is not None and new.score is not None:
            self.scored += 1
            self.sum += new.score - old.score
            self.sum_of_sizes += abs(new.score - old.score)

    def merge(self, other: "Shifts") -> None:
        """Add the counts of another."""
        self.joined += other.joined
        self.flips += other.flips
        self.scored += other.scored
        self.sum += other.sum
        self.sum_of_sizes += other.sum_of_sizes
        self.recorded = [a + b for a, b in zip(self.recorded, other.recorded, strict=True)]

    @property
    def flip_rate(self) -> float:
        """Return the share of flips among the recordings that are in both results."""
        return self.flips / self.joined if self.joined else 0.0

    @property
    def mean(self) -> float | None:
        """Return the mean of new minus old; None without scores."""
        return self.sum / self.scored if self.scored else None

    @property
    def mean_size(self) -> float | None:
        """Return the mean of the shifts without their signs; None without scores."""
        return self.sum_of_sizes / self.scored if self.scored else None


@dataclass
class ShiftsOfSlice:
    """Changes in each group of a slice."""

    by: SliceBy
    groups: dict[str, Shifts] = field(default_factory=dict)

    def add(self, old: Result, new: Result) -> None:
        """Count a pair of results in its group."""
        # A model scores what a manifest carried; of results, either side may lack the column.
        group = self.by.group_of(new) or self.by.group_of(old)
        if group is None or (group not in self.groups and len(self.groups) >= MAX_GROUPS):
            return
        self.groups.setdefault(group, Shifts()).add(old, new)

    def shown(self, most: int) -> list[tuple[str, Shifts]]:
        """Return the groups to show: the last days, the numbers that flipped most, the largest."""
        if self.by.kind is SliceKind.DAY:
            return sorted(self.groups.items())[-most:]
        groups = self.groups
        if self.by.kind is SliceKind.FOLDER:
            groups = {}
            for folder, above in group_folders(self.groups, MAX_FOLDERS).items():
                groups.setdefault(above, Shifts()).merge(self.groups[folder])
        by_flips = self.by.kind is SliceKind.NUMBER

        def rank(item: tuple[str, Shifts]) -> tuple[int, int, str]:
            return -item[1].flips if by_flips else 0, -item[1].joined, item[0]

        return sorted(groups.items(), key=rank)[:most]


@dataclass
class Missing:
    """Results that one side lacks."""

    count: int = 0
    examples: list[Result] = field(default_factory=list)

    def add(self, result: Result) -> None:
        """Count a result that has no partner."""
        self.count += 1
        if len(self.examples) < EXAMPLES_MISSING:
            self.examples.append(result)


@dataclass
class Comparison:
    """All changes between two results."""

    overall: Shifts = field(default_factory=Shifts)
    matrix: Counter[tuple[Outcome, Outcome]] = field(default_factory=Counter)
    """Counts by the old and the new outcome."""
    histogram: Counter[int] = field(default_factory=Counter)
    """Counts by the shift of the score, rounded to SHIFT_STEPS."""
    largest: Smallest[Pair] = field(
        default_factory=lambda: Smallest(LARGEST_SHIFTS, key=lambda pair: -_size(*pair))
    )
    slices: list[ShiftsOfSlice] = field(default_factory=list)
    only_old: Missing = field(default_factory=Missing)
    only_new: Missing = field(default_factory=Missing)
    drift: Drift = field(default_factory=Drift)
    """What all rows of each side say, whether the other side has them or not."""

    def add(self, old: Result, new: Result) -> None:
        """Count one recording that both sides have."""
        self.overall.add(old, new)
        self.matrix[old.outcome, new.outcome] += 1
        for each in self.slices:
            each.add(old, new)
        if old.score is not None and new.score is not None:
            self.histogram[round((new.score - old.score) * SHIFT_STEPS)] += 1
            self.largest.add((old, new))

    @property
    def one_sided_rate(self) -> float:
        """Return the share of all recordings that only one side has."""
        alone = self.only_old.count + self.only_new.count
        return alone / max(1, alone + self.overall.joined)

    @property
    def opposite(self) -> int:
        """Return how many recordings went from one class to the other."""
        return sum(self.matrix[old, new] for old in CLASSES for new in CLASSES if old is not new)

    def quantile(self, share: float) -> float | None:
        """Return the shift below which a share of the pairs lies, to 1 / SHIFT_STEPS.

        It is None without scores.
        """
        left = share * self.overall.scored
        for step, count in sorted(self.histogram.items()):
            left -= count
            if left <= 0:
                return step / SHIFT_STEPS
        return None


def compare(old: Iterable[Result], new: Iterable[Result]) -> Comparison:
    """Join two results by path and channel, count the changes, and measure the drift of all rows.

    Rows that come in one order on both sides are joined as they are read. A row whose partner comes
    later waits for it in memory.
    """
    comparison = Comparison()
    watch = comparison.drift.watch
    pairs = join(watch(0, old), watch(1, new), comparison)
    sample = list(islice(pairs, SAMPLE_ROWS))
    found: dict[SliceBy, None] = {}
    for side in (1, 0):
        found.update(dict.fromkeys(guess_slices([pair[side] for pair in sample])))
    comparison.slices = [ShiftsOfSlice(by) for by in found]
    for pair in chain(sample, pairs):
        comparison.add(*pair)
    return comparison


def join(old: Iterable[Result], new: Iterable[Result], missing: Comparison) -> Iterator[Pair]:
    """Yield pairs of results of one recording, and count results without a partner at the end.

    A recording that occurs several times is joined in the order of its rows.
    """
    waiting: Sequence[dict[tuple[str, str], list[Result]]] = ({}, {})
    for both in zip_longest(old, new):
        for side, result in enumerate(both):
            if result is None:
                continue
            key = (result.path, result.channel)
            partners = waiting[1 - side].get(key)
            if partners is None:
                waiting[side].setdefault(key, []).append(_small(result))
                continue
            partner = partners.pop(0)
            if not partners:
                del waiting[1 - side][key]
            yield (partner, result) if side else (result, partner)
    for side, rest in enumerate(waiting):
        for results in rest.values():
            for result in results:
                (missing.only_new if side else missing.only_old).add(result)


def _small(result: Result) -> Result:
    """Return a result to keep, without its score over time."""
    return result if result.curve is None else replace(result, curve=None, strongest=None)


def _size(old: Result, new: Result) -> float:
    if old.score is None or new.score is None:
        return -math.inf
    return abs(new.score - old.score)
