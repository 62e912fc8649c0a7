"""The frames of Asterisk's AudioSocket.

A frame is a type (1 byte), a payload's length (2 bytes, big endian) and the payload. The first
frame's payload is the UUID that the dialplan chose, 16 bytes; it is the call's id. Source:
Asterisk Documentation, "AudioSocket".
"""

from enum import IntEnum

HEADER_BYTES = 3
UUID_BYTES = 16

CALLER_HUNG_UP = 0x01
"""An error code that is none; the others tell that Asterisk could not go on."""

HANGUP_FRAME = b"\x00\x00\x00"

SAMPLE_RATES = {
    0x10: 8_000,
    0x11: 12_000,
    0x12: 16_000,
    0x13: 24_000,
    0x14: 32_000,
    0x15: 44_100,
    0x16: 48_000,
    0x17: 96_000,
    0x18: 192_000,
}
"""Hz, by the type of frame; all are signed 16-bit little endian, one channel."""


class FrameKind(IntEnum):
    """Types of frames that hold no audio."""

    HANGUP = 0x00
    UUID = 0x01
    DTMF = 0x03
    ERROR = 0xFF
