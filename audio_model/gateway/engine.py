"""The network for many legs: legs with waiting audio are heard together.

A run of the network costs half as much for each leg when it holds several legs and several steps
of each. So legs queue for the next round. On an idle machine rounds follow soon after one another,
which gives events at once. On a busy one they are further apart, which gives capacity.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Iterable
from itertools import islice
from time import monotonic, thread_time

from audio_model.gateway.lag import LoopLag, waited_for_a_core
from audio_model.gateway.legs import INTERNAL_ERROR, Leg
from audio_model.gateway.relisten import Relistener
from audio_model.stream import hear_together

logger = logging.getLogger(__name__)

LEGS_A_RUN = 16
"""Measured: beyond this a run gets no cheaper for each leg, only longer."""

SHORTEST_PAUSE, LONGEST_PAUSE = 0.002, 0.48
"""Seconds between rounds: of an idle machine, and of a full one."""

USUAL_REST, LONGEST_REST = 0.16, LONGEST_PAUSE / 2
"""Seconds between two reads of a connection: of a machine that has work, and of a full one. Far
below the kernel's buffers, which hold seconds."""

BUSY, FULL = 0.85, 0.95
"""Share of one core in use at which pause and rest begin to grow, and at which they are longest."""

RESTS = 0.8, 0.9
"""Share of one core in use at which connections begin to rest, and at which the rest is the usual
one. Two steps of 80 ms are heard at once then, which takes half to two thirds of the time."""

SLICE_SECONDS = 0.01
"""A round lets packets in after so long."""

CONCLUDE_SECONDS = 0.05
"""Final events let anything else in after so long, unless they would be late then."""

LOAD_SECONDS = 0.5
"""Over how long the load is measured."""

MAX_LOAD, MAX_AGE, MAX_LAG = 0.98, 1.0, 0.25
"""Share of the core, seconds that a leg waits for its turn, and seconds that the event loop is
late, beyond which no leg is taken."""

STOLEN = 0.2
"""Share of the time that others took of a ready thread, beyond which no leg is taken from BUSY on:
they may take more at any moment."""

LAGS_AHEAD = 2.0
"""By how many times the loop's lag legs are concluded earlier: a timer is late by one, and what it
sends is by another."""


class Engine:
    """Runs legs' waiting steps in the event loop's thread."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[Leg | Relistener, float]] = deque()
        self._turn: deque[tuple[Leg | Relistener, float]] = deque()
        """Whom the round that goes on has yet to hear."""
        self._scheduled = False
        """Whether a round is to come or goes on."""
        self._due: dict[Leg, None] = {}
        """Legs whose time is up, each once."""
        self._final_seconds = 0.0
        """Wall-clock time that a final event took lately, without hearing the leg."""
        self._lag = LoopLag()
        self._measured = (monotonic(), thread_time(), waited_for_a_core())
        self._load = self._stolen = 0.0
        self.rest = 0.0
        """Seconds for which a connection may rest after a read, 0 on a machine that is not busy.

        Plain, for it is asked at each read.
        """

    def queue(self, leg: Leg | Relistener) -> None:
        """Queue a leg with steps waiting. It is heard within the next round."""
        leg.queued = True
        self._waiting.append((leg, monotonic()))
        self._schedule()

    def conclude(self, leg: Leg) -> None:
        """Hear a leg whose time is up at once, before those in the queue, and close it.

        Calls that began together end together, so these legs share runs as well.
        """
        if not self._due:
            self._loop.call_soon(self._conclude)
        self._due[leg] = None

    @property
    def full(self) -> bool:
        """Return whether another leg would make all of them late."""
        load, age, lag = self.load(), self.queue_age(), self._lag.seconds
        most = BUSY if self._stolen > STOLEN else MAX_LOAD
        return load > most or age > MAX_AGE or lag > MAX_LAG

    @property
    def behind(self) -> bool:
        """Return whether audio may have come that was not read or not heard yet."""
        return self.load() > BUSY or self.lags or self.queue_age() > MAX_AGE / 2

    @property
    def lags(self) -> bool:
        """Return whether sockets were read late in the last second or so."""
        return self._lag.peak > MAX_LAG / 2

    def ahead(self) -> float:
        """Return by how many seconds legs are to be concluded earlier than on an idle machine."""
        pause = self._beyond_busy() * LONGEST_PAUSE if self._stolen > STOLEN else 0.0
        return LAGS_AHEAD * self._lag.peak + pause

    def queue_age(self) -> float:
        """Return for how many seconds the first leg in the queue has waited."""
        first = self._turn or self._waiting
        return monotonic() - first[0][1] if first else 0.0

    def load(self) -> float:
        """Return the share of one core that this thread used lately, or would have used.

        What other programs took while the thread was ready counts as well: a starved thread is not
        idle. Files are scored in other threads.
        """
        now = monotonic()
        seconds = now - self._measured[0]
        if seconds >= LOAD_SECONDS:
            used, waited = thread_time(), waited_for_a_core()
            wanted = used - self._measured[1] + waited - self._measured[2]
            self._stolen = (self._stolen + (waited - self._measured[2]) / seconds) / 2
            # The mean with the last one, so that pause and load do not chase each other.
            self._load = (self._load + wanted / seconds) / 2
            self._measured = now, used, waited
            self.rest = max(
                USUAL_REST * _share(self._load, *RESTS), LONGEST_REST * self._beyond_busy()
            )
        return self._load

    def _beyond_busy(self) -> float:
        """Return 0 to 1 for a load from BUSY to FULL."""
        return _share(self._load, BUSY, FULL)

    def _pause(self) -> float:
        self.load()
        return SHORTEST_PAUSE + self._beyond_busy() * (LONGEST_PAUSE - SHORTEST_PAUSE)

    def _conclude(self) -> None:
        """Conclude legs, the most urgent first; those that have time at the loop's next turn."""
        due = sorted(self._due, key=lambda leg: leg.deadline.answer_by)
        now = monotonic()
        until = now + CONCLUDE_SECONDS
        at = 0
        while at < len(due):
            together = due[at : at + LEGS_A_RUN]
            # The last of those that wait is to be answered by its deadline as well. Where that is
            # not certain, what was heard so far is the answer.
            at_once = now + (len(due) - at) * self._final_seconds >= together[0].deadline.answer_by
            while not at_once and (ready := [leg for leg in together if _decode(leg)]):
                self._hear(ready)
                at_once = monotonic() >= together[0].deadline.answer_by
            began = monotonic()
            for leg in together:
                leg.conclude(at_once=at_once)
            now = monotonic()
            self._final_seconds += 0.2 * ((now - began) / len(together) - self._final_seconds)
            at += len(together)
            # On a busy machine the next turn may come after the deadline.
            if now > until and at < len(due) and due[at].deadline.answer_by > now + self.ahead():
                break
        self._due = dict.fromkeys(due[at:])
        if self._due:
            self._loop.call_soon(self._conclude)

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_later(self._pause(), self._round)

    def _round(self) -> None:
        # Legs that come meanwhile wait for the next round, or rounds would never pause.
        self._turn, self._waiting = self._waiting, deque()
        self._slice()

    def _slice(self) -> None:
        until = monotonic() + SLICE_SECONDS
        while self._turn and monotonic() < until:
            self._hear(self._next(4 * LEGS_A_RUN))
        if self._turn:
            self._loop.call_soon(self._slice)
            return
        self._scheduled = False
        if self._waiting:
            self._schedule()

    def _next(self, n_legs: int) -> list[Leg | Relistener]:
        """Take the next legs of the round; one that was concluded meanwhile waits no more."""
        legs: list[Leg | Relistener] = []
        for _ in range(min(n_legs, len(self._turn))):
            leg, _since = self._turn.popleft()
            if leg.queued:
                leg.queued = False
                legs.append(leg)
        return legs

    def _hear(self, legs: Iterable[Leg | Relistener]) -> None:
        by_steps: dict[int, list[Leg | Relistener]] = {}
        for leg in legs:
            leg.queued = False
            if n_steps := _decode(leg):
                by_steps.setdefault(n_steps, []).append(leg)
            elif leg.stream is not None and leg.stream.finished:
                # What came last was less than a step.
                leg.heard(None)
        for n_steps, alike in by_steps.items():
            rest = iter(alike)
            while together := list(islice(rest, LEGS_A_RUN)):
                self._run(together, n_steps)

    def _run(self, legs: list[Leg | Relistener], n_steps: int) -> None:
        streams = [leg.stream for leg in legs if leg.stream is not None]
        try:
            verdicts = hear_together(streams, n_steps)
        except Exception:
            logger.exception("%d legs could not be heard", len(legs))
            for leg in legs:
                leg.fail(INTERNAL_ERROR)
            return
        for leg, verdict in zip(legs, verdicts, strict=True):
            leg.heard(verdict)
            # A leg whose voice began is heard from there again.
            if leg.stream is not None and leg.stream.n_ready and not leg.queued:
                self.queue(leg)


def _share(value: float, low: float, high: float) -> float:
    """Return 0 at ``low`` and below it, 1 from ``high`` on, and what lies between in proportion."""
    return min(1.0, max(0.0, (value - low) / (high - low)))


def _decode(leg: Leg | Relistener) -> int:
    """Return how many steps of the leg are ready.

    A leg that can't be decoded has none and is answered.
    """
    try:
        return 0 if leg.stream is None else leg.stream.decode()
    except Exception:
        logger.exception("a leg could not be decoded")
        leg.fail(INTERNAL_ERROR)
        return 0
