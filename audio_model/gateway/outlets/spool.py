"""Webhook events on disk until they are delivered: a server that is killed loses none of them.

Each server writes a file of its own in the folder: a line for an event that is to be posted, and a
line for one that needs no more posting. The system keeps what was written when a process is killed;
a power failure may take the last moments. A server that starts takes over the files of those that
are gone, which it knows by their locks.
"""

import fcntl
import logging
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import msgspec

from audio_model.errors import UsageError, os_error_as, printable
from audio_model.files import lock_alone

logger = logging.getLogger(__name__)

SUFFIX = ".spool"
MAX_BYTES = 64_000_000
"""A file that has grown so large is written anew with what still waits."""
AGAIN_SECONDS = 1.0
"""How often a disk that was full is tried again."""


class Spooled(msgspec.Struct, omit_defaults=True):
    """A line of the file: an event, or, without a body, the end of one."""

    key: str
    body: str = ""
    urgent: bool = False


_DECODE = msgspec.json.Decoder(Spooled).decode
_ENCODE = msgspec.json.Encoder().encode


class Spool:
    """One server's file; used in the event loop's thread alone."""

    def __init__(self, folder: Path) -> None:
        """Open the spool. Raises UsageError if the folder can't be used."""
        self._waiting: dict[str, Spooled] = {}
        self._failing = False
        self._tried_at = 0.0
        self._taken: list[tuple[Path, int]] = []
        """Files of others, locked, whose events are not in this server's own file yet."""
        with os_error_as(UsageError, f"--webhook-spool: {printable(folder)}"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._path = folder / f"{uuid.uuid4().hex}{SUFFIX}"
            self._file = self._begin()
            for path in sorted(folder.glob(f"*{SUFFIX}")):
                self._take_over(path)
            if not self._failing:
                self._let_go_of_taken()

    def __len__(self) -> int:
        return len(self._waiting)

    def left(self) -> Iterator[Spooled]:
        """Yield events that ended servers have not delivered, the oldest first."""
        yield from list(self._waiting.values())

    def add(self, key: str, body: bytes, *, urgent: bool) -> None:
        """Keep an event, or the newer body of one."""
        self._waiting[key] = event = Spooled(key, body.decode(), urgent)
        self._write(event)

    def done(self, key: str) -> None:
        """Forget an event, which needs no more posting."""
        if self._waiting.pop(key, None) is None:
            return
        self._write(Spooled(key))
        if self._size > MAX_BYTES or (not self._waiting and self._size > MAX_BYTES / 64):
            self._begin_anew()

    def close(self) -> None:
        """Leave what waits to the next server; without any leave nothing."""
        if not self._waiting:
            self._path.unlink(missing_ok=True)
            self._let_go_of_taken()
        os.close(self._file)
        for _, file in self._taken:
            os.close(file)

    def _begin(self) -> int:
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX)
        self._size = 0
        return file

    def _write(self, event: Spooled) -> None:
        if self._failing:
            if monotonic() - self._tried_at > AGAIN_SECONDS:
                # What the full disk did not take is still missing.
                self._begin_anew()
            return
        try:
            self._append(event)
        except OSError as error:
            logger.error("--webhook-spool: %s; events are kept in memory alone", error)
            self._failing = True
            self._tried_at = monotonic()

    def _append(self, event: Spooled) -> None:
        line = _ENCODE(event) + b"\n"
        if os.write(self._file, line) != len(line):
            raise OSError("no room for all of it")
        self._size += len(line)

    def _begin_anew(self) -> None:
        """Write a file with what still waits in place of this one, which stays if that fails."""
        before, old, size = self._file, self._path, self._size
        self._path = old.with_name(f"{uuid.uuid4().hex}{SUFFIX}")
        self._file = before
        self._tried_at = monotonic()
        try:
            self._file = self._begin()
            for event in self._waiting.values():
                self._append(event)
        except OSError as error:
            if not self._failing:
                logger.error("--webhook-spool: %s", error)
            if self._file != before:
                os.close(self._file)
            self._path.unlink(missing_ok=True)
            self._file, self._path, self._size = before, old, size
            return
        if self._failing:
            logger.warning("--webhook-spool: there is room again; all events are kept")
        self._failing = False
        old.unlink(missing_ok=True)
        os.close(before)
        self._let_go_of_taken()

    def _let_go_of_taken(self) -> None:
        for path, file in self._taken:
            path.unlink(missing_ok=True)
            os.close(file)
        self._taken.clear()

    def _take_over(self, path: Path) -> None:
        """Take the events of a server that is gone."""
        if path == self._path:
            return
        try:
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        if not lock_alone(file):
            # Its server lives.
            os.close(file)
            return
        self._taken.append((path, file))
        events = _read(path)
        for event in events:
            self._waiting[event.key] = event
            self._write(event)
        if events:
            logger.warning("%d webhook events of a server that is gone are posted", len(events))


def _read(path: Path) -> list[Spooled]:
    waiting: dict[str, Spooled] = {}
    for line in path.read_bytes().splitlines():
        try:
            event = _DECODE(line)
        except msgspec.DecodeError:
            # The last line of a disk that was full, or of a power failure.
            continue
        if event.body:
            waiting[event.key] = event
        else:
            waiting.pop(event.key, None)
    return list(waiting.values())
