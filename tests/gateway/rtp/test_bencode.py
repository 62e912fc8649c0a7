"""Bencoding there and back, and what can't be read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_model.gateway.dialects.base import ProtocolError
from audio_model.gateway.rtp.bencode import MAX_DEPTH, decode, encode

_values = st.recursive(
    st.integers(-(10**18), 10**18) | st.binary(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=20,
)


def _with_byte_keys(value: object) -> object:
    if isinstance(value, dict):
        return {key.encode(): _with_byte_keys(item) for key, item in value.items()}
    return [_with_byte_keys(item) for item in value] if isinstance(value, list) else value


def test_the_protocols_own_example() -> None:
    # rtpengine's documentation, "The ng Control Protocol".
    assert encode({"command": "ping"}) == b"d7:command4:pinge"
    assert decode(b"d6:result4:ponge") == {b"result": b"pong"}


def test_text_is_utf_8_and_its_length_is_of_bytes() -> None:
    assert encode("µ") == b"2:\xc2\xb5"


def test_keys_may_come_in_any_order() -> None:
    assert decode(b"d1:b1:x1:ai-7ee") == {b"b": b"x", b"a": -7}


@given(_values)
def test_what_was_encoded_is_decoded(value: object) -> None:
    assert decode(encode(value)) == _with_byte_keys(value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"d",
        b"l",
        b"i",
        b"ie",
        b"i-e",
        b"i1",
        b"i1_0e",
        b"5:four",
        b"-1:x",
        b"99999999999999999999999:x",
        b"1:xx",
        b"d1:ae",
        b"di1e1:xe",
        b"x",
        b"l" * 100_000,
        b"l" * (MAX_DEPTH + 1) + b"e" * (MAX_DEPTH + 1),
        b"i" + b"9" * 100_000 + b"e",
    ],
)
def test_what_is_not_bencoded_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode(data)


@given(st.binary(max_size=60) | st.text("dlie0123456789:-x", max_size=40).map(str.encode))
def test_nothing_else_escapes(data: bytes) -> None:
    try:
        decode(data)
    except ProtocolError:
        return
