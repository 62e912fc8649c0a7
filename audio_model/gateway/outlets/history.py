"""The last events of calls, kept for a time and as far as there is room."""

import math
from collections import OrderedDict
from collections.abc import Callable, Iterator
from itertools import islice
from time import monotonic

import msgspec

from audio_model.decision import Reason, VerdictKind
from audio_model.gateway.events import Event, EventKind

MAX_CALLS = 10_000
MAX_SECONDS = 3600.0
MAX_BYTES = 64_000_000
"""The most bytes of events as JSON. One with all the details that a call may bring has a hundred
times the usual kilobyte.
"""


class CallRecord:
    """The latest event of each leg of a call, as JSON; of several final ones, the surest.

    A leg has several where its stream broke and another one of the same call took its place.
    """

    __slots__ = ("final", "heard_at", "legs", "surest")

    def __init__(self) -> None:
        self.legs: dict[str, bytes] = {}
        self.final: set[str] = set()
        self.surest: dict[str, tuple[tuple[int, float, float], bytes]] = {}
        """How sure a leg's surest final event is, and itself."""
        self.heard_at = 0.0

    def add(self, event: Event, body: bytes) -> None:
        """Take an event, and itself as JSON."""
        leg = event.leg
        if event.kind is EventKind.REVISED:
            self.legs[leg] = body
            return
        if event.kind is not EventKind.FINAL:
            self.final.discard(leg)
            self.legs[leg] = body
            return
        self.final.add(leg)
        sureness = _sureness(event)
        if leg not in self.surest or sureness >= self.surest[leg][0]:
            self.surest[leg] = sureness, body
        self.legs[leg] = self.surest[leg][1]

    @property
    def n_bytes(self) -> int:
        """Return the size of the events in bytes."""
        finals = (body for leg, (_, body) in self.surest.items() if body is not self.legs[leg])
        return sum(map(len, self.legs.values())) + sum(map(len, finals))

    def as_dict(self, call_id: str) -> dict[str, object]:
        """Return the call for JSON."""
        return {
            "call": call_id,
            "finished": len(self.final) == len(self.legs),
            "legs": {name: msgspec.Raw(event) for name, event in self.legs.items()},
        }


class History:
    """Calls by their ids, the oldest forgotten first, within a number, a time and a size."""

    def __init__(
        self,
        max_calls: int = MAX_CALLS,
        max_seconds: float = MAX_SECONDS,
        max_bytes: int = MAX_BYTES,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._calls: OrderedDict[tuple[str, str], CallRecord] = OrderedDict()
        """By tenant and id, which another tenant may have given as well."""
        self._tenants: set[str] = set()
        self._max_calls, self._max_seconds, self._clock = max_calls, max_seconds, clock
        self._max_bytes, self._bytes = max_bytes, 0

    def __len__(self) -> int:
        self._forget()
        return len(self._calls)

    def add(self, event: Event, body: bytes) -> None:
        """Take an event, and itself as JSON."""
        key = event.call.tenant, event.call.id
        self._tenants.add(event.call.tenant)
        record = self._calls.setdefault(key, CallRecord())
        record.heard_at = self._clock()
        before = record.n_bytes
        record.add(event, body)
        self._bytes += record.n_bytes - before
        self._calls.move_to_end(key)
        self._forget()

    def get(self, call_id: str, tenant: str | None = None) -> dict[str, object] | None:
        """Return a call for JSON; None if no call is known by this id.

        ``tenant`` limits the search to its calls. Without one, the latest call of anybody counts.
        """
        self._forget()
        keys = [(each, call_id) for each in (self._tenants if tenant is None else (tenant,))]
        found = [self._calls[key] for key in keys if key in self._calls]
        if not found:
            return None
        return max(found, key=lambda record: record.heard_at).as_dict(call_id)

    def recent(self, limit: int, tenant: str | None = None) -> Iterator[dict[str, object]]:
        """Yield calls, the one with the latest event first. ``tenant`` is as in `get`."""
        self._forget()
        theirs = (key for key in reversed(self._calls) if tenant in (None, key[0]))
        for key in islice(theirs, limit):
            yield self._calls[key].as_dict(key[1])

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
    """Return what orders final events: decided or not, how surely, and on how much speech."""
    verdict = event.verdict
    match verdict.verdict:
        case VerdictKind.RECORDED:
            rank, surely = 2, verdict.score
        case VerdictKind.LIVE:
            rank, surely = 2, 1 - verdict.score
        case VerdictKind.UNKNOWN:
            rank, surely = int(verdict.reason is Reason.UNSURE), 0.0
    return rank, 0.0 if math.isnan(surely) else surely, verdict.speech_seconds
