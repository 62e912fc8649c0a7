import json
from typing import Any

import pytest

from audio_model.formats import Encoding, RawFormat
from audio_model.gateway.dialects.base import ProtocolError
from audio_model.gateway.dialects.freeswitch import FreeSwitch
from audio_model.gateway.events import EventKind
from tests.gateway.dialects.hostile import survives
from tests.gateway.fakes import FakeCalls, FakeConnection, FakeLeg

# 20 ms of one channel at 8 kHz, as mod_audio_stream sends it.
PACKET = bytes(range(160)) * 2
METADATA = '{"rate": 16000, "call": "6f2b", "caller": "+15551234", "campaign": "may"}'


def connect(**query: str) -> tuple[FreeSwitch, FakeCalls, FakeConnection]:
    calls, connection = FakeCalls(), FakeConnection(query)
    return FreeSwitch(connection, calls), calls, connection  # type: ignore[arg-type]


def only_leg(calls: FakeCalls) -> FakeLeg:
    ((leg,),) = [call.legs for call in calls.opened]
    return leg


def test_audio_alone_is_8_khz_of_one_channel() -> None:
    dialect, calls, _ = connect()
    dialect.binary(PACKET)
    dialect.binary(PACKET)
    leg = only_leg(calls)
    assert (leg.name, leg.raw_format) == ("caller", RawFormat(Encoding.S16LE, 8000))
    assert leg.payloads == [PACKET, PACKET]
    assert calls.opened[0].info.id


def test_the_query_says_rate_and_whose_call() -> None:
    dialect, calls, _ = connect(rate="16000", call="6f2b", caller="100", called="200")
    dialect.binary(PACKET)
    assert only_leg(calls).raw_format.sample_rate == 16000
    info = calls.opened[0].info
    assert (info.gateway, info.id, info.caller, info.called) == ("freeswitch", "6f2b", "100", "200")


def test_a_number_keeps_the_plus_that_a_query_makes_a_space() -> None:
    dialect, calls, _ = connect(caller=" 4930123", called="200")
    dialect.binary(b"audio")
    info = calls.opened[0].info
    assert (info.caller, info.called) == ("+4930123", "200")


def test_metadata_is_stronger_than_the_query() -> None:
    dialect, calls, _ = connect(rate="8000", called="200")
    dialect.text(METADATA)
    info = calls.opened[0].info
    assert only_leg(calls).raw_format.sample_rate == 16000
    assert (info.id, info.caller, info.called) == ("6f2b", "+15551234", "200")
    assert info.details == {"campaign": "may"}


def test_plain_metadata_is_a_detail() -> None:
    dialect, calls, _ = connect()
    dialect.text("campaign may")
    assert calls.opened[0].info.details == {"metadata": "campaign may"}
    dialect.binary(PACKET)
    assert only_leg(calls).payloads == [PACKET]


def test_of_stereo_the_read_side_is_heard() -> None:
    dialect, calls, _ = connect(channels="2")
    dialect.binary(b"r0w0r1w1")
    assert only_leg(calls).payloads == [b"r0r1"]


def test_later_texts_are_not_ours() -> None:
    dialect, calls, _ = connect()
    dialect.binary(PACKET)
    dialect.text('{"rate": 48000}')
    dialect.text("bye")
    assert only_leg(calls).raw_format.sample_rate == 8000


@pytest.mark.parametrize(
    "metadata",
    ['{"rate": 0}', '{"rate": 1000000000}', '{"rate": "fast"}', '{"channels": 3}', "{rate:16000}"],
)
def test_metadata_that_cant_be_meant_gives_unknown_not_a_wrong_rate(metadata: str) -> None:
    dialect, calls, _ = connect()
    with pytest.raises(ProtocolError):
        dialect.text(metadata)
    dialect.binary(PACKET)
    (call,) = calls.opened
    assert call.finished and len(call.failures) == 1


@pytest.mark.parametrize("query", [{"rate": "0"}, {"rate": "1e4"}, {"channels": "0"}])
def test_a_bad_query_is_told_at_once(query: dict[str, str]) -> None:
    with pytest.raises(ProtocolError, match=" must be "):
        connect(**query)


@pytest.mark.parametrize("kind", [EventKind.VERDICT, EventKind.FINAL])
def test_verdicts_are_sent_in_a_form_that_both_modules_pass_on(kind: EventKind) -> None:
    dialect, calls, connection = connect(call="6f2b")
    dialect.binary(PACKET)
    event = calls.opened[0].tell(kind)
    (sent,) = connection.sent
    message: dict[str, Any] = json.loads(sent)
    # mod_audio_fork wants this type; mod_audio_stream acts on streamAudio alone.
    assert message["type"] == "json"
    assert message["data"] == json.loads(json.dumps(event.as_dict()))


def test_progress_is_not_sent() -> None:
    dialect, calls, connection = connect()
    dialect.binary(PACKET)
    calls.opened[0].tell(EventKind.PROGRESS)
    assert not connection.sent


def test_the_connection_is_never_closed_from_here() -> None:
    dialect, calls, connection = connect()
    dialect.binary(PACKET)
    calls.opened[0].tell()
    dialect.fail("too many bad messages")
    dialect.lost()
    assert calls.opened[0].closed == 1
    assert connection.closed_with is None


def test_a_call_that_never_began_is_answered_too() -> None:
    dialect, calls, _ = connect()
    dialect.fail("too many bad messages")
    assert calls.opened[0].failures == ["too many bad messages"]


def test_hostile_input() -> None:
    survives(lambda: connect()[0], ["rate", "channels", "call", "caller", "called"], [METADATA])
