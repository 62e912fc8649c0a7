"""RTP headers, byte by byte."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from audio_model.gateway.dialects.base import ProtocolError
from audio_model.gateway.rtp.packet import DatagramKind, RtpPacket, advance, kind, parse

# RFC 3550, 5.1: V=2, marker, PT 8, sequence 0x1234, timestamp 160, SSRC 0xdeadbeef.
PLAIN = bytes.fromhex("80 88 1234 000000a0 deadbeef") + b"voice"


def test_a_plain_packet() -> None:
    assert parse(PLAIN) == RtpPacket(8, True, 0x1234, 160, 0xDEADBEEF, b"voice")


def test_contributing_sources_extension_and_padding_are_taken_off() -> None:
    header = bytes.fromhex("b2 00 0001 00000000 00000001")
    sources = bytes(8)
    extension = bytes.fromhex("bede 0001 10ff0000")
    packet = parse(header + sources + extension + b"voice" + b"\x00\x00\x03")
    assert (packet.payload_type, packet.marker, packet.payload) == (0, False, b"voice")


def test_a_packet_may_be_empty() -> None:
    assert parse(PLAIN[:12]).payload == b""


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        PLAIN[:11],
        b"\x40" + PLAIN[1:],  # version 1
        b"\x8f" + PLAIN[1:],  # 15 sources
        b"\x90" + PLAIN[1:12],  # an extension that isn't there
        b"\x90" + PLAIN[1:12] + b"\xbe\xde\xff\xff",  # one of 256 KB
        b"\xa0" + PLAIN[1:12] + b"\x00",  # padding of nothing
        b"\xa0" + PLAIN[1:12] + b"\xff",  # more padding than packet
    ],
)
def test_what_is_no_packet_is_refused(datagram: bytes) -> None:
    with pytest.raises(ProtocolError):
        parse(datagram)


@given(st.binary(max_size=200))
@example(b"\x80" * 12)
def test_nothing_else_escapes(datagram: bytes) -> None:
    kind(datagram)
    try:
        packet = parse(datagram)
    except ProtocolError:
        return
    assert packet.payload in datagram


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("80 00", DatagramKind.RTP),
        ("80 ff", DatagramKind.RTP),  # marker, payload type 127
        ("80 c8", DatagramKind.RTCP),  # sender report
        ("81 cb", DatagramKind.RTCP),  # goodbye
        ("00 01", DatagramKind.STUN),  # binding request
        ("16 fe", DatagramKind.OTHER),  # DTLS
        ("80", DatagramKind.OTHER),
    ],
)
def test_other_protocols_on_the_port_are_told_apart(start: str, expected: DatagramKind) -> None:
    assert kind(bytes.fromhex(start) + bytes(18) * (len(start) > 2)) is expected


@pytest.mark.parametrize(
    ("before", "after", "way"), [(65535, 0, 1), (0, 65535, -1), (10, 10, 0), (0, 32767, 32767)]
)
def test_counters_wrap_around(before: int, after: int, way: int) -> None:
    assert advance(before, after, 16) == way


@given(st.integers(0, 2**40), st.integers(-(2**15), 2**15 - 1))
def test_the_shorter_way_round_is_found_however_far_one_has_counted(before: int, way: int) -> None:
    assert advance(before, (before + way) % 2**16, 16) == way
