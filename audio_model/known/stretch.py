"""How well a call and a recording agree: the stretch, its pieces, and their timing.

Codes are compared one each 80 ms, at all alignments of a band. Samples that are played agree at one
alignment. Where a jitter buffer drops or inserts audio, the alignment *steps*: the stretch goes on
in another piece, and what was heard between them is put right; see :mod:`audio_model.known.seams`.
Steps of a few codes, which leave most codes alike, are found as the best path over alignments
(Viterbi, 1967). Each step has a price, so that chance and another reading of the same words, which
agree here and there, gain nothing by stepping. A player of another speed makes the alignment drift.
"""

import numpy as np
from numpy.typing import NDArray

from audio_model.known.band import (
    NO_STRETCH,
    STEADY,
    STEADY_PIECES,
    STEP_PRICE,
    Grid,
    Stretch,
)
from audio_model.known.course import MAX_STEP, SEARCHES
from audio_model.known.fingerprint import Codes
from audio_model.known.recording import CODES_PER_POSITION, StoredRecording
from audio_model.known.seams import Mender

LEAST_EVIDENCE = 0.1
"""Seconds of evidence that give even odds; what can't have so much isn't sought."""

BESIDE, LEAST_BESIDE = 1, 0.06
"""Codes about the alignments with hits within which a match must be able to have so much evidence
already: most hits are chance, and agree nowhere else."""

NEAR = 6
"""Codes about the alignments with hits within which small steps and another speed are tried: three
seconds drift by half of it at most on either side of their middle."""

DRIFT_STEP = 2
"""Codes between pieces at most at another speed, where steps take up what the speed leaves over."""

SPEEDS = (0.97, 0.98, 0.99, 1.01, 1.02, 1.03)
"""Tried where the recording's own speed doesn't explain the call. What lies between them is half a
percent off at most, a code in three seconds; steps take up the rest of a longer call."""

EXPLAINED = 0.85
"""Share of what overlaps that one alignment must hold if neither steps nor speeds are tried."""

SETTLED, MOST_UNDECIDED = 0.25, 10
"""Evidence of one alignment from which nothing else is tried, if so many positions at most don't
agree: the match is sure, and they don't contradict it."""

LEAST_LINE, LEAST_WITH_HITS, MANY_HITS = 0.07, 0.06, 4
"""Seconds of evidence at one alignment from which slips are undone about it, and another speed is
followed. Less is enough for slips where there were many hits: chance has two or three."""

LEAST_TO_MEND = 0.12
"""Seconds of evidence that alignments near those with hits must be able to have for slips to be
undone: of 1,031 matches with slips two had less, of other speech four fifths."""

PROMISING = 0.19
"""Seconds of such evidence from which slips are undone however little one alignment has."""

MOST_SOUGHT = 4
"""Pieces at most of a path that is sought at a lower price, since one alignment wanders."""

CLEARLY = 0.07
"""Evidence by which undoing slips must be ahead of a steady speed that explains as much."""

REACH = 64
"""Codes about such an alignment that a call may move by all its slips: a second."""

MAX_BAND = 128
"""Alignments that are compared at most."""


def best_stretch(
    heard: Codes,
    cepstra: NDArray[np.float16],
    recording: StoredRecording,
    codes: Codes,
    alignments: tuple[int, int],
    n_hits: int,
    *,
    plain: bool = False,
) -> Stretch:
    """Return the stretch that agrees best about a band of alignments.

    Args:
        heard: all codes of the call. [shape=(n_codes,)]
        cepstra: of all its frames. [shape=(n_frames, N_CEPSTRAL)]
        codes: the recording's, one each 80 ms. [shape=(recording.n_positions,)]
        alignments: the lowest and the highest at which there were hits.
        n_hits: how many those were.
        plain: whether neither slips nor another speed are sought.
    """

    def grid(lowest: int, highest: int) -> Grid:
        return Grid(heard, recording, codes, lowest, highest)

    at_hits = grid(alignments[0] - BESIDE, alignments[1] + BESIDE)
    if at_hits.most_evidence() < LEAST_BESIDE:
        return NO_STRETCH
    low, high = alignments[0] - NEAR, alignments[1] + NEAR
    if high - low > MAX_BAND:
        middle = (low + high) // 2
        low, high = middle - MAX_BAND // 2, middle + MAX_BAND // 2
    near = grid(low, high)
    bound = near.most_evidence()
    if bound < LEAST_EVIDENCE:
        return NO_STRETCH
    band = near.at_speed(1.0)
    line = band.best_line()
    best = band.along(line)
    n_more = band.most_telling - band.n_telling(line)
    explains = n_more <= (1 - EXPLAINED) * band.most_telling
    settled = n_more <= MOST_UNDECIDED and best.worth >= SETTLED
    if plain or settled or (explains and best.wander <= STEADY):
        return best
    candidates = [best]
    if best.wander > STEADY_PIECES:
        path = band.best_path(MAX_STEP, STEP_PRICE / 3)
        candidates += [path] * (len(path.pieces) <= MOST_SOUGHT)
    evidence, _, column = line
    bands = [near.at_speed(speed) for speed in SPEEDS]
    lines = [other.best_line() for other in bands]
    n = max(range(len(SPEEDS)), key=lambda n: lines[n][0])
    if lines[n][0] > max(evidence, LEAST_LINE):
        candidates.append(bands[n].best_path(DRIFT_STEP))
    best = max(candidates, key=lambda stretch: stretch.worth)
    least = LEAST_WITH_HITS if n_hits >= MANY_HITS else LEAST_LINE
    if bound >= PROMISING or (evidence >= least and bound >= LEAST_TO_MEND):
        alignment = near.low + column
        around = grid(alignment - REACH, alignment + REACH)
        mended = _mended(around, cepstra)
        steady = best.speed != 1 and best.n_codes >= EXPLAINED * mended.n_codes
        if mended.worth > best.worth + CLEARLY * steady:
            return mended
    return best


def settles(stretch: Stretch) -> bool:
    """Return whether a stretch is sure and leaves so little of a call that nothing else counts."""
    n_codes = stretch.n_codes + CODES_PER_POSITION * MOST_UNDECIDED if stretch.pieces else 0
    return stretch.worth >= SETTLED and n_codes >= CODES_PER_POSITION * stretch.overlap


def _mended(around: Grid, cepstra: NDArray[np.float16]) -> Stretch:
    """Return the best stretch with slips undone; one without evidence if nothing slips."""
    mender, best = Mender(around, cepstra), NO_STRETCH
    for search in SEARCHES:
        mended = mender.mend(search)
        if mended is None or not mended.seams:
            continue
        best = max(best, mender.stretch(mended), key=lambda stretch: stretch.worth)
        n_codes = EXPLAINED * CODES_PER_POSITION * best.overlap
        if best.evidence > 0 and best.n_codes >= n_codes and best.wander <= STEADY_PIECES:
            break
    return best
