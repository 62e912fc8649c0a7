"""A server that measures itself: from the packet that makes a step whole to the event it brings.

CPU time is that of the server's one thread, so it holds whatever the thread did in between for
other legs. At its end it writes the figures as JSON to the file that AUDIO_MODEL_PROBE names.
"""

import json
import os
import sys
from pathlib import Path
from time import monotonic, thread_time

import numpy as np

from audio_model.cli import main
from audio_model.decision import Verdict
from audio_model.gateway.calls import Call
from audio_model.gateway.engine import Engine
from audio_model.gateway.events import EventKind
from audio_model.gateway.legs import Leg


def watch() -> list[tuple[float, float]]:
    """Return a list that collects CPU and wall seconds of each event to come."""
    waits: list[tuple[float, float]] = []
    arrived: dict[Leg, tuple[float, float]] = {}
    queue, report = Engine.queue, Call._report

    def watched_queue(engine: Engine, leg: Leg) -> None:
        arrived[leg] = thread_time(), monotonic()
        queue(engine, leg)

    def watched_report(
        call: Call, leg: Leg, kind: EventKind, verdict: Verdict, detail: str
    ) -> None:
        report(call, leg, kind, verdict, detail)
        if (since := arrived.pop(leg, None)) is not None and leg.stream is not None:
            waits.append((thread_time() - since[0], monotonic() - since[1]))

    vars_of = ((Engine, "queue", watched_queue), (Call, "_report", watched_report))
    for owner, name, watched in vars_of:
        setattr(owner, name, watched)
    return waits


if __name__ == "__main__":
    waits = watch()
    status = main()
    cpu, wall = np.array(waits).T * 1000
    figures = {
        "events": len(waits),
        "cpu_ms_p50": float(np.median(cpu)),
        "cpu_ms_p99": float(np.percentile(cpu, 99)),
        "wall_ms_p50": float(np.median(wall)),
        "wall_ms_p99": float(np.percentile(wall, 99)),
    }
    Path(os.environ["AUDIO_MODEL_PROBE"]).write_text(json.dumps(figures))
    sys.exit(status)
