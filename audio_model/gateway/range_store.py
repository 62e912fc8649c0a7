"""One thread's access to a store that may be locked, full, damaged or removed meanwhile."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from audio_model.errors import RangeStoreError, printable
from audio_model.ranges.breaker import Policy
from audio_model.ranges.store import RangeStore

T = TypeVar("T")


class RangeStoreThread:
    """A store used in a thread of its own; made and asked in the event loop's.

    It is opened when it is needed, and again after an error that won't pass by itself, or when
    another file stands in its place. One that was deleted is not made anew: what it held is gone,
    and whoever deleted it is to know.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        policy: Policy | None,
        *,
        busy_seconds: float,
        makes: bool,
    ) -> None:
        """Start the thread.

        Args:
            policy: given to the store whenever it is opened; see :class:`RangeStore`.
            busy_seconds: how long to wait for another process.
            makes: whether the store is made if there is none at first.
        """
        self._path, self._policy, self._busy_seconds = path, policy, busy_seconds
        self._store: RangeStore | None = None
        self._makes = makes
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="ranges")

    async def do(self, job: Callable[[RangeStore], T]) -> T:
        """Run a job in the thread and return its result. Raises RangeStoreError."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._do, job)

    async def reopen(self, policy: Policy | None, *, makes: bool) -> None:
        """Close the store, to be opened anew with a policy, and made if it is not there."""
        await asyncio.get_running_loop().run_in_executor(self._executor, self._close)
        self._policy, self._makes = policy, makes

    async def close(self) -> None:
        """Close the store when its jobs are done."""
        await asyncio.get_running_loop().run_in_executor(self._executor, self._close)
        self._executor.shutdown()

    def open(self) -> RangeStore:
        """Return the store, and open it if it is not. Raises RangeStoreError."""
        if self._store is None or not self._store.is_there():
            self._close()
            if not self._makes and not Path(self._path).exists():
                raise RangeStoreError(
                    f"{printable(self._path)}: was deleted while it was in use: put it back, or "
                    "have the server begin a new one (SIGHUP)"
                )
            self._store = RangeStore(self._path, self._policy, busy_seconds=self._busy_seconds)
            self._makes = False
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
