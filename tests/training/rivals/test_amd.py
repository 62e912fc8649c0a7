"""Every rule of the documentation, just within its limit and just beyond."""

from dataclasses import replace

import numpy as np
import pytest

from tests import sounds
from training.rivals.amd import Amd, AmdOptions, Cause, Status, detect

DEFAULTS = AmdOptions()


def call(*lengths_ms: int) -> sounds.Samples:
    """Silence and voice in turn, silence first."""
    parts = [
        sounds.tone(ms / 1000) if n % 2 else sounds.silence(ms / 1000)
        for n, ms in enumerate(lengths_ms)
    ]
    return np.concatenate(parts)


@pytest.mark.parametrize(
    ("lengths_ms", "status", "cause", "measure"),
    [
        ((2600,), Status.MACHINE, Cause.INITIALSILENCE, 2520),
        ((2500, 100, 820), Status.HUMAN, Cause.HUMAN, 820),
        ((200, 600, 1000), Status.HUMAN, Cause.HUMAN, 820),
        ((0, 1500, 900), Status.HUMAN, Cause.HUMAN, 820),
        ((0, 1520, 900), Status.MACHINE, Cause.LONGGREETING, 1520),
        ((0, 800, 100, 800), Status.MACHINE, Cause.LONGGREETING, 1520),
        ((0, 200, 60, 200, 900), Status.HUMAN, Cause.HUMAN, 820),
        ((0, 200, 60, 200, 60, 200), Status.MACHINE, Cause.MAXWORDS, 3),
        # Pauses below 50 ms part no words, and voice below 100 ms is none.
        ((0, 200, 40, 200, 40, 200, 900), Status.HUMAN, Cause.HUMAN, 820),
        ((0, 200, 60, 80, 60, 200, 900), Status.HUMAN, Cause.HUMAN, 820),
        ((1000, 80, 2600), Status.MACHINE, Cause.INITIALSILENCE, 2520),
        # A click before the greeting is no part of it.
        ((0, 80, 100, 1500, 900), Status.HUMAN, Cause.HUMAN, 820),
        ((0, 1000, 700), Status.NOTSURE, Cause.TOOLONG, 1700),
        ((1000,), Status.NOTSURE, Cause.TOOLONG, 1000),
        ((), Status.NOTSURE, Cause.TOOLONG, 0),
    ],
)
def test_rules(lengths_ms: tuple[int, ...], status: Status, cause: Cause, measure: int) -> None:
    result = detect(call(*lengths_ms) if lengths_ms else np.zeros(0, np.float32), DEFAULTS)
    assert (result.status, result.cause, result.measure) == (status, cause, measure)


def test_a_call_that_stays_unclear_takes_too_long() -> None:
    unclear = call(*[700, 80] * 12)
    result = detect(unclear, DEFAULTS)
    assert (result.cause, result.measure) == (Cause.TOOLONG, 5020)
    longer = detect(unclear, replace(DEFAULTS, total_analysis_ms=6000))
    assert longer.measure == 6020


def test_a_single_word_may_be_too_long() -> None:
    options = replace(DEFAULTS, maximum_word_ms=1000)
    result = detect(call(0, 2000), options)
    assert (result.status, result.cause, result.measure) == (
        Status.MACHINE, Cause.MAXWORDLENGTH, 1020,
    )  # fmt: skip
    assert result.at_ms == 1020


@pytest.mark.parametrize(("amplitude", "cause"), [(255, Cause.INITIALSILENCE), (256, Cause.HUMAN)])
def test_silence_is_below_the_threshold(amplitude: int, cause: Cause) -> None:
    quiet = call(0, 600, 2600)
    square = np.sign(quiet + 1e-9 * (quiet == 0)) * (quiet != 0) * np.float32(amplitude / 32768)
    assert detect(square.astype(np.float32), DEFAULTS).cause is cause


def test_scores_are_its_verdicts_on_three_seconds() -> None:
    human, machine = call(0, 600, 900), call(0, 2000)
    late = call(0, 600, 700, 100, 700, 80, 700, 80, 900)
    rival = Amd()
    rival.fit([], 0)
    assert rival.scores([human, machine, late, call(500)]).tolist() == [0, 1, 0.5, 0.5]
    assert detect(late, DEFAULTS).at_ms > 3000
    assert rival.thresholds == (0, 1)
