import json
from typing import Any

import pytest

from audio_model.formats import Encoding, RawFormat
from audio_model.gateway import pace
from audio_model.gateway.dialects import base, freeswitch
from audio_model.gateway.dialects.base import ProtocolError
from audio_model.gateway.dialects.freeswitch import FreeSwitch
from audio_model.gateway.events import EventKind
from tests.gateway.dialects.hostile import survives
from tests.gateway.fakes import FakeCalls, FakeConnection, FakeLeg

# 20 ms of one channel at 8 kHz, as mod_audio_stream sends it.
PACKET = bytes(range(160)) * 2
METADATA = '{"rate": 16000, "call": "6f2b", "caller": "+15551234", "campaign": "may"}'


class Clock:
    """Return the length of frames that come each 20 ms."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    for module in (freeswitch, base, pace):
        monkeypatch.setattr(module, "monotonic", made)
    return made


def connect(**query: str) -> tuple[FreeSwitch, FakeCalls, FakeConnection]:
    calls, connection = FakeCalls(), FakeConnection(query)
    return FreeSwitch(connection, calls), calls, connection  # type: ignore[arg-type]


def only_leg(calls: FakeCalls) -> FakeLeg:
    ((leg,),) = [call.legs for call in calls.opened]
    return leg


def test_audio_alone_is_8_khz_of_one_channel(clock: Clock) -> None:
    dialect, calls, _ = connect()
    dialect.binary(PACKET)
    clock.now += 0.6
    dialect.binary(PACKET)
    leg = only_leg(calls)
    assert (leg.name, leg.raw_format) == ("caller", RawFormat(Encoding.S16LE, 8000))
    assert leg.payloads == [PACKET + PACKET]
    assert calls.opened[0].info.id


def test_the_query_says_rate_and_whose_call() -> None:
    dialect, calls, _ = connect(rate="16000", call="6f2b", caller="100", called="200")
    dialect.binary(PACKET)
    dialect.lost()
    assert only_leg(calls).raw_format.sample_rate == 16000
    info = calls.opened[0].info
    assert (info.gateway, info.id, info.caller, info.called) == ("freeswitch", "6f2b", "100", "200")


def test_a_number_keeps_the_plus_that_a_query_makes_a_space() -> None:
    dialect, calls, _ = connect(caller=" 4930123", called="200")
    dialect.binary(b"audio")
    dialect.lost()
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
    dialect.binary(PACKET)
    assert calls.opened[0].info.details == {"metadata": "campaign may"}
    assert only_leg(calls).payloads == [PACKET]


def test_of_stereo_the_read_side_is_heard() -> None:
    dialect, calls, _ = connect(channels="2")
    dialect.binary(b"r0w0r1w1")
    dialect.lost()
    assert only_leg(calls).payloads == [b"r0r1"]


def test_later_texts_are_not_ours() -> None:
    dialect, calls, _ = connect()
    dialect.text('{"rate": 8000}')
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
    dialect.text('{"rate": 8000}')
    dialect.binary(PACKET)
    event = calls.opened[0].tell(kind)
    (sent,) = connection.sent
    message: dict[str, Any] = json.loads(sent)
    # mod_audio_fork wants this type; mod_audio_stream acts on streamAudio alone.
    assert message["type"] == "json"
    assert message["data"] == json.loads(json.dumps(event.as_dict()))


def test_progress_is_not_sent() -> None:
    dialect, calls, connection = connect()
    dialect.text('{"rate": 8000}')
    dialect.binary(PACKET)
    calls.opened[0].tell(EventKind.PROGRESS)
    assert not connection.sent


def test_the_connection_is_never_closed_from_here() -> None:
    dialect, calls, connection = connect()
    dialect.text('{"rate": 8000}')
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


@pytest.mark.parametrize("n_frames", [1, 2, 10])
@pytest.mark.parametrize("query", [{}, {"rate": "8000", "call": "query"}])
def test_frames_that_overtake_the_metadata_wait_for_it(
    query: dict[str, str], n_frames: int
) -> None:
    """mod_audio_stream#121: at half speed a prompt was called live, and its ids were lost."""
    dialect, calls, _ = connect(**query)
    for _ in range(n_frames):
        dialect.binary(b"\1\0" * 320)
    assert not calls.opened
    dialect.text(METADATA)
    dialect.binary(b"\2\0" * 320)
    leg = only_leg(calls)
    assert leg.raw_format == RawFormat(Encoding.S16LE, 16000)
    assert b"".join(leg.payloads) == b"\1\0" * 320 * n_frames + b"\2\0" * 320
    info = calls.opened[0].info
    assert (info.id, info.caller, info.details) == ("6f2b", "+15551234", {"campaign": "may"})


@pytest.mark.parametrize("text", [None, "campaign may", '{"campaign": "may"}'])
@pytest.mark.parametrize(
    ("frame_bytes", "frame_ms", "rate"),
    [(320, 20, 8000), (640, 20, 16000), (640, 40, 8000), (960, 20, 24000), (1920, 20, 48000)],
)
def test_a_rate_that_nobody_says_is_told_by_length_and_pace(
    clock: Clock, text: str | None, frame_bytes: int, frame_ms: int, rate: int
) -> None:
    dialect, calls, _ = connect()
    if text is not None:
        dialect.text(text)
    for n in range(40):
        dialect.binary(bytes(frame_bytes))
        clock.now += frame_ms / 1000 + (0.006 if n % 2 else -0.006)
    leg = only_leg(calls)
    assert leg.raw_format == RawFormat(Encoding.S16LE, rate)
    assert sum(map(len, leg.payloads)) == 40 * frame_bytes and not calls.opened[0].failures


@pytest.mark.parametrize("n_frames", [1, 50])
def test_a_rate_that_can_not_be_told_gives_unknown(clock: Clock, n_frames: int) -> None:
    dialect, calls, _ = connect(call="6f2b")
    for _ in range(n_frames):
        # At once: as a recording is sent, not as a call is spoken.
        dialect.binary(bytes(640))
    dialect.lost()
    (call,) = calls.opened
    assert call.info.id == "6f2b" and "rate" in call.failures[0]
    assert not call.legs[0].payloads


def test_metadata_that_come_too_late_end_a_verdict_at_a_wrong_rate(clock: Clock) -> None:
    dialect, calls, _ = connect(rate="8000")
    for _ in range(40):
        dialect.binary(bytes(640))
        clock.now += 0.02
    assert only_leg(calls).raw_format.sample_rate == 8000
    dialect.text(METADATA)
    (failure,) = calls.opened[0].failures
    assert "8000 Hz" in failure and "16000 Hz" in failure


def test_metadata_that_come_late_tell_whose_the_call_is(clock: Clock) -> None:
    dialect, calls, _ = connect(rate="8000", called="110")
    for _ in range(100):
        dialect.binary(PACKET)
        clock.now += 0.02
    (call,) = calls.opened
    first = call.info.id
    dialect.text('{"rate": 8000, "caller": "+49", "campaign": "may"}')
    assert (call.info.id, call.info.caller, call.info.called) == (first, "+49", "110")
    assert call.info.details == {"campaign": "may"} and not call.failures

    dialect, calls, _ = connect(rate="8000")
    dialect.binary(PACKET)
    clock.now += 1
    dialect.look(clock.now)
    dialect.text('{"rate": "fast", "call": "6f2b"}')
    assert calls.opened[0].info.id != "6f2b"
    dialect, calls, _ = connect(rate="8000")
    dialect.binary(PACKET)
    clock.now += 1
    dialect.look(clock.now)
    dialect.text('{"call": "6f2b"}')
    assert calls.opened[0].info.id == "6f2b"


def test_a_call_without_audio_is_begun_when_none_comes(clock: Clock) -> None:
    for end in (lambda d: d.look(clock.now + 3), lambda d: d.lost()):
        dialect, calls, _ = connect(call="6f2b")
        dialect.text("campaign may")
        assert not calls.opened
        end(dialect)
        assert calls.opened[0].info.id == "6f2b"


@pytest.mark.parametrize("query", [{"call": "6f2b"}, {"call": "6f2b", "rate": "16000"}])
def test_a_call_that_the_url_names_is_answered_though_nothing_comes(
    clock: Clock, query: dict[str, str]
) -> None:
    for end in (lambda d: d.look(clock.now + 3), lambda d: d.lost()):
        dialect, calls, _ = connect(**query)
        dialect.look(clock.now + 2)
        assert not calls.opened
        end(dialect)
        (call,) = calls.opened
        assert call.info.id == "6f2b" and not call.failures and not call.legs[0].payloads
    # A connection that names none and says nothing is no call: somebody looks who listens.
    dialect, calls, _ = connect(rate="8000")
    dialect.look(clock.now + 100)
    dialect.lost()
    assert not calls.opened


def test_hostile_input() -> None:
    survives(lambda: connect()[0], ["rate", "channels", "call", "caller", "called"], [METADATA])
