"""A server as its users start it, calls in another process, and what they cost the server."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from benchmarks.gateway.caller import Sent

ROOT = Path(__file__).parents[2]
_TICKS = os.sysconf("SC_CLK_TCK")
FINALS = re.compile(r'^audio_model_verdicts_total\{.*reason="(\w*)".*\} (\S+)$', re.MULTILINE)
"""Reasons and numbers of final events in the server's metrics."""


@dataclass(frozen=True)
class Usage:
    """A server's CPU time and memory, and how many legs it has heard to their end or refused."""

    cpu_s: float
    rss_kb: int
    heard: int
    refused: int


@dataclass(frozen=True)
class Load:
    """The cost of a crowd of calls."""

    sent: Sent
    cpu_s: float
    rss_kb_a_leg: float
    """Memory with all legs open, less that of the idle server, by legs."""
    heard: int
    """Legs that the server has heard to their end meanwhile."""
    refused: int
    """Legs that it answered ``overload``. A call that waits in the kernel is neither."""

    @property
    def cpu_us_a_leg_second(self) -> float:
        """Return CPU microseconds a second of a leg."""
        return 1e6 * self.cpu_s / self.sent.audio_seconds

    @property
    def legs_per_core(self) -> float:
        """Return how many legs one core carries."""
        return self.sent.audio_seconds / self.cpu_s

    @property
    def calls_per_core_second(self) -> float:
        """Return how many new calls one core hears a second."""
        return self.heard / self.cpu_s

    @property
    def share_of_core(self) -> float:
        """Return the share of a core that was used."""
        return self.cpu_s / self.sent.wall_seconds


class Server:
    """``audio-model serve`` with AudioSocket, ready."""

    def __init__(self, *flags: str, module: str = "audio_model") -> None:
        began = time.monotonic()
        command = [sys.executable, "-m", module, "serve", "--port", "0", "--log-level", "error"]
        command += ["--audiosocket", "127.0.0.1:0", *flags]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.ports: dict[str, int] = {}
        for line in self.process.stdout:
            if line.strip() == "audio-model: ready":
                break
            scheme, port = re.findall(r"(\w+)://.*:(\d+)$", line)[0]
            self.ports[scheme] = int(port)
        self.seconds_to_ready = time.monotonic() - began

    def usage(self) -> Usage:
        """Return what the server has used and done so far."""
        with urlopen(f"http://127.0.0.1:{self.ports['http']}/metrics") as answer:
            metrics: str = answer.read().decode()
        finals = [(reason == "overload", float(n)) for reason, n in FINALS.findall(metrics)]
        heard, refused = (sum(n for full, n in finals if full is of) for of in (False, True))
        process = Path("/proc") / str(self.process.pid)
        after_name = (process / "stat").read_text().rpartition(")")[2].split()
        rss = re.findall(r"VmRSS:\s+(\d+)", (process / "status").read_text())
        cpu_s = (int(after_name[11]) + int(after_name[12])) / _TICKS
        return Usage(cpu_s, int(rss[0]), int(heard), int(refused))

    def carry(
        self,
        protocol: str,
        legs: int,
        seconds: float,
        call_seconds: float | None = None,
        *flags: str,
    ) -> Load:
        """Let ``legs`` talk at once for so long. ``flags`` are more arguments of the callers.

        Raises CalledProcessError if they can't.
        """
        idle = self.usage()
        port = self.ports["audiosocket" if protocol == "audiosocket" else "http"]
        command = [sys.executable, "-m", "benchmarks.gateway.caller", protocol, str(port)]
        command += ["--legs", str(legs), "--seconds", str(seconds), *flags]
        if call_seconds is not None:
            command += ["--call-seconds", str(call_seconds)]
        with subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as caller:
            assert caller.stdout is not None and caller.stdin is not None
            caller.stdout.readline()
            before = self.usage()
            caller.stdout.readline()
            after = self.usage()
            caller.stdin.write("\n")
            caller.stdin.flush()
            told = caller.stdout.read()
        if caller.returncode:
            raise subprocess.CalledProcessError(caller.returncode, command)
        return Load(
            Sent(**json.loads(told)),
            after.cpu_s - before.cpu_s,
            (after.rss_kb - idle.rss_kb) / legs,
            after.heard - before.heard,
            after.refused - before.refused,
        )


@contextmanager
def serving(*flags: str, module: str = "audio_model") -> Iterator[Server]:
    """Start a server, and end it after the block."""
    server = Server(*flags, module=module)
    try:
        yield server
    finally:
        server.process.terminate()
        server.process.communicate()
