"""How far the event loop is behind, and how long its thread waited for a core that others used.

The thread's own CPU time alone would make a starved thread look idle.
"""

import asyncio
from pathlib import Path
from time import monotonic

BEAT_SECONDS = 0.1
"""How often the loop is asked how late it is."""

_WEIGHT = 0.5
"""The weight of the last beat: one hiccup is no load, two in a row are."""

_FADING = 0.9
"""The share of the peak that is left a beat later."""

_SCHEDSTAT = Path("/proc/thread-self/schedstat")
"""Nanoseconds on a core, nanoseconds that the thread was ready and waited for one, turns."""


class LoopLag:
    """Measures how late the event loop's timers are; made and used in its thread."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._seconds = self._peak = 0.0
        self._beat()

    @property
    def seconds(self) -> float:
        """Return how late a timer is now, as a mean of the last few tenths of a second."""
        return max(self._seconds, _WEIGHT * (monotonic() - self._due))

    @property
    def peak(self) -> float:
        """Return how late timers may be: the most of the last second or so."""
        return max(self._peak, monotonic() - self._due)

    def _beat(self) -> None:
        self._due = monotonic() + BEAT_SECONDS
        self._loop.call_later(BEAT_SECONDS, self._beaten)

    def _beaten(self) -> None:
        late = max(0.0, monotonic() - self._due)
        self._seconds += _WEIGHT * (late - self._seconds)
        self._peak = max(late, _FADING * self._peak)
        self._beat()


def waited_for_a_core() -> float:
    """Return for how many seconds this thread was ready and had no core.

    It is 0 on systems that don't count this. Source: Linux,
    Documentation/scheduler/sched-stats.rst, ``/proc/<pid>/schedstat``.
    """
    try:
        return int(_SCHEDSTAT.read_bytes().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0
