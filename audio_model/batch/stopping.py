"""Ctrl-C and SIGTERM between recordings, so that what was scored is kept."""

import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Self, TypeVar

Item = TypeVar("Item")


class Stopped(BaseException):
    """A signal asked to stop. Like KeyboardInterrupt no Exception, so that nothing swallows it."""


class StopSignals:
    """While entered, the first SIGINT or SIGTERM lets the work at hand end; the second does not.

    The first is raised as Stopped only inside `raising`: anywhere else it could tear a row in two
    or vanish in a decoder's callback.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._raise_at_once = False

    @property
    def exit_code(self) -> int:
        """Return the exit code a shell expects after the signal; 0 if none came."""
        return 0 if self.received is None else 128 + self.received

    def __enter__(self) -> Self:
        self._former = {
            number: signal.signal(number, self._receive)
            for number in (signal.SIGINT, signal.SIGTERM)
        }
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        second = self.received is not None
        self.received = signal.Signals(number)
        if self._raise_at_once or second:
            self._raise_at_once = False
            raise Stopped

    @contextmanager
    def raising(self) -> Iterator[None]:
        """Raise Stopped at once for a signal within the block, such as a wait for input."""
        self._raise_at_once = True
        try:
            if self.received is not None:
                raise Stopped
            yield
        finally:
            self._raise_at_once = False

    def until_stopped(self, items: Iterable[Item]) -> Iterator[Item]:
        """Yield the items until a signal comes."""
        iterator = iter(items)
        while True:
            try:
                with self.raising():
                    item = next(iterator)
            except (StopIteration, Stopped):
                return
            yield item
