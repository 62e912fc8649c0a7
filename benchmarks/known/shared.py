"""Whether two recordings that match hold the same samples somewhere, or only sound alike."""

import numpy as np
from scipy import signal

from audio_model.frontend import SAMPLE_RATE, Samples
from audio_model.known.match import Match

COMPARED_SAMPLES = SAMPLE_RATE // 2
STEP_SAMPLES = SAMPLE_RATE // 4
SLACK_SAMPLES = SAMPLE_RATE * 75 // 1000
"""A match's offset is told to the nearest code, and a piece may drift by a few."""

SAME = 0.9
"""Correlation from which half a second of two recordings is the same samples, decoded anew."""


def correlations(call: Samples, recording: Samples, match: Match) -> list[float]:
    """Return how well the waveforms agree, for each half second of a match's pieces.

    Each is the largest normalised correlation within the slack about the offset.
    """
    found = []
    for piece in match.pieces:
        begin, end = (round(second * SAMPLE_RATE) for second in (piece.start, piece.end))
        for at in range(begin, end - COMPARED_SAMPLES + 1, STEP_SAMPLES):
            ours = call[at : at + COMPARED_SAMPLES]
            first = max(0, at + round(piece.offset * SAMPLE_RATE) - SLACK_SAMPLES)
            theirs = recording[first : first + COMPARED_SAMPLES + 2 * SLACK_SAMPLES]
            if len(theirs) < len(ours) or not ours.any():
                continue
            products = signal.correlate(theirs, ours, "valid")
            powers = signal.convolve(theirs**2, np.ones(len(ours)), "valid", "direct")
            sizes = np.sqrt(np.maximum(powers, 1e-12) * np.square(ours).sum())
            found.append(float((products / sizes).max()))
    return found


def share_samples(call: Samples, recording: Samples, match: Match) -> bool:
    """Return whether half a second of a match is the same samples in both."""
    return max(correlations(call, recording, match), default=0.0) >= SAME
