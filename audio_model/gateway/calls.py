"""The calls of this process. Each has its legs, and each leg has one final event."""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from time import monotonic, time

from audio_model.decision import Verdict, VerdictKind
from audio_model.detector import Detector
from audio_model.formats import RawFormat
from audio_model.gateway.config.tenants import Tenant
from audio_model.gateway.engine import Engine
from audio_model.gateway.events import CallInfo, Event, EventKind
from audio_model.gateway.legs import Learn, Leg
from audio_model.gateway.pacer import Pacer
from audio_model.gateway.relisten import Relistener
from audio_model.gateway.tally import LEGS, Tally, legs_of
from audio_model.gateway.terms import Terms
from audio_model.stream import DEFAULT_WAIT_SECONDS, PhoneCall, StreamDetector

logger = logging.getLogger(__name__)

Listener = Callable[[Event], None]
UntilTold = Callable[[str], Awaitable[None]]
"""Waits until a gateway has taken all that it was told of a call, by the call's id."""
KeepUnknown = Callable[[Event, RawFormat, bytes], None]
"""Is given a final event of unknown, and the leg's audio as it came."""


class Calls:
    """All calls; made in the event loop's thread and used there alone."""

    def __init__(
        self,
        detector: Detector,
        *,
        deadline_seconds: float,
        wait_seconds: float = DEFAULT_WAIT_SECONDS,
        listen_seconds: float | None = None,
        max_legs: int,
        again_seconds: float = 0.0,
        progress_seconds: float = 0.0,
        listeners: Sequence[Listener] = (),
        keep: KeepUnknown | None = None,
        learn: Learn | None = None,
        tally: Tally | None = None,
    ) -> None:
        """Prepare to hear calls.

        Args:
            deadline_seconds: wall-clock time from a leg's first voice to its final event.
            wait_seconds: how long the first voice is awaited.
            listen_seconds: how much audio of a leg is heard from its first voice on, by default
                what the model is made for.
            max_legs: legs heard at once; beyond them the answer is ``unknown: overload``.
            again_seconds: audio after which a leg is heard again, once and again, after its final
                event; 0 for never.
            progress_seconds: audio between events of progress; 0 for none.
            listeners: called with every event of every call, after the call's own.
            learn: called with a leg's follower after its final event.
            tally: where legs are counted, maybe with those of other processes.
        """
        self.detector = detector
        self.terms = Terms(
            deadline_seconds,
            wait_seconds,
            listen_seconds,
            detector.operating_point.max_false_alarm,
        )
        """The terms of a call that has none of its own."""
        self.again_seconds = again_seconds
        # Hearing a leg often gives more false alarms, so the budget is the strictest there is.
        self._strict = detector.within_smallest_budget() if again_seconds else None
        self.max_legs, self.progress_seconds = max_legs, progress_seconds
        self.listeners, self.keep, self.learn = tuple(listeners), keep, learn
        self.told: UntilTold | None = None
        """Awaited before a gateway's channel is ended: its variables are to be set by then."""
        self.engine = Engine()
        self.pacer = Pacer(self.engine)
        self.tally = tally or Tally()
        self.closing = False
        self._calls: set[Call] = set()
        self._by_id: dict[str, Call] = {}
        """The last that came of each id."""

    def open(self, info: CallInfo, on_event: Listener, terms: Terms | None = None) -> "Call":
        """Begin a call. ``on_event`` is called with each of its events."""
        terms = terms or self.terms
        call = Call(self, info.cut(terms.tenant), on_event, terms)
        self._calls.add(call)
        self._by_id[call.info.id] = call
        return call

    def hears(self, call_id: str) -> bool:
        """Return whether a call, by its id, is open and still owes a final event."""
        call = self._by_id.get(call_id)
        return call is not None and not call.finished

    def close(self) -> None:
        """Answer every open leg; no leg is taken any more."""
        self.closing = True
        for call in list(self._calls):
            call.close()

    def queue_age(self) -> float:
        """Return for how many seconds the next leg in the queue has waited."""
        return self.engine.queue_age()

    @property
    def open_legs(self) -> int:
        """Return how many legs this process owes a final event."""
        return self.tally.own(LEGS)

    @property
    def full(self) -> bool:
        """Return whether a new leg would be refused."""
        return self.closing or self.tally.total(LEGS) >= self.max_legs or self.engine.full

    def agreed(self, tenant: Tenant | None, query: Mapping[str, str]) -> Terms:
        """Return the terms of a call: its tenant's, with those that its URL asks for.

        Raises UsageError for terms that can't be met.
        """
        terms = self.terms.of(tenant).asked(query)
        # A budget that the model does not know is refused here, and not in the call.
        self.listens(terms)
        return terms

    def full_for(self, terms: Terms) -> bool:
        """Return whether a new leg would be refused on these terms."""
        most = terms.max_legs
        return self.full or (most is not None and self.tally.total(legs_of(terms.tenant)) >= most)

    def listens(self, terms: Terms) -> Detector:
        """Return the detector that hears a call on these terms.

        Raises UsageError for a budget that the model was not measured for.
        """
        if terms.max_false_alarm == self.terms.max_false_alarm:
            return self.detector
        return self.detector.within(terms.max_false_alarm)

    def hear_again(
        self, terms: Terms, leg: Leg, said: VerdictKind, revise: Callable[[Verdict], None]
    ) -> Relistener:
        """Hear a leg again after its final verdict."""
        strict, raw_format = self._strict, leg.raw_format
        assert strict is not None

        def listen() -> StreamDetector:
            stream = strict.stream(
                raw_format.sample_rate,
                raw_format.encoding,
                max_seconds=terms.listen_seconds,
                wait_seconds=terms.wait_seconds,
            )
            stream.codec = leg.codec
            return stream

        return Relistener(raw_format, said, self.again_seconds, listen, self.engine, revise)

    def count_leg(self, tenant: str, number: int) -> None:
        """Count a leg that begins, or, with -1, one that is over."""
        self.tally.add(LEGS, number)
        if tenant:
            self.tally.add(legs_of(tenant), number)

    def describe(self, call: "Call", info: CallInfo) -> None:
        """Replace the facts that a call's later events carry by others from its gateway."""
        is_open = call in self._calls
        self.forget(call)
        call.info = info.cut(call.info.tenant)
        if is_open:
            self._calls.add(call)
            self._by_id[call.info.id] = call

    def forget(self, call: "Call") -> None:
        """Remove a call that is over."""
        self._calls.discard(call)
        if self._by_id.get(call.info.id) is call:
            del self._by_id[call.info.id]


class Call:
    """One phone call. Made by :meth:`Calls.open`."""

    def __init__(self, calls: Calls, info: CallInfo, on_event: Listener, terms: Terms) -> None:
        self.info, self.terms = info, terms
        self._calls, self._on_event = calls, on_event
        self._legs: list[Leg] = []
        self._over = self._ends = False
        self._told = False
        """Whether an event was told, so that others know the call by its id."""

    @property
    def finished(self) -> bool:
        """Return whether every leg gave its final event; False before the first leg."""
        return self._over or (bool(self._legs) and all(leg.finished for leg in self._legs))

    def open_leg(
        self, name: str, raw_format: RawFormat, *, paced: bool = False, doubtful: bool = False
    ) -> Leg:
        """Begin to hear a party's media.

        On a machine that is full, the leg is finished already. ``raw_format`` is of this party
        alone: one channel. ``paced`` says that the audio comes as it is spoken, so that its pace
        must be that of its rate, ``doubtful`` that such audio may be G.711 and is called 16-bit.
        """
        calls, terms = self._calls, self.terms
        full = calls.full_for(terms)
        leg = Leg(
            name,
            raw_format,
            self._listen,
            calls.engine,
            self._report,
            terms,
            progress_seconds=calls.progress_seconds,
            keep=calls.keep is not None,
            learn=calls.learn,
            again=partial(calls.hear_again, terms) if calls.again_seconds else None,
        )
        if not full:
            leg.begin(paced=paced, doubtful=doubtful)
        calls.count_leg(terms.tenant, 1)
        self._legs.append(leg)
        if full:
            leg.refuse()
        return leg

    def learn_of(self, info: CallInfo) -> None:
        """Take facts that came after the call began. The events from now on carry them.

        An id that an event has told stays, and the one that came later is the detail ``call``.
        """
        if self._told and info.id != self.info.id:
            info = replace(info, id=self.info.id, details={**info.details, "call": info.id})
        self._calls.describe(self, info)

    def end_soon(self) -> None:
        """End the call, when nobody is left who waits for its final events.

        What its legs have not heard yet is heard together with other legs.
        """
        self._ends = True
        for leg in list(self._legs):
            leg.end_soon()
        if all(leg.finished for leg in self._legs):
            self.close()

    def close(self) -> None:
        """End the call: every open leg gives its final event."""
        for leg in self._legs:
            leg.close()
        self._calls.forget(self)
        if not any(leg.hears for leg in self._legs):
            # Legs and whoever is told hold the call in turn. In a circle all of it would stay, and
            # be gone through again and again, until the collector of circles finds it.
            self._over = self._over or bool(self._legs)
            self._legs.clear()
            self._on_event = tell_nobody

    def fail(self, detail: str) -> None:
        """End every open leg as unknown, for an error. ``detail`` describes the error."""
        for leg in self._legs:
            leg.fail(detail)

    def _listen(self, raw_format: RawFormat) -> StreamDetector:
        info, terms = self.info, self.terms
        return self._calls.listens(terms).stream(
            raw_format.sample_rate,
            raw_format.encoding,
            max_seconds=terms.listen_seconds,
            wait_seconds=terms.wait_seconds,
            call=PhoneCall(f"{info.gateway} {info.id}", time(), info.caller, info.called),
        )

    def _report(self, leg: Leg, kind: EventKind, verdict: Verdict, detail: str) -> None:
        calls = self._calls
        waited = monotonic() - leg.started
        event = Event(kind, self.info, leg.name, verdict, detail, waited)
        self._told = True
        if kind is EventKind.FINAL:
            calls.count_leg(self.terms.tenant, -1)
        for listener in (self._on_event, *calls.listeners):
            _tell(listener, event)
        if kind is EventKind.FINAL and verdict.verdict is VerdictKind.UNKNOWN:
            self._keep(leg, event)
        if self._ends and self.finished:
            self.close()

    def _keep(self, leg: Leg, event: Event) -> None:
        keep = self._calls.keep
        if keep is not None:
            _tell(lambda final: keep(final, leg.raw_format, leg.kept), event)


def tell_nobody(_: Event) -> None:
    """Ignore an event: the call is over, or its gateway takes no answer."""


def _tell(listener: Listener, event: Event) -> None:
    try:
        listener(event)
    except Exception:
        # One who can't take an event must not keep it from the others, nor end the call.
        logger.exception("an event of %s could not be told", event.call.gateway)
