import asyncio
import json
from time import monotonic

import pytest

from audio_model.decision import VerdictKind
from audio_model.formats import Encoding, RawFormat
from audio_model.gateway.dialects.asterisk import Asterisk
from audio_model.gateway.dialects.base import (
    EARLY_SECONDS,
    MAX_EARLY_BYTES,
    UNSAID,
    ProtocolError,
)
from audio_model.gateway.events import EventKind
from tests.gateway.dialects.hostile import survives
from tests.gateway.fakes import FakeCalls, FakeConnection, verdict
from tests.gateway.waiting import until

PLAIN = (
    "MEDIA_START connection_id:media_connection1 channel:WebSocket/media_connection1/0x5140001a0040"
    " channel_id:1761245643.1 format:ulaw optimal_frame_size:160 ptime:20"
)
# The documentation's example, of the first versions.
OLD = (
    "MEDIA_START connection_id:e226e283-c90a-4ea9-9e37-389000b9ef47"
    " channel:WebSocket/connectionid format:ulaw optimal_frame_size:160"
)
# The example of the commit that brought JSON.
JSON = """{
  "event": "MEDIA_START",
  "connection_id": "media_connection1",
  "channel": "WebSocket/media_connection1/0x5140001a0040",
  "channel_id": "1761245643.1",
  "format": "ulaw",
  "optimal_frame_size": 160,
  "ptime": 20,
  "channel_variables": {
    "DIALEDPEERNUMBER": "media_connection1/c(ulaw)",
    "MEDIA_WEBSOCKET_CONNECTION_ID": "media_connection1",
    "MEDIA_WEBSOCKET_OPTIMAL_FRAME_SIZE": "160"
  }
}"""


def connect(**query: str) -> tuple[Asterisk, FakeCalls, FakeConnection]:
    calls, connection = FakeCalls(), FakeConnection(query)
    return Asterisk(connection, calls), calls, connection  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("start", "id"),
    [
        (PLAIN, "1761245643.1"),
        (OLD, "WebSocket/connectionid"),
        (JSON, "1761245643.1"),
    ],
)
def test_every_form_of_the_start(start: str, id: str) -> None:
    dialect, calls, connection = connect()
    dialect.text(start)
    dialect.binary(b"\xff" * 160)
    (call,) = calls.opened
    assert (call.info.gateway, call.info.id) == ("asterisk", id)
    (leg,) = call.legs
    assert (leg.name, leg.raw_format) == ("caller", RawFormat(Encoding.MULAW, 8000))
    assert leg.payloads == [b"\xff" * 160]
    # The driver answers by itself, and no command could carry a verdict.
    call.tell()
    assert not connection.sent and connection.closed_with is None


def test_details_hold_the_other_ids_and_the_variables() -> None:
    dialect, calls, _ = connect()
    dialect.text(JSON)
    details = calls.opened[0].info.details
    assert details["connection_id"] == "media_connection1"
    assert details["channel"] == "WebSocket/media_connection1/0x5140001a0040"
    assert details["DIALEDPEERNUMBER"] == "media_connection1/c(ulaw)"


@pytest.mark.parametrize("mark", ["", "_", "__"])
def test_variables_say_whose_call_it_is(mark: str) -> None:
    dialect, calls, _ = connect()
    variables = {"call": "1761245640.0", "caller": "100", "called": "200", "campaign": "may"}
    variables = {mark + name: value for name, value in variables.items()}
    dialect.text(json.dumps(json.loads(JSON) | {"channel_variables": variables}))
    info = calls.opened[0].info
    assert (info.id, info.caller, info.called) == ("1761245640.0", "100", "200")
    assert info.details["campaign"] == "may" and info.details["channel_id"] == "1761245643.1"


def test_the_query_is_not_believed() -> None:
    # Asterisk 22.10 repeats the query of an earlier call.
    dialect, calls, _ = connect(call="1761245640.0", caller="100")
    dialect.text(PLAIN)
    assert (calls.opened[0].info.id, calls.opened[0].info.caller) == ("1761245643.1", "")


@pytest.mark.parametrize(
    ("name", "encoding", "rate"),
    [
        ("ulaw", Encoding.MULAW, 8000),
        ("alaw", Encoding.ALAW, 8000),
        ("slin", Encoding.S16LE, 8000),
        ("slin12", Encoding.S16LE, 12000),
        ("slin16", Encoding.S16LE, 16000),
        ("slin24", Encoding.S16LE, 24000),
        ("slin32", Encoding.S16LE, 32000),
        ("slin44", Encoding.S16LE, 44100),
        ("slin48", Encoding.S16LE, 48000),
    ],
)
def test_formats(name: str, encoding: Encoding, rate: int) -> None:
    dialect, calls, _ = connect()
    dialect.text(f"MEDIA_START connection_id:c format:{name}")
    assert calls.opened[0].legs[0].raw_format == RawFormat(encoding, rate)


def test_g722_is_decoded_wherever_it_is_cut() -> None:
    payloads = []
    for cut in (160, 7):
        dialect, calls, _ = connect()
        dialect.text("MEDIA_START connection_id:c format:g722")
        audio = bytes(range(256)) * 5
        for start in range(0, len(audio), cut):
            dialect.binary(audio[start : start + cut])
        (leg,) = calls.opened[0].legs
        assert leg.raw_format == RawFormat(Encoding.S16LE, 16000)
        assert leg.codec == "g722"
        payloads.append(b"".join(leg.payloads))
    # A byte is two samples of 16 bits.
    assert len(payloads[0]) == 4 * 1280
    assert payloads[0] == payloads[1]


@pytest.mark.parametrize("name", ["gsm", "slin17", "ULAW", ""])
def test_a_format_that_is_not_understood_is_named(name: str) -> None:
    dialect, calls, _ = connect()
    with pytest.raises(ProtocolError, match=f"format '{name}' is not understood"):
        dialect.text(f"MEDIA_START connection_id:c format:{name}")
    dialect.binary(b"1234")
    (call,) = calls.opened
    assert call.finished and f"'{name}'" in call.failures[0]


@pytest.mark.parametrize(
    "event",
    [
        "MEDIA_XOFF",
        "DTMF_END digit:5 channel_id:1761245643.1",
        "STATUS queue_length:43 xon_level:800 xoff_level:900 queue_full:false",
        "MEDIA_BUFFERING_COMPLETED some id",
        '{"event":"DTMF_END","channel_id":"1761245643.1","digit":"5"}',
        '{"event":"OF_THE_FUTURE"}',
    ],
)
def test_other_events_change_nothing(event: str) -> None:
    dialect, calls, _ = connect()
    dialect.text(PLAIN)
    dialect.text(event)
    assert len(calls.opened) == 1


@pytest.mark.parametrize(
    "text",
    ["", "hello", '{"event": 1}', "{}", "MEDIA_START connection_id:c", "{", '{"event":null}'],
)
def test_what_is_no_event_is_refused(text: str) -> None:
    dialect, calls, _ = connect()
    with pytest.raises(ProtocolError):
        dialect.text(text)
    assert not calls.opened


@pytest.mark.parametrize("n_frames", [1, 25, 50])
@pytest.mark.parametrize("start", [PLAIN, JSON])
def test_frames_before_the_start_are_heard_from_it_on(start: str, n_frames: int) -> None:
    """asterisk/asterisk#1712."""
    dialect, calls, _ = connect()
    frames = [bytes([n]) * 160 for n in range(n_frames + 5)]
    for frame in frames[:n_frames]:
        dialect.binary(frame)
    assert not calls.opened
    dialect.text(start)
    for frame in frames[n_frames:]:
        dialect.binary(frame)
    (call,) = calls.opened
    assert b"".join(call.legs[0].payloads) == b"".join(frames) and not call.failures


def test_of_frames_without_end_before_the_start_the_last_are_kept() -> None:
    dialect, calls, _ = connect()
    for n in range(2 * MAX_EARLY_BYTES // 160):
        dialect.binary(bytes([n % 256]) * 160)
    dialect.text(PLAIN)
    kept = b"".join(calls.opened[0].legs[0].payloads)
    assert 160 <= len(kept) <= MAX_EARLY_BYTES and kept.endswith(bytes([n % 256]) * 160)


def test_a_start_that_never_comes_is_answered_in_time() -> None:
    for end in (lambda d: d.look(monotonic() + EARLY_SECONDS), lambda d: d.lost()):
        dialect, calls, _ = connect()
        dialect.look(monotonic() + 100)
        dialect.binary(b"\xff" * 160)
        dialect.look(monotonic())
        assert not calls.opened
        end(dialect)
        end(dialect)
        (call,) = calls.opened
        assert call.failures == [UNSAID] and not call.legs[0].payloads


@pytest.mark.parametrize(
    ("hangup", "of", "kind", "ends"),
    [
        ("always", VerdictKind.RECORDED, EventKind.VERDICT, True),
        ("always", VerdictKind.LIVE, EventKind.VERDICT, True),
        ("always", VerdictKind.UNKNOWN, EventKind.VERDICT, False),
        ("always", VerdictKind.UNKNOWN, EventKind.FINAL, True),
        ("recorded", VerdictKind.RECORDED, EventKind.VERDICT, True),
        ("recorded", VerdictKind.LIVE, EventKind.FINAL, False),
        ("never", VerdictKind.RECORDED, EventKind.FINAL, False),
        ("sometimes", VerdictKind.RECORDED, EventKind.FINAL, False),
        ("", VerdictKind.RECORDED, EventKind.FINAL, False),
    ],
)
def test_the_channel_ends_when_the_dialplan_wants_it_to(
    hangup: str, of: VerdictKind, kind: EventKind, ends: bool
) -> None:
    order: list[str] = []

    async def told(call_id: str) -> None:
        await asyncio.sleep(0.01)
        order.append(f"{call_id} {connection.sent}")

    async def scene() -> None:
        calls.told = told
        variables = {"call": "1761245640.0", "hangup": hangup}
        dialect.text(json.dumps(json.loads(JSON) | {"channel_variables": variables}))
        calls.opened[0].tell(kind, verdict(of))
        assert not connection.sent
        calls.opened[0].tell(kind, verdict(of))
        if ends:
            await until(lambda: bool(connection.sent))
        await asyncio.sleep(0.1)

    dialect, calls, connection = connect()
    asyncio.run(scene())
    # Its variables are set before, and it is told once.
    assert order == (["1761245640.0 []"] if ends else [])
    assert connection.sent == (['{"command": "HANGUP"}'] if ends else [])
    assert calls.opened[0].closed == int(ends) and connection.closed_with is None
    assert "hangup" not in calls.opened[0].info.details


def test_an_answered_call_is_not_even_decoded() -> None:
    dialect, calls, _ = connect()
    dialect.text(PLAIN.replace("ulaw", "g722"))
    calls.opened[0].tell()
    dialect.binary(b"1234")
    assert not calls.opened[0].legs[0].payloads


def test_a_second_start_is_refused() -> None:
    dialect, calls, _ = connect()
    dialect.text(PLAIN)
    with pytest.raises(ProtocolError, match="second"):
        dialect.text(JSON)
    assert len(calls.opened) == 1


def test_hostile_input() -> None:
    keys = ["event", "format", "connection_id", "channel", "channel_id", "channel_variables"]
    starts = [PLAIN, JSON, PLAIN.replace("ulaw", "g722"), PLAIN.replace("ulaw", "opus")]
    survives(lambda: connect()[0], keys, starts)
