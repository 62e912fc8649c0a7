"""Asterisk's AudioSocket: a TCP connection for each call, audio in, at most a hangup out.

While ``AudioSocket()`` or ``Dial(AudioSocket/...)`` runs, the dialplan waits for this connection to
end. Asterisk needs no audio back. ``HangUp`` is the event that ends it.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Protocol, cast
from uuid import UUID

from audio_model.formats import Encoding, RawFormat
from audio_model.gateway.asterisk.action import HangUp, until_told
from audio_model.gateway.asterisk.frames import (
    CALLER_HUNG_UP,
    HANGUP_FRAME,
    HEADER_BYTES,
    SAMPLE_RATES,
    UUID_BYTES,
    FrameKind,
)
from audio_model.gateway.calls import Call, Calls, UntilTold
from audio_model.gateway.events import CALLER, CallInfo, Event
from audio_model.gateway.guess import G711_PAYLOADS, GUESS_BYTES, guess_encoding
from audio_model.gateway.legs import Leg
from audio_model.gateway.pace import GIVE_UP_SECONDS, Pace, is_doubtful
from audio_model.gateway.pacer import Paced
from audio_model.gateway.tally import AUDIOSOCKETS

logger = logging.getLogger(__name__)

_SLIN = RawFormat(Encoding.S16LE)

MAX_BAD_FRAMES = 20
"""Frames that a call may hold against the protocol before its leg is given up."""

LINGER_SECONDS = 2.0
"""How long the other side may take to close its end once it was told to."""

Describe = Callable[[str], CallInfo | None]


class _Server(Protocol):
    """The server of a connection; see :mod:`audio_model.gateway.asterisk.audiosocket_server`."""

    calls: Calls
    hang_up: HangUp
    describe: Describe | None
    told: UntilTold | None
    first_frame_seconds: float
    idle_seconds: float
    max_connections: int
    connections: set["AudioSocketProtocol"]


class AudioSocketProtocol(asyncio.Protocol):
    """One connection. Audio goes to its leg as it comes, so no frame is ever held whole."""

    def __init__(self, server: _Server) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self.gone: asyncio.Future[None] = self._loop.create_future()
        self._transport: asyncio.Transport | None = None
        self._paced: Paced | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._last_data = self._loop.time()
        self._header = b""
        self._kind = self._length = self._missing = 0
        self._control = b""
        self._call: Call | None = None
        self._leg: Leg | None = None
        self._leg_kind = 0
        self._guessing = bytearray()
        self._pace: Pace | None = None
        """The pace of audio typed 8 kHz, for as long as its rate is not known."""
        self._ending = False
        self._hanging_up: asyncio.Task[None] | None = None
        self._bad_frames = 0

    # The connection's life

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin a connection, or refuse it if there are too many."""
        # uvloop's transports do not inherit from asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        tally = self._server.calls.tally
        if (n_open := tally.total(AUDIOSOCKETS)) >= self._server.max_connections:
            logger.warning("audiosocket: %d connections are open", n_open)
            self.abort()
            return
        self._server.connections.add(self)
        tally.add(AUDIOSOCKETS, 1)
        self._paced = self._server.calls.pacer.pace(self._transport, self.data_received)
        self._after(self._server.first_frame_seconds, self._no_uuid)

    def data_received(self, data: bytes) -> None:
        """Read frames, however they are cut."""
        self._last_data = self._loop.time()
        at = self._hear_whole_frames(data)
        while at < len(data) and not self._ending:
            if self._missing:
                piece = data[at : at + self._missing]
                at += len(piece)
                self._missing -= len(piece)
                self._take(piece)
                continue
            piece = data[at : at + HEADER_BYTES - len(self._header)]
            at += len(piece)
            self._header += piece
            if len(self._header) == HEADER_BYTES:
                self._kind = self._header[0]
                self._length = self._missing = int.from_bytes(self._header[1:], "big")
                self._header = self._control = b""
                self._begin_frame()
        # The first frames tell what the call is, so reading rests only once a leg is open.
        if self._leg is not None and self._paced is not None:
            self._paced.has_read(over=self._leg.finished)

    def _hear_whole_frames(self, data: bytes) -> int:
        """Hear whole frames of the leg's audio and return how many bytes they take.

        This makes the usual case cheap.
        """
        if self._leg is None or self._missing or self._header:
            return 0
        at, payloads = 0, []
        while len(data) - at > HEADER_BYTES and data[at] == self._leg_kind:
            end = at + HEADER_BYTES + (data[at + 1] << 8 | data[at + 2])
            if end > len(data):
                break
            payloads.append(data[at + HEADER_BYTES : end])
            at = end
        self._leg.feed(payloads[0] if len(payloads) == 1 else b"".join(payloads))
        return at

    def connection_lost(self, exc: Exception | None) -> None:
        """Close the call."""
        if self in self._server.connections:
            self._server.connections.discard(self)
            self._server.calls.tally.add(AUDIOSOCKETS, -1)
        self._end_call()
        self._stop_timer()
        if self._hanging_up is not None:
            self._hanging_up.cancel()
        # Both hold the connection in turn: without a circle it is freed at once.
        self._transport = self._paced = None
        self.gone.set_result(None)

    def end(self) -> None:
        """Give the final event soon, and tell Asterisk that the connection ends."""
        self._end_call()
        if self._ending or self._transport is None or self._transport.is_closing():
            return
        self._ending = True
        # Closing a connection with unread audio would reset it, and Asterisk takes that for a
        # failure. So Asterisk is told, and closes its side.
        self._transport.write(HANGUP_FRAME)
        with suppress(OSError):
            # Asterisk may have reset the connection in the meantime.
            self._transport.write_eof()
        self._after(LINGER_SECONDS, self.abort)

    def abort(self) -> None:
        """Cut the connection."""
        if self._transport is not None:
            self._transport.abort()

    # Frames

    def _begin_frame(self) -> None:
        if self._call is None:
            if (self._kind, self._length) != (FrameKind.UUID, UUID_BYTES):
                self._not_audiosocket()
        elif self._kind == FrameKind.HANGUP:
            self.end()
        elif self._kind in SAMPLE_RATES:
            self._begin_audio()
        elif self._kind not in (FrameKind.DTMF, FrameKind.ERROR) or self._length > 1:
            self._bad_frame(f"frame of type 0x{self._kind:02x} and {self._length} bytes")

    def _take(self, piece: bytes) -> None:
        if self._kind == self._leg_kind and self._kind in SAMPLE_RATES:
            self._hear(piece)
        elif self._call is None:
            self._control += piece
            if not self._missing:
                self._open(UUID(bytes=self._control))
        elif self._kind == FrameKind.ERROR and self._length == 1:
            self._failed(piece[0])

    def _open(self, uuid: UUID) -> None:
        describe = self._server.describe
        known = None if describe is None else describe(str(uuid))
        info = known or CallInfo(id=str(uuid), gateway="audiosocket")
        self._call = self._server.calls.open(info, self._on_event)
        self._after(self._server.first_frame_seconds, self._no_audio)

    def _begin_audio(self) -> None:
        if not self._leg_kind:
            self._leg_kind = self._kind
            if self._kind == 0x10 and self._length in G711_PAYLOADS:
                return
            if self._kind == 0x10 and 0 < self._length < min(G711_PAYLOADS):
                self._open_leg(_SLIN)
                self._not_16_bit(
                    f"frames of {self._length} bytes, typed 16-bit, are too short for it"
                )
                return
            if self._kind == 0x10 and is_doubtful(self._length):
                # An Asterisk without types for other rates sends all of them as this type.
                self._pace = Pace(self._length)
                self._after(GIVE_UP_SECONDS, self._no_audio)
                return
            self._open_leg(RawFormat(Encoding.S16LE, SAMPLE_RATES[self._kind]))
        elif self._kind != self._leg_kind:
            self._bad_frame(f"audio of type 0x{self._kind:02x} after 0x{self._leg_kind:02x}")

    def _hear(self, piece: bytes) -> None:
        if self._leg is not None:
            self._leg.feed(piece)
            return
        self._guessing += piece
        if self._pace is not None:
            self._pace.add(len(piece))
            if self._pace.settled(monotonic(), may_be_g711=True):
                self._open_paced_leg(self._pace)
        elif len(self._guessing) >= GUESS_BYTES:
            self._open_guessed_leg()

    def _open_paced_leg(self, pace: Pace) -> None:
        rate, encoding = pace.sample_rate(), Encoding.S16LE
        if rate is None and pace.is_g711:
            encoding = guess_encoding(bytes(self._guessing))
        self._pace = None
        if encoding is not Encoding.S16LE:
            self._open_as_g711(encoding)
        elif rate is not None:
            logger.info("audiosocket: audio typed 8 kHz is heard as %d Hz, by its pace", rate)
            self._open_with_guessed(RawFormat(Encoding.S16LE, rate))
        else:
            self._guessing.clear()
            self._open_leg(_SLIN)
            self._not_16_bit(
                f"frames of {pace.frame_bytes} bytes, typed 8 kHz, whose pace tells no rate"
            )

    def _open_guessed_leg(self) -> None:
        encoding = guess_encoding(bytes(self._guessing))
        if encoding is Encoding.S16LE:
            self._open_with_guessed(_SLIN)
        else:
            self._open_as_g711(encoding)

    def _open_as_g711(self, encoding: Encoding) -> None:
        assert self._call is not None
        logger.info(
            "audiosocket %s: audio typed as 16-bit is %s; Dial without /c(slin)?",
            self._call.info.id,
            encoding,
        )
        self._open_with_guessed(RawFormat(encoding))

    def _open_with_guessed(self, raw_format: RawFormat) -> None:
        self._open_leg(raw_format).feed(bytes(self._guessing))
        self._guessing.clear()

    def _open_leg(self, raw_format: RawFormat) -> Leg:
        assert self._call is not None
        # Only the type of 8 kHz is also that of what Asterisk sends without /c(slin).
        doubtful = self._leg_kind == 0x10 and raw_format == _SLIN
        self._leg = self._call.open_leg(CALLER, raw_format, paced=True, doubtful=doubtful)
        self._after(self._server.idle_seconds, self._idle)
        return self._leg

    # What goes wrong

    def _bad_frame(self, what: str) -> None:
        assert self._call is not None
        self._bad_frames += 1
        if self._bad_frames == MAX_BAD_FRAMES:
            logger.warning("audiosocket %s: given up, last %s", self._call.info.id, what)
            self._call.fail(f"too many frames against the protocol, last a {what}")

    def _not_16_bit(self, what: str) -> None:
        assert self._call is not None
        self._call.fail(f"{what}: add /c(slin) to Dial(AudioSocket/...)")

    def _not_audiosocket(self) -> None:
        logger.warning("audiosocket: a connection began with no UUID and was closed")
        self._ending = True
        self.abort()

    def _failed(self, code: int) -> None:
        if code == CALLER_HUNG_UP:
            self.end()
        elif self._call is not None:
            self._call.fail(f"Asterisk reports error 0x{code:02x}")

    def _no_uuid(self) -> None:
        logger.warning("audiosocket: a connection sent no UUID in time and was closed")
        self.abort()

    def _no_audio(self) -> None:
        # The leg's deadline runs from here, and later audio of the usual kind is heard.
        if self._pace is not None and self._leg is None:
            self._open_paced_leg(self._pace)
        elif self._guessing:
            self._open_guessed_leg()
        elif self._leg is None:
            self._leg_kind = 0x10
            self._open_leg(_SLIN)

    def _idle(self) -> None:
        quiet = self._loop.time() - self._last_data
        if quiet < self._server.idle_seconds:
            self._after(self._server.idle_seconds - quiet, self._idle)
            return
        logger.info("audiosocket: nothing came for %.0f s, closed", quiet)
        self.end()

    # The call

    def _on_event(self, event: Event) -> None:
        if self._hanging_up is None and self._server.hang_up.asks(event):
            # In a task of its own: the leg may be in the middle of a frame, and other listeners
            # have not had the event yet.
            self._hanging_up = self._loop.create_task(self._hang_up(event.call.id))

    async def _hang_up(self, call_id: str) -> None:
        self._end_call(at_once=True)
        await until_told(self._server.told, call_id)
        self.end()

    def _end_call(self, *, at_once: bool = False) -> None:
        if self._call is None:
            return
        if self._leg is None:
            # A call that ends before the format of its audio was known gets a verdict, too.
            self._no_audio()
        if at_once:
            self._call.close()
        else:
            self._call.end_soon()

    # One timer serves every wait. The connection's state says what it waits for.

    def _after(self, seconds: float, action: Callable[[], None]) -> None:
        self._stop_timer()
        self._timer = self._loop.call_later(seconds, action)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
