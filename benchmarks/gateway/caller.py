"""Place many calls at once over loopback, in a process of their own.

Each leg sends packets of 20 ms at its own moment within the 20 ms, as real calls do. The audio is
noise in syllables. At the end it prints JSON: what was sent, and how far behind time it fell, which
tells whether the figures of the other side can be trusted.
"""

import argparse
import asyncio
import base64
import json
import os
import struct
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import cast
from uuid import uuid4

import numpy as np
import uvloop

from audio_model.companding import mulaw_encode
from benchmarks.gateway.told import hand_over

PACKET_MS = 20
PACKET_SAMPLES = 160
N_PHASES = 20
"""Groups of legs within a packet's time."""

START_TICKS = 100
"""Over so many packets' time legs begin: as in life, not all at once."""

Frames = list[bytes]
"""The frames of consecutive packets, sent around and around."""


@dataclass(frozen=True)
class Sent:
    """What a crowd has sent, and how punctually."""

    legs: int
    audio_seconds: float
    """Seconds of all legs together."""
    calls: int
    """Begun while the figures ran."""
    wall_seconds: float
    late_ms: float
    """The most that a packet was sent behind its time."""
    answers_s: list[float]
    """Seconds from a call's first packet to its final event, where the protocol sends it back."""
    unanswered_s: list[float]
    """How long each call lasted that was hung up without a final event."""


def syllables(seconds: float = 4.0) -> np.ndarray:
    """Return noise in syllables, 16-bit. [shape=(n_samples,)]"""
    n_samples = round(seconds * 8000)
    envelope = np.sin(2 * np.pi * 2 * np.arange(n_samples) / 8000) ** 2
    noise = np.random.default_rng(0).standard_normal(n_samples)
    return np.asarray(np.rint(3000 * envelope * noise), np.int16)


def packets() -> list[np.ndarray]:
    """Return the noise in packets of 20 ms."""
    return np.split(syllables(), len(syllables()) // PACKET_SAMPLES)


def audiosocket_frames() -> Frames:
    """Return the packets as frames of AudioSocket."""
    return [b"\x10\x01\x40" + packet.astype("<i2").tobytes() for packet in packets()]


def twilio_frames() -> Frames:
    """Return the packets as Twilio's messages."""
    frames = []
    for number, packet in enumerate(packets(), start=1):
        media = {
            "track": "inbound",
            "timestamp": str(number * PACKET_MS),
            "payload": base64.b64encode(mulaw_encode(packet).tobytes()).decode(),
        }
        frames.append(text_frame({"event": "media", "streamSid": "MZ1", "media": media}))
    return frames


def stream_frames() -> Frames:
    """Return the packets as messages of the plain stream, in µ-law."""
    return [binary_frame(mulaw_encode(packet).tobytes()) for packet in packets()]


def text_frame(message: dict[str, object]) -> bytes:
    """Return a message as JSON in a WebSocket frame."""
    return _frame(0x81, json.dumps(message, separators=(",", ":")).encode())


def binary_frame(message: bytes) -> bytes:
    """Return bytes in a WebSocket frame."""
    return _frame(0x82, message)


def _frame(kind: int, payload: bytes) -> bytes:
    """Return a WebSocket frame from a client (RFC 6455, 5.2)."""
    mask = b"\x5a\xc3\x0f\x96"
    length = len(payload)
    if length > 125:
        header = struct.pack("!BBH", kind, 0x80 | 126, length)
    else:
        header = struct.pack("!BB", kind, 0x80 | length)
    keys = np.frombuffer((mask * (length // 4 + 1))[:length], np.uint8)
    return header + mask + (np.frombuffer(payload, np.uint8) ^ keys).tobytes()


class Caller(asyncio.Protocol):
    """One leg: a connection that is written to, and whose answer is waited for."""

    def __init__(self, hello: bytes, greeting: bytes) -> None:
        """Make a caller.

        Args:
            hello: sent first.
            greeting: sent after an answer to it; empty if no answer comes.
        """
        self.hello, self.greeting = hello, greeting
        self.ready = asyncio.get_running_loop().create_future()
        self.packets = 0
        self.began = self.answered = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the hello, and begin if no answer is awaited."""
        # uvloop's transports are none of asyncio's by class.
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(self.hello)
        if not self.greeting:
            self._begin()

    def data_received(self, data: bytes) -> None:
        """Begin after the first answer, and note when the final event comes."""
        if not self.ready.done():
            self.transport.write(self.greeting)
            self._begin()
        # Whoever is refused is told so together with the handshake.
        if not self.answered and b'"final"' in data:
            self.answered = time.monotonic()

    def send(self, frame: bytes) -> None:
        """Send a packet."""
        self.transport.write(frame)
        self.packets += 1

    def _begin(self) -> None:
        self.began = time.monotonic()
        self.ready.set_result(None)


def upgrade(path: str) -> bytes:
    """Return the request that opens a WebSocket."""
    key = base64.b64encode(os.urandom(16)).decode()
    return (
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


def caller(protocol: str) -> Caller:
    """Return a leg of one protocol, not connected yet."""
    if protocol == "audiosocket":
        return Caller(b"\x01\x00\x10" + uuid4().bytes, b"")
    if protocol == "twilio":
        start = {"callSid": uuid4().hex, "tracks": ["inbound"]}
        return Caller(upgrade("/twilio"), text_frame({"event": "start", "start": start}))
    # An empty message, so that there is something to send once the server has agreed.
    return Caller(upgrade("/v1/stream?encoding=mulaw"), binary_frame(b""))


FRAMES: dict[str, Callable[[], Frames]] = {
    "audiosocket": audiosocket_frames,
    "twilio": twilio_frames,
    "stream": stream_frames,
}


class Crowd:
    """Legs that talk at once; a call that is over is followed by another."""

    def __init__(self, protocol: str, port: int, n_legs: int, call_seconds: float | None) -> None:
        self.protocol, self.port = protocol, port
        self.frames = FRAMES[protocol]()
        self.legs: list[Caller | None] = [None] * n_legs
        self.first_tick = [37 * slot % START_TICKS for slot in range(n_legs)]
        """When each leg begins to talk, in packets' time."""
        self.ends = call_seconds is not None
        self.call_packets = round((call_seconds or 86_400) * 1000 / PACKET_MS)
        self.calls = self.sent = 0
        self.answers: list[float] = []
        self.unanswered: list[float] = []
        self._dialling: set[asyncio.Task[None]] = set()

    async def dial_all(self) -> None:
        """Connect all legs before anybody talks: the server takes each."""
        # Spread over a packet's time, and over a call's where calls end: as they come in life.
        for slot in range(len(self.legs)):
            await self.dial(slot)
            leg = self.legs[slot]
            assert leg is not None
            leg.packets = slot * self.call_packets // len(self.legs) if self.ends else 0

    def dial_in_time(self) -> None:
        """Connect legs at a steady pace, over a call's time. Each talks from its connection on."""
        self.first_tick = [0] * len(self.legs)
        between = self.call_packets * PACKET_MS / 1000 / len(self.legs)
        for slot in range(len(self.legs)):
            asyncio.get_running_loop().call_later(slot * between, self._begin, slot)

    async def dial(self, slot: int) -> None:
        """Connect a leg."""
        loop = asyncio.get_running_loop()
        _, leg = await loop.create_connection(lambda: caller(self.protocol), "127.0.0.1", self.port)
        await leg.ready
        self.legs[slot] = leg
        self.calls += 1

    def talk(self, phase: int, tick: int) -> None:
        """Send a packet of every leg of one phase."""
        for slot in range(phase, len(self.legs), N_PHASES):
            leg = self.legs[slot]
            if leg is None or tick < self.first_tick[slot]:
                continue
            leg.send(self.frames[(tick + 7 * slot) % len(self.frames)])
            self.sent += 1
            if leg.packets >= self.call_packets:
                self.hang_up(slot)
                self._begin(slot)

    def hang_up(self, slot: int) -> None:
        """End a leg and note how long its answer took."""
        leg = self.legs[slot]
        if leg is not None:
            if leg.answered:
                self.answers.append(leg.answered - leg.began)
            else:
                self.unanswered.append(time.monotonic() - leg.began)
            leg.transport.close()
            self.legs[slot] = None

    def _begin(self, slot: int) -> None:
        task = asyncio.create_task(self.dial(slot))
        self._dialling.add(task)
        task.add_done_callback(self._dialling.discard)


async def call(crowd: Crowd, seconds: float, settle: float, *, in_time: bool = False) -> Sent:
    """Connect all legs, talk, hang up.

    Args:
        settle: seconds of talk before the line ``talking`` is printed and the figures begin.
        in_time: connect each leg when it begins to talk, and not all legs before.
    """
    if in_time:
        crowd.dial_in_time()
    else:
        await crowd.dial_all()
    beginning = time.monotonic()
    counted, late = False, 0.0
    for tick in range(round((settle + seconds) * 1000 / PACKET_MS) * N_PHASES):
        due = beginning + tick * PACKET_MS / 1000 / N_PHASES
        ahead = due - time.monotonic()
        if ahead > 0.0005:
            await asyncio.sleep(ahead)
        elif tick % N_PHASES == 0:
            await asyncio.sleep(0)
        if not counted and due >= beginning + settle:
            counted, late, crowd.calls, crowd.sent = True, 0.0, 0, 0
            print("talking", flush=True)
        late = max(late, -ahead)
        crowd.talk(tick % N_PHASES, tick // N_PHASES)
    wall = time.monotonic() - beginning - settle
    audio, calls = crowd.sent * PACKET_MS / 1000, crowd.calls
    print("done", flush=True)
    # The figures of the other side are read now, with all legs still open.
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    for slot in range(len(crowd.legs)):
        crowd.hang_up(slot)
    return Sent(len(crowd.legs), audio, calls, wall, 1000 * late, crowd.answers, crowd.unanswered)


def main() -> None:
    """Play a crowd of calls and print what was sent, as JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gateway.caller", description=__doc__
    )
    parser.add_argument("protocol", choices=list(FRAMES))
    parser.add_argument("port", type=int)
    parser.add_argument("--legs", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--settle", type=float, default=2.0)
    parser.add_argument("--call-seconds", type=float, help="length of a call (default: --seconds)")
    parser.add_argument(
        "--in-time", action="store_true", help="connect each leg when it begins to talk"
    )
    args = parser.parse_args()

    # Callers that are starved themselves would tell nothing of the server.
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))

    async def run() -> Sent:
        crowd = Crowd(args.protocol, args.port, args.legs, args.call_seconds)
        return await call(crowd, args.seconds, args.settle, in_time=args.in_time)

    sent = uvloop.run(run())
    hand_over(asdict(sent))


if __name__ == "__main__":
    main()
