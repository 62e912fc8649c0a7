"""Files of which only their being there matters."""

from pathlib import Path


def touch(*names: str) -> None:
    """Make empty files, and the folders that they are in."""
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
