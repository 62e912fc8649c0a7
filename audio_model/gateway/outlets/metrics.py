"""Metrics for Prometheus, counted for each event and connection, never for each packet."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Protocol

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from audio_model.gateway.events import Event, EventKind

_AUDIO_BUCKETS = (0.5, 1, 1.5, 2, 2.5, 3, 4, 5, 6)
_WALL_BUCKETS = (0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 5, 6, 10)
_AGE_BUCKETS = (0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10, 30, 60)
_SCORE_BUCKETS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1)
_SNR_BUCKETS = (0, 5, 10, 15, 20, 25, 30, 35, 40, 50, 60)
_LAG_BUCKETS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)


class _Calls(Protocol):
    """The part of :class:`audio_model.gateway.calls.Calls` that metrics read."""

    @property
    def open_legs(self) -> int: ...

    def queue_age(self) -> float: ...


class _Webhooks(Protocol):
    """The part of :class:`audio_model.gateway.outlets.webhooks.Webhooks` that metrics read."""

    def __len__(self) -> int: ...

    def oldest_seconds(self) -> float: ...


Parts = Mapping[str, Callable[[], bool]]
"""The parts that the server needs, by name (``ami``, ``ranges``), and whether each works now."""


class Metrics:
    """One registry, and the ways to count into it."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        counter = partial(Counter, registry=registry)
        gauge = partial(Gauge, registry=registry)
        histogram = partial(Histogram, registry=registry)
        ProcessCollector(registry=registry)
        self._verdicts = counter(
            "audio_model_verdicts",
            "Final verdicts; reason tells why one is unknown (overload, error, no_audio ...).",
            ("gateway", "verdict", "reason"),
        )
        self._decision = histogram(
            "audio_model_decision_seconds",
            "Seconds into a leg's audio at which its final verdict was decided.",
            ("verdict",),
            buckets=_AUDIO_BUCKETS,
        )
        self._score = histogram(
            "audio_model_score",
            "Scores of final verdicts: they drift with callers, codecs and campaigns.",
            ("gateway",),
            buckets=_SCORE_BUCKETS,
        )
        self._snr = histogram(
            "audio_model_snr_db",
            "How far legs' voice lies above their noise: it drifts with callers and the line.",
            ("gateway",),
            buckets=_SNR_BUCKETS,
        )
        self._codecs = counter(
            "audio_model_codecs",
            "Legs by the codec that the gateway says their audio came in.",
            ("gateway", "codec"),
        )
        self._answer = histogram(
            "audio_model_answer_seconds",
            "Wall-clock seconds from a leg's first moment to its final event.",
            ("gateway",),
            buckets=_WALL_BUCKETS,
        )
        self._lag = histogram(
            "audio_model_lag_seconds",
            "How far an event's wall clock is behind the audio that it was made from.",
            buckets=_LAG_BUCKETS,
        )
        self.connections = gauge(
            "audio_model_connections", "WebSocket connections that are open.", ("gateway",)
        )
        self.refused = counter(
            "audio_model_refused", "Requests and connections that were refused.", ("reason",)
        )
        self.protocol_errors = counter(
            "audio_model_protocol_errors",
            "Messages that a gateway's protocol does not allow; they were dropped.",
            ("gateway",),
        )
        self.internal_errors = counter(
            "audio_model_internal_errors", "Failures of this program; the log has their tracebacks."
        )
        self.webhooks = counter(
            "audio_model_webhooks", "Webhook events by what became of them.", ("outcome",)
        )
        self.webhook_age = histogram(
            "audio_model_webhook_age_seconds",
            "Seconds from an event to its delivery; urgent: verdicts that nothing before has told.",
            ("kind",),
            buckets=_AGE_BUCKETS,
        )
        self.slow_readers = counter(
            "audio_model_slow_readers",
            "Readers of /v1/events that were dropped for reading too slowly.",
        )
        self.kept = counter(
            "audio_model_kept_audio",
            "Legs whose audio was to be kept, by what became of it.",
            ("outcome",),
        )
        self.range_calls = counter(
            "audio_model_range_calls",
            "Calls for number ranges: kept in the store, or lost because it could not be written.",
            ("outcome",),
        )
        self.range_changes = counter(
            "audio_model_range_changes",
            "Changes of number ranges' breakers by what they changed to.",
            ("state",),
        )
        self.campaign_alarms = counter(
            "audio_model_campaign_alarms",
            "Campaigns that began or ended, by which of the two.",
            ("state",),
        )
        self.range_errors = counter(
            "audio_model_range_errors", "Attempts to use the store of number ranges that failed."
        )
        self.known_legs = counter(
            "audio_model_known_legs", "Legs that repeat a known recording.", ("verdict",)
        )
        self.known_errors = counter(
            "audio_model_known_errors",
            "Failures of the store of known recordings; calls pass on the network alone meanwhile.",
        )
        self.known_left_out = counter(
            "audio_model_known_left_out",
            "Look-ups and legs that were not learnt from, because too many waited.",
        )
        self._finals = 0
        self._webhooks: list[_Webhooks] = []

    def watch(self, calls: _Calls) -> None:
        """Report the state of calls whenever it is asked for."""
        self._registry.register(_State(self, calls))

    def watch_parts(self, parts: Parts) -> None:
        """Report what works whenever it is asked for."""
        self._registry.register(_Works(parts))

    def watch_webhooks(self, webhooks: _Webhooks) -> None:
        """Report what waits to be delivered, by all that are watched, whenever it is asked for."""
        if not self._webhooks:
            self._registry.register(_Waiting(self._webhooks))
        self._webhooks.append(webhooks)

    def count(self, event: Event) -> None:
        """Count an event."""
        verdict = event.verdict
        self._lag.observe(max(0.0, event.waited_seconds - verdict.seconds))
        if event.kind is not EventKind.FINAL:
            return
        self._finals += 1
        gateway = event.call.gateway
        self._verdicts.labels(gateway, verdict.verdict.value, verdict.reason.value).inc()
        self._answer.labels(gateway).observe(event.waited_seconds)
        if math.isfinite(verdict.score):
            self._score.labels(gateway).observe(verdict.score)
        if math.isfinite(verdict.noise_db):
            self._codecs.labels(gateway, verdict.codec).inc()
        if math.isfinite(verdict.snr_db):
            # A histogram's sum only rises.
            self._snr.labels(gateway).observe(max(0.0, verdict.snr_db))
        if event.known is not None:
            self.known_legs.labels(verdict.verdict.value).inc()
        if verdict.decided_at is not None:
            self._decision.labels(verdict.verdict.value).observe(verdict.decided_at)

    @property
    def finals(self) -> int:
        """Return how many legs gave their final event."""
        return self._finals

    content_type = CONTENT_TYPE_LATEST
    """The type of :meth:`text`."""

    def text(self) -> bytes:
        """Return the metrics in Prometheus' text format."""
        return generate_latest(self._registry)


class _State(Collector):
    def __init__(self, metrics: Metrics, calls: _Calls) -> None:
        self._metrics, self._calls = metrics, calls

    def collect(self) -> Iterator[Metric]:
        open_legs = self._calls.open_legs
        yield GaugeMetricFamily(
            "audio_model_legs_open", "Legs that are being heard.", value=open_legs
        )
        # Every leg gives exactly one final event, so those begun are those over and those open.
        yield CounterMetricFamily(
            "audio_model_legs_started", "Legs begun.", value=self._metrics.finals + open_legs
        )
        yield GaugeMetricFamily(
            "audio_model_queue_age_seconds",
            "For how long the leg that is next to be heard has waited.",
            value=self._calls.queue_age(),
        )


class _Works(Collector):
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily(
            "audio_model_part_up",
            "Whether what the server was told to use works: ami, ari, rtpengine, ranges, known.",
            labels=("part",),
        )
        for name, works in self._parts.items():
            up.add_metric((name,), float(works()))
        yield up


class _Waiting(Collector):
    def __init__(self, webhooks: Sequence[_Webhooks]) -> None:
        self._webhooks = webhooks

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "audio_model_webhooks_waiting",
            "Webhook events that are not delivered yet.",
            value=sum(map(len, self._webhooks)),
        )
        yield GaugeMetricFamily(
            "audio_model_webhook_oldest_seconds",
            "For how long the webhook event has waited that has waited longest.",
            value=max(each.oldest_seconds() for each in self._webhooks),
        )
