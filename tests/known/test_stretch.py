from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from audio_model.known.fingerprint import fingerprint
from audio_model.known.match import WORTH_WEIGHING, Match, Repeats
from audio_model.known.matcher import match_whole
from audio_model.known.store import Store
from tests.known.calls import Samples, cut, faster, played, slipped, spoken, store_of

RECORDINGS = [spoken(8, seed) for seed in range(4)]


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with store_of(RECORDINGS) as store:
        yield store


def matched(store: Store, call: Samples) -> Match:
    match = match_whole(store, fingerprint(call))
    assert match is not None and match.recording.name == "recording 1"
    return match


def test_one_slip_hides_next_to_nothing(store: Store) -> None:
    """At least 95 % of sixty calls with a slip of 5 to 250 ms are sure, and in their place."""
    rng = np.random.default_rng(0)
    found = 0
    for seed in range(60):
        slip_ms = float(rng.uniform(5, 250) * rng.choice([-1, 1]))
        call = slipped(
            played(cut(RECORDINGS[1], 2, 4), seed), float(rng.uniform(1.4, 2.6)), slip_ms
        )
        match = match_whole(store, fingerprint(call))
        if match is None or not match.sure:
            continue
        found += 1
        assert match.recording.name == "recording 1"
        assert match.repeats is Repeats.MESSAGE
        offsets = [piece.offset for piece in match.pieces]
        assert offsets[0] == pytest.approx(2, abs=0.035)
        assert offsets[-1] == pytest.approx(2 - slip_ms / 1000, abs=0.035)
    assert found >= 57


def test_each_piece_has_its_place_and_offset(store: Store) -> None:
    """At least 90 % of thirty calls with two slips of 60 to 250 ms are sure, piece by piece."""
    rng = np.random.default_rng(1)
    found = 0
    for seed in range(30):
        first_ms, second_ms = rng.uniform(60, 250, 2) * rng.choice([-1, 1], 2)
        call = played(cut(RECORDINGS[1], 1, 6), seed)
        call = slipped(slipped(call, 4, float(second_ms)), 2, float(first_ms))
        match = match_whole(store, fingerprint(call))
        if match is None or not match.sure:
            continue
        found += 1
        ends = [piece.end for piece in match.pieces]
        assert ends == sorted(ends) and all(piece.start < piece.end for piece in match.pieces)
        offsets = [piece.offset for piece in match.pieces]
        assert offsets[0] == pytest.approx(1, abs=0.035)
        assert offsets[-1] == pytest.approx(1 - (first_ms + second_ms) / 1000, abs=0.035)
    assert found >= 27


@pytest.mark.parametrize("speed", [0.97, 0.98, 0.99, 1.01, 1.02, 1.03])
def test_another_speed_hides_nothing(store: Store, speed: float) -> None:
    match = matched(store, faster(played(cut(RECORDINGS[1], 1, 4), seed=3), speed))
    assert match.sure
    assert match.speed == pytest.approx(speed, abs=0.011)


def test_a_recording_at_its_own_speed_is_one_piece(store: Store) -> None:
    match = matched(store, played(cut(RECORDINGS[1], 1, 4), seed=3))
    assert match.speed == 1
    (piece,) = match.pieces
    assert (piece.start, piece.end) == (match.start, match.end)
    assert piece.offset == match.offset


def test_a_shared_part_is_told_as_one(store: Store) -> None:
    call = np.concatenate([cut(RECORDINGS[1], 0, 3), spoken(5, seed=70)])
    match = matched(store, played(call, seed=1))
    assert match.repeats is Repeats.PART and not match.sure
    assert match.end < 3.6


@settings(max_examples=15, deadline=None)
@given(st.integers(100, 10_000))
@example(384)
def test_speech_that_was_never_heard_shares_nothing(store: Store, seed: int) -> None:
    match = match_whole(store, fingerprint(spoken(4, seed)))
    assert match is None or (match.repeats is None and match.probability < WORTH_WEIGHING)
