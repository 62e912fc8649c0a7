"""Ranges inside ``serve``: an outlet of its events, and the answers of two routes.

The store is written in one thread and read in another, so that advice never waits for the disk.
Waiting events are written together and share one sync of the disk. A failure of the store is logged
once, when it begins, and events wait for the store meanwhile. No call's answer waits.
"""

import asyncio
import logging
import os
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec

from audio_model.errors import RangeStoreError, UnknownCallError
from audio_model.gateway.events import Event
from audio_model.gateway.http.errors import HttpError
from audio_model.gateway.outlets.metrics import Metrics
from audio_model.gateway.outlets.security import NumberHasher
from audio_model.gateway.range_store import RangeStoreThread
from audio_model.ranges.breaker import Change, Policy
from audio_model.ranges.campaigns import Alarm
from audio_model.ranges.describe import advice_values, change_values, range_values
from audio_model.ranges.rates import MarkedAs, outcome
from audio_model.ranges.store import RangeStore
from audio_model.ranges.tree import RangeCall

logger = logging.getLogger(__name__)

MAX_WAITING = 100_000
"""Calls that wait for a disk that is full or slow; beyond them the oldest are lost, and told."""
MAX_BATCH = 1000
TICK_SECONDS = 30.0
RETRY_SECONDS = 1.0
WRITE_SECONDS, READ_SECONDS = 5.0, 1.0
"""How long a job waits for another process."""
ADVICE_SECONDS = 0.2
"""How long a call's variables wait for advice."""
MAX_NUMBER = 64

_UNUSABLE = "the store of number ranges can't be used now: the log tells why"

T = TypeVar("T")
TellChange = Callable[[bytes], None]
"""Is given a change of a breaker as JSON."""


class _Feedback(msgspec.Struct, forbid_unknown_fields=True):
    call: Annotated[str, msgspec.Meta(min_length=1, max_length=300)]
    mark: MarkedAs


_FEEDBACK = msgspec.json.Decoder(_Feedback)


class Ranges:
    """Hears every final event; made and used in the event loop's thread."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        metrics: Metrics,
        hash_number: NumberHasher,
        policy: Policy | None = None,
        told: TellChange | None = None,
    ) -> None:
        """Open the store.

        Args:
            path: the store's path.
            hash_number: how ranges, which may be numbers, are written to the log.
            policy: the thresholds and times of breakers.
            told: called with each change, in the event loop's thread.

        Raises RangeStoreError if the store can't be opened, unless that may soon be over.
        """
        self._metrics, self._hash_number, self._told = metrics, hash_number, told
        self._loop = asyncio.get_running_loop()
        self._path = Path(path)
        self._writer = RangeStoreThread(path, policy, busy_seconds=WRITE_SECONDS, makes=True)
        self._reader = RangeStoreThread(path, None, busy_seconds=READ_SECONDS, makes=False)
        self._failing: set[RangeStoreThread] = set()
        self._waiting: deque[RangeCall] = deque()
        self._more = asyncio.Event()
        self._lock = asyncio.Lock()
        try:
            self._writer.open()
        except RangeStoreError as error:
            if not error.passing:
                raise
            self._failed(self._writer, error)
        self._task = asyncio.create_task(self._run())

    def add(self, event: Event, body: bytes) -> None:
        """Hear an event, as an outlet of ``serve``: the final one of a caller's leg counts.

        What the called party's leg says, a voicemail greeting, is not the caller's doing.
        """
        if not event.ends_the_caller:
            return
        if len(self._waiting) >= MAX_WAITING:
            self._waiting.popleft()
            self._metrics.range_calls.labels("lost").inc()
        self._waiting.append(call_of(event))
        self._more.set()

    @property
    def works(self) -> bool:
        """Return whether the store is there and worked when it was last tried."""
        return not self._failing and self._path.exists()

    async def range(self, number: str) -> dict[str, object]:
        """Return the answer of ``GET /v1/ranges/{number}``. Raises HttpError."""
        if not 0 < len(number) <= MAX_NUMBER:
            raise HttpError(400, "bad_request", f"a number has 1 to {MAX_NUMBER} characters")
        return await self._ask(self._reader, lambda store: _describe(store, number))

    async def campaigns(self) -> dict[str, object]:
        """Return the answer of ``GET /v1/campaigns``: those that run. Raises HttpError."""
        return await self._ask(self._reader, _campaigns)

    async def feedback(self, body: bytes) -> dict[str, object]:
        """Return the answer of ``POST /v1/feedback``. Raises HttpError.

        The body is ``{"call": ID, "mark": "recorded" or "live"}``, with the id of serve's events.
        """
        try:
            wanted = _FEEDBACK.decode(body)
        except msgspec.MsgspecError as error:
            raise HttpError(400, "bad_request", str(error)) from error
        if not await self._write():
            raise HttpError(503, "ranges", _UNUSABLE)
        try:
            changes = await self._ask(
                self._writer, lambda store: self._mark(store, wanted.call, wanted.mark)
            )
        except UnknownCallError as error:
            raise HttpError(404, "no_such_call", str(error)) from error
        return {"call": wanted.call, "mark": wanted.mark, "changes": changes}

    async def advise(self, number: str) -> dict[str, object] | None:
        """Return the advice on a number now, as in :meth:`range`; None if the store is late.

        It never raises: a call that waits for it goes on.
        """
        try:
            async with asyncio.timeout(ADVICE_SECONDS):
                return await self._use(self._reader, lambda store: _advice(store, number))
        except RangeStoreError:
            return None
        except TimeoutError:
            self._metrics.range_errors.inc()
            return None

    async def reopen(self, policy: Policy) -> None:
        """Open the store anew, or begin another one if it was deleted.

        Raises RangeStoreError if it can't be used.
        """
        async with self._lock:
            await self._writer.reopen(policy, makes=True)
            await self._use(self._writer, lambda store: None)
            await self._reader.reopen(None, makes=False)
            await self._use(self._reader, lambda store: None)

    async def close(self) -> None:
        """Write what is waiting, and close the store."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._write()
        if self._waiting:
            self._metrics.range_calls.labels("lost").inc(len(self._waiting))
            logger.error("%d calls could not be kept for their ranges", len(self._waiting))
        await asyncio.gather(self._writer.close(), self._reader.close())

    async def _run(self) -> None:
        tick_at = self._loop.time() + TICK_SECONDS
        while True:
            try:
                async with asyncio.timeout_at(tick_at):
                    await self._more.wait()
            except TimeoutError:
                tick_at = self._loop.time() + TICK_SECONDS
                await self._tick()
            self._more.clear()
            if not await self._write():
                self._more.set()
                await asyncio.sleep(RETRY_SECONDS)

    async def _write(self) -> bool:
        """Write the waiting events and return whether all of them are written."""
        async with self._lock:
            while self._waiting:
                batch = [self._waiting[n] for n in range(min(len(self._waiting), MAX_BATCH))]
                if not await self._do(partial(self._hear, batch)):
                    return False
        return True

    async def _tick(self) -> None:
        await self._do(lambda store: self._hand_over([], store.tick(time.time()), store))

    async def _do(self, job: Callable[[RangeStore], None]) -> bool:
        try:
            await self._use(self._writer, job)
        except RangeStoreError:
            return False
        return True

    async def _use(self, shared: RangeStoreThread, job: Callable[[RangeStore], T]) -> T:
        try:
            answer = await shared.do(job)
        except RangeStoreError as error:
            self._failed(shared, error)
            raise
        if shared in self._failing:
            self._failing.remove(shared)
            logger.warning("the store of number ranges works again")
        return answer

    # In the store's thread. What was done there is handed over there, too: whoever waits for it may
    # be cancelled, and its changes are to be told all the same.

    def _hear(self, batch: list[RangeCall], store: RangeStore) -> None:
        self._hand_over(batch, store.hear(batch), store)

    def _mark(self, store: RangeStore, call_id: str, mark: MarkedAs) -> list[dict[str, object]]:
        changes = store.mark(call_id, mark)
        self._hand_over([], changes, store)
        return [change_values(change) for change in changes]

    def _hand_over(self, batch: list[RangeCall], changes: list[Change], store: RangeStore) -> None:
        alarms = store.campaigns.take_alarms()
        self._loop.call_soon_threadsafe(self._done, batch, changes, alarms)

    # In the event loop's.

    def _done(self, batch: list[RangeCall], changes: list[Change], alarms: list[Alarm]) -> None:
        for call in batch:
            # Some of it may have been lost to newer calls since.
            if self._waiting and self._waiting[0] is call:
                self._waiting.popleft()
                self._metrics.range_calls.labels("kept").inc()
        for change in changes:
            self._metrics.range_changes.labels(change.after.value).inc()
            prefix = self._hash_number(change.prefix)
            logger.warning("range %s: %s, %s", prefix, change.after, change.why)
            if self._told is not None:
                self._told(msgspec.json.encode(change_values(change)))
        for alarm in alarms:
            self._metrics.campaign_alarms.labels(alarm.state.value).inc()
            logger.warning(
                "campaign %s: %s, %d calls to %d people from %d numbers",
                *(alarm.campaign, alarm.state, alarm.calls, alarm.people, alarm.numbers),
            )
            if self._told is not None:
                self._told(msgspec.json.encode(alarm.as_dict()))

    def _failed(self, shared: RangeStoreThread, error: RangeStoreError) -> None:
        self._metrics.range_errors.inc()
        if shared not in self._failing:
            self._failing.add(shared)
            logger.error("number ranges wait: %s", error)

    async def _ask(self, shared: RangeStoreThread, question: Callable[[RangeStore], T]) -> T:
        try:
            async with asyncio.timeout(WRITE_SECONDS + READ_SECONDS):
                return await self._use(shared, question)
        except RangeStoreError as error:
            raise HttpError(503, "ranges", _UNUSABLE) from error
        except TimeoutError as error:
            self._metrics.range_errors.inc()
            raise HttpError(503, "ranges", "the store does not answer in time") from error


def _advice(store: RangeStore, number: str) -> dict[str, object]:
    return advice_values(store.advise(number, time.time()))


def _campaigns(store: RangeStore) -> dict[str, object]:
    return {"campaigns": [alarm.as_dict() for alarm in store.campaigns_heard(running=True)]}


def _describe(store: RangeStore, number: str) -> dict[str, object]:
    advice = store.advise(number, time.time())
    chain = [range_values(node, store.policy) for node in store.chain(number)]
    changes = store.changes(prefix=advice.prefix, limit=10)
    return {
        **advice_values(advice),
        "ranges": chain,
        "changes": [change_values(change) for change in changes],
    }


def call_of(event: Event) -> RangeCall:
    """Return the final event of a caller's leg as a call."""
    call, verdict = event.call, event.verdict
    known = verdict.evidence.known
    return RangeCall(
        id=call.id,
        caller=call.caller,
        time=event.time,
        outcome=outcome(verdict.verdict, verdict.reason),
        called=call.called,
        campaign="" if known is None else str(known.recording),
        score=event.score,
    )
