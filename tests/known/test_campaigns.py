import math

import numpy as np
import pytest

from audio_model.known.campaigns import Campaign, Grouping
from audio_model.known.fingerprint import fingerprint
from tests.known.calls import cut, played, slipped, spoken
from tests.sounds import tone

ONE, TWO = spoken(12, seed=1), spoken(12, seed=2)


def group(*calls: np.ndarray, times: tuple[float, ...] = ()) -> list[Campaign]:
    grouping = Grouping()
    for n, samples in enumerate(calls):
        grouping.add(fingerprint(samples), times[n] if times else math.nan)
    return grouping.campaigns()


def members(campaigns: list[Campaign]) -> list[list[int]]:
    return [[call.index for call in campaign.calls] for campaign in campaigns]


def test_calls_of_one_recording_are_one_campaign_and_others_alone() -> None:
    calls = [played(ONE, 0), spoken(6, 50), played(TWO, 1), played(ONE, 2), played(TWO, 3)]
    campaigns = group(*calls, times=(10.0, 0.0, 5.0, 4.0, math.nan))
    assert members(campaigns) == [[0, 3], [2, 4]]
    assert [campaign.number for campaign in campaigns] == [1, 2]
    assert [(campaign.first, campaign.last) for campaign in campaigns] == [(4.0, 10.0), (5.0, 5.0)]
    for call in campaigns[0].calls:
        assert 9 < call.matched_seconds <= 12.1


def test_cuts_that_meet_only_in_a_third_are_joined_with_their_offsets() -> None:
    begin, middle, end = cut(ONE, 0, 6), cut(ONE, 2.5, 7.5), cut(ONE, 6.5, 5.5)
    (campaign,) = group(played(begin, 0), played(end, 1), played(middle, 2))
    offsets = {call.index: call.offset for call in campaign.calls}
    zero = offsets[0]
    assert offsets[campaign.exemplar.index] == campaign.exemplar.offset == 0
    assert campaign.exemplar.index == 2
    assert offsets[2] - zero == pytest.approx(2.5, abs=0.05)
    assert offsets[1] - zero == pytest.approx(6.5, abs=0.05)


def test_a_call_that_slips_joins_what_lies_behind_a_whole_match() -> None:
    """The call holds all of the first one, and slips twice in what the second one has."""
    both = slipped(slipped(played(TWO, 2), 10.3, 150), 9, 150)
    campaigns = group(played(cut(TWO, 0, 7), 0), played(cut(TWO, 7.5, 4.5), 1), both)
    assert members(campaigns) == [[0, 1, 2]]


def test_a_spoken_name_stays_inside_its_campaign() -> None:
    names = [spoken(1 + 0.3 * n, seed=30 + n) for n in range(4)]
    calls = [
        played(np.concatenate([cut(ONE, 0, 3), name, cut(ONE, 3, 5)]), n)
        for n, name in enumerate(names)
    ]
    (campaign,) = group(*calls)
    assert len(campaign.calls) == 4
    assert min(call.matched_seconds for call in campaign.calls) > 4


def test_a_shared_phrase_joins_no_two_messages() -> None:
    phrase = spoken(2, seed=90)
    one = np.concatenate([phrase, cut(ONE, 0, 8)])
    two = np.concatenate([phrase, cut(TWO, 0, 8)])
    assert members(group(played(one, 0), played(two, 1), played(one, 2))) == [[0, 2]]


def test_the_same_beep_joins_nothing() -> None:
    beep = tone(2, 440)
    calls = [np.concatenate([beep, spoken(4, seed)]) for seed in (60, 61, 62)]
    assert group(*calls, beep, beep) == []


def test_what_could_not_be_heard_keeps_its_place() -> None:
    grouping = Grouping()
    grouping.add(fingerprint(played(ONE, 0)))
    grouping.add(None)
    grouping.add(fingerprint(np.zeros(80, np.float32)))
    grouping.add(fingerprint(played(ONE, 1)))
    assert members(grouping.campaigns()) == [[0, 3]]


def test_a_large_campaign_is_remembered_once() -> None:
    grouping = Grouping()
    for n in range(12):
        grouping.add(fingerprint(played(ONE, n)))
    assert len(grouping._store) == 1
    (campaign,) = grouping.campaigns()
    assert len(campaign.calls) == 12
