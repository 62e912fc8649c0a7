"""RTP's fixed header (RFC 3550, 5.1), and what else may arrive on its port (RFC 5761, RFC 7983)."""

import struct
from enum import Enum, auto
from typing import NamedTuple

from audio_model.gateway.dialects.base import ProtocolError

HEADER_BYTES = 12
VERSION = 2

_PLAIN = VERSION << 6
"""First byte of a header without padding, extension and contributing sources."""
_HEADER = struct.Struct("!BBHII")
_EXTENSION = struct.Struct("!HH")
_RTCP_TYPES = range(192, 224)
_STUN_TYPES = range(4)


class DatagramKind(Enum):
    """The kind of a datagram on an RTP port."""

    RTP = auto()
    RTCP = auto()
    STUN = auto()
    OTHER = auto()


class RtpPacket(NamedTuple):
    """An RTP packet."""

    payload_type: int
    marker: bool
    """On audio: the first packet after a silence that was not sent."""
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


def kind(datagram: bytes) -> DatagramKind:
    """Return a datagram's kind by its first bytes."""
    if len(datagram) < 2:
        return DatagramKind.OTHER
    if datagram[0] >> 6 == VERSION:
        return DatagramKind.RTCP if datagram[1] in _RTCP_TYPES else DatagramKind.RTP
    return DatagramKind.STUN if datagram[0] in _STUN_TYPES else DatagramKind.OTHER


def parse(datagram: bytes) -> RtpPacket:
    """Take an RTP packet apart. Raises ProtocolError if it isn't one."""
    n_bytes = len(datagram)
    if n_bytes < HEADER_BYTES:
        raise ProtocolError(f"an RTP packet of {n_bytes} bytes, less than its header")
    first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(datagram)
    if first == _PLAIN:
        return RtpPacket(
            second & 0x7F, second > 0x7F, sequence, timestamp, ssrc, datagram[HEADER_BYTES:]
        )
    if first >> 6 != VERSION:
        raise ProtocolError(f"RTP version {first >> 6}")
    start, end = HEADER_BYTES + 4 * (first & 0x0F), n_bytes
    if first & 0x10:
        if start + _EXTENSION.size > n_bytes:
            raise ProtocolError("an RTP packet that ends within its header extension")
        _, words = _EXTENSION.unpack_from(datagram, start)
        start += _EXTENSION.size + 4 * words
    if first & 0x20:
        # The last byte counts the padding, itself included.
        padding = datagram[-1]
        if padding == 0:
            raise ProtocolError("an RTP packet padded by 0 bytes")
        end -= padding
    if start > end:
        raise ProtocolError("an RTP packet whose header or padding is longer than itself")
    return RtpPacket(second & 0x7F, second > 0x7F, sequence, timestamp, ssrc, datagram[start:end])


def advance(before: int, after: int, bits: int) -> int:
    """Return the signed way between two values of a wrapping counter, by the shorter way round."""
    half = 1 << (bits - 1)
    return ((after - before + half) & ((1 << bits) - 1)) - half
