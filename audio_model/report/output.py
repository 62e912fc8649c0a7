"""A page or other text as a file: whole, or not there."""

import os
from pathlib import Path

from audio_model.errors import OutputError, printable


def write_whole(path: str, content: str) -> None:
    """Write a file beside its name and rename it. Raises OutputError."""
    # Through a symbolic link, what it names is replaced and not the link.
    target = Path(os.path.realpath(path))
    partial = target.with_name(target.name + ".partial")
    try:
        with partial.open("w", encoding="utf-8", newline="\n") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OutputError(f"cannot write {printable(path)}: {error.strerror}") from error
