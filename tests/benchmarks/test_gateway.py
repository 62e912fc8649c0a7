"""The gateway's benchmark runs in the gateway's environment."""

import subprocess
import sys
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
