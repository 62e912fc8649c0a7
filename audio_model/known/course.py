"""The course that a call takes through a recording: where it slips, and by how much."""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

MAX_STEP = 17
"""Frames that a slip moves at most: 0.27 s."""

SMALL_STEP = 3
"""Frames that a small slip moves at most. It leaves most codes alike, and changes their timing."""

FRAMES_A_STEP = 3
"""Frames that a path takes at once: 48 ms."""


class Search(NamedTuple):
    """The prices of a search for a path, in likeness."""

    slip: float
    small_slip: float
    """The price of a slip of at most ``SMALL_STEP`` frames."""


SEARCHES = (Search(5.0, 5.0), Search(4.0, 3.0))
"""Tried one after another, until all of the call is explained."""

MOVES = (-4, -2, 2, 4)
"""Frames by which a seam is moved to see whether it fits better."""

T = TypeVar("T")


class Course(NamedTuple):
    """The way of a call through a recording, or what a search takes for it."""

    alignments: tuple[int, ...]
    """The alignment of each piece, counted from the lowest of the grid."""
    seams: tuple[int, ...] = ()
    """The frames of the recording behind which the next pieces come, rising."""
    even: tuple[bool, ...] = ()
    """Whether the slip of each seam squeezes or stretches the audio about it."""

    def without(self, piece: int) -> Iterator["Course"]:
        """Yield courses that leave a piece out.

        Its neighbours meet in its place. If they are too far apart for one slip, one course has
        what comes before the piece, and another what comes behind it.
        """
        alignments, seams = _but(self.alignments, piece), self.seams
        if piece in (0, len(seams)):
            seam = max(0, piece - 1)
            yield Course(alignments, _but(seams, seam), _but(self.even, seam))
            return
        if abs(self.alignments[piece + 1] - self.alignments[piece - 1]) > MAX_STEP:
            before, behind = slice(piece - 1), slice(piece + 1, None)
            yield Course(self.alignments[:piece], seams[before], self.even[before])
            yield Course(self.alignments[piece + 1 :], seams[behind], self.even[behind])
            return
        begin, end = seams[piece - 1 : piece + 1]
        for at in sorted({begin + (end - begin) * quarters // 4 for quarters in range(5)}):
            for even in (False, True):
                yield Course(
                    alignments,
                    (*seams[: piece - 1], at, *seams[piece + 1 :]),
                    (*self.even[: piece - 1], even, *self.even[piece + 1 :]),
                )

    def shortest(self, least: int) -> int | None:
        """Return the shortest piece between two seams if it has less than the least frames."""
        lengths = [end - begin for begin, end in pairwise(self.seams)]
        if not lengths or min(lengths) >= least:
            return None
        return 1 + lengths.index(min(lengths))

    def variants(self) -> Iterator["Course"]:
        """Yield courses that differ in one seam, or one piece less."""
        for seam, even in enumerate(self.even):
            changed = (*self.even[:seam], not even, *self.even[seam + 1 :])
            yield self._replace(even=changed)
            for by in MOVES:
                moved = (*self.seams[:seam], self.seams[seam] + by, *self.seams[seam + 1 :])
                if all(a < b for a, b in pairwise((0, *moved))):
                    yield self._replace(seams=moved)
        if self.seams:
            for piece in range(len(self.alignments)):
                yield from self.without(piece)


def _but(values: tuple[T, ...], n: int) -> tuple[T, ...]:
    return values[:n] + values[n + 1 :]


def likely_course(likeness: NDArray[np.float32], search: Search) -> Course | None:
    """Return the most likely course (Viterbi, 1967); None if nothing is alike.

    Args:
        likeness: of the recording's frames, so many a step, with the call's at each alignment.
            [shape=(n_steps, n_alignments)]
    """
    n_steps, n = likeness.shape
    sums = np.zeros((n_steps + 1, n), np.float32)
    padded = np.full(n + 2 * MAX_STEP, -np.inf, np.float32)
    for step in range(n_steps):
        padded[MAX_STEP:-MAX_STEP] = sums[step]
        here = _most_near(padded, MAX_STEP) - search.slip
        if search.small_slip < search.slip:
            near = _most_near(padded[MAX_STEP - SMALL_STEP : SMALL_STEP - MAX_STEP], SMALL_STEP)
            np.maximum(here, near - search.small_slip, out=here)
        np.maximum(here, sums[step], out=here)
        np.maximum(here, 0, out=here)
        np.add(here, likeness[step], out=sums[step + 1])
    at, column = divmod(int(sums.argmax()), n)
    if not at:
        return None
    prices = np.full(2 * MAX_STEP + 1, search.slip)
    prices[MAX_STEP - SMALL_STEP : MAX_STEP + SMALL_STEP + 1] = search.small_slip
    prices[MAX_STEP] = 0
    columns, seams = [column], []
    while at > 1:
        at -= 1
        padded[MAX_STEP:-MAX_STEP] = sums[at]
        before = padded[column : column + 2 * MAX_STEP + 1] - prices
        best = int(before.argmax())
        if before[best] <= 0:
            break
        if best != MAX_STEP:
            column += best - MAX_STEP
            columns.append(column)
            seams.append(FRAMES_A_STEP * at)
    return Course(tuple(columns[::-1]), tuple(seams[::-1]), (False,) * len(seams))


def _most_near(padded: NDArray[np.float32], reach: int) -> NDArray[np.float32]:
    """Return the most of each value and of so many on either side of it, which are there."""
    width, reached = 2 * reach + 1, 1
    while 2 * reached <= width:
        padded = np.maximum(padded[:-reached], padded[reached:])
        reached *= 2
    rest = width - reached
    return np.maximum(padded[:-rest], padded[rest:]) if rest else padded
