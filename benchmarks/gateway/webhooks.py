"""Measure webhooks under load: ``python -m benchmarks.gateway.webhooks``.

Calls begin at a steady rate. Each has a verdict and, a little later, a final event that repeats it;
some have only the final event. The receiver is a process of its own on the loopback address. It
takes a while for each request and notes when the request came.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
import uvloop
from aiohttp import web

from audio_model.decision import Evidence, Reason, Verdict, VerdictKind
from audio_model.gateway.config.values import Secret
from audio_model.gateway.events import CallInfo, Event, EventKind
from audio_model.gateway.outlets.metrics import Metrics
from audio_model.gateway.outlets.webhooks import Webhooks
from benchmarks.gateway.told import hand_over

ROOT = Path(__file__).parents[2]

WITH_VERDICT = 0.42
"""Share of calls that have a verdict before their final event: of 1,500 calls, 2,130 events."""
FINAL_SECONDS = 0.5
"""Seconds from a verdict to its final event."""
DRAIN_SECONDS = 30.0


@dataclass(frozen=True)
class Told:
    """The fate of the events."""

    legs: int
    """Legs whose final verdict came, by whatever event."""
    lost: int
    """Verdicts and finals that neither came nor were merged into one that did."""
    requests: int
    verdict_age_median: float
    """Seconds from the event that somebody acts on to its request's arrival."""
    verdict_age_p99: float
    final_age_median: float
    wall_seconds: float
    cpu_seconds: float


def measure(*, calls: int, rate: float, seconds: float, connections: int) -> Told:
    """Post the events of calls to a receiver that takes ``seconds`` for each request."""
    with _receiving(seconds) as (url, received):
        cpu, wall = time.process_time(), time.monotonic()
        uvloop.run(_post(url, calls, rate, connections))
        cpu, wall = time.process_time() - cpu, time.monotonic() - wall
        events = received()
    ages = {True: [0.0], False: [0.0]}
    said: dict[str, set[str]] = {}
    for event in events:
        first = event["call"] not in said
        said.setdefault(event["call"], set()).add(event["event"])
        ages[first].append(event["received"] - event["time"])
    finals = sum("final" in kinds for kinds in said.values())
    verdicts = ages[True][1:]
    return Told(
        legs=finals,
        # A verdict that was merged stands in its final event.
        lost=calls - finals,
        requests=len(events),
        verdict_age_median=median(verdicts),
        verdict_age_p99=sorted(verdicts)[int(0.99 * len(verdicts))],
        final_age_median=median(ages[False]),
        wall_seconds=wall,
        cpu_seconds=cpu,
    )


async def _post(url: str, calls: int, rate: float, connections: int) -> None:
    hooks = Webhooks(url, Secret("secret"), Metrics(), retries=5, connections=connections)
    loop, began = asyncio.get_running_loop(), time.monotonic()
    for n in range(calls):
        await asyncio.sleep(began + n / rate - time.monotonic())
        if int(n * WITH_VERDICT) != int((n - 1) * WITH_VERDICT):
            hooks.add(*_event(EventKind.VERDICT, n))
            loop.call_later(FINAL_SECONDS, partial(_add_final, hooks, n))
        else:
            hooks.add(*_event(EventKind.FINAL, n))
    await asyncio.sleep(FINAL_SECONDS + 0.1)
    await hooks.close(DRAIN_SECONDS)


def _add_final(hooks: Webhooks, n: int) -> None:
    hooks.add(*_event(EventKind.FINAL, n))


def _event(kind: EventKind, n: int) -> tuple[Event, bytes]:
    verdict = Verdict(
        verdict=VerdictKind.RECORDED,
        score=0.97,
        logit=2.5,
        seconds=1.6,
        speech_seconds=1.2,
        decided_at=1.52,
        reason=Reason.NONE,
        evidence=Evidence(
            times=(0.08,) * 20, scores=(0.5,) * 20, voice=(1.0,) * 20, strongest=None
        ),
    )
    event = Event(kind, CallInfo(f"call-{n}", "stream"), "caller", verdict)
    # Wall clocks of two processes on one machine are one clock; events have it to the millisecond.
    return event, msgspec.json.encode(event.as_dict() | {"time": event.time})


@contextmanager
def _receiving(seconds: float) -> Iterator[tuple[str, Callable[[], list[dict[str, Any]]]]]:
    command = [sys.executable, "-m", "benchmarks.gateway.webhooks", "--receive", str(seconds)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        url = process.stdout.readline().strip()
        try:
            yield url, lambda: json.loads(process.communicate("end")[0])
        finally:
            process.kill()


async def _receive(seconds: float) -> None:
    """Take requests until standard input ends; then print what came, and when."""
    events: list[dict[str, object]] = []

    async def handle(request: web.Request) -> web.Response:
        event = msgspec.json.decode(await request.read())
        events.append(
            {key: event[key] for key in ("event", "call", "time")} | {"received": time.time()}
        )
        await asyncio.sleep(seconds)
        return web.Response(status=204)

    application = web.Application()
    application.router.add_post("/", handle)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}/", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    hand_over(events)
    await runner.cleanup()


def main(arguments: list[str] | None = None) -> int:
    """Measure and print the figures as Markdown."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gateway.webhooks", description=__doc__
    )
    parser.add_argument("--calls", type=int, default=1500)
    parser.add_argument("--rate", type=float, default=300, help="new calls a second")
    parser.add_argument(
        "--seconds", type=float, default=0.08, help="seconds that the receiver takes for a request"
    )
    parser.add_argument("--connections", type=int, default=64, help="requests at once")
    parser.add_argument("--receive", type=float, help=argparse.SUPPRESS)
    options = vars(parser.parse_args(arguments))
    if (seconds := options.pop("receive")) is not None:
        uvloop.run(_receive(seconds))
    else:
        print(json.dumps(asdict(measure(**options)), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
