import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_model.known.fingerprint import (
    CODES_PER_SECOND,
    N_KEY_BITS,
    NOTHING,
    PATCH_SAMPLES,
    Fingerprinter,
    fingerprint,
)
from tests.known.calls import played, spoken
from tests.sounds import noise, silence, tone

SPOKEN = spoken(3, seed=0)
DTMF = (tone(3, 770, 0.1) + tone(3, 1336, 0.1)) * np.repeat([1, 0, 1, 0, 1, 0], 4000)
PINNED = [0x4A65A59A4A25A59E, 0x1913E4E40983E0E4, 0x8AC7166E96CA1A6B]


def telling(samples: np.ndarray) -> float:
    """Share of codes that tell something."""
    return float((fingerprint(samples).codes != NOTHING).mean())


def wrong_bits(one: np.ndarray, other: np.ndarray) -> float:
    both = (one != NOTHING) & (other != NOTHING)
    return float(np.bitwise_count(one[both] ^ other[both]).mean() / 64)


def test_codes_are_pinned() -> None:
    # A changed code makes every store useless: bump the store's version with it.
    codes = fingerprint(SPOKEN).codes[[0, 50, 100]]
    # Of a coefficient near zero, another machine's rounding may turn the sign.
    assert np.bitwise_count(codes ^ np.array(PINNED, np.uint64)).sum() <= 1


@given(st.lists(st.integers(0, 5000), max_size=8))
def test_packets_of_any_size_give_the_codes_of_the_whole(sizes: list[int]) -> None:
    fingerprinter = Fingerprinter()
    parts = np.split(SPOKEN, np.minimum(np.cumsum(sizes, dtype=int), len(SPOKEN)))
    found = [fingerprinter.feed(part) for part in parts]
    whole = fingerprint(SPOKEN)
    np.testing.assert_array_equal(np.concatenate([part.codes for part in found]), whole.codes)
    margins = np.concatenate([part.margins for part in found])
    np.testing.assert_allclose(margins, whole.margins, atol=1e-4)


def test_one_code_each_hop_from_the_first_whole_patch() -> None:
    assert len(fingerprint(SPOKEN[: PATCH_SAMPLES - 1])) == 0
    assert len(fingerprint(SPOKEN[:PATCH_SAMPLES])) == 1
    assert len(fingerprint(SPOKEN[: PATCH_SAMPLES + 1280])) == 11
    assert fingerprint(SPOKEN).margins.shape == (len(fingerprint(SPOKEN)), N_KEY_BITS)
    assert CODES_PER_SECOND == 62.5


def test_level_changes_no_bit() -> None:
    loud, quiet = fingerprint(SPOKEN).codes, fingerprint(SPOKEN / np.float32(8)).codes
    both = quiet != NOTHING
    assert both.mean() > 0.9
    np.testing.assert_array_equal(loud[both], quiet[both])


def test_a_line_changes_few_bits_and_another_recording_half() -> None:
    codes = fingerprint(SPOKEN).codes
    assert wrong_bits(codes, fingerprint(played(SPOKEN, seed=1)).codes) < 0.15
    assert wrong_bits(codes, fingerprint(spoken(3, seed=1)).codes) == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize(
    "sound",
    [
        silence(3),
        tone(3, 450),
        np.concatenate([tone(1, 425), silence(1), tone(1, 425)]),
        DTMF,
        noise(3, level=0.001),
    ],
    ids=["silence", "dialling", "ringback", "dtmf", "line-noise"],
)
def test_what_every_call_has_tells_nothing(sound: np.ndarray) -> None:
    # Switched hard, as no exchange does, a tone's click is wide for a moment.
    assert telling(sound.astype(np.float32)) < 0.12
    assert telling(SPOKEN) > 0.95
