"""Measure the deadline on a core that others use, too: ``python -m benchmarks.gateway.starved``.

The server is held to one core, beside busy loops of the same priority. The calls come from another
process, which is not. What counts is when each call gets its final event.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from benchmarks.gateway.load import serving

DEADLINE_SECONDS = 4.0
CALL_SECONDS = 6.0
"""Longer than the deadline, so that an answer that is late is seen."""


@dataclass(frozen=True)
class Starved:
    """How calls were answered on a core that others use, too."""

    loops: int
    answers: int
    refused: int
    """Answered at once, as overload."""
    late: int
    """After the deadline, as the caller sees it; or never, though the call lasted longer."""
    median_s: float
    """The median of the calls that were heard."""
    last_s: float
    caller_late_ms: float
    """The most that a packet was sent late: the caller's own starvation."""


def measure(*, loops: int, legs: int, seconds: float) -> Starved:
    """Let ``legs`` talk at once, one call after the other, beside busy loops."""
    core = min(os.sched_getaffinity(0))
    with (
        # The callers count from their connection, from which on they talk.
        serving("--deadline-seconds", str(DEADLINE_SECONDS), "--wait-seconds", "0") as server,
        _busy(loops, core),
    ):
        os.sched_setaffinity(server.process.pid, {core})
        for thread in os.listdir(f"/proc/{server.process.pid}/task"):  # noqa: PTH208
            os.sched_setaffinity(int(thread), {core})
        sent = server.carry("stream", legs, seconds, CALL_SECONDS, "--in-time").sent
    answers = sorted(sent.answers_s)
    heard = [answer for answer in answers if answer > 1.0] or [0.0]
    return Starved(
        loops=loops,
        answers=len(answers),
        refused=len(answers) - len(heard),
        late=sum(answer > DEADLINE_SECONDS for answer in answers + sent.unanswered_s),
        median_s=heard[len(heard) // 2],
        last_s=heard[-1],
        caller_late_ms=sent.late_ms,
    )


@contextmanager
def _busy(loops: int, core: int) -> Iterator[None]:
    code = f"import os; os.sched_setaffinity(0, {{{core}}})\nwhile True: pass"
    processes = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(loops)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def main(arguments: list[str] | None = None) -> int:
    """Measure and print the figures as Markdown."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gateway.starved", description=__doc__
    )
    parser.add_argument("--loops", type=int, default=2, help="busy loops on the server's core")
    parser.add_argument("--legs", type=int, default=450, help="calls at once")
    parser.add_argument("--seconds", type=float, default=12.0)
    options = parser.parse_args(arguments)
    print(json.dumps(asdict(measure(**vars(options))), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
