"""Ranges inside ``serve``: an outlet of its events, and the answers of two routes.

The store is used in a thread of its own. What is waiting goes to it together, so that the disk's
sync is shared by all that came meanwhile.
"""

import asyncio
import logging
import math
import os
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Annotated, TypeVar

import msgspec

from audio_model.gateway.events import Event, EventKind
from audio_model.gateway.http.errors import HttpError
from audio_model.ranges.breaker import Change, Policy
from audio_model.ranges.describe import advice_values, change_values, range_values
from audio_model.ranges.monitor import Advice
from audio_model.ranges.rates import Mark, outcome
from audio_model.ranges.store import RangeStore, RangeStoreError, UnknownCallError
from audio_model.ranges.tree import RangeCall

logger = logging.getLogger(__name__)

MAX_WAITING = 100_000
"""Calls that wait for a disk that is full or slow; beyond them the oldest are lost, and told."""
MAX_BATCH = 1000
TICK_SECONDS = 30.0
MAX_NUMBER = 64
CALLER = "caller"
"""The name of a caller's leg in every dialect that tells the legs apart."""

T = TypeVar("T")
Told = Callable[[bytes], None]
"""Is given a change of a breaker as JSON."""


class _Feedback(msgspec.Struct, forbid_unknown_fields=True):
    call: Annotated[str, msgspec.Meta(min_length=1, max_length=300)]
    mark: Mark


_FEEDBACK = msgspec.json.Decoder(_Feedback)


class Ranges:
    """Hears every final event; made and used in the event loop's thread."""

    def __init__(
        self, path: str | os.PathLike[str], policy: Policy | None = None, told: Told | None = None
    ) -> None:
        """
        Args:
            path: of the store.
            policy: when breakers move.
            told: is given each change, in the event loop's thread.

        Raises RangeStoreError if the store can't be opened.
        """
        self._store = RangeStore(path, policy)
        self._told = told
        self._loop = asyncio.get_running_loop()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="ranges")
        self._waiting: deque[RangeCall] = deque()
        self._writing: asyncio.Task[None] | None = None
        self._ticking = asyncio.create_task(self._tick())
        self.lost = 0
        """Calls that could not be kept."""

    def add(self, event: Event, body: bytes) -> None:
        """Hear an event, as an outlet of ``serve``: the final one of a caller's leg counts.

        What the called party's leg says, a voicemail greeting, is not the caller's doing.
        """
        if event.kind is not EventKind.FINAL or event.leg != CALLER:
            return
        if len(self._waiting) >= MAX_WAITING:
            self._waiting.popleft()
            self.lost += 1
        self._waiting.append(call_of(event))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())

    async def range(self, number: str) -> dict[str, object]:
        """The answer of ``GET /v1/ranges/{number}``. Raises HttpError."""
        if not 0 < len(number) <= MAX_NUMBER:
            raise HttpError(400, "bad_request", f"a number has 1 to {MAX_NUMBER} characters")
        return await self._ask(lambda: self._describe(number))

    async def feedback(self, body: bytes) -> dict[str, object]:
        """The answer of ``POST /v1/feedback``. Raises HttpError.

        The body is ``{"call": ID, "mark": "recorded" or "live"}``, with the id of serve's events.
        """
        try:
            wanted = _FEEDBACK.decode(body)
        except msgspec.MsgspecError as error:
            raise HttpError(400, "bad_request", str(error)) from error
        await self._written()
        try:
            changes = await self._ask(lambda: self._mark(wanted.call, wanted.mark))
        except UnknownCallError as error:
            raise HttpError(404, "no_such_call", str(error)) from error
        return {"call": wanted.call, "mark": wanted.mark, "changes": changes}

    async def advise(self, number: str) -> Advice:
        """What to do with a number now. Raises HttpError if the store can't say."""
        return await self._ask(lambda: self._store.advise(number, time.time()))

    async def close(self) -> None:
        """Write what is waiting, and close the store."""
        self._ticking.cancel()
        await asyncio.gather(self._ticking, return_exceptions=True)
        await self._written()
        if self._waiting:
            self.lost += len(self._waiting)
            logger.error("%d calls could not be kept for their ranges", len(self._waiting))
        await self._in_thread(self._store.close)
        self._executor.shutdown()

    def _describe(self, number: str) -> dict[str, object]:
        advice = self._store.advise(number, time.time())
        policy = self._store.policy
        chain = [range_values(node, policy) for node in self._store.chain(number)]
        changes = self._store.changes(prefix=advice.prefix, limit=10)
        return {
            **advice_values(advice),
            "ranges": chain,
            "changes": [change_values(change) for change in changes],
        }

    def _mark(self, call_id: str, mark: Mark) -> list[dict[str, object]]:
        changes = self._store.mark(call_id, mark)
        self._loop.call_soon_threadsafe(self._tell, changes)
        return [change_values(change) for change in changes]

    async def _write(self) -> None:
        try:
            while self._waiting:
                batch = [self._waiting[n] for n in range(min(len(self._waiting), MAX_BATCH))]
                try:
                    changes = await self._in_thread(partial(self._store.hear, batch))
                except RangeStoreError as error:
                    # What a full disk refuses waits for the next call.
                    logger.error("%s; %d calls wait", error, len(self._waiting))
                    return
                self._drop(batch)
                self._tell(changes)
        finally:
            self._writing = None

    def _drop(self, batch: list[RangeCall]) -> None:
        """Let go of what is on the disk; some of it may have been lost to newer calls since."""
        for call in batch:
            if self._waiting and self._waiting[0] is call:
                self._waiting.popleft()

    async def _written(self) -> None:
        if self._waiting and self._writing is None:
            self._writing = asyncio.create_task(self._write())
        if self._writing is not None:
            await self._writing

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            try:
                self._tell(await self._in_thread(lambda: self._store.tick(time.time())))
            except RangeStoreError as error:
                logger.error("%s", error)

    def _tell(self, changes: list[Change]) -> None:
        for change in changes:
            logger.warning("%s: %s, %s", change.prefix, change.after, change.why)
            if self._told is not None:
                self._told(msgspec.json.encode(change_values(change)))

    async def _ask(self, question: Callable[[], T]) -> T:
        try:
            return await self._in_thread(question)
        except RangeStoreError as error:
            raise HttpError(503, "ranges", str(error)) from error

    async def _in_thread(self, job: Callable[[], T]) -> T:
        return await self._loop.run_in_executor(self._executor, job)


def call_of(event: Event) -> RangeCall:
    """The final event of a caller's leg as a call."""
    call, verdict = event.call, event.verdict
    return RangeCall(
        id=call.id,
        caller=call.caller,
        time=event.time,
        outcome=outcome(verdict.verdict, verdict.reason),
        called=call.called,
        score=None if math.isnan(verdict.score) else verdict.score,
    )
