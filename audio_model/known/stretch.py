"""How well a call and a recording agree: the stretch, its pieces, and their timing.

Codes are compared one each 80 ms, at all alignments of a band. Samples that are played agree at one
alignment. Where a jitter buffer drops or inserts audio, the alignment *steps*: the stretch goes on
in another piece. The best path over alignments is found as a sequence model finds it (Viterbi,
1967), at a price for each step, so that chance and another reading of the same words, which agree
here and there, gain nothing by stepping. A player of another speed makes the alignment drift.
"""

from audio_model.known.band import (
    NO_STRETCH,
    SPEED_PRICE,
    STEADY,
    STEADY_PIECES,
    STEP_PRICE,
    Grid,
    Stretch,
)
from audio_model.known.fingerprint import Codes
from audio_model.known.recording import StoredRecording

LEAST_EVIDENCE = 0.06
"""Seconds of evidence, about half of what gives even odds; what can't have so much isn't sought."""

BESIDE = 1
"""Codes about the alignments with hits within which a match must have the least evidence already:
most hits are chance, and agree nowhere else."""

NEAR = 6
"""Codes about the alignments with hits within which another speed is tried: three seconds drift by
half of it at most on either side of their middle."""

DRIFT_STEP = 2
"""Codes between pieces at most at another speed, where steps take up what the speed leaves over."""

SPEEDS = (0.97, 0.98, 0.99, 1.01, 1.02, 1.03)
"""Tried where the recording's own speed doesn't explain the call. What lies between them is half a
percent off at most, a code in three seconds; steps take up the rest of a longer call."""

EXPLAINED = 0.85
"""Share of what overlaps that one alignment must hold if neither steps nor speeds are tried."""

MOST_SOUGHT = 4
"""Pieces at most of a path that is sought at a lower price, since the first one wanders."""

MAX_STEP = 17
"""Codes between neighbouring pieces at most: 0.27 s."""

REACH = 2 * MAX_STEP
"""Codes beyond the alignments with hits within which pieces are sought: two steps."""

MAX_BAND = 128
"""Alignments that are compared at most."""


def best_stretch(
    heard: Codes, recording: StoredRecording, codes: Codes, alignments: tuple[int, int]
) -> Stretch:
    """Return the stretch that agrees best in a band of alignments and within two steps of it.

    Args:
        heard: all codes of the call. [shape=(n_codes,)]
        codes: the recording's, one each 80 ms. [shape=(recording.n_positions,)]
        alignments: the lowest and the highest at which there were hits.
    """
    at_hits = Grid(heard, recording, codes, alignments[0] - BESIDE, alignments[1] + BESIDE)
    if not len(at_hits.positions) or at_hits.at_speed(1.0).most_evidence < LEAST_EVIDENCE:
        return NO_STRETCH
    low, high = alignments[0] - REACH, alignments[1] + REACH
    if high - low > MAX_BAND:
        middle = (low + high) // 2
        low, high = middle - MAX_BAND // 2, middle + MAX_BAND // 2
        alignments = low + REACH, high - REACH
    grid = Grid(heard, recording, codes, low, high)
    if not len(grid.positions):
        return NO_STRETCH
    band = grid.at_speed(1.0)
    most = band.most_evidence
    if most < LEAST_EVIDENCE:
        return NO_STRETCH
    line = band.best_line()
    best = band.along(line)
    # Steps and another speed have a price, so such a stretch can't be worth more than this.
    if best.worth >= most - min(SPEED_PRICE, STEP_PRICE):
        return best
    explains = band.n_telling(line) >= EXPLAINED * band.most_telling
    if explains and best.wander <= STEADY:
        return best
    candidates = [best, path := band.best_path(MAX_STEP)]
    if path.wander > STEADY_PIECES:
        stepping = band.best_path(MAX_STEP, STEP_PRICE / 3)
        candidates += [stepping] * (len(stepping.pieces) <= MOST_SOUGHT)
    narrow = Grid(heard, recording, codes, alignments[0] - NEAR, alignments[1] + NEAR)
    if len(narrow.positions):
        bands = [narrow.at_speed(speed) for speed in SPEEDS]
        lines = [other.best_line() for other in bands]
        n = max(range(len(SPEEDS)), key=lambda n: lines[n][0])
        if lines[n][0] > line[0]:
            candidates.append(bands[n].best_path(DRIFT_STEP))
    return max(candidates, key=lambda stretch: stretch.worth)
