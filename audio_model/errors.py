"""The errors that a caller of this package can meet."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class AudioModelError(Exception):
    """The base of all errors that this package raises on purpose. The message is one line."""


class AudioError(AudioModelError):
    """A recording can't be read.

    Attributes:
        path: the recording's path as it was given, or a name such as ``<samples>``.
        message: what was wrong, without the path; one line.
    """

    def __init__(self, path: str | bytes | os.PathLike[str], message: str) -> None:
        # Both go to Exception.args, so that the error survives the pickling between processes.
        super().__init__(path, message)
        self.path = path
        self.message = " ".join(message.split())

    def __str__(self) -> str:
        return f"{printable(self.path)}: {self.message}"


class ModelError(AudioModelError):
    """A model file is damaged, or is not one of this package's models."""


class UsageError(AudioModelError):
    """An option or an argument has a value that can't work."""


class StoreError(AudioModelError):
    """A store (of known recordings, of number ranges) can't be used. The message names it.

    Attributes:
        passing: whether it may be over soon: the disk is full, or another process has it locked.
    """

    def __init__(self, message: str, *, passing: bool = False) -> None:
        super().__init__(message)
        self.passing = passing


class RangeStoreError(StoreError):
    """A store of number ranges can't be read or written."""


class UnknownCallError(AudioModelError):
    """No call has this id, or the call is no longer kept."""


class WorkerError(AudioModelError):
    """Processes can't be started or keep dying, and no recording is to blame."""


class OutputError(AudioModelError):
    """Results cannot be written."""


class ResultsError(AudioModelError):
    """Results cannot be read back."""


@contextmanager
def os_error_as(kind: Callable[[str], Exception], what: str) -> Iterator[None]:
    """Turn an OSError within the block into an error that says ``what`` failed, and why."""
    try:
        yield
    except OSError as error:
        raise kind(f"{what}: {error.strerror or error}") from error


def printable(path: str | bytes | os.PathLike[str]) -> str:
    """Return a path as one line of valid Unicode.

    Control characters and undecodable bytes become backslash escapes; Chinese stays Chinese.
    """
    name = os.fsdecode(path)
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in name
    )
