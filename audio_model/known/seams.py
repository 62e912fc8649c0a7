"""Undo the slips of a line: find which frame of a call is which of a recording, and make it whole.

The codes of half a second about a slip have heard both of its sides and agree with nothing. Where
several slips follow each other, hardly any other code is left. So frames are compared, which have
heard 64 ms each. The codes of a recording tell its frames, roughly: each code is the signs of the
same waves in half a second of them, so the waves of its signs, added up, resemble them. The most
likely path through the frames (Viterbi, 1967), at a price for each slip, undoes all slips at once.

Codes of the call are then made anew along the path. If its slips are undone rightly, the codes
across each *seam* agree as all others do. They alone are evidence. Other speech gains little by
all this: wherever its frames are put, its codes disagree.

A slip that drops, repeats or silences audio is undone at one frame. One that squeezes or stretches
it is undone evenly over four times as many frames as it moved, which is what jitter buffers do.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from audio_model.known.band import (
    MOST_AGREEMENT,
    NO_STRETCH,
    TOLERATED,
    Grid,
    Piece,
    Stretch,
    stretch_of,
)
from audio_model.known.course import FRAMES_A_STEP, Course, Search, likely_course
from audio_model.known.fingerprint import (
    N_BITS,
    N_CEPSTRAL,
    N_TEMPORAL,
    NOTHING,
    ORDER,
    PATCH_FRAMES,
    TEMPORAL,
    Codes,
    codes_of,
)
from audio_model.known.products import product
from audio_model.known.recording import CODES_PER_POSITION, POSITIONS_PER_SECOND
from audio_model.known.wander import WANDER_STEPS, wander_of

SEAM_PRICE = 0.025
"""Evidence that a seam costs, in seconds."""

LEAST_LIKENESS = 0.05
"""Likeness beyond which a frame speaks for a path; one that is the recording's has 0.3 to 1."""

MOST_SEAMS = 5
"""Slips that are undone at most: four, and one that a noise makes of them. What more of them would
join is a reading in another rhythm."""

TOLD_FROM = 50
"""Positions of a stretch from which on some piece must be long enough to tell its time. Four slips
may leave none in three seconds; two voices that read one text leave none in six."""


WORTH_FITTING = 0.05
"""Seconds of evidence from which the slips that a search finds are fitted; most chance has less."""

SQUEEZED = 0.02
"""Evidence that a slip may gain where it turns out to squeeze or stretch."""

LEAST_FRAMES = 12
"""Frames between two slips: fewer agree by chance with the call at some alignment or other."""

LONG, LEAST_JOINED = 40, 0.1
"""Positions of a stretch from which on pieces that two slips or more join need so much evidence a
second: another reading of the words can be cut into pieces that agree a little."""

RAMP = 4
"""Frames over which a slip squeezes or stretches, in frames that it moves."""

_FLOOR = 0.1
"""Share of the mean power below which frames are not made as loud as others."""

_FRAMES = np.arange(PATCH_FRAMES)
_HALF, _LAST = PATCH_FRAMES // 2, PATCH_FRAMES - 1
_EARLY, _LATE = 4, PATCH_FRAMES - 5
"""Frames of a patch that the call must have; what lies beside them has hardly any weight."""
_PER_PATCH = -(-PATCH_FRAMES // CODES_PER_POSITION)
"""Positions that a patch reaches over."""
_WAVES = np.zeros((N_TEMPORAL, _PER_PATCH * CODES_PER_POSITION), np.float32)
_WAVES[:, :PATCH_FRAMES] = TEMPORAL.T

Frames = NDArray[np.int64]
FrameAgreement = NDArray[np.float32]


@dataclass(frozen=True)
class Mended:
    """A call with its slips undone, beside a recording."""

    course: Course
    frames: Frames
    """The frame of the call at each frame of the recording. [shape=(n_frames,)]"""
    agreement: FrameAgreement
    """[shape=(n_positions,)]"""
    begin: int
    end: int
    """Positions that agree: the first, and the one behind the last."""

    @property
    def evidence(self) -> float:
        """Return the agreement in seconds, less the price of the seams."""
        agreement = float(self.agreement[self.begin : self.end].sum()) / POSITIONS_PER_SECOND
        return agreement - SEAM_PRICE * len(self.seams)

    @property
    def seams(self) -> tuple[int, ...]:
        """Return the seams that lie between positions that agree."""
        first = CODES_PER_POSITION * self.begin + _HALF
        last = CODES_PER_POSITION * (self.end - 1) + _HALF
        return tuple(seam for seam in self.course.seams if first < seam <= last)

    @property
    def inner(self) -> Course:
        """Return the course with these seams alone: the search met chance beyond them."""
        middle = CODES_PER_POSITION * (self.begin + self.end) // 2 + _HALF
        seams = self.seams or (middle,)
        begin = sum(seam < seams[0] for seam in self.course.seams)
        end = begin + len(self.seams)
        course = self.course
        return Course(
            course.alignments[begin : end + 1], course.seams[begin:end], course.even[begin:end]
        )


class Mender:
    """Undoes the slips of a call beside one recording."""

    def __init__(self, grid: Grid, cepstra: NDArray[np.float16]) -> None:
        """Prepare to undo slips.

        Args:
            grid: of the alignments that the call may have.
            cepstra: of all frames of the call. [shape=(n_frames, N_CEPSTRAL)]
        """
        self._grid, self._n = grid, len(cepstra)
        # The frame behind the last one stands for all that the call doesn't have.
        self._cepstra = np.zeros((self._n + 1, N_CEPSTRAL), np.float32)
        self._cepstra[:-1] = cepstra
        self._telling = grid.theirs != NOTHING
        self._starts = CODES_PER_POSITION * np.arange(len(grid.positions))
        self._n_frames = CODES_PER_POSITION * len(grid.positions) + PATCH_FRAMES
        self._lowest = np.arange(self._n_frames) + int(grid.times[0])
        """The frame of the call at each frame of the recording, at the lowest alignment."""
        self._likeness = self._compared()

    def mend(self, search: Search) -> Mended | None:
        """Undo all slips; return None if nothing is alike, or too much slips."""
        course = likely_course(self._likeness, search)
        if course is None:
            return None
        best = self._best([course])
        if len(best.seams) < len(course.seams):
            best = self._best([best.inner])
        if best.evidence < WORTH_FITTING - SQUEEZED * len(best.course.seams):
            return None
        course = best.course
        for seam in range(len(course.seams)):
            even = [n == seam or was for n, was in enumerate(best.course.even)]
            best = max(best, self._best([course._replace(even=tuple(even))]), key=_evidence)
        if best.evidence < WORTH_FITTING:
            return None
        while variants := list(best.course.variants()):
            other = self._best(variants)
            if other.evidence <= best.evidence:
                break
            best = other
        while (piece := best.course.shortest(LEAST_FRAMES)) is not None:
            best = self._best(list(best.course.without(piece)))
        return best if len(best.seams) <= MOST_SEAMS else None

    def stretch(self, mended: Mended) -> Stretch:
        """Return what was mended as a stretch, with its evidence."""
        if mended.end <= mended.begin:
            return NO_STRETCH
        rows = np.arange(mended.begin, mended.end)
        middles = CODES_PER_POSITION * rows + _HALF
        edges = np.searchsorted(middles, mended.seams).tolist()
        parts = [slice(a, b) for a, b in pairwise([0, *edges, len(rows)]) if b > a]
        # A code of the call is told by the frame in the middle of its patch.
        times = np.clip(mended.frames[middles] - _HALF, 0, len(self._grid.heard) - 1)
        zero = self._grid.low + int(self._grid.times[0])
        agreement = mended.agreement[rows]
        pieces = []
        for part in parts:
            half = (part.start + part.stop - 1) // 2
            pieces.append(
                Piece(
                    zero + CODES_PER_POSITION * int(rows[half]) - int(times[half]),
                    int(times[part.start]),
                    int(times[part.stop - 1]) + 1,
                    float(agreement[part].mean()),
                )
            )
        _, told = self._codes(mended.frames[None])
        overlap = int((told & self._telling).sum())
        wander = self._wander(mended, rows, parts)
        least = LEAST_JOINED * len(rows) / POSITIONS_PER_SECOND
        if len(rows) >= LONG and len(mended.seams) > 1 and mended.evidence < least:
            return NO_STRETCH
        return stretch_of(mended.evidence, pieces, 1.0, overlap, wander)

    def _compared(self) -> NDArray[np.float32]:
        """Return how alike frames are, summed over steps. [shape=(n_steps, n_alignments)]"""
        grid = self._grid
        octets = np.ascontiguousarray(grid.theirs.astype("<u8")).view(np.uint8).reshape(-1, 8)
        signs = np.empty((len(octets), N_BITS), np.float32)
        signs[:, ORDER] = np.unpackbits(octets, axis=1, bitorder="little")
        signs = (2 * signs - 1) * self._telling[:, None]
        waves = product(signs.reshape(-1, N_TEMPORAL), _WAVES)
        waves = waves.reshape(len(octets), N_CEPSTRAL, _PER_PATCH, CODES_PER_POSITION)
        theirs = np.zeros(
            (len(octets) + _PER_PATCH - 1, N_CEPSTRAL, CODES_PER_POSITION), np.float32
        )
        for n in range(_PER_PATCH):
            theirs[n : n + len(octets)] += waves[:, :, n]
        theirs /= np.sqrt(np.square(theirs).mean()) + 1e-9
        flat = theirs.transpose(0, 2, 1).reshape(-1, N_CEPSTRAL)
        ours = self._cepstra[:-1].T
        ours = ours - ours.mean(axis=1, keepdims=True)
        ours /= np.sqrt(np.square(ours).mean(axis=1, keepdims=True)) + 1e-9
        ours /= np.sqrt(np.sqrt(np.square(ours).mean(axis=0) + _FLOOR))
        ours /= np.sqrt(np.square(ours).mean()) * N_CEPSTRAL + 1e-9
        n_steps = -(-len(flat) // FRAMES_A_STEP)
        # Room on either side for what the call doesn't have, which is like nothing.
        first = int(grid.times[0]) - grid.n + 1
        before = max(0, -first)
        width = max(n_steps * FRAMES_A_STEP + first + before + grid.n, before + self._n)
        alike = np.zeros((n_steps * FRAMES_A_STEP, width), np.float32)
        alike[: len(flat), before : before + self._n] = product(flat, ours) - LEAST_LIKENESS
        rows, columns = alike.strides
        # Of each of the recording's frames, those of the call at all alignments, the last first.
        skewed = np.lib.stride_tricks.as_strided(
            alike[:, first + before :], (n_steps * FRAMES_A_STEP, grid.n), (rows + columns, columns)
        )
        summed: NDArray[np.float32] = skewed.reshape(n_steps, FRAMES_A_STEP, -1).sum(axis=1)
        return summed[:, ::-1]

    def _best(self, courses: Sequence[Course]) -> Mended:
        """Return the call as the likeliest of courses puts it."""
        frames = np.stack([self._frames(course) for course in courses])
        codes, told = self._codes(frames)
        wrong = np.bitwise_count(codes ^ self._grid.theirs) * np.float32(1 / N_BITS)
        agreement = np.minimum(TOLERATED - wrong, MOST_AGREEMENT) * (told & self._telling)
        # As Band.best_line.
        sums = np.zeros((len(courses), agreement.shape[1] + 1), np.float32)
        np.cumsum(agreement, axis=1, out=sums[:, 1:])
        ends = (sums - np.minimum.accumulate(sums, axis=1)).argmax(axis=1).tolist()
        mended = []
        for n, end in enumerate(ends):
            begin = end - int(sums[n, end::-1].argmin())
            mended.append(Mended(courses[n], frames[n], agreement[n], begin, end))
        return max(mended, key=_evidence)

    def _frames(self, course: Course) -> Frames:
        """Return the frame of the call at each frame of the recording."""
        put = self._lowest.copy()
        edges = [0, *course.seams, self._n_frames]
        for alignment, (begin, end) in zip(course.alignments, pairwise(edges), strict=True):
            put[begin:end] -= alignment
        for seam, even, (before, behind) in zip(
            course.seams, course.even, pairwise(course.alignments), strict=True
        ):
            if even and behind != before:
                moved = _moved(behind - before)
                begin = seam - len(moved) // 2
                put[max(0, begin) : begin + len(moved)] -= moved[max(0, -begin) :][
                    : self._n_frames - max(0, begin)
                ]
        return put

    def _codes(self, frames: Frames) -> tuple[Codes, NDArray[np.bool_]]:
        """Return the call's codes at positions, and whether it has any there that tells anything.

        Codes are made anew where frames were moved.

        Args:
            frames: as they are put, in several ways. [shape=(n, n_frames)]
        """
        heard = self._grid.heard
        first, last = frames[:, self._starts], frames[:, self._starts + _LAST]
        told = (frames[:, self._starts + _EARLY] >= 0) & (frames[:, self._starts + _LATE] < self._n)
        as_heard = self._whole(frames) & (first >= 0) & (last < self._n)
        codes = np.zeros(told.shape, np.uint64)
        codes[as_heard] = heard[first[as_heard]]
        told &= ~as_heard | (codes != NOTHING)
        ways, rows = np.nonzero(~as_heard & told)
        if len(ways):
            at = frames[ways[:, None], self._starts[rows][:, None] + _FRAMES]
            at[(at < 0) | (at >= self._n)] = self._n
            codes[ways, rows] = codes_of(self._cepstra.take(at, axis=0))
        return codes, told

    def _whole(self, frames: Frames) -> NDArray[np.bool_]:
        """Return which positions have frames that follow each other; see :meth:`_codes`."""
        ways, breaks = np.nonzero(frames[:, 1:] - frames[:, :-1] != 1)
        # The last positions whose patches begin before a break; those that end before it don't.
        rows = breaks[:, None] // CODES_PER_POSITION - np.arange(_PER_PATCH)
        starts = CODES_PER_POSITION * rows
        has = (rows >= 0) & (rows < len(self._starts)) & (starts >= breaks[:, None] - _LAST + 1)
        nth, _ = np.nonzero(has)
        whole = np.ones((len(frames), len(self._starts)), np.bool_)
        whole[ways[nth], rows[has]] = False
        return whole

    def _wander(self, mended: Mended, rows: Frames, parts: Sequence[slice]) -> float:
        """Return how far the pieces wander, by the codes that no slip has changed."""
        around = mended.frames[self._starts[rows], None] + np.arange(
            -WANDER_STEPS, WANDER_STEPS + 1
        )
        heard, theirs = self._grid.heard, self._grid.theirs[rows, None]
        there = (
            self._whole(mended.frames[None])[0, rows]
            & (around[:, 0] >= 0)
            & (around[:, -1] < len(heard))
        )
        ours = heard[np.clip(around, 0, len(heard) - 1)]
        telling = there & self._telling[rows] & (ours != NOTHING).all(axis=1)
        untold = math.inf if len(rows) >= TOLD_FROM else 0.0
        return wander_of(np.bitwise_count(ours ^ theirs) / N_BITS, telling, parts, untold=untold)


def _evidence(mended: Mended) -> float:
    return mended.evidence


@cache
def _moved(step: int) -> Frames:
    """Return by how many frames an even slip moves each frame about its seam."""
    past = np.arange(-RAMP * abs(step) // 2, RAMP * abs(step) // 2 + 1)
    share = past / (RAMP * abs(step)) + 0.5
    return np.rint(step * (share - (past >= 0))).astype(np.int64)
