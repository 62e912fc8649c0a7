"""RTP as senders make it."""

import socket
import struct


def rtp(
    sequence: int,
    payload: bytes,
    *,
    payload_type: int = 0,
    timestamp: int | None = None,
    ssrc: int = 0x1234,
    marker: bool = False,
) -> bytes:
    """A packet; by default its timestamp is that of 20 ms packets at 8 kHz."""
    at = sequence * 160 if timestamp is None else timestamp
    second = payload_type | 0x80 * marker
    return struct.pack("!BBHII", 0x80, second, sequence % 2**16, at % 2**32, ssrc) + payload


def free_even_port() -> int:
    """A UDP port of loopback, as RTP's are."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
            if port % 2 == 0:
                return port
