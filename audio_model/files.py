"""How a local file is opened that may hold a recording."""

import os
import stat
from io import FileIO
from pathlib import Path

from audio_model.errors import AudioError


def open_regular(path: str | os.PathLike[str]) -> FileIO:
    """Open a local file, unbuffered. Raises AudioError if there is none, or not a regular one."""
    name = os.fsdecode(path)
    try:
        mode = Path(name).stat().st_mode
        if stat.S_ISDIR(mode):
            raise AudioError(name, "is a folder, not a recording")
        # Opening a FIFO blocks until someone writes, and opening a device can do anything.
        if not stat.S_ISREG(mode):
            raise AudioError(name, "is a FIFO, a device or a socket, not a file")
        return FileIO(name)
    except FileNotFoundError as error:
        link = Path(name).is_symlink()
        raise AudioError(name, "is a broken link" if link else "no such file") from error
    except OSError as error:
        raise AudioError(name, error.strerror or str(error)) from error
    except ValueError as error:
        raise AudioError(name, f"not a possible file name ({error})") from error
