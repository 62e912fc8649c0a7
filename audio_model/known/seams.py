"""Undo the slips of a line, one after another, from the part of a call that agrees best.

The codes of half a second about a slip have heard both of its sides and agree with nothing. Where
several slips follow each other, hardly any other code is left. So the frames of the call are put
where they are in the recording, as each slip could have moved them, and codes are made of them
anew. If a slip is undone rightly, the codes across the *seam* agree as all others do.

A slip that drops, repeats or silences audio is undone at one frame. One that squeezes or stretches
it is undone evenly over four times as many frames as it moved, which is what jitter buffers do.
Other speech gains little by all this: wherever its frames are put, it goes on to disagree.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from audio_model.known.band import (
    MOST_AGREEMENT,
    TOLERATED,
    Grid,
    Piece,
    Stretch,
    stretch_of,
)
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
from audio_model.known.recording import CODES_PER_POSITION, POSITIONS_PER_SECOND
from audio_model.known.wander import WANDER_STEPS, wander_of

MAX_STEP = 17
"""Frames that a slip moves at most: 0.27 s."""

SEAM_PRICE = 0.025
"""Evidence that a seam costs, in seconds."""

LEAST_GAIN = 0.035
"""Evidence that undoing a slip must gain, in seconds: of hundreds that are tried one gains some by
chance."""

MOST_SEAMS = 4
"""Slips that are undone at most. What more of them would join is a reading in another rhythm."""

TOLD_FROM = 50
"""Positions of a stretch from which on some piece must be long enough to tell its time. Four slips
may leave none in three seconds; two voices that read one text leave none in six."""

RAMP = 4
"""Frames over which a slip squeezes or stretches, in frames that it moves."""

BEFORE, BEHIND = 8, 14
"""Positions before and behind the end of what agrees by which a slip is judged."""

EDGE = 8
"""Frames of a patch from which on hardly any weight is left to what came before."""

COARSE = (-8, 8, 28)
FINE = tuple(range(-24, 37, 6))
FINEST = (-4, -2, 0, 2, 4)
"""Frames beyond the end of what agrees at which a slip is sought: any slip, then the likeliest, and
about the place of the best of these."""

N_LIKELY = 5

N_SCREENED = 8
N_SCREENED_BITS = N_SCREENED * N_TEMPORAL
"""Cepstral coefficients by which slips are compared, in every second frame, and their bits."""

MOST_SOUGHT = 0.22
"""The most that one code counts in the search: more than in the result, since a slip of a few
frames is told by codes that agree a little better."""

STRICT = 0.1
"""Agreement by which codes must exceed even to be taken for those before a slip: a few frames
behind one, codes still agree more than chance does."""


class _Slip(NamedTuple):
    size: int
    """Frames by which the recording is ahead behind it."""
    even: bool
    """Whether it squeezes or stretches the audio about its place."""


_SLIPS = tuple(
    _Slip(sign * size, even)
    for size in (1, *range(2, MAX_STEP, 2))
    for sign in (-1, 1)
    for even in (False, True)
)
"""Slips that are sought first; those beside the likeliest follow."""

_FRAMES = np.arange(PATCH_FRAMES)
_HALF = PATCH_FRAMES // 2
_TEMPORAL_OF_HALF = np.asarray(TEMPORAL.reshape(_HALF, 2, -1).sum(axis=1), np.float32)
_EARLY, _LATE = 4, PATCH_FRAMES - 5
"""Frames of a patch that the call must have; what lies beside them has hardly any weight."""

Frames = NDArray[np.int64]
Agreement = NDArray[np.float32]


@dataclass
class Mended:
    """A call with its slips undone, beside a recording."""

    frames: Frames
    """The frame of the call at each frame of the recording. [shape=(n_frames,)]"""
    agreement: Agreement
    """[shape=(n_positions,)]"""
    begin: int
    end: int
    """Positions that agree: the first, and the one behind the last."""
    seams: tuple[int, ...] = ()
    """Frames of the recording at which slips were undone."""

    def rows(self, *, later: bool) -> Frames:
        """Return the positions from the first on or, if not ``later``, from the last one back."""
        last = len(self.agreement)
        return np.arange(self.begin, last) if later else np.arange(self.end - 1, -1, -1)

    def go_on(self, least: float, *, later: bool) -> None:
        """Go on without a slip for as long as codes agree by more than ``least``."""
        rows = self.rows(later=later)
        furthest = int(rows[(self.agreement[rows] - least).cumsum().argmax()])
        if later:
            self.end = furthest + 1
        else:
            self.begin = furthest


class Mender:
    """Undoes the slips of a call beside one recording."""

    def __init__(self, grid: Grid, cepstra: NDArray[np.float16]) -> None:
        """Prepare to undo slips.

        Args:
            grid: of the positions that the call may reach.
            cepstra: of all frames of the call. [shape=(n_frames, N_CEPSTRAL)]
        """
        self._grid, self._n = grid, len(cepstra)
        # The frame behind the last one stands for all that the call doesn't have.
        self._cepstra = np.zeros((N_CEPSTRAL, self._n + 1), np.float32)
        self._cepstra[:, :-1] = cepstra.T
        self._halves = self._cepstra[:N_SCREENED].copy()
        self._halves[:, :-1] += self._cepstra[:N_SCREENED, 1:]
        octets = np.ascontiguousarray(grid.theirs.astype("<u8")).view(np.uint8).reshape(-1, 8)
        bits = np.empty((len(octets), N_BITS), np.bool_)
        bits[:, ORDER] = np.unpackbits(octets, axis=1, bitorder="little")
        self._screened_bits = _packed(bits[:, :N_SCREENED_BITS])
        self._telling = grid.theirs != NOTHING

    def mend(self, alignment: int, begin: int, end: int, gain: float) -> Mended:
        """Undo slips behind and before a part that agrees.

        Args:
            alignment: of the part, above the grid's lowest.
            begin: the first of its positions.
            end: the position behind the last.
            gain: evidence that undoing a slip must gain, in seconds.
        """
        positions = np.arange(len(self._grid.positions))
        frames = np.arange(CODES_PER_POSITION * len(positions) + PATCH_FRAMES)
        frames += int(self._grid.times[0]) - alignment
        mended = Mended(frames, self._agreement(frames, positions), begin, end)
        for later in (True, False):
            strict = True
            while len(mended.seams) < MOST_SEAMS:
                mended.go_on(STRICT if strict else 0.0, later=later)
                undone = self._undo_next(mended, gain * POSITIONS_PER_SECOND, later=later)
                if not (undone or strict):
                    break
                strict = undone
            mended.go_on(0.0, later=later)
        return mended

    def stretch(self, mended: Mended) -> Stretch:
        """Return what was mended as a stretch, with its evidence."""
        rows = np.arange(mended.begin, mended.end)
        middles = CODES_PER_POSITION * rows + _HALF
        edges = np.searchsorted(middles, sorted(mended.seams)).tolist()
        parts = [slice(a, b) for a, b in pairwise([0, *edges, len(rows)]) if b > a]
        agreement = np.minimum(mended.agreement[rows], MOST_AGREEMENT)
        evidence = float(agreement.sum()) / POSITIONS_PER_SECOND - SEAM_PRICE * (len(parts) - 1)
        # A code of the call is told by the frame in the middle of its patch.
        times = np.clip(mended.frames[middles] - _HALF, 0, len(self._grid.heard) - 1)
        zero = self._grid.low + int(self._grid.times[0])
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
        _, told = self._codes(mended.frames, np.arange(len(mended.agreement)))
        overlap = int((told & self._telling).sum())
        return stretch_of(evidence, pieces, 1.0, overlap, self._wander(mended, rows, parts))

    def _undo_next(self, mended: Mended, least: float, *, later: bool) -> bool:
        """Undo the slip at the end of what agrees, if that gains more than the least."""
        n_before = min(BEFORE, mended.end - mended.begin)
        changed = mended.rows(later=later)[mended.end - mended.begin - n_before :]
        if len(changed) == n_before:
            return False
        rows = changed[: n_before + BEHIND]
        if later:
            edge, way = CODES_PER_POSITION * mended.end + EDGE, 1
        else:
            edge, way = CODES_PER_POSITION * mended.begin + PATCH_FRAMES - EDGE, -1
        places = [edge + way * by for by in COARSE]
        scores = self._screened(mended.frames, _SLIPS, places, rows[::2], later=later)
        likely = [_SLIPS[n] for n in np.argsort(-scores.max(axis=1))[:N_LIKELY]]
        places = [edge + way * by for by in FINE]
        scores = self._screened(mended.frames, likely, places, rows, later=later)
        best, place = divmod(int(scores.argmax()), len(places))
        size, even = likely[best]
        sizes = [size + by for by in (-1, 0, 1) if 0 < abs(size + by) <= MAX_STEP]
        likely, places = (
            [_Slip(near, even) for near in sizes],
            [places[place] + by for by in FINEST],
        )
        scores = self._screened(mended.frames, likely, places, rows, later=later)
        best, place = divmod(int(scores.argmax()), len(places))
        frames = _undone(mended.frames, [likely[best]], [places[place]], later=later)[0]
        former = float(mended.agreement[rows].cumsum().max())
        if float(self._agreement(frames, rows).cumsum().max()) - former <= least:
            return False
        mended.agreement[changed] = self._agreement(frames, changed)
        mended.frames = frames
        mended.seams += (places[place],)
        return True

    def _screened(
        self,
        frames: Frames,
        slips: Sequence[_Slip],
        places: Sequence[int],
        rows: Frames,
        *,
        later: bool,
    ) -> NDArray[np.float64]:
        """Return about how much agrees with each slip undone. [shape=(n_slips, n_places)]"""
        first = CODES_PER_POSITION * int(rows.min())
        part = frames[first : CODES_PER_POSITION * int(rows.max()) + PATCH_FRAMES]
        undone = _undone(part, slips, [place - first for place in places], later=later)
        starts = CODES_PER_POSITION * rows - first
        at = undone[:, starts[:, None] + _FRAMES[::2]]
        there = (at[..., _EARLY // 2] >= 0) & (at[..., _LATE // 2] < self._n)
        heard = self._halves[:, self._within(at)]
        moving = (heard.reshape(-1, _HALF) @ _TEMPORAL_OF_HALF).reshape(*heard.shape[:-1], -1)
        bits = _packed(np.moveaxis(moving > 0, 0, -2).reshape(-1, N_SCREENED_BITS))
        wrong = np.bitwise_count(bits.reshape(there.shape) ^ self._screened_bits[rows])
        wrong = wrong * (1 / N_SCREENED_BITS)
        agreement = np.minimum(TOLERATED - wrong, MOST_SOUGHT) * (there & self._telling[rows])
        best: NDArray[np.float64] = agreement.cumsum(axis=1).max(axis=1)
        return best.reshape(len(slips), len(places))

    def _agreement(self, frames: Frames, rows: Frames) -> Agreement:
        """Return the agreement at positions. [shape=(n_rows,)]"""
        codes, told = self._codes(frames, rows)
        wrong = np.bitwise_count(codes ^ self._grid.theirs[rows]) * np.float32(1 / N_BITS)
        agreement = np.minimum(TOLERATED - wrong, MOST_SOUGHT) * (told & self._telling[rows])
        found: Agreement = agreement.astype(np.float32)
        return found

    def _codes(self, frames: Frames, rows: Frames) -> tuple[Codes, NDArray[np.bool_]]:
        """Return the call's codes at positions, and whether it has any there that tells anything.

        Codes are made anew where frames were moved.
        """
        heard = self._grid.heard
        at = frames[(CODES_PER_POSITION * rows)[:, None] + _FRAMES]
        told = (at[:, _EARLY] >= 0) & (at[:, _LATE] < self._n)
        as_heard = _is_whole(at) & (at[:, 0] >= 0) & (at[:, 0] < len(heard))
        codes = np.zeros(len(rows), np.uint64)
        codes[as_heard] = heard[at[as_heard, 0]]
        told &= ~as_heard | (codes != NOTHING)
        if len(anew := np.flatnonzero(~as_heard & told)):
            codes[anew] = codes_of(self._cepstra[:, self._within(at[anew])])
        return codes, told

    def _within(self, at: Frames) -> Frames:
        within: Frames = np.where((at >= 0) & (at < self._n), at, self._n)
        return within

    def _wander(self, mended: Mended, rows: Frames, parts: Sequence[slice]) -> float:
        """Return how far the pieces wander, by the codes that no slip has changed."""
        at = mended.frames[(CODES_PER_POSITION * rows)[:, None] + _FRAMES]
        around = at[:, :1] + np.arange(-WANDER_STEPS, WANDER_STEPS + 1)
        heard, theirs = self._grid.heard, self._grid.theirs[rows, None]
        there = _is_whole(at) & (around[:, 0] >= 0) & (around[:, -1] < len(heard))
        ours = heard[np.clip(around, 0, len(heard) - 1)]
        telling = there & self._telling[rows] & (ours != NOTHING).all(axis=1)
        untold = math.inf if len(rows) >= TOLD_FROM else 0.0
        return wander_of(np.bitwise_count(ours ^ theirs) / N_BITS, telling, parts, untold=untold)


def _packed(bits: NDArray[np.bool_]) -> NDArray[np.uint32]:
    """Return the bits of each row as one number."""
    return np.packbits(bits, axis=1).view(np.uint32)[:, 0]


def _is_whole(at: Frames) -> NDArray[np.bool_]:
    """Return which patches are of frames that follow each other."""
    whole: NDArray[np.bool_] = (np.diff(at, axis=1) == 1).all(axis=1)
    return whole


def _undone(
    frames: Frames, slips: Sequence[_Slip], places: Sequence[int], *, later: bool
) -> Frames:
    """Return the frames with each slip undone at each place. [shape=(n, n_frames)]"""
    sizes, evens = (np.repeat(of, len(places))[:, None] for of in zip(*slips, strict=True))
    past = np.arange(len(frames)) - np.tile(places, len(slips))[:, None]
    share = np.where(evens, np.clip(past / (RAMP * np.abs(sizes)) + 0.5, 0, 1), past >= 0)
    # What was mended before keeps its place.
    undone: Frames = frames - np.rint(sizes * (share if later else share - 1)).astype(np.int64)
    return undone
