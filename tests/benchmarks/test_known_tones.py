"""Calls that hold the same tone of a network don't match each other."""

import numpy as np
import pytest

from benchmarks.known.tones import CALLS_KEPT, TONES, likeliest, main, tone


def test_a_tone_keeps_its_cadence() -> None:
    samples = tone(TONES["ringing, China"], 6)
    sounding = np.abs(samples).reshape(-1, 800).max(axis=1) > 0.5
    assert sounding.tolist() == ([True] * 10 + [False] * 40 + [True] * 10)
    frequencies = np.abs(np.fft.rfft(samples[:8000]))
    assert frequencies.argmax() == 450


@pytest.mark.slow
def test_no_tone_of_a_network_is_a_repetition() -> None:
    for name, matches in likeliest(6, np.random.default_rng(1)):
        if name != "receiver off hook":
            assert not any(match.is_sure_among(CALLS_KEPT) for match in matches), name


def test_a_row_for_each_tone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.known.tones.TONES", dict(list(TONES.items())[:2]))
    main(["--calls", "2"])
    assert len(capsys.readouterr().out.splitlines()) == 4
