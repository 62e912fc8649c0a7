"""The gateway's benchmark runs in the gateway's environment."""

import asyncio
import io
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from audio_model.decision import Reason
from audio_model.gateway.events import CallInfo, Event, EventKind
from audio_model.gateway.outlets.metrics import Metrics
from benchmarks.gateway import load
from benchmarks.gateway.caller import Crowd, call
from tests.gateway.fakes import verdict

ROOT = Path(__file__).parents[2]
ABSENT = (
    "torch",
    "librosa",
    "threadpoolctl",
    "silero_vad",
    "scipy",
    "sklearn",
    "psutil",
    "training",
)


def test_it_needs_nothing_that_the_gateways_environment_lacks() -> None:
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({ABSENT!r}));"
        "from benchmarks.gateway.__main__ import main; main(['--help'])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "--legs" in done.stdout


def test_all_is_told_however_slowly_it_is_read() -> None:
    """A signal interrupts a write that waits for a full pipe; unbuffered, the rest was lost."""
    code = (
        "import signal; from benchmarks.gateway.told import hand_over;"
        "signal.signal(signal.SIGALRM, lambda *_: None);"
        "signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05);"
        "hand_over(list(range(100_000)))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        told = process.stdout.read(10)
        time.sleep(0.3)
        told += process.stdout.read()
    assert json.loads(told) == list(range(100_000))


def test_the_servers_own_metrics_say_which_calls_were_heard() -> None:
    """A caller's connection may wait in the kernel, unheard."""
    metrics = Metrics()
    for reason in (Reason.NONE, Reason.OVERLOAD, Reason.OVERLOAD, Reason.UNSURE):
        said = replace(verdict(), reason=reason)
        metrics.count(Event(EventKind.FINAL, CallInfo("1", "stream"), "caller", said))
    found = [(reason, float(n)) for reason, n in load.FINALS.findall(metrics.text().decode())]
    assert sorted(found) == [("", 1), ("overload", 2), ("unsure", 1)]


@pytest.mark.parametrize("in_time", [False, True])
def test_legs_talk_from_their_connection_on_or_once_all_are_connected(
    in_time: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n"))
    seen: list[str] = []
    hello_bytes = 19

    class Line(asyncio.Protocol):
        n_bytes = 0

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            seen.append("connected")

        def data_received(self, data: bytes) -> None:
            before, self.n_bytes = self.n_bytes, self.n_bytes + len(data)
            if before <= hello_bytes < self.n_bytes:
                seen.append("talks")

    async def scene() -> None:
        loop = asyncio.get_running_loop()
        async with await loop.create_server(Line, "127.0.0.1", 0) as server:
            crowd = Crowd("audiosocket", server.sockets[0].getsockname()[1], 10, 0.4)
            sent = await call(crowd, seconds=0.6, settle=0.1, in_time=in_time)
        assert len(sent.unanswered_s) > 10

    asyncio.run(scene())
    assert (seen[:11] == ["connected"] * 10 + ["talks"]) is not in_time
