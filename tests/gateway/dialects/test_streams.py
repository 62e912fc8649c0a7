import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_model.formats import Encoding, RawFormat
from audio_model.gateway.dialects.base import ProtocolError
from audio_model.gateway.dialects.streams import Interleaved, json_object, scalars, whole_number
from tests.gateway.fakes import FakeLeg


def legs(n: int) -> list[Any]:
    """FakeLegs, which stand in for legs."""
    return [FakeLeg(str(number), RawFormat(Encoding.S16LE)) for number in range(n)]


def heard(leg: FakeLeg) -> bytes:
    return b"".join(leg.payloads)


def test_each_leg_hears_its_channel() -> None:
    left, right = legs(2)
    stream = Interleaved([left, right], Encoding.S16LE)
    stream.feed(b"L0R0L1R1")
    stream.feed(b"L2R2")
    assert heard(left) == b"L0L1L2"
    assert heard(right) == b"R0R1R2"


def test_a_channel_without_a_leg_is_skipped() -> None:
    (right,) = legs(1)
    Interleaved([None, right], Encoding.MULAW).feed(b"lrlrlr")
    assert heard(right) == b"rrr"


@pytest.mark.parametrize("encoding", list(Encoding))
@pytest.mark.parametrize("channels", [1, 2, 3])
@given(audio=st.binary(max_size=200), cuts=st.lists(st.integers(0, 200), max_size=6))
def test_where_the_stream_is_cut_does_not_matter(
    encoding: Encoding, channels: int, audio: bytes, cuts: list[int]
) -> None:
    whole, parts = legs(channels), legs(channels)
    Interleaved(whole, encoding).feed(audio)
    stream = Interleaved(parts, encoding)
    ends = sorted({0, *(min(cut, len(audio)) for cut in cuts), len(audio)})
    for start, end in pairwise(ends):
        stream.feed(audio[start:end])
    assert [heard(leg) for leg in parts] == [heard(leg) for leg in whole]


def test_finished_legs_cost_nothing() -> None:
    left, right = legs(2)
    stream = Interleaved([left, right], Encoding.S16LE)
    left.finished = right.finished = True
    stream.feed(b"L0R0")
    assert not left.payloads and not right.payloads


def test_one_finished_leg_does_not_shift_the_other() -> None:
    left, right = legs(2)
    stream = Interleaved([left, right], Encoding.S16LE)
    left.finished = True
    stream.feed(b"L0R0L")
    stream.feed(b"1R1")
    assert heard(right) == b"R0R1"


@pytest.mark.parametrize("text", ["", " 1", "+1", "-1", "1_0", "1.0", "१२", "9" * 5_000, "\n1"])
def test_whole_numbers_are_ascii_digits(text: str) -> None:
    with pytest.raises(ProtocolError, match="rate must be a whole number"):
        whole_number("rate", text)


def test_json_null_is_as_if_not_said() -> None:
    assert json_object('{"from": null, "to": "1"}') == {"to": "1"}


@pytest.mark.parametrize("text", ["", "[]", "1", '"a"', "{", "{'a':1}", "[" * 100_000, "\ud800"])
def test_what_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(ProtocolError, match="not a JSON object"):
        json_object(text)


def test_details_are_words() -> None:
    values = json.loads('{"a": "x", "b": 1, "c": true, "d": 1.5, "e": {"f": 1}, "g": [1]}')
    assert scalars(values) == {"a": "x", "b": "1", "c": "true", "d": "1.5"}
