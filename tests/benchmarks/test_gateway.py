"""The gateway's benchmark runs in the gateway's environment."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

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
