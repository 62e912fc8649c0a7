"""A leg: packets in, events out, and exactly one final event whatever happens."""

import logging
from collections.abc import Callable
from dataclasses import replace
from time import monotonic
from typing import Protocol

from audio_model.decision import Reason, Verdict, VerdictKind
from audio_model.formats import Encoding, RawFormat
from audio_model.gateway.deadline import Deadline, DeadlineEngine
from audio_model.gateway.doubt import Doubt
from audio_model.gateway.events import EventKind
from audio_model.gateway.order import PacketOrder
from audio_model.gateway.relisten import Relistener
from audio_model.gateway.terms import Terms
from audio_model.stream import StreamDetector

logger = logging.getLogger(__name__)

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


class LegEngine(DeadlineEngine, Protocol):
    """The engine that runs waiting steps; see :class:`audio_model.gateway.engine.Engine`."""

    def queue(self, leg: "Leg", /) -> None:
        """Hear a leg, which has steps waiting, within the next round."""

    def conclude(self, leg: "Leg", /) -> None:
        """Hear a leg, whose time is up, at once, and close it."""

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

    def __init__(
        self,
        name: str,
        raw_format: RawFormat,
        listen: Listen,
        engine: LegEngine,
        report: Report,
        terms: Terms,
        *,
        progress_seconds: float,
        keep: bool,
        learn: Learn | None = None,
        again: HearAgain | None = None,
    ) -> None:
        """Make a leg, which :meth:`begin` hears and :meth:`refuse` does not.

        Args:
            terms: those of its call. Its deadline is by them.
            progress_seconds: audio between events of progress; 0 for none.
            keep: whether :attr:`kept` is to hold what was fed.
            learn: called with the stream after the final event.
            again: begins to hear the leg again, after its final event.
        """
        self.name, self.raw_format, self.codec = name, raw_format, raw_format.codec
        self.stream: StreamDetector | None = None
        """None once the final event was given, so that a long call holds no memory for it."""
        self._listen, self._engine, self._terms = listen, engine, terms
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
        self._doubt: Doubt | None = None

    def begin(self, *, paced: bool = False, doubtful: bool = False) -> None:
        """Begin to hear the leg.

        Args:
            paced: whether the audio comes as it is spoken. Then its pace is to be that of its
                format; see :class:`audio_model.gateway.doubt.Doubt`.
            doubtful: whether paced audio that is called 16-bit may be G.711.
        """
        self.stream = self._listen(self.raw_format)
        self.deadline = Deadline(
            self,
            self._engine,
            self.started,
            self._terms.deadline_seconds,
            self._terms.wait_seconds,
        )
        if paced:
            self._doubt = Doubt(self, self._engine, of_encoding=doubtful)

    def refuse(self) -> None:
        """Give the final event in place of :meth:`begin`, for the machine is full.

        Nothing is made for the leg: a full machine has no time for it.
        """
        self._tell_final(Verdict.unheard(Reason.OVERLOAD, self.codec), "")

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
        if self.deadline.awaits_voice and stream.voice_at is not None:
            self.deadline.voice_began(stream.voice_at, stream.seconds_received)
        if verdict is not None:
            self._report(self, EventKind.VERDICT, verdict, "")
        if (stream.finished or self._ends) and not stream.n_ready:
            self.close()
        elif self._progress_at and stream.seconds_received >= self._progress_at:
            self._progress_at += self._progress_seconds
            self._report(self, EventKind.PROGRESS, stream.verdict(), "")

    def time_is_up(self) -> None:
        """Be concluded together with others. The deadline calls this."""
        self._engine.conclude(self)

    def conclude(self, *, at_once: bool) -> None:
        """Close the leg when its time is up, or go on waiting for audio with a voice.

        ``at_once`` is as in :meth:`close`: there was no time to hear the leg.
        """
        stream = self.stream
        if stream is None or not self.deadline.has_come:
            return
        unheard = at_once and stream.n_ready > 0
        if unheard or not self.deadline.put_off(stream.seconds_received):
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
            return
        if not heard:
            self.fail("", Reason.NO_AUDIO)
        elif at_once and verdict.verdict is VerdictKind.UNKNOWN:
            self.fail("", Reason.OVERLOAD)
        else:
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
        self.deadline.begin()
        if stream.receive(audio) and not self.queued:
            self._engine.queue(self)

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
        self.deadline.end()
        self._stop_doubting()
        self._tell_final(verdict, detail)

    def _tell_final(self, verdict: Verdict, detail: str) -> None:
        self._report(self, EventKind.FINAL, verdict, detail)
        self._kept = None
        if self._again is not None and not isinstance(self._again, Relistener):
            self._again = self._again(self, verdict.verdict, self._revise)

    def _revise(self, verdict: Verdict) -> None:
        self._report(self, EventKind.REVISED, verdict, "")
