"""What Twilio's, Telnyx's, Plivo's and Exotel's dialects have in common."""

import base64
import json
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any

import pytest

from audio_model.formats import Encoding, RawFormat
from audio_model.gateway.dialects.base import EARLY_SECONDS, UNSAID, ProtocolError
from audio_model.gateway.dialects.exotel import Exotel
from audio_model.gateway.dialects.media import MediaDialect
from audio_model.gateway.dialects.plivo import Plivo
from audio_model.gateway.dialects.telnyx import Telnyx
from audio_model.gateway.dialects.twilio import Twilio
from audio_model.gateway.events import CallInfo, EventKind
from tests.gateway.dialects.hostile import survives
from tests.gateway.fakes import FakeCall, FakeCalls, FakeConnection

Make = type[MediaDialect[Any]]

STARTS: Mapping[Make, dict[str, Any]] = {
    Twilio: {"callSid": "id-1", "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000}},
    Telnyx: {"call_control_id": "id-1", "media_format": {"encoding": "PCMU", "sample_rate": 8000}},
    Plivo: {"callId": "id-1", "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000}},
    Exotel: {
        "call_sid": "id-1",
        "media_format": {"encoding": "audio/x-mulaw", "sample_rate": "8000"},
    },
}
every = pytest.mark.parametrize("make", STARTS, ids=lambda make: make.name)


def start(make: Make) -> str:
    return json.dumps({"event": "start", "start": STARTS[make]})


def media(payload: bytes, **fields: object) -> str:
    fields["payload"] = base64.b64encode(payload).decode()
    return json.dumps({"event": "media", "media": fields})


class Session:
    """A dialect, and what it was told."""

    def __init__(self, make: Make) -> None:
        self.calls, self.connection = FakeCalls(), FakeConnection()
        self.dialect = make(self.connection, self.calls)  # type: ignore[arg-type]

    def __call__(self, *messages: str) -> FakeCall:
        for message in messages:
            self.dialect.text(message)
        return self.calls.opened[0]


def heard(call: FakeCall) -> tuple[CallInfo, RawFormat, list[bytes]]:
    """What is known of a call, and the format and the packets of its leg."""
    (leg,) = call.legs
    return call.info, leg.raw_format, [packet for _, packet in leg.numbered]


@every
def test_packets_reach_the_caller_s_leg(make: Make) -> None:
    call = Session(make)(
        '{"event":"connected"}',
        start(make),
        media(b"one", track="inbound", chunk="1", timestamp="0"),
        media(b"two", track="inbound", chunk=2, timestamp=20),
    )
    assert (call.info.id, call.info.gateway) == ("id-1", make.name)
    (leg,) = call.legs
    assert (leg.name, leg.raw_format) == ("caller", RawFormat(Encoding.MULAW, 8000))
    first = leg.numbered[0][0]
    assert leg.numbered == [(first, b"one"), (first + 1, b"two")]


@every
def test_without_track_and_count(make: Make) -> None:
    call = Session(make)(start(make), media(b"a"), media(b"b"), media(b"c"))
    numbers, payloads = zip(*call.legs[0].numbered, strict=True)
    assert payloads == (b"a", b"b", b"c")
    assert [number - numbers[0] for number in numbers] == [0, 1, 2]


@every
def test_the_near_end_is_not_heard(make: Make) -> None:
    call = Session(make)(
        start(make),
        *(
            media(track.encode(), track=track, chunk=str(chunk))
            for chunk in range(1, 4)
            for track in ("inbound", "outbound")
        ),
    )
    assert [payload for _, payload in call.legs[0].numbered] == [b"inbound"] * 3


@every
def test_stop_closes_the_call_and_late_packets_pass_by(make: Make) -> None:
    call = Session(make)(start(make), '{"event":"stop","stop":{}}', media(b"late"))
    assert call.closed == 1
    assert call.legs[0].numbered == []


@every
def test_a_lost_connection_closes_the_call(make: Make) -> None:
    session = Session(make)
    session.dialect.lost()
    call = session(start(make))
    session.dialect.lost()
    assert call.closed == 1


@every
def test_a_second_start_is_refused_and_the_first_goes_on(make: Make) -> None:
    session = Session(make)
    session(start(make))
    with pytest.raises(ProtocolError, match="second start"):
        session(start(make))
    call = session(media(b"on"))
    assert len(session.calls.opened) == 1
    assert [payload for _, payload in call.legs[0].numbered] == [b"on"]


@every
@pytest.mark.parametrize(
    ("message", "says"),
    [
        ("}", "malformed"),
        ("[]", "object"),
        ('{"event": 7}', "event"),
        ('{"event": "media"}', "without media"),
        ('{"event": "media", "media": {}}', "payload"),
        ('{"event": "media", "media": {"payload": "%%%"}}', "base64"),
        ('{"event": "media", "media": {"payload": "QUI"}}', "base64"),
        ('{"event": "media", "media": {"payload": "", "chunk": "one"}}', "chunk"),
        ('{"event": "media", "media": {"payload": "", "chunk": -1}}', "chunk"),
        ('{"event": "media", "media": {"payload": "", "timestamp": 1e300}}', "timestamp"),
        ('{"event": "start"}', "says nothing"),
    ],
)
def test_bad_messages_are_named_and_change_nothing(make: Make, message: str, says: str) -> None:
    session = Session(make)
    session(start(make))
    with pytest.raises(ProtocolError, match=says):
        session(message)
    call = session(media(b"on"))
    assert [payload for _, payload in call.legs[0].numbered] == [b"on"]


@every
def test_media_before_start_is_heard_from_it_on(make: Make) -> None:
    session = Session(make)
    for n in range(25):
        session.dialect.text(media(b"%02d" % n))
    assert session.calls.opened == []
    call = session(start(make), media(b"on"))
    assert [payload for _, payload in call.legs[0].numbered] == [
        *(b"%02d" % n for n in range(25)),
        b"on",
    ]


@every
def test_a_start_that_never_comes_is_answered(make: Make) -> None:
    session = Session(make)
    session.dialect.text(media(b"early"))
    session.dialect.lost()
    (call,) = session.calls.opened
    assert call.failures == [UNSAID] and not call.legs[0].numbered


@every
def test_a_start_that_comes_after_its_answer_begins_the_call(make: Make) -> None:
    session = Session(make)
    session.dialect.text(media(b"early"))
    session.dialect.look(monotonic() + EARLY_SECONDS)
    session.dialect.text(media(b"dropped"))
    session.dialect.text(start(make))
    session.dialect.text(media(b"on"))
    unsaid, call = session.calls.opened
    assert unsaid.failures == [UNSAID] and unsaid.closed
    assert call.info.id == "id-1" and not call.failures
    assert [payload for _, payload in call.legs[0].numbered] == [b"on"]


@every
def test_binary_messages_are_refused(make: Make) -> None:
    session = Session(make)
    with pytest.raises(ProtocolError, match="not binary"):
        session.dialect.binary(b"\0" * 160)
    assert session.calls.opened == []


@every
@pytest.mark.parametrize(
    "message",
    [
        '{"event":"dtmf","dtmf":{"track":"inbound_track","digit":"1"}}',
        '{"event":"mark","mark":{"name":"a"}}',
        '{"event":"added-next-year"}',
    ],
)
def test_other_events_pass_by(make: Make, message: str) -> None:
    call = Session(make)(start(make), message)
    assert (call.closed, call.failures, call.legs[0].numbered) == (0, [], [])


@every
def test_nothing_is_sent_whatever_the_verdict(make: Make) -> None:
    session = Session(make)
    call = session(start(make))
    for kind in EventKind:
        call.tell(kind)
    session.dialect.fail("too many bad messages")
    assert session.connection.sent == []
    assert session.connection.closed_with is None
    assert call.failures == ["too many bad messages"]


@every
def test_failing_before_start_still_gives_an_answer(make: Make) -> None:
    session = Session(make)
    session.dialect.fail("nothing but garbage came")
    (call,) = session.calls.opened
    assert call.failures == ["nothing but garbage came"]
    assert call.info.gateway == make.name and call.info.id
    assert [leg.name for leg in call.legs] == ["caller"]


@every
@pytest.mark.parametrize(
    "odd", ["", "text", 7, 7.5, True, [], ["a"], {"a": {}}, {"a": 1, "Caller": 13900001111}]
)
def test_no_fact_that_is_odd_costs_a_call_its_verdict(make: Make, odd: object) -> None:
    message = json.loads(start(make))
    own = {"from": odd, "to": odd, "custom_parameters": odd, "customParameters": odd}
    message["start"] |= own | {"user_id": odd, "accountSid": odd, "accountId": odd}
    message |= {"extra_headers": odd, "stream_id": odd}
    call = Session(make)(json.dumps(message), media(b"on"))
    assert call.info.id == "id-1" and not call.failures
    assert [payload for _, payload in call.legs[0].numbered] == [b"on"]
    if isinstance(odd, dict) and "Caller" in odd:
        assert call.info.caller == "13900001111"
    if odd == 7 and make in (Telnyx, Exotel):
        assert (call.info.caller, call.info.called) == ("7", "7")


@every
@pytest.mark.parametrize(
    ("name", "encoding"),
    [("audio/x-mulaw", Encoding.MULAW), ("ULAW", Encoding.MULAW), ("audio/PCMA", Encoding.ALAW)],
)
@pytest.mark.parametrize("rate", ["", ";rate=8000"])
def test_any_name_of_g711_is_known(make: Make, name: str, encoding: Encoding, rate: str) -> None:
    call = Session(make)(formats(make, encoding=name + rate), media(b"on"))
    assert call.legs[0].raw_format.encoding is encoding
    assert [payload for _, payload in call.legs[0].numbered] == [b"on"]


@every
def test_the_inbound_track_has_two_names(make: Make) -> None:
    call = Session(make)(start(make), media(b"on", track="inbound_track"), media(b"no", track="x"))
    assert [payload for _, payload in call.legs[0].numbered] == [b"on"]


def formats(make: Make, **changes: object) -> str:
    said = dict(STARTS[make])
    key = next(key for key in said if "ormat" in key)
    said[key] = {**said[key], **changes}
    return json.dumps({"event": "start", "start": said})


@every
@pytest.mark.parametrize("rate", [0, 10**9, "1000000000"])
def test_impossible_rates_are_answered_at_once(make: Make, rate: object) -> None:
    session = Session(make)
    changed = {"sampleRate": rate, "sample_rate": rate, "encoding": "audio/x-mulaw"}
    if make is Telnyx:
        changed["encoding"] = "L16"
    with pytest.raises(ProtocolError):
        session.dialect.text(formats(make, **changed))
    (call,) = session.calls.opened
    assert call.info.id == "id-1"
    assert len(call.failures) == 1
    session(media(b"unheard"))
    assert call.legs[0].numbered == []


@every
def test_an_unknown_encoding_is_answered_by_name(make: Make) -> None:
    session = Session(make)
    with pytest.raises(ProtocolError, match="audio/ogg"):
        session.dialect.text(formats(make, encoding="audio/ogg"))
    (failure,) = session.calls.opened[0].failures
    assert "audio/ogg" in failure


@pytest.mark.parametrize("make", [Twilio, Telnyx], ids=lambda make: make.name)
def test_two_channels_in_a_packet_are_refused(make: Make) -> None:
    session = Session(make)
    with pytest.raises(ProtocolError, match="one channel, not 2"):
        session.dialect.text(formats(make, channels=2))


def test_half_a_sample_is_refused() -> None:
    session = Session(Exotel)
    session(formats(Exotel, encoding="raw/slin"))
    with pytest.raises(ProtocolError, match="whole 16-bit samples"):
        session(media(b"\0\0\0"))


@every
def test_nothing_but_a_protocol_error_escapes(make: Make) -> None:
    def fresh() -> MediaDialect[Any]:
        return Session(make).dialect

    valid: list[str] = [
        start(make),
        media(b"\0" * 160, track="inbound", chunk="1", timestamp="20"),
        media(b"\0" * 160, track="outbound", chunk=2, timestamp=20),
        '{"event":"stop"}',
    ]
    keys = ("event", "start", "media", "stream_id", "extra_headers")
    survives(fresh, keys, valid)
    wrap: Callable[[str], str] = '{{"event":"start","start":{}}}'.format
    survives(fresh, (*STARTS[make], "from", "custom_parameters"), [json.dumps(STARTS[make])], wrap)
    wrap = '{{"event":"media","media":{}}}'.format
    survives(fresh, ("payload", "track", "chunk", "timestamp"), ['{"payload":"AA=="}'], wrap)
