"""Local files: recordings opened safely, results written whole, names that any file may have.

Every result is written beside its name and renamed when it is complete, so a reader never meets
half of one. Two commands can't write one result at once: the second is told so. Where the name is a
symbolic link, the file that it leads to is replaced and the link stays.
"""

import fcntl
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from io import BufferedWriter, FileIO, TextIOWrapper
from pathlib import Path
from typing import IO, Any, TextIO

from audio_model.errors import AudioError, OutputError, os_error_as, printable

FOR_SPREADSHEETS = "utf-8-sig"
"""UTF-8 with a mark, without which spreadsheets take a table for one of the system's encoding."""

PARTIAL = ".partial"
"""Ending of a file that is not complete yet."""

_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")
_NAME_LENGTH = 60
_HASH_BYTES = 5


def open_regular(path: str | os.PathLike[str]) -> FileIO:
    """Open a local file, unbuffered. Raises AudioError if there is none, or not a regular one."""
    name = os.fsdecode(path)
    try:
        mode = os.stat(name).st_mode  # noqa: PTH116 - for each recording of millions
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


def write_whole(path: str | os.PathLike[str], content: str) -> None:
    """Write a text file, complete or not at all. Raises OutputError."""
    with replacing(path) as file:
        file.write(content)


def write_bytes(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a binary file, complete or not at all. Raises OutputError."""
    file = PartialFile(Path(path))
    try:
        file.append(content)
        file.rename()
    except BaseException:
        file.remove()
        raise


@contextmanager
def replacing(
    path: str | os.PathLike[str], *, errors: str = "strict", encoding: str = "utf-8"
) -> Iterator[TextIO]:
    """Open a file for text that takes its name when the block ends without an error.

    Lines end as they are written. After an error nothing is left of the new file, and a former one
    is as it was.

    Args:
        path: where the file is to be.
        errors: how text that UTF-8 can't hold is written; see :func:`open`.
        encoding: UTF-8, or FOR_SPREADSHEETS.

    Raises OutputError where the system refuses to write.
    """
    target = target_of(path)
    partial = target.with_name(target.name + PARTIAL)
    with os_error_as(OutputError, f"cannot write {printable(path)}"):
        raw = _opened_alone(partial)
    try:
        binary = BufferedWriter(raw)
        with TextIOWrapper(binary, encoding=encoding, newline="", errors=errors) as file:
            yield file
            sync(file)
            partial.replace(target)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OutputError(f"cannot write {printable(path)}: {error.strerror}") from error
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


class PartialFile:
    """A file that grows by whole pieces beside its target, and takes its name at the end.

    Unlike :func:`replacing` it leaves the pieces of a run that failed where they are.
    """

    def __init__(self, target: Path, suffix: str = PARTIAL) -> None:
        """Begin the file. Raises OutputError if it can't be made there."""
        self._target = target_of(target)
        self.path = self._target.with_name(self._target.name + suffix)
        self._size = 0
        with os_error_as(OutputError, f"cannot write {self.path}"):
            if self._target.is_dir():
                raise OutputError(f"cannot write {target}: it is a folder")
            self._file = _opened_alone(self.path)

    def append(self, piece: bytes) -> None:
        """Append all of a piece, or nothing of it. Raises OutputError."""
        try:
            left = memoryview(piece)
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            with suppress(OSError):
                self._file.truncate(self._size)
            raise OutputError(f"cannot write {self.path}: {error.strerror}") from error
        self._size += len(piece)

    def rename(self) -> None:
        """Give the file its target's name, in the place of any former one. Raises OutputError."""
        with os_error_as(OutputError, f"cannot write {self._target}"):
            # Some file systems tell of a full disk only now.
            sync(self._file)
            self.path.replace(self._target)
        self.close()

    def remove(self) -> None:
        """Close the file and delete it."""
        self.close()
        self.path.unlink()

    def close(self) -> None:
        """Close the file and leave it where it is."""
        self._file.close()


@contextmanager
def making(path: str | os.PathLike[str]) -> Iterator[None]:
    """Keep other commands from making the same result, where that takes long or several files.

    Raises OutputError if one is at it.
    """
    target = target_of(path)
    lock = target.with_name(f"{target.name}.lock")
    with os_error_as(OutputError, f"cannot write {printable(path)}"):
        file = _opened_alone(lock)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        file.close()


def _opened_alone(path: Path) -> FileIO:
    """Open a file to be written anew by nobody else. Raises OutputError, OSError."""
    while True:
        file = FileIO(path, "a")
        try:
            alone = True
            with suppress(OSError):  # A file system without locks.
                alone = lock_alone(file)
            if not alone:
                raise OutputError(f"cannot write {printable(path)}: another command is writing it")
            # Whoever had it may have given it its name just now: then this one is no longer there.
            with suppress(FileNotFoundError):
                found = os.fstat(file.fileno())
                if os.path.samestat(found, path.stat()):
                    if found.st_size:
                        file.seek(0)
                        file.truncate()
                    return file
        except BaseException:
            file.close()
            raise
        file.close()


def lock_alone(file: IO[Any] | FileIO | int) -> bool:
    """Lock a file for this process alone, and return False if another one has it. Raises OSError.

    The lock goes with the file when it is closed, also by the death of the process.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def target_of(path: str | os.PathLike[str]) -> Path:
    """Return the file that a write to this path replaces; a symbolic link is followed."""
    return Path(os.path.realpath(path))


def sync(file: IO[Any]) -> None:
    """Wait until all that was written to a file is on the disk. Raises OSError."""
    file.flush()
    os.fsync(file.fileno())


def safe_name(text: str) -> str:
    """Return a file name for any text: letters, digits, ``-`` and ``_``, different for each."""
    short = _UNSAFE.sub("_", text)[:_NAME_LENGTH]
    if short == text:
        return short
    digest = blake2b(text.encode("utf-8", "replace"), digest_size=_HASH_BYTES)
    return f"{short}-{digest.hexdigest()}"
