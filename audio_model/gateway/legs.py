"""A leg: packets in, events out, and exactly one final event whatever happens."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from time import monotonic
from typing import Protocol

from audio_model.decision import Reason, Verdict, VerdictKind
from audio_model.formats import Encoding, RawFormat
from audio_model.gateway.events import EventKind
from audio_model.gateway.order import PacketOrder
from audio_model.stream import StreamDetector

logger = logging.getLogger(__name__)

LEAD_SECONDS, LEAD_SHARE = 0.25, 0.1
"""How long before its deadline a leg is concluded, at most and as a share of it.

Many calls may end at one moment, and hearing the rest of each and telling of it takes a while: the
deadline is when the last of them is to be answered.
"""
TOGETHER_SECONDS = 0.01
MAX_AHEAD_SHARE = 0.25
"""By what share of the deadline a machine that is behind may conclude legs earlier still."""

INTERNAL_ERROR = "internal error: the log has its traceback"

SILENCE = {Encoding.MULAW: b"\xff", Encoding.ALAW: b"\xd5", Encoding.S16LE: b"\x00\x00"}

Report = Callable[["Leg", EventKind, Verdict, str], None]
"""Called with the leg, the kind of event, the verdict, and what went wrong."""

Learn = Callable[[StreamDetector], None]
"""Is given what followed a leg that was heard to its end."""


class Engine(Protocol):
    """What runs legs' waiting steps; see :class:`audio_model.gateway.engine.Engine`."""

    def queue(self, leg: "Leg", /) -> None:
        """Hear a leg, which has steps waiting, within the next round."""

    def conclude(self, leg: "Leg", /) -> None:
        """Hear a leg, whose time is up, at once, and close it."""

    def ahead(self) -> float:
        """Return by how many seconds legs are to be concluded earlier than on an idle machine."""


class Leg:
    """One party's media in a live call. Made by :meth:`audio_model.gateway.calls.Call.open_leg`.

    Everything happens in the event loop's thread and returns at once. The final event comes when
    enough audio was heard, when the leg or its call is closed, or at the deadline, whichever is
    first; after it packets cost nothing.
    """

    __slots__ = (
        "_deadline",
        "_engine",
        "_kept",
        "_lead",
        "_learn",
        "_max_ahead",
        "_order",
        "_progress_at",
        "_progress_seconds",
        "_report",
        "answer_by",
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
        stream: StreamDetector,
        engine: Engine,
        report: Report,
        *,
        deadline_seconds: float,
        progress_seconds: float,
        keep: bool,
        learn: Learn | None = None,
    ) -> None:
        """
        Args:
            deadline_seconds: from now to the final event, in wall-clock time.
            progress_seconds: audio between events of progress; 0 for none.
            keep: whether :attr:`kept` is to hold what was fed.
            learn: is given the stream behind the final event.
        """
        self.name, self.raw_format = name, raw_format
        self.stream: StreamDetector | None = stream
        """None once the final event was given, so that a long call holds no memory for it."""
        self._engine, self._report, self._learn = engine, report, learn
        self._order: PacketOrder | None = None
        self._kept: bytearray | None = bytearray() if keep else None
        self._progress_seconds = progress_seconds
        self._progress_at = progress_seconds or float("inf")
        self.started = monotonic()
        self.queued = False
        """Whether the engine has it in its queue."""
        self.answer_by = self.started + deadline_seconds
        """When the final event is due, by the clock of ``started``."""
        self._lead = min(LEAD_SECONDS, LEAD_SHARE * deadline_seconds)
        self._max_ahead = MAX_AHEAD_SHARE * deadline_seconds
        self._deadline = asyncio.get_running_loop().call_later(
            deadline_seconds - self._lead - self._max_ahead, self._near_deadline
        )

    @property
    def finished(self) -> bool:
        """Whether the final event was given."""
        return self.stream is None

    @property
    def kept(self) -> bytes:
        """The audio as it was fed; empty unless it was to be kept."""
        return bytes(self._kept or b"")

    def feed(self, payload: bytes) -> None:
        """Bytes of a stream, cut anywhere."""
        if self.stream is None:
            return
        if self._kept is not None:
            self._kept += payload
        if self.stream.receive(payload) and not self.queued:
            self._engine.queue(self)

    def feed_numbered(self, number: int, payload: bytes) -> None:
        """A packet of whole samples that may have come late, twice or out of order.

        Args:
            number: one more for each packet that was sent; it does not wrap around.
        """
        if self.stream is None:
            return
        if self._order is None:
            self._order = PacketOrder(SILENCE[self.raw_format.encoding])
        if self._order.passes(number):
            self.feed(payload)
            return
        for packet in self._order.put(number, payload):
            self.feed(packet)

    def heard(self, verdict: Verdict | None) -> None:
        """The engine has run: ``verdict`` if it has changed."""
        stream = self.stream
        if stream is None:
            return
        if verdict is not None:
            self._report(self, EventKind.VERDICT, verdict, "")
        if stream.finished:
            self.close()
        elif stream.seconds_received >= self._progress_at:
            self._progress_at += self._progress_seconds
            self._report(self, EventKind.PROGRESS, stream.verdict(), "")

    def close(self, *, at_once: bool = False) -> None:
        """No more audio will come: hear the rest and give the final event.

        ``at_once`` leaves whole steps unheard, because there is no time for them: the verdict so
        far holds, or else it is ``unknown: overload``.
        """
        stream = self.stream
        if stream is None:
            return
        try:
            if self._order is not None:
                for packet in self._order.rest():
                    self.feed(packet)
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
        """The final event, now: unknown, for this reason."""
        if self.stream is None:
            return
        unknown = replace(
            self.stream.verdict(), verdict=VerdictKind.UNKNOWN, decided_at=None, reason=reason
        )
        self._finish(unknown, detail)

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
            self._deadline = loop.call_at(at - at % TOGETHER_SECONDS, self._at_deadline)
        else:
            self._at_deadline()

    def _at_deadline(self) -> None:
        if self.stream is not None and self.stream.seconds_received == 0:
            self.fail("", Reason.NO_AUDIO)
        else:
            self._engine.conclude(self)

    def _finish(self, verdict: Verdict, detail: str) -> None:
        self.stream = self._order = None
        self._deadline.cancel()
        self._report(self, EventKind.FINAL, verdict, detail)
        self._kept = None
