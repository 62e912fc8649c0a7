"""Programs of others that are Python packages, in an environment of their own.

They need much that this package does without, so the tests talk to them as to any other program.
"""

from pathlib import Path

ROOT = Path(__file__).parents[3]
PYTHON = ROOT / ".peers" / "python" / "bin" / "python"


def has(package: str) -> bool:
    return any(PYTHON.parents[1].glob(f"lib/python3*/site-packages/{package}/__init__.py"))


def missing(distribution: str) -> str:
    return f"{distribution} is not there: scripts/peers python"
