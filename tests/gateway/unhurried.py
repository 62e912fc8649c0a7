"""``audio-model`` as on a machine with time to spare, however busy this one is.

A server on a machine that is busy refuses calls, and tests of what it says of them are about
something else. Tests of overload make one of their own.
"""

import sys
from collections.abc import Callable
from typing import Any

from audio_model.cli import main
from audio_model.gateway import engine, ranges
from audio_model.gateway.asterisk import action, ari
from audio_model.gateway.lag import LoopLag
from audio_model.gateway.rtp import ng

_PATIENT = 30.0
_LIMITS = (
    (action, "TOLD_SECONDS", _PATIENT),
    (ari, "REQUEST_SECONDS", _PATIENT),
    (ari, "CONNECT_SECONDS", _PATIENT),
    (ng, "TIMEOUTS_SECONDS", (_PATIENT,)),
    (ranges, "ADVICE_SECONDS", _PATIENT),
    (ranges, "READ_SECONDS", _PATIENT),
)
"""For how long a call waits for others, who answer at once on a machine with time to spare."""


def unhurried(change: Callable[[object, str, Any], None]) -> None:
    """Change what an engine measures of this machine, and have others answer in time."""
    for limit in _LIMITS:
        change(*limit)
    change(engine, "waited_for_a_core", lambda: 0.0)
    for name in ("seconds", "peak"):
        change(LoopLag, name, property(lambda _: 0.0))


if __name__ == "__main__":
    unhurried(setattr)
    sys.exit(main())
