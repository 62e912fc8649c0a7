"""The last events of calls, kept for a time and as far as there is room."""

import math
from collections import OrderedDict
from collections.abc import Callable, Iterable
from itertools import islice
from time import monotonic
from typing import Protocol

import msgspec

from audio_model.decision import Reason, VerdictKind
from audio_model.gateway.events import Event, EventKind

MAX_CALLS = 10_000
MAX_SECONDS = 3600.0
MAX_BYTES = 64_000_000
"""The most bytes of events as JSON. One with all the details that a call may bring has a hundred
times the usual kilobyte.
"""


class LegHistory(msgspec.Struct):
    """The last event of a leg, and the surest of its final events.

    A leg has several final events if its stream broke and another one of the same call took its
    place, maybe in another process.
    """

    kind: EventKind
    """The kind of the latest event."""
    latest: bytes
    """The latest event, as JSON."""
    heard_at: float
    """When it came, by the clock of all processes of this machine."""
    final: bool = False
    """Whether nothing but revisions came after a final event."""
    surest: bytes = b""
    """The surest final event, as JSON; empty if there was none."""
    sureness: tuple[int, float, float] = (-1, 0.0, 0.0)

    @property
    def shown(self) -> bytes:
        """Return the event that stands for the leg, as JSON."""
        return self.surest if self.kind is EventKind.FINAL else self.latest

    @property
    def n_bytes(self) -> int:
        """Return the size of the events in bytes."""
        return len(self.surest) + (0 if self.kind is EventKind.FINAL else len(self.latest))

    def merged(self, other: "LegHistory") -> "LegHistory":
        """Return the facts of both records."""
        older, newer = sorted((self, other), key=lambda leg: leg.heard_at)
        surest = max((newer, older), key=lambda leg: leg.sureness)
        return LegHistory(
            newer.kind,
            newer.latest,
            newer.heard_at,
            newer.final or (newer.kind is EventKind.REVISED and older.final),
            surest.surest,
            surest.sureness,
        )


class CallHistory(msgspec.Struct):
    """A call, and its legs by their names."""

    tenant: str
    id: str
    legs: dict[str, LegHistory] = {}

    @property
    def heard_at(self) -> float:
        """Return when the latest event came."""
        return max(leg.heard_at for leg in self.legs.values())

    @property
    def n_bytes(self) -> int:
        """Return the size of the events in bytes."""
        return sum(leg.n_bytes for leg in self.legs.values())

    def add(self, name: str, leg: LegHistory) -> None:
        """Add the facts about a leg."""
        before = self.legs.get(name)
        self.legs[name] = leg if before is None else before.merged(leg)

    def as_dict(self) -> dict[str, object]:
        """Return the call for JSON."""
        return {
            "call": self.id,
            "finished": all(leg.final for leg in self.legs.values()),
            "legs": {name: msgspec.Raw(leg.shown) for name, leg in self.legs.items()},
        }


def merged(records: Iterable[CallHistory]) -> list[CallHistory]:
    """Return the calls of several processes, each call once, the one heard last first."""
    calls: dict[tuple[str, str], CallHistory] = {}
    for record in records:
        call = calls.setdefault((record.tenant, record.id), CallHistory(record.tenant, record.id))
        for name, leg in record.legs.items():
            call.add(name, leg)
    return sorted(calls.values(), key=lambda call: call.heard_at, reverse=True)


class CallJournal(Protocol):
    """What outlives the process; see :mod:`audio_model.gateway.siblings.journal`."""

    def write(self, record: CallHistory, /) -> None:
        """Write what is new of a call."""


class History:
    """Calls by their ids, the oldest forgotten first, within a number, a time and a size."""

    def __init__(
        self,
        max_calls: int = MAX_CALLS,
        max_seconds: float = MAX_SECONDS,
        max_bytes: int = MAX_BYTES,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._calls: OrderedDict[tuple[str, str], CallHistory] = OrderedDict()
        """By tenant and id, which another tenant may have given as well; the latest last."""
        self._tenants: set[str] = set()
        self._max_calls, self._max_seconds, self._clock = max_calls, max_seconds, clock
        self._max_bytes, self._bytes = max_bytes, 0
        self.journal: CallJournal | None = None
        """Where what is new is written, for whoever goes on if this process is killed."""

    def __len__(self) -> int:
        self._forget()
        return len(self._calls)

    def add(self, event: Event, body: bytes) -> None:
        """Take an event, and itself as JSON."""
        leg = LegHistory(event.kind, body, self._clock())
        if event.kind is EventKind.FINAL:
            leg.final, leg.surest, leg.sureness = True, body, _sureness(event)
        self._add(event.call.tenant, event.call.id, event.leg, leg)
        if self.journal is not None and event.kind is not EventKind.PROGRESS:
            self.journal.write(CallHistory(event.call.tenant, event.call.id, {event.leg: leg}))
        self._calls.move_to_end((event.call.tenant, event.call.id))
        self._forget()

    def take(self, records: Iterable[CallHistory], *, written: bool = False) -> None:
        """Take over the calls of another process.

        ``written`` says that they are in a journal of this process already.
        """
        now = self._clock()
        for record in records:
            if self.journal is not None and not written:
                self.journal.write(record)
            for name, leg in record.legs.items():
                # By the clock of a machine that has started anew, what came before was never.
                if leg.heard_at <= now:
                    self._add(record.tenant, record.id, name, leg)
        self._calls = OrderedDict(sorted(self._calls.items(), key=lambda item: item[1].heard_at))
        self._forget()

    def find(self, call_id: str, tenant: str | None = None) -> CallHistory | None:
        """Return a call; None if no call is known by this id.

        ``tenant`` limits the search to its calls. Without one, the latest call of anybody counts.
        """
        self._forget()
        keys = [(each, call_id) for each in (self._tenants if tenant is None else (tenant,))]
        found = [self._calls[key] for key in keys if key in self._calls]
        return max(found, key=lambda record: record.heard_at, default=None)

    def recent(self, limit: int | None, tenant: str | None = None) -> list[CallHistory]:
        """Return calls, the one with the latest event first.

        ``limit`` is how many at most; None for all. ``tenant`` is as in :meth:`find`.
        """
        self._forget()
        theirs = (key for key in reversed(self._calls) if tenant in (None, key[0]))
        return [self._calls[key] for key in islice(theirs, limit)]

    def _add(self, tenant: str, call_id: str, name: str, leg: LegHistory) -> None:
        self._tenants.add(tenant)
        record = self._calls.setdefault((tenant, call_id), CallHistory(tenant, call_id))
        before = record.n_bytes
        record.add(name, leg)
        self._bytes += record.n_bytes - before

    def _forget(self) -> None:
        oldest = self._clock() - self._max_seconds
        while self._calls:
            key = next(iter(self._calls))
            record = self._calls[key]
            if (
                len(self._calls) <= self._max_calls
                and self._bytes <= self._max_bytes
                and record.heard_at >= oldest
            ):
                return
            del self._calls[key]
            self._bytes -= record.n_bytes


def _sureness(event: Event) -> tuple[int, float, float]:
    """Return the order of final events: decided or not, how surely, and on how much speech."""
    verdict = event.verdict
    match verdict.verdict:
        case VerdictKind.RECORDED:
            rank, surely = 2, verdict.score
        case VerdictKind.LIVE:
            rank, surely = 2, 1 - verdict.score
        case VerdictKind.UNKNOWN:
            rank, surely = int(verdict.reason is Reason.UNSURE), 0.0
    return rank, 0.0 if math.isnan(surely) else surely, verdict.speech_seconds
