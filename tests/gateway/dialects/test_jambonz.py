import json

import pytest

from audio_model.formats import Encoding, RawFormat
from audio_model.gateway.dialects.base import ProtocolError
from audio_model.gateway.dialects.jambonz import Jambonz
from tests.gateway.dialects.hostile import survives
from tests.gateway.fakes import FakeCalls, FakeConnection

# What the listen verb sends first: its own two properties, the call's attributes, the metadata.
START = json.dumps(
    {
        "sampleRate": 16000,
        "mixType": "stereo",
        "callSid": "df09e8d4-7ffd-492b-94d9-51a60318552c",
        "direction": "inbound",
        "from": "+15083084809",
        "to": "+15083728299",
        "callId": "f0414693-bdb6-1238-6185-06d91d68c9b0",
        "sipStatus": 200,
        "callStatus": "in-progress",
        "accountSid": "fef61e75-cec3-496c-a7bc-8368e4d02a04",
        "applicationSid": None,
        "queue": "sales",
    }
)


def connect() -> tuple[Jambonz, FakeCalls, FakeConnection]:
    calls, connection = FakeCalls(), FakeConnection()
    return Jambonz(connection, calls), calls, connection  # type: ignore[arg-type]


def test_the_first_text_says_everything() -> None:
    dialect, calls, _ = connect()
    dialect.text(START)
    (call,) = calls.opened
    info = call.info
    assert (info.gateway, info.id) == ("jambonz", "df09e8d4-7ffd-492b-94d9-51a60318552c")
    assert (info.caller, info.called) == ("+15083084809", "+15083728299")
    assert info.details["queue"] == "sales"
    assert info.details["sipStatus"] == "200"
    assert "from" not in info.details and "applicationSid" not in info.details


def test_of_stereo_the_caller_is_heard() -> None:
    dialect, calls, _ = connect()
    dialect.text(START)
    dialect.binary(b"c0d0c1d")
    dialect.binary(b"1")
    (leg,) = calls.opened[0].legs
    assert (leg.name, leg.raw_format) == ("caller", RawFormat(Encoding.S16LE, 16000))
    assert b"".join(leg.payloads) == b"c0c1"


@pytest.mark.parametrize("mix", ["mono", "mixed"])
def test_one_channel(mix: str) -> None:
    dialect, calls, _ = connect()
    dialect.text(json.dumps({"callSid": "c", "sampleRate": 8000, "mixType": mix}))
    dialect.binary(b"abcd")
    (leg,) = calls.opened[0].legs
    assert (leg.raw_format.sample_rate, leg.payloads) == (8000, [b"abcd"])


def test_digits_and_marks_are_taken_in_silence() -> None:
    dialect, calls, connection = connect()
    dialect.text(START)
    dialect.text('{"event": "dtmf", "dtmf": "5", "duration": "1600"}')
    calls.opened[0].tell()
    # listen has no text that could carry a verdict, and one of its types ends the verb.
    assert len(calls.opened) == 1 and not connection.sent


@pytest.mark.parametrize(
    "fields",
    [{"sampleRate": 0}, {"sampleRate": 10**9}, {"sampleRate": "fast"}, {"mixType": "dual"}],
)
def test_a_start_that_cant_be_meant_gives_unknown(fields: dict[str, object]) -> None:
    dialect, calls, _ = connect()
    with pytest.raises(ProtocolError, match="first text"):
        dialect.text(json.dumps({"callSid": "c", "from": 139, **fields}))
    dialect.binary(b"abcd")
    (call,) = calls.opened
    assert (call.info.id, call.info.caller) == ("c", "139")
    assert call.finished and len(call.failures) == 1


@pytest.mark.parametrize("rate", ["16000", " 16000 ", 16000, 16000.0])
def test_numbers_may_be_texts_and_texts_numbers(rate: object) -> None:
    dialect, calls, _ = connect()
    said = {"callSid": 42, "sampleRate": rate, "from": 4930123, "to": "+49"}
    dialect.text(json.dumps(said | {"mixType": "Mono "}))
    (call,) = calls.opened
    assert call.legs[0].raw_format == RawFormat(Encoding.S16LE, 16000)
    assert (call.info.id, call.info.caller, call.info.called) == ("42", "4930123", "+49")


def test_audio_before_the_start_is_heard_when_it_comes() -> None:
    dialect, calls, _ = connect()
    dialect.binary(b"c0d0")
    assert not calls.opened
    dialect.text(START)
    dialect.binary(b"c1d1")
    assert b"".join(calls.opened[0].legs[0].payloads) == b"c0c1"


def test_hostile_input() -> None:
    keys = ["callSid", "sampleRate", "mixType", "from", "to", "other"]
    survives(lambda: connect()[0], keys, [START])
