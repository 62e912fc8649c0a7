"""Every event to everyone who wants it."""

import logging
from collections.abc import Sequence

from audio_model.gateway.events import Event, EventKind
from audio_model.gateway.outlets.feed import EventSink
from audio_model.gateway.outlets.metrics import Metrics
from audio_model.gateway.outlets.security import NumberHasher

logger = logging.getLogger(__name__)


class Publisher:
    """A listener of :class:`audio_model.gateway.calls.Calls`."""

    def __init__(
        self, metrics: Metrics, hash_number: NumberHasher, sinks: Sequence[EventSink]
    ) -> None:
        self._metrics, self._hash_number, self._sinks = metrics, hash_number, sinks

    def __call__(self, event: Event) -> None:
        """Send an event to every sink."""
        self._metrics.count(event)
        for sink in self._sinks:
            sink(event, event.body)
        if event.kind is EventKind.FINAL and logger.isEnabledFor(logging.INFO):
            self._log(event)

    def _log(self, event: Event) -> None:
        call, verdict = event.call, event.verdict
        fields: dict[str, object] = {
            "gateway": call.gateway,
            "call": call.id,
            "leg": event.leg,
            "caller": self._hash_number(call.caller),
            "called": self._hash_number(call.called),
            "verdict": verdict.verdict.value,
            "reason": verdict.reason.value,
            "detail": event.detail,
            "score": round(verdict.score, 4),
            "seconds": round(verdict.seconds, 2),
            "waited_seconds": round(event.waited_seconds, 3),
        }
        logger.info("final", extra={"fields": fields})
