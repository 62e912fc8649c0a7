"""A leg: packets in, events out, and exactly one final event whatever happens."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from time import monotonic
from typing import Protocol

from audio_model.decision import Reason, Verdict, VerdictKind
from audio_model.formats import Encoding, RawFormat
from audio_model.gateway.doubt import Doubt
from audio_model.gateway.events import EventKind
from audio_model.gateway.order import PacketOrder
from audio_model.gateway.relisten import Relistener
from audio_model.stream import StreamDetector

logger = logging.getLogger(__name__)

LEAD_SECONDS, LEAD_SHARE = 0.25, 0.1
"""How long before its deadline a leg is concluded, at most and as a share of it.

Many calls may end at one moment, and hearing the rest of each and telling of it takes a while: the
deadline is when the last of them is to be answered.
"""
LOOK_SECONDS = 0.2
"""How long before it is concluded a leg is looked for in the calls heard before: in another thread,
for which no answer waits."""
TOGETHER_SECONDS = 0.01
MAX_AHEAD_SHARE = 0.25
"""By what share of the deadline a machine that is behind may conclude legs earlier still."""

UNREAD_SECONDS = 0.5
"""Audio that a leg may lack before a machine that is behind is taken for the cause."""

INTERNAL_ERROR = "internal error: the log has its traceback"

SILENCE = {Encoding.MULAW: b"\xff", Encoding.ALAW: b"\xd5", Encoding.S16LE: b"\x00\x00"}

Report = Callable[["Leg", EventKind, Verdict, str], None]
"""Called with the leg, the kind of event, the verdict, and what went wrong."""

Listen = Callable[[RawFormat], StreamDetector]
"""Begins to hear audio of this format."""

Learn = Callable[[StreamDetector], None]
"""Is given what followed a leg that was heard to its end."""


HearAgain = Callable[["Leg", VerdictKind, Callable[[Verdict], None]], Relistener]
"""Is given a leg, its final verdict, and what to call with another one."""


class LegEngine(Protocol):
    """The engine that runs waiting steps; see :class:`audio_model.gateway.engine.Engine`."""

    rest: float
    """Seconds for which a connection may rest between two reads."""

    def queue(self, leg: "Leg", /) -> None:
        """Hear a leg, which has steps waiting, within the next round."""

    def conclude(self, leg: "Leg", /) -> None:
        """Hear a leg, whose time is up, at once, and close it."""

    def ahead(self) -> float:
        """Return by how many seconds legs are to be concluded earlier than on an idle machine."""

    @property
    def behind(self) -> bool:
        """Return whether audio may have come that was not read or not heard yet."""

    @property
    def lags(self) -> bool:
        """Return whether sockets were read late in the last second or so."""


class Leg:
    """One party's media in a live call. Made by :meth:`audio_model.gateway.calls.Call.open_leg`.

    Everything happens in the event loop's thread and returns at once. The final event comes when
    enough audio was heard, when the leg or its call is closed, or at the deadline, whichever is
    first; after it packets cost nothing, unless the leg is to be heard again. The deadline counts
    from the first voice, which is waited for: a call may begin with silence or ringback.
    """

    __slots__ = (
        "_again",
        "_asked",
        "_deadline",
        "_deadline_seconds",
        "_doubt",
        "_ends",
        "_engine",
        "_kept",
        "_last",
        "_lead",
        "_learn",
        "_listen",
        "_max_ahead",
        "_order",
        "_progress_at",
        "_progress_seconds",
        "_report",
        "_wait_seconds",
        "_wait_until",
        "answer_by",
        "codec",
        "name",
        "queued",
        "raw_format",
        "started",
        "stream",
    )

    def __init__(
        self,
        name: str,
        raw_format: RawFormat,
        listen: Listen,
        engine: LegEngine,
        report: Report,
        *,
        deadline_seconds: float,
        wait_seconds: float,
        progress_seconds: float,
        keep: bool,
        paced: bool = False,
        doubtful: bool = False,
        learn: Learn | None = None,
        again: HearAgain | None = None,
    ) -> None:
        """Begin to hear a leg.

        Args:
            deadline_seconds: from the first voice to the final event, in wall-clock time.
            wait_seconds: how long the first voice is awaited. Without one, the final event comes
                after these or ``deadline_seconds``, whichever is more.
            progress_seconds: audio between events of progress; 0 for none.
            keep: whether :attr:`kept` is to hold what was fed.
            paced: whether the audio comes as it is spoken. Then its pace is to be that of its
                format; see :class:`audio_model.gateway.doubt.Doubt`.
            doubtful: whether paced audio that is called 16-bit may be G.711.
            learn: called with the stream after the final event.
            again: begins to hear the leg again, after its final event.
        """
        self.name, self.raw_format, self.codec = name, raw_format, raw_format.codec
        self.stream: StreamDetector | None = listen(raw_format)
        """None once the final event was given, so that a long call holds no memory for it."""
        self._listen, self._engine = listen, engine
        self._report, self._learn = report, learn
        self._again: HearAgain | Relistener | None = again
        """How it is heard again, and once it is, by whom."""
        self._order: PacketOrder | None = None
        self._kept: bytearray | None = bytearray() if keep else None
        self._progress_seconds = progress_seconds
        self._progress_at = progress_seconds
        self.started = monotonic()
        self._ends = False
        """Whether nothing more comes, and what waits is still to be heard."""
        self.queued = False
        """Whether the engine has it in its queue."""
        self._deadline_seconds, self._wait_seconds = deadline_seconds, wait_seconds
        self._wait_until: float | None = self.started + wait_seconds
        """None once the deadline is that of the first voice."""
        self.answer_by = self.started + deadline_seconds
        """When the final event is due, by the clock of ``started``, if the first voice came at
        once; put off for as long as none has begun."""
        self._last = self.started + max(wait_seconds, deadline_seconds)
        """When it is due without any voice."""
        self._asked = self.answer_by
        """When it was due by what was known as the engine was asked to conclude."""
        self._lead = min(LEAD_SECONDS, LEAD_SHARE * deadline_seconds)
        self._max_ahead = MAX_AHEAD_SHARE * deadline_seconds
        self._deadline = self._call_before_deadline()
        self._doubt = Doubt(self, engine, of_encoding=doubtful) if paced else None

    @property
    def finished(self) -> bool:
        """Return whether the final event was given."""
        return self.stream is None

    @property
    def hears(self) -> bool:
        """Return whether packets are still of use."""
        return self.stream is not None or self._again is not None

    @property
    def kept(self) -> bytes:
        """Return the audio as it was fed; empty unless it is kept."""
        return bytes(self._kept or b"")

    @property
    def seconds_received(self) -> float:
        """Return the seconds of audio that came before the final event."""
        return 0.0 if self.stream is None else self.stream.seconds_received

    def came_in(self, codec: str) -> None:
        """Note the codec in which the gateway sent the audio, if it is not that of its raw format.

        The last one noted stands in the verdict.
        """
        self.codec = codec
        if self.stream is not None:
            self.stream.codec = codec

    def feed(self, payload: bytes) -> None:
        """Take bytes of a stream, cut anywhere."""
        if self.stream is None:
            if isinstance(self._again, Relistener):
                self._again.feed(payload)
            return
        if self._kept is not None:
            self._kept += payload
        if self._doubt is not None and self._doubt.beginning is not None:
            self._doubt.beginning.append(payload)
        if self.stream.receive(payload) and not self.queued:
            self._engine.queue(self)

    def feed_numbered(self, number: int, payload: bytes) -> None:
        """Take a packet of whole samples that may have come late, twice or out of order.

        Args:
            number: one more for each packet that was sent; it does not wrap around.
        """
        if self.stream is None:
            # Between looks it does not matter which packet comes first, nor in one that is lost.
            self.feed(payload)
            return
        if self._order is None:
            self._order = PacketOrder(SILENCE[self.raw_format.encoding])
        if self._order.passes(number):
            self.feed(payload)
            return
        for packet in self._order.put(number, payload):
            self.feed(packet)

    def heard(self, verdict: Verdict | None) -> None:
        """Report the verdict if it has changed. The engine calls this after a run."""
        stream = self.stream
        if stream is None:
            return
        if self._wait_until is not None and stream.voice_at is not None:
            self._voice_began(stream)
        if verdict is not None:
            self._report(self, EventKind.VERDICT, verdict, "")
        if (stream.finished or self._ends) and not stream.n_ready:
            self.close()
        elif self._progress_at and stream.seconds_received >= self._progress_at:
            self._progress_at += self._progress_seconds
            self._report(self, EventKind.PROGRESS, stream.verdict(), "")

    def conclude(self, *, at_once: bool) -> None:
        """Close the leg when its time is up, or go on waiting for a voice.

        ``at_once`` is as in :meth:`close`: there was no time to hear the leg.
        """
        stream = self.stream
        if stream is None or self.answer_by > self._asked:
            return
        unheard = at_once and stream.n_ready > 0
        if unheard or not self._put_off():
            self.close(at_once=at_once)

    def end_soon(self) -> None:
        """End the audio: the rest is heard together with other legs, then comes the final event."""
        self._again = None
        stream = self.stream
        if stream is None:
            return
        self._stop_doubting()
        try:
            self._feed_late_packets()
            waits = stream.decode() > 0
        except Exception:
            # Closing meets it again, and answers.
            waits = False
        if not waits:
            self.close()
            return
        self._ends = True
        if not self.queued:
            self._engine.queue(self)

    def close(self, *, at_once: bool = False) -> None:
        """End the audio: hear the rest and give the final event.

        ``at_once`` leaves whole steps unheard, because there is no time for them: the verdict so
        far holds, or else it is ``unknown: overload``.
        """
        stream = self.stream
        if stream is None:
            return
        try:
            self._feed_late_packets()
            heard = stream.seconds_received > 0
            at_once = at_once and stream.decode() > 0
            verdict = stream.verdict() if at_once else stream.flush()
        except Exception:
            # Whatever broke, the leg owes its answer and the other legs must not hear of it.
            logger.exception("a leg could not be heard to its end")
            self.fail(INTERNAL_ERROR)
        else:
            if not heard:
                self.fail("", Reason.NO_AUDIO)
                return
            if at_once and verdict.verdict is VerdictKind.UNKNOWN:
                self.fail("", Reason.OVERLOAD)
                return
            self._finish(verdict, "")
            if self._learn is not None and not at_once:
                self._learn(stream)

    def fail(self, detail: str, reason: Reason = Reason.ERROR) -> None:
        """Give the final event now: unknown, for this reason."""
        if self.stream is None:
            return
        unknown = replace(
            self.stream.verdict(), verdict=VerdictKind.UNKNOWN, decided_at=None, reason=reason
        )
        self._finish(unknown, detail)

    def hear_anew(self, raw_format: RawFormat, audio: bytes) -> None:
        """Hear the leg from its beginning, as audio of another format.

        ``audio`` is all that came so far. What was heard in the wrong format counts for nothing.
        """
        logger.info("a leg called %s is heard as %s", self.raw_format.codec, raw_format.codec)
        self.raw_format, self.codec = raw_format, raw_format.codec
        self.stream = stream = self._listen(raw_format)
        self._wait_until = self.started + self._wait_seconds
        self.answer_by = self.started + self._deadline_seconds
        self._deadline.cancel()
        self._deadline = self._call_before_deadline()
        if stream.receive(audio) and not self.queued:
            self._engine.queue(self)

    def _voice_began(self, stream: StreamDetector) -> None:
        """Let the deadline count from the first voice, if it came in time."""
        assert stream.voice_at is not None and self._wait_until is not None
        now, wait_until, self._wait_until = monotonic(), self._wait_until, None
        # Audio is heard a moment after it came, and may come faster than it was spoken.
        since = self._engine.rest + stream.seconds_received - stream.voice_at
        began = max(self.started, now - since)
        if self._engine.behind:
            # It came before that, and was not read. Gateways send silence as well, most of them.
            began = min(began, self.started + stream.voice_at)
        if began <= wait_until:
            self.answer_by = began + self._deadline_seconds
            self._deadline.cancel()
            self._deadline = self._call_before_deadline()

    def _call_before_deadline(self) -> asyncio.TimerHandle:
        seconds = self.answer_by - monotonic() - self._lead - self._max_ahead
        return asyncio.get_running_loop().call_later(seconds, self._near_deadline)

    def _near_deadline(self) -> None:
        """Conclude now if the machine is so far behind, or else as late as may be."""
        if self.stream is None:
            return
        left = (
            self.answer_by - monotonic() - self._lead - min(self._engine.ahead(), self._max_ahead)
        )
        if left > 0:
            loop = asyncio.get_running_loop()
            at = loop.time() + left
            # Legs whose time is up at about the same moment are concluded together.
            at -= at % TOGETHER_SECONDS
            if self.stream.follower is not None and left > LOOK_SECONDS:
                self._deadline = loop.call_at(at - LOOK_SECONDS, self._look_ahead, at)
            else:
                self._deadline = loop.call_at(at, self._at_deadline)
        else:
            self._at_deadline()

    def _look_ahead(self, at: float) -> None:
        """Look for the leg in calls heard before, and conclude it at a moment of the loop."""
        if self.stream is not None and self.stream.follower is not None:
            self._deadline = asyncio.get_running_loop().call_at(at, self._at_deadline)
            self.stream.follower.look_ahead()

    def _at_deadline(self) -> None:
        if self.stream is None:
            return
        self._asked = self.answer_by
        if self.stream.seconds_received > 0:
            self._engine.conclude(self)
        elif not self._put_off():
            self.fail("", Reason.NO_AUDIO)

    def _put_off(self) -> bool:
        """Return whether there is time to wait on for a first voice, and wait if so."""
        stream = self.stream
        if stream is None or self._wait_until is None or self.answer_by >= self._last:
            return False
        unread = monotonic() - self.started - stream.seconds_received
        if unread > UNREAD_SECONDS and self._engine.behind:
            # Whoever spoke at once is to be answered now, and the machine has not heard of it.
            return False
        self.answer_by = min(self.answer_by + self._deadline_seconds, self._last)
        self._deadline = self._call_before_deadline()
        return True

    def _feed_late_packets(self) -> None:
        if self._order is not None:
            for packet in self._order.rest():
                self.feed(packet)

    def _stop_doubting(self) -> None:
        if self._doubt is not None:
            self._doubt.end()
            self._doubt = None

    def _finish(self, verdict: Verdict, detail: str) -> None:
        self.stream = self._order = None
        self._deadline.cancel()
        self._stop_doubting()
        self._report(self, EventKind.FINAL, verdict, detail)
        self._kept = None
        if self._again is not None and not isinstance(self._again, Relistener):
            self._again = self._again(self, verdict.verdict, self._revise)

    def _revise(self, verdict: Verdict) -> None:
        self._report(self, EventKind.REVISED, verdict, "")
