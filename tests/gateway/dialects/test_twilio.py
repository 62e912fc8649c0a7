import json

import pytest

from audio_model.formats import Encoding, RawFormat
from audio_model.gateway.dialects.base import ProtocolError
from audio_model.gateway.dialects.twilio import Twilio
from tests.gateway.dialects.test_media import Session

# Twilio documentation, "Media Streams - WebSocket Messages": the examples of each message.
CONNECTED = '{"event": "connected", "protocol": "Call", "version": "1.0.0"}'
START = """{
 "event": "start",
 "sequenceNumber": "1",
 "start": {
   "accountSid": "ACXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX",
   "streamSid": "MZXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX",
   "callSid": "CAXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX",
   "tracks": ["inbound"],
   "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
   "customParameters": {"FirstName": "Jane", "LastName": "Doe", "RemoteParty": "Bob"}
 },
 "streamSid": "MZXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX"
}"""
MEDIA = """{
 "event": "media",
 "sequenceNumber": "3",
 "media": {
   "track": "inbound",
   "chunk": "1",
   "timestamp": "5",
   "payload": "no+JhoaJjpzSHxAKBgYJD2TRk4qGhYSBhISFi5P/GBAMCQgIDBR2nZSMiImIjZa8GhAM"
 },
 "streamSid": "MZXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX"
}"""
STOP = """{
 "event": "stop",
 "sequenceNumber": "5",
 "streamSid": "MZXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX",
 "stop": {
   "accountSid": "ACXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX",
   "callSid": "CAXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX"
 }
}"""
DTMF = """{
 "event": "dtmf",
 "streamSid": "MZXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX",
 "sequenceNumber": "5",
 "dtmf": {"track": "inbound_track", "digit": "1"}
}"""
MARK = """{
 "event": "mark",
 "sequenceNumber": "4",
 "streamSid": "MZXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX",
 "mark": {"name": "my label"}
}"""


def test_the_documented_messages() -> None:
    session = Session(Twilio)
    call = session(CONNECTED, START, MEDIA, MARK, DTMF)
    assert call.info.id == "CAXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX"
    assert call.info.details == {
        "FirstName": "Jane",
        "LastName": "Doe",
        "RemoteParty": "Bob",
        "streamSid": "MZXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX",
        "accountSid": "ACXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX",
    }
    assert call.legs[0].raw_format == RawFormat(Encoding.MULAW, 8000)
    ((_, packet),) = call.legs[0].numbered
    assert packet[:4] == b"\x9e\x8f\x89\x86" and len(packet) == 51
    assert call.closed == 0
    session(STOP)
    assert call.closed == 1


def start(parameters: dict[str, object]) -> str:
    return json.dumps({"event": "start", "start": {"customParameters": parameters}})


def test_parameters_name_the_parties() -> None:
    info = Session(Twilio)(start({"caller": "+1", "called": "+2", "from": "+3"})).info
    assert (info.caller, info.called) == ("+1", "+2")
    info = Session(Twilio)(start({"from": "+3", "to": "+4"})).info
    assert (info.caller, info.called) == ("+3", "+4")
    assert Session(Twilio)(start({})).info.caller == ""


def test_parameters_hide_no_id_and_keep_no_token() -> None:
    session = Session(Twilio)
    said = {"callSid": "CA1", "streamSid": "MZ1"}
    said_with = {**said, "customParameters": {"streamSid": "forged", "token": "secret", "n": 5}}
    info = session(json.dumps({"event": "start", "start": said_with})).info
    assert info.details == {"streamSid": "MZ1", "n": "5"}


def test_a_call_without_an_id_gets_one() -> None:
    ids = {Session(Twilio)(start({})).info.id for _ in range(2)}
    assert len(ids) == 2 and "" not in ids


def test_sequence_numbers_with_gaps_lose_nothing() -> None:
    session = Session(Twilio)
    session(START)
    for chunk, sequence in ((1, 2), (2, 5), (3, 9)):
        session(
            json.dumps(
                {
                    "event": "media",
                    "sequenceNumber": str(sequence),
                    "media": {
                        "track": "inbound",
                        "chunk": str(chunk),
                        "timestamp": str(20 * chunk),
                        "payload": "/" * 212 + "/w==",
                    },
                }
            )
        )
    numbers = [number for number, _ in session.calls.opened[0].legs[0].numbered]
    assert [number - numbers[0] for number in numbers] == [0, 1, 2]


def test_only_mulaw() -> None:
    with pytest.raises(ProtocolError, match="audio/x-l16"):
        Session(Twilio)(START.replace("audio/x-mulaw", "audio/x-l16"))
