import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from audio_model.known.campaigns import is_same
from audio_model.known.fingerprint import KEY_MASK, NOTHING, fingerprint
from audio_model.known.match import CHANCE_SLOPE, LEAST_PIECE, MARGIN, Match, MatchedPiece
from audio_model.known.matcher import (
    AMONG_CALLS,
    AMONG_RECORDINGS,
    Matcher,
    likely_codes,
    match_whole,
)
from audio_model.known.recording import LearntBy, StoredRecording
from audio_model.known.store import Store
from tests.known.calls import Samples, cut, played, slipped, spoken, store_of
from tests.sounds import SAMPLE_RATE, tone

RECORDINGS = [spoken(8, seed) for seed in range(6)]


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with store_of(RECORDINGS) as store:
        yield store


@pytest.mark.parametrize("begin", [0.0, 1.237, 4.9])
@pytest.mark.parametrize("seconds", [2.0, 3.0])
def test_a_cut_is_found_at_its_offset(store: Store, begin: float, seconds: float) -> None:
    call = played(cut(RECORDINGS[2], begin, seconds), seed=3)
    match = match_whole(store, fingerprint(call))
    assert match is not None and match.recording.name == "recording 2"
    assert match.probability > 0.5 if seconds == 2 else match.sure
    assert match.offset == pytest.approx(begin, abs=0.02)
    assert match.seconds == pytest.approx(seconds, abs=0.6)
    assert 0 <= match.start < match.end <= seconds + 0.01


def test_a_beep_before_it_makes_the_offset_negative(store: Store) -> None:
    call = np.concatenate([tone(1.1, 425), played(cut(RECORDINGS[1], 0, 3), seed=1)])
    match = match_whole(store, fingerprint(call))
    assert match is not None and match.sure
    assert match.offset == pytest.approx(-1.1, abs=0.02)
    assert match.start >= 0.6


def test_another_recording_is_no_match(store: Store) -> None:
    for seed in range(100, 120):
        match = match_whole(store, fingerprint(spoken(6, seed)))
        assert match is None or match.probability < 0.1


def test_tones_and_silence_match_nothing(store: Store) -> None:
    assert match_whole(store, fingerprint(tone(4, 450))) is None
    assert match_whole(store, fingerprint(np.zeros(32_000, np.float32))) is None
    assert match_whole(store, fingerprint(np.zeros(10, np.float32))) is None


@pytest.mark.parametrize("resumes_at", [4.0, 5.5])
def test_a_name_in_a_template_is_a_gap_of_one_match(store: Store, resumes_at: float) -> None:
    whole = RECORDINGS[4]
    name = spoken(1.5, seed=77)
    spliced = np.concatenate([cut(whole, 0, 4), name, cut(whole, resumes_at, 4)])
    match = match_whole(store, fingerprint(played(spliced, seed=5)))
    assert match is not None and match.sure
    assert match.recording.name == "recording 4"
    assert 5 < match.seconds < 9.5
    assert match.start < 0.5 and match.end > 7.5


@pytest.mark.parametrize("packet", [160, 1000, 7777])
def test_packets_of_any_size_match_as_the_whole(store: Store, packet: int) -> None:
    call = played(RECORDINGS[3], seed=9)
    whole = Matcher(store)
    whole.feed(call)
    matcher = Matcher(store)
    sure_after = []
    for start in range(0, len(call), packet):
        matcher.feed(call[start : start + packet])
        if matcher.sure:
            sure_after.append((start + packet) / SAMPLE_RATE)
    assert matcher.matches == whole.matches and matcher.sure_at == whole.sure_at
    assert matcher.sure_at is not None and matcher.sure_at < 3
    # At once, and from then on.
    assert sure_after[0] - packet / SAMPLE_RATE <= matcher.sure_at <= sure_after[0]
    assert len(sure_after) == len(call) // packet + (len(call) % packet > 0) - round(
        (sure_after[0] * SAMPLE_RATE - packet) / packet
    )
    matcher.flush()
    whole.flush()
    assert matcher.matches == whole.matches
    np.testing.assert_array_equal(matcher.codes, fingerprint(call).codes)
    assert matcher.match is not None and matcher.match.recording.name == "recording 3"
    assert matcher.match.seconds == pytest.approx(8, abs=0.6)


def test_what_was_learnt_of_a_call_is_nothing_known_to_it(store: Store) -> None:
    call = fingerprint(spoken(6, seed=99))
    store.add("a call", call.codes, learnt=LearntBy.NETWORK)
    # Chance is all that is left.
    rest = match_whole(store, call, own="a call")
    assert rest is None or (rest.recording.name != "a call" and rest.probability < 0.3)
    other = match_whole(store, call, own="another")
    assert other is not None and other.recording.name == "a call"
    added = match_whole(store, fingerprint(RECORDINGS[2]), own="recording 2")
    assert added is not None and added.recording.name == "recording 2"


def test_what_the_network_alone_has_taught_must_be_repeated_surely() -> None:
    recording = spoken(8, 1)
    call = slipped(slipped(played(cut(recording, 2, 3), 0), 2, 150), 1, -100)
    with Store(":memory:") as store:
        id = store.add("first", fingerprint(recording).codes, 0.0, learnt=LearntBy.NETWORK)

        def matched(samples: Samples) -> bool:
            matcher = Matcher(store, "second")
            matcher.add(fingerprint(samples))
            return matcher.sure

        assert not matched(call)
        assert matched(played(cut(recording, 2, 3), 0))
        store.heard(id, 1.0)
        assert matched(call)


def test_what_a_call_has_taught_hides_no_other_recording() -> None:
    call = fingerprint(played(cut(RECORDINGS[0], 0, 7), seed=1))
    with store_of([]) as store:
        store.add("a call", call.codes, learnt=LearntBy.NETWORK)
        store.add("an earlier one", fingerprint(played(RECORDINGS[0][-24_000:], seed=2)).codes)
        match = match_whole(store, call, own="a call")
    assert match is not None and match.sure and match.recording.name == "an earlier one"


@pytest.mark.parametrize("seed", [0, 1])
def test_two_long_calls_that_slip_each_in_its_own_way_are_one_recording(seed: int) -> None:
    calls = []
    for line in (seed, seed + 100):
        rng = np.random.default_rng([line, 9])
        call = spoken(10, seed)
        for second in range(6, 0, -1):
            call = slipped(call, 1.4 * second, float(rng.choice([-20, 20, -12, 12])))
        calls.append(played(call, line, snr_db=12))
    with store_of(calls[:1]) as store:
        match = match_whole(store, fingerprint(calls[1]))
    assert match is not None and match.is_sure_among(100)


def test_probability_rises_with_what_is_heard(store: Store) -> None:
    call = played(RECORDINGS[0], seed=4)
    lengths = (1.5, 1.75, 2.0, 3.0)
    matches = [match_whole(store, fingerprint(cut(call, 0, length))) for length in lengths]
    told = [0.0 if match is None else match.probability for match in matches]
    assert told[0] < 0.5 < told[1] < told[2] < told[3]


@pytest.mark.parametrize("wander", [0.0, 0.06])
def test_what_wanders_in_time_was_not_played(store: Store, wander: float) -> None:
    """The same sounds said again, as it were: never more than ``wander`` seconds off."""
    samples = RECORDINGS[5]
    time = np.arange(len(samples)) / SAMPLE_RATE
    moved = time + wander * np.sin(2 * np.pi * time / 3)
    again = np.interp(moved, time, samples).astype(np.float32)
    match = match_whole(store, fingerprint(again))
    assert (match is not None and match.sure) == (wander == 0)


def test_a_message_that_goes_on_differently_is_another(store: Store) -> None:
    phrase = cut(RECORDINGS[1], 0, 2)
    alone = match_whole(store, fingerprint(phrase))
    assert alone is not None and alone.sure
    longer = match_whole(store, fingerprint(np.concatenate([phrase, spoken(6, seed=55)])))
    assert longer is None or not longer.sure


def test_what_is_removed_is_not_found() -> None:
    with Store(":memory:") as store:
        id = store.add("gone", fingerprint(RECORDINGS[0]).codes)
        store.add("kept", fingerprint(RECORDINGS[1]).codes)
        store.remove(id)
        match = match_whole(store, fingerprint(RECORDINGS[0]))
        assert match is None or match.probability < 0.01


def test_likely_codes_change_only_the_weakest_key_bits() -> None:
    heard = fingerprint(played(RECORDINGS[0], seed=1))
    looked_up, codes = likely_codes(heard, AMONG_RECORDINGS.min_key_probability)
    changed = heard.codes[looked_up] ^ codes
    assert not np.any(changed & ~KEY_MASK)
    assert np.bitwise_count(changed).max() == 2
    keys = codes & KEY_MASK
    assert len(np.unique(keys)) == len(keys)
    assert not np.any(heard.codes[looked_up] == NOTHING)
    assert len(codes) > len(likely_codes(heard, AMONG_CALLS.min_key_probability)[1])
    for n in np.flatnonzero(np.bitwise_count(changed) == 1):
        bit = int(changed[n]).bit_length() - 1
        assert bit in np.argsort(heard.margins[looked_up[n]])[:2]


def made(**changes: Any) -> Match:
    stored = StoredRecording(1, "", 0, 60, 0.0, 0.0, 1, LearntBy.NOBODY)
    one = Match(stored, 0.0, 0.0, 4.0, 4.0, 4.0, 4.0, 0.4, 0.0, (MatchedPiece(0.0, 4.0, 0.0),))
    return replace(one, **changes)


def test_the_more_calls_the_surer_a_match_must_be() -> None:
    sure_up_to = math.exp(CHANCE_SLOPE * (made().worth - LEAST_PIECE) - MARGIN)
    assert made().is_sure_among(int(sure_up_to) - 1) and not made().is_sure_among(
        int(sure_up_to) + 2
    )
    assert made(evidence=0.8).is_sure_among(10**9)


def test_each_piece_must_be_worth_a_match() -> None:
    """So it was with a sentence that two people read alike: four pieces, 0.33 s of evidence."""
    pieces = tuple(MatchedPiece(n, n + 1, 0.1 * n) for n in range(4))
    assert made(evidence=0.333).sure and not made(evidence=0.333, pieces=pieces).is_sure_among(100)
    assert made(pieces=pieces[:2]).is_sure_among(100) and not made(speed=1.02).is_sure_among(10_000)
    assert not is_same(made(evidence=0.333, pieces=pieces), 100)
