"""Print what live calls cost, as Markdown; ``--output`` also writes JSON.

Run it in the gateway's own environment, with ``OMP_NUM_THREADS=1``, which keeps numpy to one thread
like the server's. If ``silero_vad`` is installed, its network is timed beside ours.

The busier its core is, the more packets the server reads and hears together, so a core carries more
legs when more are offered. The crowds therefore go up to more than a core carries with ease.

Where the CPU time goes with 1,500 legs that talk (samples of py-spy):

| | AudioSocket | WebSocket, binary | WebSocket, JSON |
|---|---:|---:|---:|
| network | 30 % | 26 % | 19 % |
| decoding, batches and decisions around it | 17 % | 16 % | 14 % |
| uvloop and the kernel | 37 % | 22 % | 20 % |
| frames, and from aiohttp to the dialect | 5 % | 23 % | 27 % |
| dialect, JSON, base64 | | 4 % | 9 % |
| order, and to the leg | 8 % | 4 % | 8 % |

And with 600 new calls after one another, of which 4 s are heard (samples of CPU time):

| | AudioSocket | WebSocket, binary | WebSocket, JSON |
|---|---:|---:|---:|
| network | 26 % | 28 % | 24 % |
| decoding, batches and decisions around it | 18 % | 14 % | 13 % |
| packets, to the leg | 18 % | 26 % | 34 % |
| the connection, its beginning and end | 14 % | 16 % | 12 % |
| the last verdict, and all who are told of it | 14 % | 9 % | 7 % |
| the call, its leg and stream, made and closed | 7 % | 4 % | 3 % |
| looks at the pace of the audio | 3 % | | 4 % |

Connections rest between reads from 80 % load on, and are read directly after it. Beside a server
that lets the event loop read each packet that carries 1.1 times the legs over AudioSocket, and as
many over binary WebSockets (2,000 legs, one run in turn). Rests from 40 % load on carry 1.4 times
the legs where a core is half full (800 legs), no more where it is full, and they double the time
from packet to event: its 99th percentile rose from 4.8 to 9.4 ms.

These were measured and left out:

- rests after which the event loop watches the connection again: of 60 or 120 ms no difference
  beyond the noise of 8 %. It learns of each packet by a system call or two more;
- pauses between rounds of 80 or 160 ms from 30 % load on: twice the steps a run, and no less time;
- runs of 24 to 64 legs: a leg costs no less there than in a run of 16;
- a state for each layer, so that the graph neither cuts nor joins them: 5 % of a run of 16 legs and
  one step, 2 % of two steps, nothing of four seconds, for nine arrays a leg;
- products with bias and ReLU in one operator, and states cut where they are read: as many operators
  more to compute shapes, and no less time;
- outputs that are bound once and used again (``io_binding``): 3 to 7 % of the median run, nothing
  of the fastest;
- memory that the C library keeps, as for archives: 1 % of all;
- another parser of frames than aiohttp's: of eight frames at one read, each takes 0.55 µs from
  bytes to message there, and 0.85 µs by a loop in Python without any queue. What cost more was to
  wake a task for each packet.
"""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.command import add_output, parser_of, tell
from benchmarks.gateway import network, start
from benchmarks.gateway.caller import FRAMES
from benchmarks.gateway.load import Load, serving
from benchmarks.gateway.start import Ready
from benchmarks.machine import Machine, machine
from benchmarks.timing import Timing

CONTINUOUS = ("--max-legs", "100000", "--listen-seconds", "3000", "--deadline-seconds", "3000")
"""Legs are heard as long as they talk."""

FIRST_SECONDS = 4.0
NEW_CALLS = ("--max-legs", "100000", "--listen-seconds", "4", "--deadline-seconds", "10")

ANSWERED = (
    *("--max-legs", "100000", "--wait-seconds", "0"),
    *("--listen-seconds", "0.5", "--deadline-seconds", "0.5"),
)
"""Legs talk on after their final event."""

PROBED_LEGS = 500
PROBED = (*CONTINUOUS, "--progress-seconds", "0.48")

HELD_LEGS, HELD_SECONDS, DEADLINE_SECONDS = 1000, 60.0, 4.0
LATE_SECONDS = 0.1
"""Seconds beyond the deadline from which an answer is late: the loop and the wire take some."""

STARTS = 5

LIBRARIES = ("numpy", "onnxruntime", "aiohttp", "uvloop")


@dataclass(frozen=True)
class Figures:
    """All figures of live calls."""

    machine: Machine
    network: dict[str, Timing]
    continuous: dict[str, list[Load]]
    new_calls: dict[str, list[Load]]
    answered: dict[str, list[Load]]
    latency: dict[str, float]
    held: Load
    ready: Ready


def measure(rounds: int, seconds: float, legs: list[int]) -> Figures:
    """Measure the network alone, then servers under each load."""
    alone = network.measure(rounds)
    continuous: dict[str, list[Load]] = {name: [] for name in FRAMES}
    for n_legs in legs:
        for protocol, loads in continuous.items():
            with serving(*CONTINUOUS) as server:
                loads.append(server.carry(protocol, n_legs, seconds))
    new_calls: dict[str, list[Load]] = {name: [] for name in FRAMES}
    for n_legs in legs:
        for protocol, loads in new_calls.items():
            with serving(*NEW_CALLS) as server:
                # A moment longer than is heard: a call does not end where the server stops.
                loads.append(server.carry(protocol, n_legs, seconds, FIRST_SECONDS + 0.2))
    answered: dict[str, list[Load]] = {name: [] for name in FRAMES}
    for n_legs in legs:
        for protocol, loads in answered.items():
            with serving(*ANSWERED) as server:
                loads.append(server.carry(protocol, n_legs, seconds))
    # The callers count from the connection, and so is the deadline to.
    with serving("--deadline-seconds", str(DEADLINE_SECONDS), "--wait-seconds", "0") as server:
        held = server.carry("stream", HELD_LEGS, HELD_SECONDS)
    return Figures(
        machine=machine(LIBRARIES),
        network=alone,
        continuous=continuous,
        new_calls=new_calls,
        answered=answered,
        latency=latency(seconds),
        held=held,
        ready=start.measure(STARTS),
    )


def latency(seconds: float) -> dict[str, float]:
    """Return percentiles for ``PROBED_LEGS`` legs over AudioSocket."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "probe.json"
        os.environ["AUDIO_MODEL_PROBE"] = str(path)
        with serving(*PROBED, module="benchmarks.gateway.probe") as server:
            server.carry("audiosocket", PROBED_LEGS, seconds)
        figures: dict[str, float] = json.loads(path.read_text())
    return figures


def as_markdown(figures: Figures) -> str:
    """Return the figures as Markdown."""
    lines = ["| the network alone | legs a core | CPU µs a leg-second |", "|---|---:|---:|"]
    for name, timing in figures.network.items():
        legs = network.legs_per_core(timing)
        lines.append(f"| {name} | {legs:,.0f} | {timing.cpu_us:,.0f} |")
    lines += [
        "",
        "| socket to event, heard all the time | legs | legs a core | CPU µs a leg-second |"
        " of a core | KB a leg | sent late, ms |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for protocol, loads in figures.continuous.items():
        for load in loads:
            lines.append(
                f"| {protocol} | {load.sent.legs} | {load.legs_per_core:,.0f} | "
                f"{load.cpu_us_a_leg_second:,.0f} | {load.share_of_core:.0%} | "
                f"{load.rss_kb_a_leg:.0f} | {load.sent.late_ms:.0f} |"
            )
    lines += [
        "",
        f"| new calls, the first {FIRST_SECONDS:g} s heard | legs | dialled | heard | refused |"
        " heard a second of a core | CPU ms a call | of a core |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for protocol, loads in figures.new_calls.items():
        for load in loads:
            lines.append(
                f"| {protocol} | {load.sent.legs} | {load.sent.calls} | {load.heard} | "
                f"{load.refused} | {load.calls_per_core_second:,.0f} | "
                f"{1000 * load.cpu_s / max(1, load.heard):.2f} | "
                f"{load.share_of_core:.0%} |"
            )
    lines += [
        "",
        "| after the final event | legs | CPU µs a leg-second | of a core |",
        "|---|---:|---:|---:|",
    ]
    for protocol, loads in figures.answered.items():
        for load in loads:
            lines.append(
                f"| {protocol} | {load.sent.legs} | {load.cpu_us_a_leg_second:,.0f} | "
                f"{load.share_of_core:.0%} |"
            )
    told, held = figures.latency, figures.held.sent
    late = sum(answer > DEADLINE_SECONDS + LATE_SECONDS for answer in held.answers_s)
    lines += [
        "",
        f"- packet to event, {PROBED_LEGS} legs: {told['cpu_ms_p50']:.1f} ms CPU, p99 "
        f"{told['cpu_ms_p99']:.1f} ms; wall {told['wall_ms_p50']:.1f} ms, p99 "
        f"{told['wall_ms_p99']:.1f} ms ({told['events']:,.0f} events)",
        f"- {held.legs} connections held for {held.wall_seconds:.0f} s: {len(held.answers_s)} "
        f"answers, {late} late; the last {max(held.answers_s):.2f} s after its call's first packet "
        f"(deadline {DEADLINE_SECONDS:g} s)",
        f"- start to ready: {figures.ready.wall_s:.2f} s, CPU {figures.ready.cpu_s:.2f} s, "
        f"{figures.ready.times_a_detector:.1f} times that of loading a detector",
        "",
        f"{figures.machine.cores} cores of {figures.machine.processor}, load "
        f"{figures.machine.load:.1f}; the callers use the other core.",
    ]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Measure live calls and print the figures."""
    parser = parser_of("gateway", __doc__)
    parser.add_argument("--rounds", type=int, default=300, help="runs of the network in each shape")
    parser.add_argument("--seconds", type=float, default=10, help="seconds to measure each crowd")
    parser.add_argument(
        "--legs", type=int, nargs="+", default=[500, 1000, 1500, 2500], help="sizes of crowds"
    )
    add_output(parser)
    options = parser.parse_args(arguments)
    figures = measure(options.rounds, options.seconds, options.legs)
    tell(as_markdown(figures), figures, options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
