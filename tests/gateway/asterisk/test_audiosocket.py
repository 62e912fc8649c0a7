"""Frames cut anywhere reach the right leg, and whatever comes the call is answered."""

import asyncio
import struct
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from itertools import pairwise
from typing import Any
from uuid import UUID

import numpy as np
import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_model.companding import alaw_encode, mulaw_encode
from audio_model.decision import Reason, VerdictKind
from audio_model.detector import Detector
from audio_model.formats import Encoding, RawFormat
from audio_model.gateway import pace
from audio_model.gateway.asterisk import audiosocket
from audio_model.gateway.asterisk.action import HangUp
from audio_model.gateway.asterisk.audiosocket import MAX_BAD_FRAMES, AudioSocketProtocol
from audio_model.gateway.asterisk.audiosocket_server import AudioSocketServer
from audio_model.gateway.asterisk.frames import HANGUP_FRAME, SAMPLE_RATES
from audio_model.gateway.calls import Calls
from audio_model.gateway.events import CallInfo, Event, EventKind
from tests import sounds
from tests.gateway.clock import Clock, run_by_clock
from tests.gateway.fakes import FakeCall, FakeCalls, verdict
from tests.gateway.waiting import until

ID = UUID("40325ec2-5efd-4bd3-805f-53576e581d13")
ID_FRAME = b"\x01\x00\x10" + ID.bytes
SLIN_20_MS = 320
G711_20_MS = 160

CODERS = [
    (Encoding.MULAW, mulaw_encode),
    (Encoding.ALAW, alaw_encode),
    (Encoding.S16LE, lambda samples: samples.astype("<i2")),
]


def frame(kind: int, payload: bytes) -> bytes:
    return struct.pack(">BH", kind, len(payload)) + payload


def audio_frames(audio: bytes, size: int, kind: int = 0x10) -> bytes:
    return b"".join(frame(kind, audio[at : at + size]) for at in range(0, len(audio), size))


def pcm(seconds: float = 1.0) -> np.ndarray:
    return sounds.pcm(sounds.voice(seconds, 3))


class Transport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.aborted = self.eof = self.reset = False

    def write(self, data: Any) -> None:
        self.sent += data

    def write_eof(self) -> None:
        if self.reset:
            raise OSError("Transport endpoint is not connected")
        self.eof = True

    def abort(self) -> None:
        self.aborted = True

    def is_closing(self) -> bool:
        return self.aborted


class Caller:
    """Asterisk's end, without a socket."""

    def __init__(self, **options: Any) -> None:
        self.calls = FakeCalls()
        server = AudioSocketServer(self.calls, **options)  # type: ignore[arg-type]
        self.transport = Transport()
        self.protocol = AudioSocketProtocol(server)
        self.protocol.connection_made(self.transport)

    @property
    def call(self) -> FakeCall:
        (call,) = self.calls.opened
        return call

    def send(self, data: bytes, cuts: list[int] | None = None) -> None:
        inner = sorted(cut for cut in cuts or [] if cut < len(data))
        for start, end in pairwise([0, *inner, len(data)]):
            self.protocol.data_received(data[start:end])

    def hears(self) -> tuple[RawFormat, bytes]:
        (leg,) = self.call.legs
        return leg.raw_format, b"".join(leg.payloads)


def run(test: Callable[[], Awaitable[None]]) -> None:
    """In the loop that serves."""

    async def within() -> None:
        await asyncio.wait_for(test(), 60)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(within())


def alone(test: Callable[[], None]) -> None:
    """In a loop, for its clock and futures."""

    async def within() -> None:
        test()

    asyncio.run(within())


@given(cuts=st.lists(st.integers(0, 1700), max_size=40))
@settings(max_examples=60)
def test_frames_may_be_cut_anywhere(cuts: list[int]) -> None:
    audio = pcm(0.1).astype("<i2").tobytes()
    data = ID_FRAME + frame(0x03, b"5") + audio_frames(audio, SLIN_20_MS) + HANGUP_FRAME

    def test() -> None:
        caller = Caller()
        caller.send(data, cuts)
        assert caller.call.info.id == str(ID)
        assert caller.call.info.gateway == "audiosocket"
        assert caller.hears() == (RawFormat(Encoding.S16LE), audio)
        assert caller.call.closed
        assert not caller.call.failures

    alone(test)


@pytest.mark.parametrize("kind", SAMPLE_RATES)
def test_each_type_is_heard_at_its_rate(kind: int) -> None:
    rate = SAMPLE_RATES[kind]
    audio = bytes(range(256)) * 30

    def test() -> None:
        caller = Caller()
        caller.send(ID_FRAME + audio_frames(audio, rate // 50 * 2, kind))
        assert caller.hears() == (RawFormat(Encoding.S16LE, rate), audio)

    alone(test)


@pytest.mark.parametrize("gain", [0.05, 0.3, 1.0])
@pytest.mark.parametrize(("encoding", "encode"), CODERS)
def test_what_160_bytes_typed_as_16_bit_really_are(
    encoding: Encoding, encode: Callable[..., np.ndarray], gain: float
) -> None:
    audio = encode((pcm() * gain).astype(np.int16)).tobytes()

    def test() -> None:
        caller = Caller()
        caller.send(ID_FRAME + audio_frames(audio, G711_20_MS))
        assert caller.hears() == (RawFormat(encoding), audio)

    alone(test)


@pytest.mark.parametrize(
    ("frame_bytes", "frame_ms", "rate"),
    [(640, 20, 16000), (640, 40, 8000), (960, 20, 24000), (960, 60, 8000), (1920, 20, 48000)],
)
def test_audio_of_another_rate_that_is_typed_8_khz_is_known_by_its_pace(
    monkeypatch: pytest.MonkeyPatch, frame_bytes: int, frame_ms: int, rate: int
) -> None:
    """CyCore/audiosocket#27: slin16 of an older Asterisk, a prompt called live at half speed."""
    now = 100.0
    for module in (audiosocket, pace):
        monkeypatch.setattr(module, "monotonic", lambda: now)

    def test() -> None:
        nonlocal now
        caller = Caller()
        caller.send(ID_FRAME)
        payload = bytes(range(256)) * 10
        for n in range(60):
            caller.send(frame(0x10, payload[:frame_bytes]), cuts=[n])
            now += frame_ms / 1000 + (0.006 if n % 2 else -0.006)
        assert caller.hears() == (
            RawFormat(Encoding.S16LE, rate),
            payload[:frame_bytes] * 60,
        )
        assert not caller.call.failures

    alone(test)


@pytest.mark.parametrize(("encoding", "encode"), CODERS[:2])
@pytest.mark.parametrize("frame_ms", [60, 80, 120])
def test_g711_in_long_frames_is_known_by_its_pace_and_its_bytes(
    monkeypatch: pytest.MonkeyPatch,
    encoding: Encoding,
    encode: Callable[..., np.ndarray],
    frame_ms: int,
) -> None:
    now = 100.0
    for module in (audiosocket, pace):
        monkeypatch.setattr(module, "monotonic", lambda: now)
    audio, frame_bytes = encode(pcm(3)).tobytes(), 8 * frame_ms

    def test() -> None:
        nonlocal now
        caller = Caller()
        caller.send(ID_FRAME)
        for at in range(0, len(audio), frame_bytes):
            caller.send(frame(0x10, audio[at : at + frame_bytes]))
            now += frame_ms / 1000
        assert caller.hears() == (RawFormat(encoding), audio)
        assert not caller.call.failures

    alone(test)


@pytest.mark.parametrize("frame_bytes", [20, 33, 50])
def test_a_codec_whose_frames_are_too_short_is_named_with_its_remedy(frame_bytes: int) -> None:
    """GSM has 33 bytes, G.729 has 20, iLBC has 38 or 50."""

    def test() -> None:
        caller = Caller()
        caller.send(ID_FRAME + audio_frames(bytes(range(200)), frame_bytes))
        (failure,) = caller.call.failures
        assert f"{frame_bytes} bytes" in failure and "add /c(slin)" in failure

    alone(test)


def test_usual_frames_are_heard_at_once_and_their_pace_is_checked() -> None:
    def test() -> None:
        caller = Caller()
        caller.send(ID_FRAME + frame(0x10, bytes(320)))
        (leg,) = caller.call.legs
        assert leg.paced and leg.doubtful and leg.payloads == [bytes(320)]

    alone(test)


def test_audio_whose_rate_can_not_be_told_gets_no_verdict() -> None:
    def test() -> None:
        caller = Caller()
        caller.send(ID_FRAME + audio_frames(bytes(64_000), 640) + HANGUP_FRAME)
        (failure,) = caller.call.failures
        assert "640 bytes" in failure and not caller.call.legs[0].payloads

    alone(test)


def test_20_ms_of_16_bit_audio_are_never_taken_for_a_codec() -> None:
    audio = mulaw_encode(pcm()).tobytes()

    def test() -> None:
        caller = Caller()
        caller.send(ID_FRAME + audio_frames(audio[:3200], SLIN_20_MS))
        assert caller.hears() == (RawFormat(Encoding.S16LE), audio[:3200])

    alone(test)


def test_a_short_call_in_mulaw_is_known_when_it_ends() -> None:
    audio = mulaw_encode(pcm(0.1)).tobytes()

    def test() -> None:
        caller = Caller()
        caller.send(ID_FRAME + audio_frames(audio, G711_20_MS))
        assert not caller.call.legs
        caller.protocol.connection_lost(None)
        assert caller.hears() == (RawFormat(Encoding.MULAW), audio)
        assert caller.call.closed

    alone(test)


@given(data=st.binary(max_size=400), cuts=st.lists(st.integers(0, 400), max_size=8))
@pytest.mark.parametrize("before", [b"", ID_FRAME, ID_FRAME + audio_frames(b"\xff" * 320, 160)])
def test_random_bytes_raise_nothing_and_are_not_held(
    before: bytes, data: bytes, cuts: list[int]
) -> None:
    def test() -> None:
        caller = Caller()
        caller.send(before)
        caller.send(data, cuts)
        caller.protocol.connection_lost(None)
        for call in caller.calls.opened:
            assert call.legs, "a call that began is answered"
            assert call.finished

    alone(test)


def test_a_frame_that_never_ends_is_heard_as_it_comes_and_not_held() -> None:
    def test() -> None:
        caller = Caller()
        caller.send(ID_FRAME + struct.pack(">BH", 0x10, 65535))
        for _ in range(100):
            caller.send(b"\x01\x02" * 50)
        assert caller.hears()[1] == b"\x01\x02" * 5000
        held = [value for value in vars(caller.protocol).values() if isinstance(value, bytes)]
        assert sum(map(len, held)) < 20

    alone(test)


@pytest.mark.parametrize(
    "junk",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        frame(0x10, bytes(320)),
        frame(0x01, bytes(15)),
        struct.pack(">BH", 0x01, 65535),
        HANGUP_FRAME,
    ],
)
def test_what_does_not_begin_with_a_uuid_is_no_call(junk: bytes) -> None:
    def test() -> None:
        caller = Caller()
        caller.send(junk + ID_FRAME)
        assert caller.transport.aborted
        assert not caller.calls.opened

    alone(test)


def test_frames_that_are_not_allowed_are_dropped_and_end_the_leg_after_too_many() -> None:
    audio = bytes(range(200)) * 16
    bad = frame(0x12, audio) + frame(0x42, b"x" * 9) + ID_FRAME

    def test() -> None:
        caller = Caller()
        caller.send(ID_FRAME + frame(0x10, audio) + bad + frame(0x10, audio))
        assert caller.hears() == (RawFormat(Encoding.S16LE), audio * 2)
        assert not caller.call.failures
        caller.send(bad * MAX_BAD_FRAMES)
        (failure,) = caller.call.failures
        assert "0x" in failure
        assert not caller.transport.aborted
        assert not caller.transport.sent

    alone(test)


def test_an_error_of_asterisk_is_told_and_its_hangup_is_none() -> None:
    def test() -> None:
        caller = Caller()
        caller.send(ID_FRAME + frame(0x10, bytes(320)) + frame(0xFF, b"\x02"))
        assert caller.call.failures == ["Asterisk reports error 0x02"]
        other = Caller()
        other.send(ID_FRAME + frame(0x10, bytes(320)) + frame(0xFF, b"\x01"))
        assert not other.call.failures
        assert other.call.closed

    alone(test)


def test_a_connection_that_was_reset_ends_quietly() -> None:
    def test() -> None:
        caller = Caller()
        caller.send(ID_FRAME + frame(0x10, bytes(320)))
        caller.transport.reset = True
        caller.send(HANGUP_FRAME)
        caller.protocol.connection_lost(ConnectionResetError())
        assert caller.call.closed

    alone(test)


def test_an_empty_call_is_answered() -> None:
    def test() -> None:
        caller = Caller()
        caller.send(ID_FRAME)
        caller.protocol.connection_lost(None)
        assert caller.call.finished

    alone(test)


@pytest.mark.parametrize(
    ("hang_up", "kind", "ends"),
    [
        (HangUp.NEVER, VerdictKind.RECORDED, False),
        (HangUp.RECORDED, VerdictKind.RECORDED, True),
        (HangUp.RECORDED, VerdictKind.LIVE, False),
        (HangUp.RECORDED, VerdictKind.UNKNOWN, False),
        (HangUp.ALWAYS, VerdictKind.LIVE, True),
        (HangUp.ALWAYS, VerdictKind.UNKNOWN, True),
    ],
)
def test_the_final_event_ends_the_call_where_it_is_to(
    hang_up: HangUp, kind: VerdictKind, ends: bool
) -> None:
    async def test() -> None:
        for event in (EventKind.VERDICT, EventKind.FINAL):
            caller = Caller(hang_up=hang_up)
            caller.send(ID_FRAME + frame(0x10, bytes(320)))
            caller.call.tell(EventKind.PROGRESS, verdict(kind))
            await asyncio.sleep(0.01)
            assert not caller.transport.sent
            caller.call.tell(event, verdict(kind))
            ends_now = ends and (event is EventKind.FINAL or kind is not VerdictKind.UNKNOWN)
            if ends_now:
                await until(partial(getattr, caller.transport, "eof"))
            await asyncio.sleep(0.01)
            assert caller.transport.sent == (HANGUP_FRAME if ends_now else b"")
            assert caller.transport.eof is ends_now
            assert bool(caller.call.closed) is ends_now
            caller.send(frame(0x10, bytes(320)))
            assert not caller.transport.aborted
            caller.protocol.connection_lost(None)

    run(test)


def test_asterisk_is_told_the_verdict_before_its_dialplan_goes_on() -> None:
    async def test() -> None:
        done = asyncio.Event()
        asked: list[str] = []

        async def told(call_id: str) -> None:
            asked.append(call_id)
            await done.wait()

        caller = Caller(hang_up=HangUp.ALWAYS, told=told)
        caller.send(ID_FRAME + frame(0x10, bytes(320)))
        caller.call.tell(EventKind.FINAL)
        await until(lambda: bool(asked))
        assert asked == [str(ID)]
        assert not caller.transport.sent
        done.set()
        await until(lambda: caller.transport.eof)
        assert caller.transport.sent == HANGUP_FRAME
        caller.protocol.connection_lost(None)

    run(test)


def test_what_else_is_known_of_the_call_goes_with_it() -> None:
    info = CallInfo(str(ID), "audiosocket", "+4930123", "200")

    def test() -> None:
        caller = Caller(describe={str(ID): info}.get)
        caller.send(ID_FRAME)
        assert caller.call.info == info

    alone(test)


def test_a_quiet_connection_ends_and_one_that_trickles_does_not() -> None:
    async def test(_: Clock) -> None:
        caller = Caller(idle_seconds=2)
        caller.send(ID_FRAME)
        for byte in frame(0x10, bytes(320))[:8]:
            caller.send(bytes([byte]))
            await asyncio.sleep(0.3)
        await asyncio.sleep(1.6)
        assert not caller.call.closed and not caller.transport.sent
        await asyncio.sleep(0.2)
        assert caller.call.closed
        assert caller.transport.sent == HANGUP_FRAME and caller.transport.eof
        caller.protocol.connection_lost(None)

    run_by_clock(test)


# Over a real socket


@asynccontextmanager
async def served(calls: Any, **options: Any) -> Any:
    server = AudioSocketServer(calls, **options)
    await server.listen("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        yield server, reader, writer
    finally:
        writer.close()
        await server.close()


def test_a_connection_without_a_uuid_is_closed_in_time() -> None:
    async def test() -> None:
        calls = FakeCalls()
        async with served(calls, first_frame_seconds=0.05) as (_, reader, writer):
            writer.write(ID_FRAME[:5])
            assert await reader.read() == b""
            assert not calls.opened

    run(test)


def test_without_audio_the_leg_begins_all_the_same() -> None:
    async def test() -> None:
        calls = FakeCalls()
        async with served(calls, first_frame_seconds=0.05) as (_, _, writer):
            writer.write(ID_FRAME)
            await until(lambda: bool(calls.opened and calls.opened[0].legs))
            (leg,) = calls.opened[0].legs
            assert leg.raw_format == RawFormat(Encoding.S16LE)
            writer.write(frame(0x10, bytes(320)))
            await until(lambda: bool(leg.payloads))
            assert leg.payloads == [bytes(320)]

    run(test)


def test_beyond_the_limit_connections_are_refused_and_others_go_on() -> None:
    async def test() -> None:
        calls = FakeCalls()
        async with served(calls, max_connections=1) as (server, _, writer):
            writer.write(ID_FRAME)
            await until(lambda: bool(calls.opened))
            reader, refused = await asyncio.open_connection("127.0.0.1", server.port)
            assert await reader.read() == b""
            refused.close()
            writer.write(frame(0x10, bytes(320)))
            await until(lambda: bool(calls.opened[0].legs and calls.opened[0].legs[0].payloads))

    run(test)


def test_closing_answers_and_ends_each_call_even_if_the_other_side_does_not() -> None:
    async def test() -> None:
        calls = FakeCalls()
        async with served(calls) as (server, reader, writer):
            writer.write(ID_FRAME + frame(0x10, bytes(320)))
            await until(lambda: bool(calls.opened))
            closing = asyncio.create_task(server.close())
            assert await reader.readexactly(3) == HANGUP_FRAME
            assert calls.opened[0].finished
            writer.write(frame(0x10, bytes(320)))
            await asyncio.sleep(0.02)
            writer.close()
            await closing
            assert not server.connections

    run(test)


def test_the_score_is_that_of_the_whole_recording(detector: Detector) -> None:
    samples = np.concatenate([pcm(1.0), np.rint(sounds.voice(3, 9, played=True) * 32767)])
    codes = mulaw_encode(samples.astype(np.int16)).tobytes()

    async def test() -> None:
        events: list[Event] = []
        calls = Calls(detector, deadline_seconds=60, max_legs=10, listeners=[events.append])
        async with served(calls, hang_up=HangUp.ALWAYS) as (_, reader, writer):
            writer.write(ID_FRAME + audio_frames(codes, G711_20_MS) + HANGUP_FRAME)
            assert await reader.readexactly(3) == HANGUP_FRAME
            # It hung up, so it is answered at once. The rest is heard together with other legs.
            await until(lambda: events and events[-1].kind is EventKind.FINAL)
        final = events[-1]
        stream = detector.stream(encoding=Encoding.MULAW)
        stream.feed(codes)
        expected = stream.flush()
        assert final.verdict.score == pytest.approx(expected.score, abs=1e-5)
        assert final.verdict.verdict is expected.verdict

    run(test)


def test_overload_is_answered_at_once_and_the_call_goes_on(detector: Detector) -> None:
    async def test() -> None:
        events: list[Event] = []
        calls = Calls(detector, deadline_seconds=60, max_legs=0, listeners=[events.append])
        async with served(calls, hang_up=HangUp.RECORDED) as (_, reader, writer):
            writer.write(ID_FRAME + frame(0x10, bytes(320)))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader.readexactly(1), 0.1)
            assert [event.verdict.reason for event in events] == [Reason.OVERLOAD]

    run(test)
