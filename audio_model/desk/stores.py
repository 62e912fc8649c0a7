"""The stores of a desk, each used in threads of their own so that no page waits for another's."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from audio_model.ranges.store import RangeStore
from audio_model.records.store import CallStore

T = TypeVar("T")

_READERS = 2


@dataclass(frozen=True)
class Places:
    """The places of the stores."""

    calls: str
    ranges: str | None = None
    known: str | None = None


class Stores:
    """One writer of calls, a few readers, one for figures, and one for work that nobody awaits."""

    def __init__(self, places: Places) -> None:
        """Open the store of calls. Raises StoreError if it can't be used."""
        self.places = places
        CallStore(places.calls).close()
        if places.ranges is not None:
            RangeStore(places.ranges).close()
        self._local = threading.local()
        self._opened: list[CallStore | RangeStore] = []
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="desk-writer")
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="desk-reader")
        self._figures = ThreadPoolExecutor(1, thread_name_prefix="desk-figures")
        self._ranges = ThreadPoolExecutor(1, thread_name_prefix="desk-ranges")
        self._upkeep = ThreadPoolExecutor(1, thread_name_prefix="desk-upkeep")

    async def write(self, job: Callable[[CallStore], T]) -> T:
        """Change the store of calls. One job runs after the other. Raises what the job raises."""
        return await self._run(self._writer, lambda: job(self._calls()))

    async def read(self, job: Callable[[CallStore], T]) -> T:
        """Run a query on the store of calls that takes a moment."""
        return await self._run(self._readers, lambda: job(self._calls()))

    async def count(self, job: Callable[[CallStore], T]) -> T:
        """Run a query on the store of calls that may take seconds."""
        return await self._run(self._figures, lambda: job(self._calls()))

    async def keep_up(self, job: Callable[[CallStore], T]) -> T:
        """Run a job on the store of calls that no page waits for."""
        return await self._run(self._upkeep, lambda: job(self._calls()))

    async def ranges(self, job: Callable[[RangeStore], T]) -> T | None:
        """Run a job on the store of ranges; None if the desk has none."""
        if self.places.ranges is None:
            return None
        return await self._run(self._ranges, lambda: job(self._range_store()))

    async def close(self) -> None:
        """Close the stores when their jobs are done."""
        for each in (self._writer, self._readers, self._figures, self._ranges, self._upkeep):
            await asyncio.to_thread(each.shutdown)
        for store in self._opened:
            store.close()

    def _calls(self) -> CallStore:
        if not hasattr(self._local, "calls"):
            self._local.calls = CallStore(self.places.calls)
            self._opened.append(self._local.calls)
        calls: CallStore = self._local.calls
        return calls

    def _range_store(self) -> RangeStore:
        if not hasattr(self._local, "ranges"):
            assert self.places.ranges is not None
            self._local.ranges = RangeStore(self.places.ranges)
            self._opened.append(self._local.ranges)
        ranges: RangeStore = self._local.ranges
        return ranges

    @staticmethod
    async def _run(executor: ThreadPoolExecutor, job: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(executor, job)
