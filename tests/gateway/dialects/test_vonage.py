import json

import pytest

from audio_model.formats import Encoding, RawFormat
from audio_model.gateway.dialects.base import ProtocolError
from audio_model.gateway.dialects.vonage import Vonage
from audio_model.gateway.events import EventKind
from tests.gateway.dialects.hostile import survives
from tests.gateway.fakes import FakeCalls, FakeConnection

# Vonage documentation, "WebSockets in the Vonage Voice API": the first message, with the headers of
# the NCCO's endpoint, and later ones.
CONNECTED = """{
  "event": "websocket:connected",
  "content-type": "audio/l16;rate=16000",
  "prop1": "value1",
  "prop2": "value2"
}"""
DTMF = '{"event": "websocket:dtmf", "digit": "5", "duration": 260}'
CLEARED = '{"event": "websocket:cleared"}'
NOTIFY = '{"event": "websocket:notify", "payload": {"key": "value"}}'


def connect(query: dict[str, str] | None = None) -> tuple[Vonage, FakeCalls, FakeConnection]:
    calls, connection = FakeCalls(), FakeConnection(query=query or {})
    return Vonage(connection, calls), calls, connection  # type: ignore[arg-type]


def test_the_documented_messages() -> None:
    dialect, calls, connection = connect({"token": "secret"})
    packet = bytes(range(256)) * 2 + bytes(128)
    dialect.text(CONNECTED)
    dialect.binary(packet)
    for message in (DTMF, CLEARED, NOTIFY):
        dialect.text(message)
    dialect.binary(packet)
    (call,) = calls.opened
    assert call.info.gateway == "vonage" and call.info.id
    assert call.info.details == {"prop1": "value1", "prop2": "value2"}
    (leg,) = call.legs
    assert (leg.name, leg.raw_format) == ("caller", RawFormat(Encoding.S16LE, 16000))
    assert leg.payloads == [packet, packet]
    dialect.lost()
    assert call.closed == 1
    assert connection.sent == []


def test_headers_name_the_call() -> None:
    dialect, calls, _ = connect()
    said = {"content-type": "audio/l16;rate=8000", "uuid": "63f61863", "caller": "441632960000"}
    dialect.text(json.dumps({**said, "called": "441632960001"}))
    info = calls.opened[0].info
    assert (info.id, info.caller, info.called) == ("63f61863", "441632960000", "441632960001")


@pytest.mark.parametrize("rate", [8000, 16000, 24000])
def test_rates(rate: int) -> None:
    dialect, calls, _ = connect()
    dialect.text(CONNECTED.replace("16000", str(rate)))
    assert calls.opened[0].legs[0].raw_format == RawFormat(Encoding.S16LE, rate)


@pytest.mark.parametrize(
    "content_type",
    [
        'audio/L16; rate="16000"',
        "audio/l16;rate=16000;channels=1",
        'audio/l16; channels="1"; rate=16000',
    ],
)
def test_parameters_of_the_content_type_come_in_any_order(content_type: str) -> None:
    dialect, calls, _ = connect()
    dialect.text(json.dumps({"content-type": content_type}))
    (call,) = calls.opened
    assert call.legs[0].raw_format.sample_rate == 16_000 and not call.failures


@pytest.mark.parametrize(
    "content_type", ["audio/l16", "audio/opus;rate=16000", "audio/l16;rate=0", "", 16000, None]
)
def test_other_content_is_answered_at_once(content_type: object) -> None:
    dialect, calls, _ = connect()
    said = {**json.loads(CONNECTED), "content-type": content_type, "uuid": "u-1"}
    with pytest.raises(ProtocolError):
        dialect.text(json.dumps(said))
    (call,) = calls.opened
    assert call.info.id == "u-1"
    assert len(call.failures) == 1


def test_audio_before_connected_is_heard_and_connected_again_is_refused() -> None:
    dialect, calls, _ = connect()
    dialect.binary(b"\0" * 640)
    dialect.text(CONNECTED)
    assert calls.opened[0].legs[0].payloads == [b"\0" * 640]
    with pytest.raises(ProtocolError, match="second time"):
        dialect.text(CONNECTED)
    assert len(calls.opened) == 1


def test_nothing_is_sent_whatever_the_verdict() -> None:
    dialect, calls, connection = connect()
    dialect.text(CONNECTED)
    for kind in EventKind:
        calls.opened[0].tell(kind)
    assert connection.sent == [] and connection.closed_with is None


def test_nothing_but_a_protocol_error_escapes() -> None:
    survives(lambda: connect()[0], ("event", "content-type", "uuid", "caller"), [CONNECTED, DTMF])
