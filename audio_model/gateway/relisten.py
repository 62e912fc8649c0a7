"""Hear a leg again after its final event: a recording may have begun, or a human taken over.

Between two looks the audio is thrown away, so that a leg costs a fraction of one that is heard.
"""

import logging
from collections.abc import Callable
from typing import Protocol

from audio_model.decision import Verdict, VerdictKind
from audio_model.formats import SAMPLE_BYTES, RawFormat
from audio_model.stream import StreamDetector

logger = logging.getLogger(__name__)


class LookEngine(Protocol):
    """The engine that runs waiting steps; see :class:`audio_model.gateway.engine.Engine`."""

    def queue(self, leg: "Relistener", /) -> None:
        """Hear the waiting steps within the next round."""


class Relistener:
    """Looks at a leg every so many seconds of audio, each time as if the call began there.

    The engine hears it as it hears legs. Nobody waits for a look, so it has no deadline.
    """

    __slots__ = (
        "_engine",
        "_every_bytes",
        "_listen",
        "_revise",
        "_said",
        "_skip_bytes",
        "queued",
        "stream",
    )

    def __init__(
        self,
        raw_format: RawFormat,
        said: VerdictKind,
        every_seconds: float,
        listen: Callable[[], StreamDetector],
        engine: LookEngine,
        revise: Callable[[Verdict], None],
    ) -> None:
        """Begin to hear a leg again.

        Args:
            said: the verdict that holds until it is revised.
            every_seconds: audio between the end of a look and the next.
            listen: begins a look.
            revise: called with a verdict that differs. ``unknown`` revises nothing.
        """
        sample_bytes = SAMPLE_BYTES[raw_format.encoding]
        self._every_bytes = round(every_seconds * raw_format.sample_rate) * sample_bytes
        self._skip_bytes = self._every_bytes
        self._said, self._listen, self._engine, self._revise = said, listen, engine, revise
        self.stream: StreamDetector | None = None
        """None between looks."""
        self.queued = False

    def feed(self, payload: bytes) -> None:
        """Take bytes of the leg's stream, cut anywhere."""
        if self._skip_bytes > 0:
            self._skip_bytes -= len(payload)
            if self._skip_bytes >= 0:
                return
            # What lies behind the gap begins with a whole sample.
            payload = payload[self._skip_bytes :]
            self._skip_bytes = 0
        if self.stream is None:
            self.stream = self._listen()
        if self.stream.receive(payload) and not self.queued:
            self._engine.queue(self)

    def heard(self, verdict: Verdict | None) -> None:
        """Revise the verdict as soon as it is another one. The engine calls this after a run."""
        stream = self.stream
        if stream is None:
            return
        if stream.finished and not stream.n_ready:
            self._rest()
            verdict = stream.verdict()
        if verdict is not None and verdict.verdict not in (VerdictKind.UNKNOWN, self._said):
            self._said = verdict.verdict
            self._revise(verdict)

    def fail(self, detail: str) -> None:
        """Give up this look. The last verdict holds."""
        logger.warning("a leg could not be heard again: %s", detail)
        self._rest()

    def _rest(self) -> None:
        self.stream = None
        self._skip_bytes = self._every_bytes
