"""Programs of others that are Python packages, in an environment of their own.

They need much that this package does without, so the tests talk to them as to any other program.
"""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
PYTHON = ROOT / ".peers" / "python" / "bin" / "python"


def has(package: str) -> bool:
    return any(PYTHON.parents[1].glob(f"lib/python3*/site-packages/{package}/__init__.py"))


def missing(distribution: str) -> str:
    return f"{distribution} is not there: scripts/peers python"


def ask(script: Path, asked: Mapping[str, Any]) -> Any:
    """What a script answers in that environment; both ways as JSON."""
    done = subprocess.run(
        [PYTHON, script],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
