"""The last events of a process's calls, in files that outlive it.

They lie beside its seat, as ``3.calls`` and ``3.calls.N``. If the process is killed, whoever finds
that first adopts them: it reads them and gives them names of its own, so that they are passed on
until their calls are forgotten. The system writes them to memory or disk when it likes; only a
machine that goes down loses them.
"""

import logging
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import time, time_ns

import msgspec

from audio_model.files import lock_alone
from audio_model.gateway.outlets.history import MAX_BYTES, MAX_SECONDS, CallHistory

logger = logging.getLogger(__name__)

FILE_BYTES = MAX_BYTES // 4
"""The size at which a file is left and the next one begun."""

_LENGTH_BYTES = 4
_RECORD = msgspec.msgpack.Decoder(CallHistory)


class Journal:
    """The files of one process. ``write`` takes microseconds; ``adopt`` is for another thread."""

    def __init__(self, folder: Path, number: int) -> None:
        """Begin a file. Raises OSError.

        Args:
            folder: that of the seats.
            number: this process's seat.
        """
        self._folder, self._number = folder, number
        self._path = folder / f"{number}.calls"
        self._unread: list[Path] = self._own()
        """Files of who had the seat before."""
        for path in self._unread[:]:
            if path == self._path:
                self._unread.remove(path)
                self._unread.append(self._renamed(path))
        self._file, self._bytes = self._open(), 0
        self._warned = False

    def write(self, record: CallHistory) -> None:
        """Write a call's new record to the file."""
        body = msgspec.msgpack.encode(record)
        try:
            self._bytes += os.write(self._file, len(body).to_bytes(_LENGTH_BYTES, "big") + body)
            if self._bytes >= FILE_BYTES:
                self._begin_another()
        except OSError as error:
            if not self._warned:
                self._warned = True
                logger.warning("calls would be lost if this process were killed: %s", error)

    def orphans(self, living: Collection[int]) -> bool:
        """Return whether there are files of a process that does not live, to be adopted."""
        owners = {path.name.partition(".")[0] for path in self._folder.glob("*.calls*")}
        return bool(self._unread) or not owners <= {str(each) for each in (self._number, *living)}

    def adopt(self) -> Iterator[list[CallHistory]]:
        """Take the files of processes that were killed, and yield what each of them holds."""
        adopted, self._unread = self._unread, []
        for path in sorted(self._folder.glob("*.calls*")):
            number = path.name.partition(".")[0]
            if number != str(self._number) and number.isdecimal():
                with _alone(self._folder / number) as dead:
                    if dead:
                        # Others may look at the same moment.
                        with suppress(FileNotFoundError):
                            adopted.append(self._renamed(path))
        for path in adopted:
            with suppress(FileNotFoundError):
                yield list(_records(path.read_bytes()))
        self._forget()

    def close(self, *, keep: bool) -> None:
        """End, and leave the files to others only if ``keep`` says so."""
        os.close(self._file)
        if not keep:
            for path in self._own():
                path.unlink(missing_ok=True)

    def _own(self) -> list[Path]:
        return [path for path in self._folder.glob(f"{self._number}.calls*") if path.is_file()]

    def _open(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def _renamed(self, path: Path) -> Path:
        return path.rename(self._folder / f"{self._number}.calls.{time_ns()}")

    def _begin_another(self) -> None:
        self._renamed(self._path)
        os.close(self._file)
        self._file, self._bytes = self._open(), 0
        self._forget()

    def _forget(self) -> None:
        """Delete files whose calls are forgotten, by their age and by their size."""
        n_bytes, now = 0, time()
        for path in sorted(self._own(), key=_written_at, reverse=True):
            with suppress(FileNotFoundError):
                found = path.stat()
                n_bytes += found.st_size
                if path != self._path and (
                    n_bytes > MAX_BYTES or now - found.st_mtime > MAX_SECONDS
                ):
                    path.unlink()


def _written_at(path: Path) -> tuple[float, str]:
    """Return the order of files. Many are written within a tick of the system's clock."""
    try:
        return path.stat().st_mtime, path.name
    except FileNotFoundError:
        return 0.0, ""


@contextmanager
def _alone(seat: Path) -> Iterator[bool]:
    """Hold a seat's lock, unless a process that lives has it; nobody takes the seat meanwhile."""
    try:
        file = os.open(seat, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        yield True
        return
    try:
        yield lock_alone(file)
    finally:
        os.close(file)


def _records(data: bytes) -> Iterator[CallHistory]:
    """Yield what was written, up to where its process was killed."""
    at = 0
    while at < len(data):
        start = at + _LENGTH_BYTES
        end = start + int.from_bytes(data[at:start], "big")
        if end > len(data):
            return
        try:
            yield _RECORD.decode(data[start:end])
        except msgspec.MsgspecError:
            return
        at = end
