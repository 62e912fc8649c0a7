"""How well a call and a recording agree at one alignment: the stretch, and whether it keeps time.

Codes are compared one each 80 ms. Samples that are played again agree and keep their time; another
reading of the same words agrees in places and wanders.
"""

from dataclasses import dataclass, replace

import numpy as np

from audio_model.known.fingerprint import N_BITS, NOTHING, Codes
from audio_model.known.store import CODES_PER_POSITION, POSITIONS_PER_SECOND, StoredRecording

TOLERATED = 0.33
"""Share of wrong bits at which a code speaks neither for nor against a match."""

MOST_AGREEMENT = 0.18
"""What one code may speak for a match: two syllables of other people's can agree almost wholly, but
they don't go on so."""

LEAST_EVIDENCE = 0.06
"""Of a stretch for it to be looked at more closely: half of what gives even odds."""

WANDER_STEPS = 5
WANDER_CODES = 9
LEAST_RISE = 0.03
MAX_WANDER = 0.18
MAX_WRONG = 0.25
"""How far a stretch wanders about its alignment is told from the bits that are wrong up to so many
steps of 16 ms before and behind it, in means over so many codes (0.7 s).

Samples that are played keep their time. A voice that says the same again wanders, if ever so
little, and a synthetic one that was made from other text before and behind does, too. Beyond the
maximum, within which 99.5 % of noisy true matches stay, there is no match. Stretches with a larger
share of wrong bits, such as a name in a template, say nothing of time.
"""


@dataclass(frozen=True)
class Stretch:
    """A part of a call that agrees with a recording at one alignment."""

    alignment: int
    """Code of all recordings, five a position, at which the call's first code would lie."""
    evidence: float
    """Agreement beyond the tolerated, in seconds; 0 if nothing agrees or it does not keep time."""
    begin: int
    end: int
    """Codes of the call: the first, and the one behind the last."""
    overlap: int = 0
    """Positions at which both tell something."""
    wander: float = 0.0


def best_stretch(heard: Codes, recording: StoredRecording, codes: Codes, alignment: int) -> Stretch:
    """The stretch that agrees best at an alignment or, where it does, a step of 16 ms beside it.

    Args:
        heard: all codes of the call. [shape=(n_codes,)]
        codes: the recording's, one each 80 ms. [shape=(recording.n_positions,)]
    """
    best = _at_alignment(heard, recording, codes, alignment)
    if best.evidence < LEAST_EVIDENCE:
        return best
    shifted = [_at_alignment(heard, recording, codes, alignment + shift) for shift in (-1, 1)]
    best = max([best, *shifted], key=lambda stretch: stretch.evidence)
    wander = _wander(heard, recording, codes, best)
    return replace(best, wander=wander, evidence=best.evidence if wander <= MAX_WANDER else 0.0)


def _wander(heard: Codes, recording: StoredRecording, codes: Codes, stretch: Stretch) -> float:
    begin, end = max(stretch.begin, WANDER_STEPS), min(stretch.end, len(heard) - WANDER_STEPS)
    begin += (stretch.begin - begin) % CODES_PER_POSITION
    times = np.arange(begin, end, CODES_PER_POSITION)
    first = (begin + stretch.alignment) // CODES_PER_POSITION - recording.first_position
    theirs = codes[first : first + len(times), None]
    ours = heard[times[:, None] + np.arange(-WANDER_STEPS, WANDER_STEPS + 1)]
    telling = (theirs[:, 0] != NOTHING) & (ours != NOTHING).all(axis=1)
    wrong = np.bitwise_count(ours ^ theirs)[telling] / N_BITS
    if len(wrong) < WANDER_CODES:
        return 0.0
    before, here, behind = (
        wrong[:, part].mean(axis=1)
        for part in (
            slice(0, WANDER_STEPS),
            slice(WANDER_STEPS, WANDER_STEPS + 1),
            slice(WANDER_STEPS + 1, None),
        )
    )
    window = np.full(WANDER_CODES, 1 / WANDER_CODES)
    # A name spoken into a template agrees nowhere, and says nothing of time.
    agreeing = np.convolve(here, window, "valid") <= MAX_WRONG
    if not agreeing.any():
        return 0.0
    # Wrong bits rise alike on both sides of the true time, so that their difference tells it.
    rise = max(float(((before + behind) / 2 - here).mean()), LEAST_RISE)
    means = np.convolve(behind - before, window, "valid")[agreeing]
    return float(means.std()) / (2 * rise)


def _at_alignment(
    heard: Codes, recording: StoredRecording, codes: Codes, alignment: int
) -> Stretch:
    first = CODES_PER_POSITION * recording.first_position - alignment
    low = max(0, -(first // CODES_PER_POSITION))
    high = min(len(codes), -((first - len(heard)) // CODES_PER_POSITION))
    if low >= high:
        return Stretch(alignment, 0.0, 0, 0)
    times = first + CODES_PER_POSITION * np.arange(low, high)
    ours, theirs = heard[times], codes[low:high]
    agreement = np.minimum(TOLERATED - np.bitwise_count(ours ^ theirs) / N_BITS, MOST_AGREEMENT)
    telling = (ours != NOTHING) & (theirs != NOTHING)
    agreement[~telling] = 0
    # The stretch with the largest sum: Bentley, "Programming pearls", 1984 (Kadane's algorithm).
    sums = np.concatenate([[0.0], np.cumsum(agreement)])
    lowest = np.minimum.accumulate(sums)
    end = int(np.argmax(sums - lowest))
    begin = int(np.argmin(sums[: end + 1]))
    evidence = float(sums[end] - sums[begin]) / POSITIONS_PER_SECOND
    if end == begin:
        return Stretch(alignment, 0.0, 0, 0)
    last = int(times[end - 1])
    return Stretch(alignment, evidence, int(times[begin]), last + 1, int(telling.sum()))
