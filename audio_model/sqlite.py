"""A store in one SQLite file: open it, recognise it, lock it, and name it in errors.

Several processes may use one file on a local disk. All changes happen in transactions: a process
that is killed leaves what was committed and nothing else.
"""

import errno
import os
import shutil
import sqlite3
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

from audio_model.errors import StoreError, printable

MEMORY = ":memory:"
"""The path of a store that is never written."""

_CANNOT_WRITE = frozenset(
    {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY}
)
"""The error for opening a file where nothing can be written beside it."""

_REFUSED_CODES = frozenset({sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY})
"""Error codes that don't say what keeps SQLite from using the file."""

_FULL_CODES = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR})
"""Error codes that a full disk has: the second one where the log's index finds no room."""

_PASSING_CODES = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL})

_LEAST_ROOM = 1 << 16
"""Bytes: a disk with less left is full for SQLite, whose log and its index grow by so much."""


@dataclass(frozen=True)
class Format:
    """The marks by which a SQLite file is known as a store of one kind."""

    kind: str
    """The name in messages: ``store of known recordings``."""
    application_id: int
    version: int
    schema: str
    """Statements that make an empty file such a store, each with a semicolon behind it."""
    upgrades: Mapping[int, str] = field(default_factory=dict)
    """Statements by version: they turn a store of that version into one of the next."""


class Durability(StrEnum):
    """What a power failure may take.

    A process that is killed loses nothing in either case.
    """

    LAST_SECONDS = "NORMAL"
    """The last seconds at worst."""
    NOTHING = "FULL"
    """Nothing that was committed."""


class SqliteStore:
    """A store that is open. For one thread at a time; each process or thread opens its own."""

    format: ClassVar[Format]
    error: ClassVar[type[StoreError]] = StoreError
    durability: ClassVar[Durability]
    private: ClassVar[bool] = False
    """Whether a new file is its owner's alone to read."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        create: bool = True,
        busy_seconds: float,
    ) -> None:
        """Open a store.

        Args:
            path: the file's, or MEMORY.
            create: whether it is made if there is none. If not, neither the file nor the disk need
                be writable.
            busy_seconds: how long every method waits for a file that another process has locked.

        Raises ``error`` if it is no such store, or if there is none and ``create`` is false.
        """
        self.path = os.fsdecode(path)
        if not create and not Path(self.path).is_file():
            raise self._error(f"no such {self.format.kind}")
        with self._errors():
            if create and self.private and self.path != MEMORY:
                _make_private(self.path)
            if create:
                self._open(self.path, busy_seconds, create=True)
            else:
                self._open_to_read(busy_seconds)
        self._file = _identity(self.path)
        # From Python 3.13 on a connection that nobody closes warns when it is forgotten.
        weakref.finalize(self, self._db.close)

    def is_there(self) -> bool:
        """Return whether the file still lies at its path: one that was removed can be read on."""
        return self._file is not None and _identity(self.path) == self._file

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def rows(self, sql: str, values: Sequence[object] | Mapping[str, object] = ()) -> list[Any]:
        """Return all rows of a query. Raises StoreError."""
        with self._errors():
            return self._db.execute(sql, values).fetchall()

    def one(self, sql: str, values: Sequence[object] = ()) -> Any:
        """Return the first row of a query; None if it has none. Raises StoreError."""
        with self._errors():
            return self._db.execute(sql, values).fetchone()

    def do(self, sql: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
        """Run a change and return the cursor, which has the number of rows. Raises StoreError."""
        with self._errors():
            return self._db.execute(sql, values)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _open_to_read(self, busy_seconds: float) -> None:
        """Open a file that is there, to be written if that is possible and else to be read."""
        path = Path(self.path).absolute()
        # Beside a file with a log SQLite reads the log, too, and needs room for its index.
        may_be_fixed = not Path(f"{path}-wal").exists()
        fixed = f"{path.as_uri()}?immutable=1"
        if may_be_fixed and not os.access(path.parent, os.W_OK):
            self._open(fixed, busy_seconds, create=False)
            return
        try:
            self._open(f"{path.as_uri()}?mode=rw", busy_seconds, create=False)
        except sqlite3.OperationalError as error:
            if not may_be_fixed or error.sqlite_errorcode & 0xFF not in _CANNOT_WRITE:
                raise
            self._open(fixed, busy_seconds, create=False)

    def _open(self, name: str, busy_seconds: float, *, create: bool) -> None:
        self._db = sqlite3.connect(
            name,
            timeout=busy_seconds,
            isolation_level=None,
            check_same_thread=False,
            uri=not create,
        )
        try:
            self._db.execute(f"PRAGMA synchronous = {self.durability}")
            self._prepare(busy_seconds if create else None)
        except BaseException:
            self._db.close()
            raise

    def _prepare(self, busy_seconds: float | None) -> None:
        """Recognise the file; make it a store if it is empty, and upgrade one of an older version.

        Another program's database is left as it is, and a store that is ready needs no lock.
        """
        ready = self._is_ready()
        if busy_seconds is not None:
            # Before write-ahead mode a reader can be in the way, and SQLite does not wait for it.
            _patiently(lambda: self._db.execute("PRAGMA journal_mode = WAL"), busy_seconds)
        if ready:
            return
        with self._transaction("BEGIN IMMEDIATE"):
            # Another process may have made it meanwhile.
            if not self._is_ready():
                for statement in _statements(self._to_be_ready()):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA application_id = {self.format.application_id}")
                self._db.execute(f"PRAGMA user_version = {self.format.version}")

    def _is_ready(self) -> bool:
        """Return whether the schema is there, and of this version.

        Raises ``error`` for another program's database, or a version that can't be upgraded.
        """
        (tables,) = self._db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        application_id, version = self._pragma("application_id"), self._pragma("user_version")
        if not tables and application_id == 0:
            return False
        if application_id != self.format.application_id:
            raise self._error(f"not a {self.format.kind}, but another program's database")
        steps = set(range(version, self.format.version))
        if version > self.format.version or not steps <= self.format.upgrades.keys():
            raise self._error(
                f"made by another version of this program (of format {version}, not "
                f"{self.format.version})"
            )
        return version == self.format.version

    def _to_be_ready(self) -> str:
        """Return the statements that a file lacks which is not ready."""
        if not self._pragma("application_id"):
            return self.format.schema
        missing = range(self._pragma("user_version"), self.format.version)
        return ";".join(self.format.upgrades[version] for version in missing)

    def _pragma(self, name: str) -> int:
        return int(self._db.execute(f"PRAGMA {name}").fetchone()[0])

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Keep one state of the store for several look-ups, whatever others write meanwhile."""
        with self._transaction("BEGIN"):
            yield

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Make several changes as one: all or, after an error, none. Nobody else writes then."""
        with self._transaction("BEGIN IMMEDIATE"):
            yield

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[None]:
        """Run one transaction: all of it or, after an error, nothing of it.

        Within another transaction it is part of that one.
        """
        with self._errors():
            if self._db.in_transaction:
                yield
                return
            self._db.execute(begin)
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                # A full disk has ended the transaction already.
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                self._rolled_back()
                raise

    def _rolled_back(self) -> None:
        """Forget what is remembered of a transaction that was taken back."""

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            obstacle = _obstacle(self.path) if code in _REFUSED_CODES else ""
            full = _full_disk(self.path) if code in _FULL_CODES else ""
            passing = bool(full) or code in _PASSING_CODES
            raise self._error(obstacle or full or str(error), passing=passing) from error
        except OSError as error:
            passing = error.errno == errno.ENOSPC
            full = _full_disk(self.path) if passing else ""
            message = _obstacle(self.path) or full or error.strerror or str(error)
            raise self._error(message, passing=passing) from error

    def _error(self, message: str, *, passing: bool = False) -> StoreError:
        return self.error(f"{printable(self.path)}: {message}", passing=passing)


def storable(value: object) -> Any:
    """Return a value that SQLite takes: without lone surrogates, which JSON may hold."""
    if isinstance(value, str) and not value.isascii():
        return value.encode("utf-8", "replace").decode()
    return value


def _make_private(path: str) -> None:
    """Make an empty file that is its owner's alone to read, unless there is one.

    A file that is there is not touched: to close any descriptor of it ends the locks that SQLite
    holds on it in this process, and another process then takes its log away, with what is written
    to it later. Source: SQLite, "How To Corrupt An SQLite Database File", 2.2.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with suppress(FileExistsError):
        os.close(os.open(os.path.realpath(path), flags, 0o600))


def _obstacle(path: str) -> str:
    """Return what keeps a store from being written; empty if nothing is seen that does."""
    file = Path(path).absolute()
    try:
        with suppress(FileNotFoundError, NotADirectoryError):
            file.stat()
        if file.is_dir():
            return "is a folder"
        if not file.parent.is_dir():
            return f"its folder is {'a file' if file.parent.exists() else 'missing'}"
        # Beside a store its log is written.
        for one, name in ((file.parent, "its folder"), (file, "the file")):
            if one.exists() and not os.access(one, os.W_OK):
                return f"{name} can't be written to"
    except OSError as error:  # a folder that may not be entered, or a name that is too long
        return error.strerror or ""
    return ""


def _full_disk(path: str) -> str:
    """Return that a store's disk is full, and which it is; empty if it has room."""
    folder = Path(os.path.realpath(path)).parent
    if not folder.is_dir() or shutil.disk_usage(folder).free >= _LEAST_ROOM:
        return ""
    disk = next(one for one in (folder, *folder.parents) if one.is_mount())
    return f"the disk at {printable(str(disk))} is full"


def _statements(script: str) -> Iterator[str]:
    """Yield the statements of a script; those within a trigger are part of it."""
    statement = ""
    for part in script.split(";"):
        statement += f"{part};"
        if sqlite3.complete_statement(statement):
            if statement.strip(" \n;"):
                yield statement
            statement = ""


def _identity(path: str) -> tuple[int, int] | None:
    """Return what tells the file at a path from any other; None if there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 (in a third of the time; asked for each leg)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _patiently(attempt: Callable[[], object], seconds: float) -> None:
    """Try again for some seconds while SQLite is busy."""
    until = time.monotonic() + seconds
    while True:
        try:
            attempt()
            return
        except sqlite3.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.01)
