"""One thread's way to a store that may be locked, full, damaged or taken away while it is used."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from audio_model.errors import RangeStoreError
from audio_model.ranges.breaker import Policy
from audio_model.ranges.store import RangeStore

T = TypeVar("T")


class RangeStoreThread:
    """A store used in a thread of its own; made and asked in the event loop's.

    It is opened when it is needed, and again after an error that won't pass by itself, or when
    another file stands in its place.
    """

    def __init__(
        self, path: str | os.PathLike[str], policy: Policy | None, *, busy_seconds: float
    ) -> None:
        """
        Args:
            policy: given to the store whenever it is opened; see :class:`RangeStore`.
            busy_seconds: how long to wait for another process.
        """
        self._path, self._policy, self._busy_seconds = path, policy, busy_seconds
        self._store: RangeStore | None = None
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="ranges")

    async def do(self, job: Callable[[RangeStore], T]) -> T:
        """A job's answer. Raises RangeStoreError."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._do, job)

    async def close(self) -> None:
        """Close the store once what it was asked for is done."""
        await asyncio.get_running_loop().run_in_executor(self._executor, self._close)
        self._executor.shutdown()

    def open(self) -> RangeStore:
        """The store, opened if it is not. Raises RangeStoreError."""
        if self._store is None or not self._store.is_there():
            self._close()
            self._store = RangeStore(self._path, self._policy, busy_seconds=self._busy_seconds)
        return self._store

    def _do(self, job: Callable[[RangeStore], T]) -> T:
        try:
            return job(self.open())
        except RangeStoreError as error:
            if not error.passing:
                self._close()
            raise

    def _close(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None
