"""Write files whole or not at all."""

import os
from pathlib import Path

from audio_model.errors import OutputError


def write_atomically(path: Path, content: bytes) -> None:
    """Write beside ``path``, then rename: an interruption leaves the old file as it was.

    Raises OutputError where the system refuses to write.
    """
    temporary = path.with_name(path.name + ".partial")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from error
    finally:
        temporary.unlink(missing_ok=True)
