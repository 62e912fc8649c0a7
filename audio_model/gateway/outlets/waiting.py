"""Webhook events that wait: their order, which of them become one, and which may be lost."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from time import monotonic

from audio_model.decision import VerdictKind
from audio_model.gateway.events import Event, EventKind

LegKey = tuple[str, str, str]
"""The gateway, the call's id there, and the leg's name."""

MAX_TOLD = 100_000
"""Legs whose verdict is remembered until their final event; of more, the oldest is forgotten."""


@dataclass(eq=False)
class Waiting:
    """One event that is to be posted, or other JSON."""

    key: str
    """Stays the same however often it is sent."""
    body: bytes
    urgent: bool
    """Whether somebody acts on it: a verdict that nothing before has told."""
    leg: LegKey | None = None
    verdict: VerdictKind | None = None
    since: float = field(default_factory=monotonic)
    attempts: int = 0
    gone: bool = False
    """Whether it was taken out of the middle of its queue."""
    later: bool = False
    """Whether it waits for a moment at which it is to be tried again."""
    alone: bool = False
    """Whether it is posted in a request of its own: it was in a batch that was refused."""


class WaitingRoom:
    """Two queues, verdicts before events that repeat them, and events to be tried again."""

    def __init__(self, max_waiting: int, keep: Callable[[Waiting], None] | None = None) -> None:
        """Make an empty room.

        Args:
            max_waiting: room for so many events, also those that are to be tried again.
            keep: called with each new event, and again when its body has changed.
        """
        self._max_waiting, self._keep = max_waiting, keep
        self._urgent: deque[Waiting] = deque()
        self._others: deque[Waiting] = deque()
        self._later: list[tuple[float, int, Waiting]] = []
        self._order = count()
        self._n = self._n_later = 0
        self._told: dict[LegKey, VerdictKind] = {}
        self._verdicts: dict[LegKey, Waiting] = {}
        """The last verdict of each leg that still waits for its first attempt."""

    def __len__(self) -> int:
        return self._n

    @property
    def n_ready(self) -> int:
        """Return how many events wait only for their turn."""
        return self._n - self._n_later

    def add(self, event: Event, key: str, body: bytes) -> Waiting | None:
        """Take an event. If there is no room for it, return the event that is dropped for it.

        A final event that repeats a verdict which still waits takes its place.
        """
        leg = event.call.gateway, event.call.id, event.leg
        verdict = event.verdict.verdict
        final = event.kind is EventKind.FINAL
        told = self._told.pop(leg, VerdictKind.UNKNOWN)
        before = self._verdicts.pop(leg, None)
        if final and before is not None and not before.gone and before.verdict is verdict:
            before.body = body
            if self._keep is not None:
                self._keep(before)
            return None
        # To learn that nothing is known any more is as pressing as what was said before.
        made = Waiting(key, body, verdict is not told, leg, verdict)
        if not final:
            self._told[leg] = verdict
            self._verdicts[leg] = made
            if len(self._told) > MAX_TOLD:
                del self._told[next(iter(self._told))]
        return self.put(made)

    def put(self, made: Waiting) -> Waiting | None:
        """Take an event to post, and return the event that is lost for it, as :meth:`add` does."""
        (self._urgent if made.urgent else self._others).append(made)
        self._n += 1
        if self._keep is not None:
            self._keep(made)
        return self._drop() if self._n > self._max_waiting else None

    def again(self, waiting: Waiting, at: float) -> Waiting | None:
        """Try an event again at a moment, and return the event that is lost for it."""
        heappush(self._later, (at, next(self._order), waiting))
        waiting.later = True
        self._n += 1
        self._n_later += 1
        return self._drop() if self._n > self._max_waiting else None

    def next(self, now: float) -> Waiting | None:
        """Take out the event whose turn it is; None if there is none."""
        due = []
        while self._later and (self._later[0][2].gone or self._later[0][0] <= now):
            due.append(heappop(self._later)[2])
            self._not_later(due[-1])
        for waiting in reversed(due):
            if not waiting.gone:
                # It was there before all those that wait now.
                (self._urgent if waiting.urgent else self._others).appendleft(waiting)
        for queue in (self._urgent, self._others):
            while queue:
                waiting = queue.popleft()
                if not waiting.gone:
                    return self._out(waiting)
        return None

    def batch(self, now: float, n_events: int, n_bytes: int) -> list[Waiting]:
        """Take out the next events, in their order, for one request; maybe none."""
        taken: list[Waiting] = []
        while len(taken) < n_events and (waiting := self.next(now)) is not None:
            n_bytes -= len(waiting.body)
            if taken and (n_bytes < 0 or waiting.alone):
                (self._urgent if waiting.urgent else self._others).appendleft(waiting)
                self._n += 1
                break
            taken.append(waiting)
            if waiting.alone:
                break
        return taken

    def due_at(self) -> float | None:
        """Return when the next event is to be tried again; None if none is."""
        return self._later[0][0] if self._later else None

    def oldest(self, now: float) -> float:
        """Return for how many seconds the oldest event has waited."""
        everyone = [*self._urgent, *self._others, *(each[2] for each in self._later)]
        return max((now - each.since for each in everyone if not each.gone), default=0.0)

    def clear(self) -> None:
        """Drop all events."""
        for queue in (self._urgent, self._others, self._later):
            queue.clear()
        self._n = self._n_later = 0

    def _not_later(self, waiting: Waiting) -> None:
        if waiting.later:
            waiting.later = False
            self._n_later -= 1

    def _out(self, waiting: Waiting) -> Waiting:
        self._n -= 1
        if waiting.leg is not None and self._verdicts.get(waiting.leg) is waiting:
            del self._verdicts[waiting.leg]
        return waiting

    def _drop(self) -> Waiting:
        """Drop the event that is missed least.

        That is the oldest of those that nobody acts on, and first one of those that have failed. If
        all are verdicts to act on, the newest goes: the first keeps its place.
        """
        retried = (each[2] for each in self._later if not each[2].gone)
        plain = next((each for each in retried if not each.urgent), None)
        while plain is None and self._others:
            first = self._others.popleft()
            plain = None if first.gone else first
        if plain is None:
            while (plain := self._urgent.pop() if self._urgent else None) and plain.gone:
                pass
        if plain is None:
            plain = max((each for each in self._later if not each[2].gone), key=lambda e: e[1])[2]
        plain.gone = True
        self._not_later(plain)
        return self._out(plain)
