import json

import pytest

from audio_model.formats import Encoding, RawFormat
from audio_model.gateway.dialects.exotel import Exotel
from audio_model.gateway.events import CallInfo
from tests.gateway.dialects.test_media import Session, heard, media

# Exotel documentation, "WebSocket protocol": its messages.
CONNECTED = '{ "event": "connected" }'
START = """{
  "event": "start",
  "sequence_number": "1",
  "stream_sid": "MZxxxxxxxxxxxxxxxxxxxxxxxx",
  "start": {
    "stream_sid": "MZxxxxxxxxxxxxxxxxxxxxxxxx",
    "call_sid": "CAxxxxxxxxxxxxxxxxxxxxxxxx",
    "account_sid": "ACxxxxxxxxxxxxxxxxxxxxxxxx",
    "from": "+919876543210",
    "to": "+918047491899",
    "custom_parameters": { "key1": "value1" },
    "media_format": { "encoding": "audio/x-raw", "sample_rate": "8000", "bit_rate": "16" }
  }
}"""
MEDIA = """{
  "event": "media",
  "sequence_number": "3",
  "stream_sid": "MZxxxxxxxxxxxxxxxxxxxxxxxx",
  "media": { "chunk": "2", "timestamp": "200", "payload": "AQD//w==" }
}"""
DTMF = """{
  "event": "dtmf",
  "sequence_number": "7",
  "stream_sid": "MZxxxxxxxxxxxxxxxxxxxxxxxx",
  "dtmf": { "digit": "5", "duration": "100" }
}"""
STOP = """{
  "event": "stop",
  "sequence_number": "20",
  "stream_sid": "MZxxxxxxxxxxxxxxxxxxxxxxxx",
  "stop": {
    "call_sid": "CAxxxxxxxxxxxxxxxxxxxxxxxx",
    "account_sid": "ACxxxxxxxxxxxxxxxxxxxxxxxx",
    "reason": "stopped"
  }
}"""


def test_the_documented_messages() -> None:
    call = Session(Exotel)(CONNECTED, START, MEDIA, DTMF, STOP)
    ids = {
        "stream_sid": "MZxxxxxxxxxxxxxxxxxxxxxxxx",
        "account_sid": "ACxxxxxxxxxxxxxxxxxxxxxxxx",
    }
    info = CallInfo(
        "CAxxxxxxxxxxxxxxxxxxxxxxxx",
        "exotel",
        "+919876543210",
        "+918047491899",
        {"key1": "value1", **ids},
    )
    assert heard(call) == (info, RawFormat(Encoding.S16LE, 8000), [b"\x01\x00\xff\xff"])
    assert call.closed == 1


@pytest.mark.parametrize(
    ("encoding", "rate", "expected"),
    [
        ("raw/slin", 16000, RawFormat(Encoding.S16LE, 16000)),
        ("base64", "24000", RawFormat(Encoding.S16LE, 24000)),
        ("audio/L16", "16000", RawFormat(Encoding.S16LE, 16000)),
        ("audio/x-mulaw", "8000", RawFormat(Encoding.MULAW, 8000)),
    ],
)
def test_formats(encoding: str, rate: object, expected: RawFormat) -> None:
    said = json.loads(START)
    said["start"]["media_format"] = {"encoding": encoding, "sample_rate": rate}
    call = Session(Exotel)(json.dumps(said), media(b"\x01\x02"))
    assert call.legs[0].raw_format == expected
    assert call.legs[0].numbered[0][1] == b"\x01\x02"


def test_a_lost_packet_of_100_ms_leaves_a_gap() -> None:
    packet = b"\x00" * 1600
    call = Session(Exotel)(
        START, *(media(packet, chunk=str(n), timestamp=str(100 * n)) for n in (1, 2, 4, 5))
    )
    numbers = [number for number, _ in call.legs[0].numbered]
    assert [number - numbers[0] for number in numbers] == [0, 1, 3, 4]
