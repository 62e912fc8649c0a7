import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_model.formats import Encoding, RawFormat
from audio_model.gateway.dialects.base import ProtocolError
from audio_model.gateway.dialects.plain import Plain
from audio_model.gateway.events import Event, EventKind
from tests.gateway.dialects.hostile import survives
from tests.gateway.fakes import FakeCall, FakeCalls, FakeConnection, verdict

STOP = '{"event": "stop"}'


def connect(**query: str) -> tuple[Plain, FakeCalls, FakeConnection]:
    calls, connection = FakeCalls(), FakeConnection({"encoding": "mulaw", **query})
    return Plain(connection, calls), calls, connection  # type: ignore[arg-type]


def final(call: FakeCall, leg: str) -> None:
    call.on_event(Event(EventKind.FINAL, call.info, leg, verdict()))


@pytest.mark.parametrize("encoding", list(Encoding))
def test_one_channel(encoding: Encoding) -> None:
    dialect, calls, _ = connect(encoding=encoding, sample_rate="16000", call="7", caller="1")
    dialect.binary(b"abc")
    dialect.binary(b"d")
    (call,) = calls.opened
    assert (call.info.gateway, call.info.id, call.info.caller) == ("stream", "7", "1")
    (leg,) = call.legs
    assert (leg.name, leg.raw_format) == ("caller", RawFormat(encoding, 16000))
    assert leg.payloads == [b"abc", b"d"]


def test_both_of_two_channels_are_heard() -> None:
    dialect, calls, _ = connect(encoding="s16le", channels="2")
    dialect.binary(b"L0R0L1R")
    dialect.binary(b"1")
    heard = {leg.name: b"".join(leg.payloads) for leg in calls.opened[0].legs}
    assert heard == {"left": b"L0L1", "right": b"R0R1"}


def test_the_leg_is_there_before_any_audio_so_that_its_deadline_runs() -> None:
    _, calls, _ = connect()
    assert [leg.name for leg in calls.opened[0].legs] == ["caller"]


def test_a_number_keeps_the_plus_that_a_query_makes_a_space() -> None:
    _, calls, _ = connect(caller=" 4930123", called="+4930456")
    info = calls.opened[0].info
    assert (info.caller, info.called) == ("+4930123", "+4930456")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"encoding": ""}, "encoding must be mulaw, alaw, s16le, not ''"),
        ({"encoding": "opus"}, "encoding must be"),
        ({"sample_rate": "0"}, "4000 to 768000 Hz, not 0"),
        ({"sample_rate": "999999999"}, "4000 to 768000 Hz"),
        ({"sample_rate": "1000000000"}, "sample_rate must be a whole number"),
        ({"sample_rate": "8k"}, "sample_rate must be a whole number, not '8k'"),
        ({"channels": "3"}, "channels must be 1 or 2, not 3"),
        ({"channels": "two"}, "channels must be a whole number"),
        ({"progress": "yes"}, "progress must be 0 or 1"),
    ],
)
def test_a_bad_query_is_told_and_begins_no_call(query: dict[str, str], message: str) -> None:
    calls, connection = FakeCalls(), FakeConnection({"encoding": "mulaw", **query})
    with pytest.raises(ProtocolError) as raised:
        Plain(connection, calls)  # type: ignore[arg-type]
    assert message in str(raised.value)
    assert not calls.opened


@given(st.dictionaries(st.sampled_from(["encoding", "sample_rate", "channels"]), st.text()))
def test_any_query_is_taken_or_refused(query: dict[str, str]) -> None:
    calls = FakeCalls()
    try:
        Plain(FakeConnection(query), calls)  # type: ignore[arg-type]
    except ProtocolError as error:
        assert len(str(error).splitlines()) == 1 and len(str(error)) < 500
        assert not calls.opened
    else:
        assert calls.opened


@pytest.mark.parametrize(("progress", "sent"), [("0", 3), ("1", 4)])
def test_events_come_back_as_they_are_told_everywhere(progress: str, sent: int) -> None:
    _, calls, connection = connect(progress=progress)
    call = calls.opened[0]
    events = [call.tell(kind) for kind in EventKind][-sent:]
    messages = [json.loads(message) for message in connection.sent]
    assert messages == [json.loads(json.dumps(event.as_dict())) for event in events]


def test_the_server_closes_when_stopped_and_answered() -> None:
    dialect, calls, connection = connect(channels="2")
    (call,) = calls.opened
    final(call, "left")
    dialect.text(STOP)
    assert call.closed == 1
    assert connection.closed_with is None
    final(call, "right")
    assert connection.closed_with == (1000, "")


def test_an_answer_alone_closes_nothing() -> None:
    dialect, calls, connection = connect()
    final(calls.opened[0], "caller")
    dialect.binary(b"abc")
    assert connection.closed_with is None
    dialect.text(STOP)
    dialect.text(STOP)
    assert connection.closed_with == (1000, "") and calls.opened[0].closed == 1


@pytest.mark.parametrize("text", ["", "stop", "{}", '{"event": "start"}', '{"event": ["stop"]}'])
def test_other_texts_are_refused(text: str) -> None:
    dialect, calls, _ = connect()
    with pytest.raises(ProtocolError):
        dialect.text(text)
    assert not calls.opened[0].closed


def test_a_lost_connection_closes_the_call() -> None:
    dialect, calls, _ = connect()
    dialect.lost()
    assert calls.opened[0].closed == 1


def test_hostile_input() -> None:
    survives(lambda: connect(channels="2", encoding="s16le")[0], ["event"], [STOP])
