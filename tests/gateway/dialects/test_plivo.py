import json

import pytest

from audio_model.formats import Encoding, RawFormat
from audio_model.gateway.dialects.base import ProtocolError
from audio_model.gateway.dialects.plivo import Plivo
from audio_model.gateway.events import CallInfo
from tests.gateway.dialects.test_media import Session, heard, media

# Plivo documentation, "Audio Streaming": its messages.
START = """{
  "event": "start",
  "sequenceNumber": 1,
  "start": {
    "callId": "12345678-1234-1234-1234-123456789abc",
    "streamId": "87654321-4321-4321-4321-cba987654321",
    "accountId": "MAXXXXXXXXXXXXXXXXXX",
    "tracks": ["inbound"],
    "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000}
  },
  "extra_headers": "userId=12345;sessionId=abc-xyz"
}"""
MEDIA = """{
  "event": "media",
  "sequenceNumber": 2,
  "streamId": "87654321-4321-4321-4321-cba987654321",
  "media": {"track": "inbound", "timestamp": "1705312200000", "chunk": 1, "payload": "//7+/w=="},
  "extra_headers": "userId=12345;sessionId=abc-xyz"
}"""
DTMF = """{
  "event": "dtmf",
  "sequenceNumber": 5,
  "streamId": "87654321-4321-4321-4321-cba987654321",
  "dtmf": {"track": "inbound", "digit": "5", "timestamp": "1705312205000"},
  "extra_headers": "userId=12345;sessionId=abc-xyz"
}"""
PLAYED = """{
  "event": "playedStream",
  "sequenceNumber": 10,
  "streamId": "87654321-4321-4321-4321-cba987654321",
  "name": "greeting-complete"
}"""
CLEARED = """{
  "event": "clearedAudio",
  "sequenceNumber": 12,
  "streamId": "87654321-4321-4321-4321-cba987654321"
}"""


def start_with(media_format: dict[str, object]) -> str:
    said = json.loads(START)
    said["start"]["mediaFormat"] = media_format
    return json.dumps(said)


def test_the_documented_messages() -> None:
    session = Session(Plivo)
    call = session(START, MEDIA, DTMF, PLAYED, CLEARED)
    details = {
        "userId": "12345",
        "sessionId": "abc-xyz",
        "streamId": "87654321-4321-4321-4321-cba987654321",
        "accountId": "MAXXXXXXXXXXXXXXXXXX",
    }
    info = CallInfo("12345678-1234-1234-1234-123456789abc", "plivo", details=details)
    assert heard(call) == (info, RawFormat(Encoding.MULAW, 8000), [b"\xff\xfe\xfe\xff"])
    assert call.closed == 0
    session.dialect.lost()
    assert call.closed == 1


@pytest.mark.parametrize(
    "headers",
    [
        "caller=+1,called=+2",
        "caller=+1; called=+2;;nothing",
        "{X-PH-caller=+1, X-PH-called=+2}",
        "{x-ph-caller=+1;x-ph-called=+2}",
        "{'X-PH-caller': '+1', 'X-PH-called': '+2'}",
    ],
)
def test_extra_headers_name_the_parties(headers: str) -> None:
    info = Session(Plivo)(START.replace("userId=12345;sessionId=abc-xyz", headers)).info
    assert (info.caller, info.called) == ("+1", "+2")
    assert set(info.details) == {"streamId", "accountId"}


def test_extra_headers_may_be_an_object_and_capitals() -> None:
    said = json.loads(START)
    for headers in ({"X-PH-Caller": "+1", "called": 2}, "{X-PH-Caller=+1, Called=2}"):
        said["extra_headers"] = headers
        info = Session(Plivo)(json.dumps(said)).info
        assert (info.caller, info.called) == ("+1", "2")


@pytest.mark.parametrize("rate", [8000, 16000])
def test_linear_pcm_is_little_endian(rate: int) -> None:
    said = json.loads(START)
    said["start"]["mediaFormat"] = {"encoding": "audio/x-l16", "sampleRate": rate}
    call = Session(Plivo)(json.dumps(said), media(b"\x01\x00\xff\xff"))
    assert call.legs[0].raw_format == RawFormat(Encoding.S16LE, rate)
    assert call.legs[0].numbered[0][1] == b"\x01\x00\xff\xff"


@pytest.mark.parametrize(
    ("format_", "expected"),
    [
        ({"encoding": "audio/x-mulaw;rate=8000"}, RawFormat(Encoding.MULAW, 8000)),
        ({"encoding": "audio/x-l16; rate=16000"}, RawFormat(Encoding.S16LE, 16000)),
        (
            {"encoding": 'audio/x-l16;rate="16000"', "sampleRate": "16000"},
            RawFormat(Encoding.S16LE, 16000),
        ),
        ({"encoding": "audio/x-mulaw;rate=8000;channels=1"}, RawFormat(Encoding.MULAW, 8000)),
    ],
)
def test_the_rate_may_stand_in_the_encoding(
    format_: dict[str, object], expected: RawFormat
) -> None:
    call = Session(Plivo)(start_with(format_), media(b"\x01\x00"))
    assert call.legs[0].raw_format == expected and not call.failures


@pytest.mark.parametrize(
    ("format_", "why"),
    [
        ({"encoding": "audio/x-l16;rate=16000", "sampleRate": 8000}, "rate is 16000"),
        ({"encoding": "audio/x-l16;rate=fast"}, "rate must be"),
        ({"encoding": "audio/x-l16;rate=8000;channels=2"}, "one channel"),
    ],
)
def test_rates_that_contradict_each_other_give_no_verdict(
    format_: dict[str, object], why: str
) -> None:
    session = Session(Plivo)
    with pytest.raises(ProtocolError, match=why):
        session(start_with(format_))


def test_a_start_without_a_format_is_refused() -> None:
    said = json.loads(START)
    del said["start"]["mediaFormat"]
    with pytest.raises(ProtocolError, match="mediaFormat"):
        Session(Plivo)(json.dumps(said))
