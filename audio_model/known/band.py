"""The agreement of a call and a recording within a band of alignments, and the best path in it.

The path is the most likely one (Viterbi, 1967), at a price for each step. The prices and the limits
of wander were chosen so that no two readings of one text match, whether one actor or engines of one
voice read it, at 15 dB and on clean prompts; see ``benchmarks.known``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from audio_model.known.fingerprint import CODES_PER_SECOND, N_BITS, NOTHING, Codes
from audio_model.known.recording import CODES_PER_POSITION, POSITIONS_PER_SECOND, StoredRecording
from audio_model.known.wander import WANDER_STEPS, wander_of

TOLERATED = 0.33
"""Share of wrong bits at which a code speaks neither for nor against a match."""

MOST_AGREEMENT = 0.18
"""The most that one code may count for a match. Two syllables of different people can agree almost
wholly, but the agreement doesn't go on."""

STEP_PRICE = 0.045
"""Evidence that a step costs, in seconds."""

BLENDED_POSITIONS = 4
"""Positions at a step that needn't agree with either side: their codes have heard both."""

MAX_GAP = 40
"""Codes between two pieces that a slip explains: half a second that has heard both sides."""

STEADY = 0.1
"""Wander beyond which steps and another speed are tried."""

STEADY_PIECES, STEADY_SPEED, STEADY_FAST = 0.07, 0.085, 0.11
FAST = 0.015
"""Most wander of a stretch that steps, of one of another speed, and of one whose speed is off by so
much: steps and small changes of speed must not excuse another reading's time."""

PLAIN, STEADY_PLAIN = 0.155, 0.14
"""Mean agreement that no other reading has had, and the most wander of a stretch that has it."""

SAME, MAX_WANDER_SAME = 0.165, 0.3
"""Mean agreement where nearly all bits agree, and the most wander then: only slips shorter than a
code move such a stretch."""

LONG, LONG_DENSE = 0.75, 0.1
"""Evidence, and evidence a second, from which on a stretch may wander as much: seconds of two calls
that slip, each in its own way. Of 295,000 pairs of clean prompts and engines none has it that isn't
as alike as the same samples are."""

STEP_CODES = 3
"""Positions on each side of a step that tell nothing of the time there."""

LEAST_ALIKE = 0.2
"""Share of the best piece's mean agreement that another piece needs to count: all of a call comes
through one line, but what a jitter buffer stretches, or noise covers, agrees less."""

WANDER = 0.65
"""Evidence that wander speaks against, a unit."""

DRIFT_PRICE = 0.09
"""Evidence that a step costs at another speed, whose own drift leaves little to steps."""

MOST_STEPS_A_SECOND, CROWDED_PRICE = 4 / 3, 0.25
"""Steps that the worst of lines makes after a first one, and what each one beyond costs more: a
voice that says the same in another rhythm steps with every syllable."""

SPEED_PRICE = 0.03
"""Evidence that a speed other than the recording's own costs, in seconds."""

MAX_WANDER = 0.18
"""Within which 99.5 % of noisy true matches in one piece stay."""


@dataclass(frozen=True)
class Piece:
    """A part of a stretch that keeps one alignment."""

    alignment: int
    """Code of all recordings, five a position, at which the call's first code would lie."""
    begin: int
    end: int
    """Codes of the call: the first, and the one behind the last."""
    agreement: float
    """Mean agreement of its codes."""


@dataclass(frozen=True)
class Stretch:
    """A part of a call that agrees with a recording, in one or several pieces."""

    evidence: float
    """Agreement beyond the tolerated, in seconds, less the price of steps and speed; 0 if nothing
    agrees or it does not keep time."""
    pieces: tuple[Piece, ...] = ()
    """In the order of the call; none if nothing agrees."""
    speed: float = 1.0
    """The call's speed, in speeds of the recording."""
    overlap: int = 0
    """Positions at which both tell something, if all of the recording was played."""
    wander: float = 0.0

    @property
    def worth(self) -> float:
        """Return the evidence, less the part that wander speaks against."""
        return self.evidence - WANDER * self.wander

    @property
    def begin(self) -> int:
        """Return the call's first code of the stretch."""
        return self.pieces[0].begin

    @property
    def end(self) -> int:
        """Return the call's code behind the last one of the stretch."""
        return self.pieces[-1].end

    @property
    def n_codes(self) -> int:
        """Return the call's codes from the first to the last that are worth counting.

        Codes that agree nowhere between pieces don't count. At each step, as many codes as have
        heard both sides of it count as well.
        """
        gaps = (max(0, b.begin - a.end) for a, b in pairwise(self.pieces))
        alike = sum(piece.end - piece.begin for piece in self.pieces)
        return alike + sum(min(gap, MAX_GAP) for gap in gaps)

    @property
    def alignment(self) -> int:
        """Return the alignment of the longest piece."""
        return max(self.pieces, key=lambda piece: piece.end - piece.begin).alignment


NO_STRETCH = Stretch(0.0)

Rows = NDArray[np.int64]
"""Rows of a band, or the column of each. [shape=(n_codes,)]"""

Line = tuple[float, slice, int]
"""A stretch at one alignment: evidence in seconds, its rows and column."""


class Grid:
    """A call and a recording beside each other, within a band of alignments."""

    def __init__(
        self, heard: Codes, recording: StoredRecording, codes: Codes, low: int, high: int
    ) -> None:
        self.heard, self.low, self.n = heard, low, high - low + 1
        first = CODES_PER_POSITION * recording.first_position
        begin = max(0, -((first - low) // CODES_PER_POSITION))
        end = min(len(codes), -((first - len(heard) - high) // CODES_PER_POSITION))
        self.positions = np.arange(begin, max(begin, end))
        self.theirs = codes[self.positions]
        self.times = first + CODES_PER_POSITION * self.positions - low
        """Code of the call at each position, at the lowest alignment."""

    def most_evidence(self) -> float:
        """Return an upper bound for the evidence of any path through the band.

        It is the sum of each position's best.
        """
        telling = self.theirs != NOTHING
        times = self.times[telling, None] - np.arange(self.n)
        ours = self.heard.take(times, mode="clip")
        wrong = np.bitwise_count(ours ^ self.theirs[telling, None])
        there = (times >= 0) & (times < len(self.heard)) & (ours != NOTHING)
        fewest = wrong.min(axis=1, initial=N_BITS, where=there) / N_BITS
        best = np.clip(TOLERATED - fewest, 0, MOST_AGREEMENT)
        return float(best.sum()) / POSITIONS_PER_SECOND

    def at_speed(self, speed: float) -> "Band":
        """Return the band for a recording played at this speed."""
        middle = (self.positions[0] + self.positions[-1]) / 2
        drift = (1 - 1 / speed) * CODES_PER_POSITION * (self.positions - middle)
        return Band(self, drift, speed)


class Band:
    """The agreement of all alignments of a grid, for one speed."""

    def __init__(self, grid: Grid, drift: NDArray[np.float64], speed: float) -> None:
        self._grid, self._speed = grid, speed
        self._drift = np.rint(drift).astype(np.int64)
        self._rest = drift - self._drift
        """The remainder of rounding the drift, in codes."""
        self._times = (grid.times - self._drift)[:, None] - np.arange(grid.n)
        """[shape=(n_positions, n_alignments)]"""
        within = (self._times >= 0) & (self._times < len(grid.heard))
        ours = grid.heard[np.clip(self._times, 0, len(grid.heard) - 1)]
        theirs = grid.theirs[:, None]
        wrong = np.bitwise_count(ours ^ theirs) * np.float32(1 / N_BITS)
        self._telling = within & (ours != NOTHING) & (theirs != NOTHING)
        self._agreement = np.minimum(TOLERATED - wrong, MOST_AGREEMENT) * self._telling

    @property
    def most_telling(self) -> int:
        """Return the number of positions with evidence, at the alignment that has most of them."""
        return int(self._telling.sum(axis=0).max())

    def n_telling(self, line: Line) -> int:
        """Return the number of positions of a line that have evidence."""
        _, rows, column = line
        return int(self._telling[rows, column].sum())

    def best_line(self) -> Line:
        """Return the best stretch at any one alignment."""
        # The stretch with the largest sum: Bentley, "Programming pearls", 1984 (Kadane).
        sums = np.zeros((len(self._agreement) + 1, self._grid.n), np.float32)
        np.cumsum(self._agreement, axis=0, out=sums[1:])
        gains = sums - np.minimum.accumulate(sums, axis=0)
        end, column = divmod(int(gains.argmax()), self._grid.n)
        # The last of the lowest sums: what tells nothing is no part of it.
        begin = end - int(sums[end::-1, column].argmin())
        return float(gains[end, column]) / POSITIONS_PER_SECOND, slice(begin, end), column

    def along(self, line: Line) -> Stretch:
        """Return the stretch at one alignment with its evidence."""
        evidence, rows, column = line
        if evidence <= 0:
            return NO_STRETCH
        steady = np.arange(rows.start, rows.stop)
        return self._told(evidence, steady, np.full(len(steady), column))

    def best_path(self, max_step: int, sought_at: float = STEP_PRICE) -> Stretch:
        """Return the best path whose steps are of so many codes at most, with its evidence.

        Args:
            sought_at: the price of a step in the search. The result pays the full price.
        """
        evidence, rows, columns = self._path(max_step, sought_at)
        if not len(rows):
            return NO_STRETCH
        n_steps = int(_steps(rows, columns).sum())
        price = STEP_PRICE if self._speed == 1 else DRIFT_PRICE
        evidence -= (price - sought_at) * n_steps
        seconds = int(rows[-1] + 1 - rows[0]) / POSITIONS_PER_SECOND
        evidence -= CROWDED_PRICE * max(0.0, n_steps - 1 - MOST_STEPS_A_SECOND * seconds)
        return self._told(max(0.0, evidence), rows, columns)

    def _told(self, evidence: float, rows: Rows, columns: Rows) -> Stretch:
        if self._speed != 1:
            evidence -= SPEED_PRICE
        wander = self._wander(rows, columns)
        # Before, behind and between the pieces the recording goes on at their alignments.
        everywhere = np.arange(len(self._telling))
        nearest = np.minimum(np.searchsorted(rows, everywhere), len(rows) - 1)
        overlap = int(self._telling[everywhere, columns[nearest]].sum())
        pieces = list(self._pieces(rows, columns))
        return stretch_of(evidence, pieces, self._speed, overlap, wander)

    def _path(self, max_step: int, price: float) -> tuple[float, Rows, Rows]:
        """Return the evidence in seconds, and the rows and columns of the path."""
        n_rows, n = self._agreement.shape
        price *= POSITIONS_PER_SECOND
        columns = np.arange(n)
        came_from = np.empty((n_rows, n), np.int64)
        """Row and column before, as one number; -1 where a path begins."""
        sums = np.zeros((n_rows, n))
        score = np.zeros(n)
        for row in range(n_rows):
            came_from[row] = np.where(score > 0, (row - 1) * n + columns, -1)
            recent = sums[max(0, row - BLENDED_POSITIONS - 1) : row]
            if len(recent):
                best = int(recent.argmax())
                source = best + max(0, row - BLENDED_POSITIONS - 1) * n
                jump = float(recent.flat[best]) - price
                jumps = (score < jump) & (np.abs(columns - source % n) <= max_step)
                if jump > 0 and jumps.any():
                    came_from[row, jumps] = source
                    score = np.where(jumps, jump, score)
            score = np.maximum(score, 0) + self._agreement[row]
            sums[row] = score
        at = int(sums.argmax())
        evidence = float(sums.flat[at]) / POSITIONS_PER_SECOND
        path: list[int] = []
        while evidence > 0 and at >= 0:
            path.append(at)
            at = int(came_from.flat[at])
        rows, chosen = np.divmod(np.array(path[::-1], np.int64), n)
        return evidence, rows, chosen

    def _pieces(self, rows: Rows, columns: Rows) -> Iterator[Piece]:
        times = self._times[rows, columns]
        for part in _runs(rows, columns):
            middle = int(rows[(part.start + part.stop - 1) // 2])
            yield Piece(
                self._grid.low + int(columns[part.start] + self._drift[middle]),
                int(times[part.start]),
                int(times[part.stop - 1]) + 1,
                float(self._agreement[rows[part], columns[part]].mean()),
            )

    def _wander(self, rows: Rows, columns: Rows) -> float:
        grid = self._grid
        times = self._times[rows, columns]
        theirs = grid.theirs[rows, None]
        around = times[:, None] + np.arange(-WANDER_STEPS, WANDER_STEPS + 1)
        within = (around[:, 0] >= 0) & (around[:, -1] < len(grid.heard))
        ours = grid.heard[np.clip(around, 0, len(grid.heard) - 1)]
        telling = within & (theirs[:, 0] != NOTHING) & (ours != NOTHING).all(axis=1)
        wrong = np.bitwise_count(ours ^ theirs) / N_BITS
        parts = []
        for part in _runs(rows, columns):
            # Codes at a step have heard both sides of it, and tell nothing of either one's time.
            begin = part.start + STEP_CODES * (part.start > 0)
            end = part.stop - STEP_CODES * (part.stop < len(rows))
            parts.append(slice(begin, end))
        return wander_of(wrong, telling, parts, self._rest[rows] if self._speed != 1 else None)


def stretch_of(
    evidence: float,
    pieces: Sequence[Piece],
    speed: float,
    overlap: int,
    wander: float,
) -> Stretch:
    """Return pieces as a stretch, without those that agree far less than the best one."""
    least = LEAST_ALIKE * max(piece.agreement for piece in pieces)
    for piece in pieces:
        if piece.agreement < least:
            n_codes = (piece.end - piece.begin + CODES_PER_POSITION - 1) // CODES_PER_POSITION
            evidence -= max(0.0, piece.agreement * n_codes / POSITIONS_PER_SECOND)
    alike = tuple(piece for piece in pieces if piece.agreement >= least)
    kept = max(0.0, evidence) if wander <= _most_wander(evidence, pieces, speed) else 0.0
    return Stretch(kept, alike, speed, overlap, wander)


def _most_wander(evidence: float, pieces: Sequence[Piece], speed: float) -> float:
    n_codes = [piece.end - piece.begin for piece in pieces]
    agreement = np.average([piece.agreement for piece in pieces], weights=n_codes)
    is_long = evidence >= max(LONG, LONG_DENSE * sum(n_codes) / CODES_PER_SECOND)
    if agreement >= SAME or is_long:
        return MAX_WANDER_SAME
    if speed == 1 and len(pieces) == 1:
        return MAX_WANDER
    if agreement >= PLAIN:
        return STEADY_PLAIN
    if speed != 1:
        return STEADY_FAST if abs(speed - 1) > FAST else STEADY_SPEED
    return STEADY_PIECES


def _runs(rows: Rows, columns: Rows) -> Sequence[slice]:
    """Return the parts of a path between its steps."""
    edges = [0, *(np.flatnonzero(_steps(rows, columns)) + 1).tolist(), len(rows)]
    return [slice(begin, end) for begin, end in pairwise(edges)]


def _steps(rows: Rows, columns: Rows) -> NDArray[np.bool_]:
    """Return whether a path steps behind each of its codes but the last."""
    steps: NDArray[np.bool_] = (np.diff(columns) != 0) | (np.diff(rows) != 1)
    return steps
