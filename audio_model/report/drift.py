"""How the calls of two results differ as a whole, whichever calls they are: what has drifted.

Verdicts and scores drift with callers and campaigns; noise, signal-to-noise ratio and codecs drift
with the line. A gap is one number for all of them: of a number the largest difference between the
shares of calls below a value (Kolmogorov and Smirnov's), of a kind that of one kind's share.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from audio_model.tables.results import Result

BY_CHANCE = 1.63
"""Gaps beyond this times the square root of ``1/n + 1/m`` come by chance in one of 100 pairs of
samples of ``n`` and ``m`` calls of one line. Source: Smirnov, "Table for estimating the goodness of
fit of empirical distributions", 1948. It holds for shares, whose gaps are smaller by chance."""

Sides = tuple[Counter[int], Counter[int]]


class SideSpread:
    """A number of the calls of both sides, counted in steps."""

    def __init__(self, step: float) -> None:
        self._step = step
        self._counts: Sides = Counter(), Counter()

    def add(self, side: int, value: float) -> None:
        """Count a call of a side: 0 old, 1 new."""
        self._counts[side][round(value / self._step)] += 1

    @property
    def calls(self) -> tuple[int, int]:
        """Return the calls of each side that have the number."""
        return self._counts[0].total(), self._counts[1].total()

    def quantile(self, side: int, share: float) -> float:
        """Return the value that a share of a side's calls do not exceed.

        Raises ValueError if no call has one.
        """
        counts = self._counts[side]
        left = share * counts.total()
        for step in sorted(counts):
            left -= counts[step]
            if left <= 0:
                return step * self._step
        raise ValueError("no call has it")

    @property
    def gap(self) -> float:
        """Return the largest difference between the shares of both sides below a value."""
        n = self.calls
        most = below_old = below_new = 0.0
        for step in sorted({*self._counts[0], *self._counts[1]}):
            below_old += self._counts[0][step] / n[0]
            below_new += self._counts[1][step] / n[1]
            most = max(most, abs(below_new - below_old))
        return most


class Shares:
    """Counts of calls by kind, such as their verdict, on both sides."""

    def __init__(self) -> None:
        self._counts: tuple[Counter[str], Counter[str]] = Counter(), Counter()

    def add(self, side: int, kind: str) -> None:
        """Count a call of a side: 0 old, 1 new."""
        self._counts[side][kind] += 1

    @property
    def calls(self) -> tuple[int, int]:
        """Return the calls of each side that have a kind."""
        return self._counts[0].total(), self._counts[1].total()

    def share(self, side: int, kind: str) -> float:
        """Return the share of a side's calls that are of a kind."""
        return self._counts[side][kind] / self.calls[side]

    @property
    def most_changed(self) -> str:
        """Return the kind whose share has changed most, and the most frequent one of equals."""
        every = self._counts[0] + self._counts[1]

        def rank(kind: str) -> tuple[float, int, str]:
            change = abs(self.share(1, kind) - self.share(0, kind))
            return -round(change, 9), -every[kind], kind

        return min(every, key=rank)

    @property
    def gap(self) -> float:
        """Return by how much that share has changed."""
        kind = self.most_changed
        return abs(self.share(1, kind) - self.share(0, kind))


@dataclass(frozen=True)
class Gap:
    """How far one measure has drifted."""

    name: str
    of: SideSpread | Shares
    size: float
    chance: float
    """What a gap has to be beyond to be more than chance."""

    @property
    def is_drift(self) -> bool:
        """Return whether the gap is more than chance."""
        return self.size > self.chance


class Drift:
    """Counts the calls of two results."""

    def __init__(self) -> None:
        self.measures: dict[str, SideSpread | Shares] = {
            "verdict": (verdict := Shares()),
            "score": (score := SideSpread(0.01)),
            "noise_db": (noise := SideSpread(0.5)),
            "snr_db": (snr := SideSpread(0.5)),
            "codec": (codec := Shares()),
        }
        self._verdict, self._codec = verdict, codec
        self._numbers = (score, noise, snr)
        self.rows = [0, 0]

    def watch(self, side: int, results: Iterable[Result]) -> Iterator[Result]:
        """Count the results of a side as they pass."""
        for result in results:
            self.rows[side] += 1
            self._verdict.add(side, result.outcome.value)
            for spread, value in zip(
                self._numbers, (result.score, result.noise_db, result.snr_db), strict=True
            ):
                if value is not None:
                    spread.add(side, value)
            if result.codec:
                self._codec.add(side, result.codec)
            yield result

    def gaps(self) -> Iterator[Gap]:
        """Yield the gap of each measure that both sides have."""
        for name, of in self.measures.items():
            old, new = of.calls
            if old and new:
                yield Gap(name, of, of.gap, BY_CHANCE * math.sqrt(1 / old + 1 / new))
