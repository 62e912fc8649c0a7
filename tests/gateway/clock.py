"""A clock for tests of timers: it stands still while the machine is held up, and nobody waits.

Code that uses neither sockets nor threads runs on it. Whatever happens to this process, timers fire
in their order and at their time.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from audio_model.gateway import calls, deadline, doubt, engine, lag, legs, pace


class _Idle(selectors.DefaultSelector):
    """Waiting takes no time: the clock is put forward instead."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "no timer is to fire any more"
            self.now += max(timeout, 0.0)
        # As of every clock, or a timer that rounding sets anew at once would be set for ever.
        self.now += 1e-6
        return ready


class Clock(asyncio.SelectorEventLoop):
    """An event loop with a time of its own, in seconds from 0."""

    def __init__(self) -> None:
        self._idle = _Idle()
        super().__init__(self._idle)

    def time(self) -> float:
        return self._idle.now

    def hold_up(self, seconds: float) -> None:
        """Have time go by while the loop does nothing."""
        self._idle.now += seconds


def run_by_clock(test: Callable[[Clock], Coroutine[Any, Any, None]]) -> None:
    """Run a test, a coroutine, by a clock of its own. Calls and their engine go by it, too.

    To hear a leg takes no time by this clock.
    """
    with asyncio.Runner(loop_factory=Clock) as runner, pytest.MonkeyPatch.context() as patch:
        clock = runner.get_loop()
        assert isinstance(clock, Clock)
        for module in (calls, deadline, doubt, engine, lag, legs, pace):
            patch.setattr(module, "monotonic", clock.time)
        patch.setattr(engine, "thread_time", float)
        runner.run(test(clock))
