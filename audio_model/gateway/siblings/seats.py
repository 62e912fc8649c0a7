"""The folder where the processes of one port find each other.

Each takes the lowest number that is free: a file with a lock on it, which the system takes off
however the process ends. So nobody has to coordinate the others, and one that is killed leaves
nothing behind but a free number. Beside ``3`` lies ``3.sock``, where process 3 answers.
"""

import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from audio_model.errors import UsageError, os_error_as, printable
from audio_model.files import lock_alone
from audio_model.gateway.siblings.counts import ProcessCounts

MAX_SEATS = 256
"""Processes of one port."""
_MAX_SOCKET_PATH: Final = 100
"""Bytes; systems allow 104 to 108 for the path of a Unix socket."""


def folder_of(host: str, port: int) -> Path:
    """Return where the processes of an address find each other; it is made if it is not there.

    It is in the folder for such things of a service (``RUNTIME_DIRECTORY``) or of a user
    (``XDG_RUNTIME_DIR``), or else among the temporary files. Raises UsageError if it can't be had
    or belongs to somebody else.
    """
    runtime = os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    runtime = runtime or os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime:
        base = Path(runtime, "audio-model")
    else:
        base = Path(tempfile.gettempdir(), f"audio-model-{os.geteuid()}")
    folder = base / f"{host.replace('/', '_')}-{port}"
    with os_error_as(UsageError, f"--reuse-port: {printable(folder)}"):
        for each in (base, folder):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = each.lstat()
            if found.st_uid != os.geteuid() or not stat.S_ISDIR(found.st_mode):
                raise UsageError(f"--reuse-port: {printable(each)} is another user's")
    if len(os.fsencode(folder)) > _MAX_SOCKET_PATH - len("/255.sock"):
        raise UsageError(
            f"--reuse-port: the path of {printable(folder)} is too long for a socket; set "
            "XDG_RUNTIME_DIR to a shorter folder"
        )
    return folder


class _Seat:
    """One number's file, as it is open here."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.counts = ProcessCounts(self.file)

    @property
    def lost(self) -> bool:
        """Return whether the file was deleted: another one, or none, has its name."""
        try:
            return not os.path.samestat(os.fstat(self.file), self._path.stat())
        except OSError:
            return True

    def lock(self) -> bool:
        """Take the lock unless another process has it, and return whether it was taken."""
        return lock_alone(self.file)

    @property
    def taken(self) -> bool:
        """Return whether a process that lives has the lock."""
        try:
            fcntl.flock(self.file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        fcntl.flock(self.file, fcntl.LOCK_UN)
        return False

    def close(self) -> None:
        """Give the lock back."""
        # The memory that is mapped holds the file open, and so the lock, too.
        fcntl.flock(self.file, fcntl.LOCK_UN)
        os.close(self.file)


class Seats:
    """The seats of one port, of which this process has one. A :class:`tally.Shared`."""

    def __init__(self, folder: Path) -> None:
        """Take a seat. Raises UsageError if there is none, or the folder can't be used."""
        self.folder = folder
        self._seats: dict[int, _Seat] = {}
        """All seats that there ever were, by their numbers."""
        self.others: tuple[int, ...] = ()
        """Numbers of the siblings that live, as of the last :meth:`look`."""
        with os_error_as(UsageError, f"--reuse-port: {printable(folder)}"):
            self.number = self._take()
        self._own = self._seats.pop(self.number)
        self._own.counts.begin()
        self.look()

    def _take(self) -> int:
        for number in range(MAX_SEATS):
            seat = self._seats[number] = _Seat(self.folder / str(number))
            if seat.lock():
                return number
        raise UsageError(f"--reuse-port: {MAX_SEATS} processes share this port already")

    @property
    def socket_path(self) -> Path:
        """Return where this process answers its siblings."""
        return self.socket_of(self.number)

    def socket_of(self, number: int) -> Path:
        """Return where a sibling answers."""
        return self.folder / f"{number}.sock"

    @property
    def lost(self) -> bool:
        """Return whether somebody deleted the seat, so that new processes do not find this one."""
        return self._own.lost

    def look(self) -> None:
        """Look who is there. Raises OSError if the folder can't be read."""
        for number in self._numbers():
            seat = self._seats.get(number)
            if seat is not None and seat.lost:
                seat.close()
                seat = None
            if seat is None:
                self._seats[number] = _Seat(self.folder / str(number))
        self.others = tuple(number for number in sorted(self._seats) if self._seats[number].taken)

    def _numbers(self) -> Iterator[int]:
        for entry in os.scandir(self.folder):
            name = entry.name
            if name.isascii() and name.isdigit() and int(name) != self.number:
                yield int(name)

    def tell(self, kind: str, number: int) -> None:
        """Tell the siblings how many of a kind are open here."""
        self._own.counts[kind] = number

    def elsewhere(self, kind: str) -> int:
        """Return how many of a kind the siblings have open."""
        return sum(self._seats[number].counts[kind] for number in self.others)

    def leave(self) -> None:
        """Give the seat back."""
        if not self.lost:
            self.socket_path.unlink(missing_ok=True)
        for seat in (self._own, *self._seats.values()):
            seat.close()
        self._seats, self.others = {}, ()
