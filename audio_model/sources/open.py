"""Recordings wherever they are: local files, members of archives, objects of a remote store.

A path names any of them, in fsspec's notation::

    calls/a.wav
    zip://inner/a.wav::calls.zip        a member of an archive
    tar://inner/a.wav::calls.tar.gz
    s3://bucket/calls/a.wav             remote (pip install "audio-model[remote]")
    zip://a.wav::s3://bucket/calls.zip

Archives stay open from one recording to the next, a few in each process. A compressed tar cannot
be entered in the middle: its members are read in one pass if they are opened in the archive's
order by one process, which `sequential_archive` is there to arrange. Nothing is unpacked to disk.
"""

import io
import os
import re
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from audio_model.errors import AudioError
from audio_model.files import open_regular
from audio_model.sources import archives
from audio_model.sources.archives import Archive

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://")
_MEMBER = re.compile(r"(zip|tar)://(.*)::(.*)", re.DOTALL)

_LOCAL_URL = "file://"

_MAX_OPEN_ARCHIVES = 4


@dataclass(frozen=True)
class MemberPath:
    """The parts of the path of an archive's member."""

    kind: str
    """archives.ZIP or archives.TAR."""
    member: str
    archive: str
    """The archive's own path: local or remote."""

    def __str__(self) -> str:
        return f"{self.kind}://{self.member}::{self.archive}"

    @classmethod
    def parse(cls, path: str) -> "MemberPath | None":
        """Return the parts of a member's path; None for any other path."""
        match = _MEMBER.fullmatch(path)
        return None if match is None else cls(match[1], match[2], match[3])


def is_remote(path: str) -> bool:
    """Return whether a path is a URL, and so neither local nor a member of an archive."""
    return _SCHEME.match(path) is not None and MemberPath.parse(path) is None


def sequential_archive(path: str) -> str | None:
    """Return the compressed tar that a path is a member of; None for every other path.

    Its members are read in one pass when one process opens them in order. A member that is opened
    out of order, or first in another process, costs decompressing all that lies before it. So a
    shard holds the members of one such archive, in order, and nothing else.
    """
    at = MemberPath.parse(path)
    return at.archive if at is not None and archives.is_compressed_tar(at.archive) else None


def name_of(path: str) -> str:
    """Return the name of a recording where it lies: a member's name in its archive, or the path."""
    at = MemberPath.parse(path)
    return path if at is None else at.member


def from_folder(folder: Path, path: str) -> str:
    """Return a path of a manifest. A relative path starts at the manifest's folder.

    A file has one name, from whichever folder's manifest it is reached: ``marks/../calls/a.wav`` is
    ``calls/a.wav``.
    """
    at = MemberPath.parse(path)
    if at is not None:
        return str(MemberPath(at.kind, at.member, from_folder(folder, at.archive)))
    return path if is_remote(path) else _without_detours(str(folder / path))


def _without_detours(path: str) -> str:
    if os.pardir not in Path(path).parts:
        return path
    short = os.path.normpath(path)
    try:
        # Behind a link to a folder, ``..`` leads elsewhere than the text says.
        return short if Path(path).samefile(short) else path
    except (OSError, ValueError):
        return path


def is_there(path: str) -> bool:
    """Return whether a recording is known and, as far as a look at local disks tells, there."""
    at = MemberPath.parse(path)
    whole = path if at is None else at.archive
    return bool(path) and (is_remote(whole) or os.path.lexists(whole))


@contextmanager
def open_source(path: str, place: int | None = None) -> Iterator[io.RawIOBase]:
    """Open a recording, to be read with seeks.

    Of a remote one no more is fetched than the blocks that are read, of a compressed one no more
    is decompressed than what lies before the end of what is read. While it is read, OSError says
    that its source failed: an archive is damaged, a store does not answer.

    Args:
        path: see above.
        place: of a member, what listing its archive told, or None; without it, a tar is looked
            through.

    Raises AudioError: it cannot be opened.
    """
    at = MemberPath.parse(path)
    if at is None:
        with _open_file(path) as file:
            yield file
        return
    with _open_archives.borrow(at.kind, at.archive, path) as archive:
        try:
            member = archive.open(at.member, place)
        except OSError as error:
            raise AudioError(path, error.strerror or str(error)) from error
        with member:
            yield member


def open_archive(kind: str, path: str) -> Archive:
    """Open an archive, apart from those that stay open. Raises as open_source does."""
    file = _open_file(path)
    try:
        return archives.open_archive(file, kind, compressed=archives.is_compressed_tar(path))
    except OSError as error:
        file.close()
        raise AudioError(path, error.strerror or str(error)) from error


def _open_file(path: str) -> io.RawIOBase:
    if path.startswith(_LOCAL_URL):
        return open_regular(_local(path))
    if not is_remote(path):
        return open_regular(path)
    # Imported here: fsspec takes a tenth of a second, and most recordings are local.
    from audio_model.sources import remote

    return remote.open_object(path)


def _local(url: str) -> str:
    """Return the path of a ``file://`` URL, of this machine's host or none."""
    path = url.removeprefix(_LOCAL_URL).removeprefix("localhost")
    if not path.startswith("/"):
        raise AudioError(url, "names another machine's file (three slashes begin a local path)")
    return unquote(path)


@dataclass
class _OpenArchive:
    archive: Archive
    borrowers: int = 0


class _OpenArchives:
    """Archives that stay open; the one that was used longest ago is closed first."""

    def __init__(self) -> None:
        self._open: OrderedDict[object, _OpenArchive] = OrderedDict()

    @contextmanager
    def borrow(self, kind: str, path: str, wanted: str) -> Iterator[Archive]:
        """Yield an archive. ``wanted`` is the path of its member, which errors name."""
        key = (kind, path, _identity(path))
        held = self._open.get(key)
        if held is None:
            try:
                held = self._open[key] = _OpenArchive(open_archive(kind, path))
            except AudioError as error:
                raise AudioError(wanted, f"of its archive: {error.message}") from error
        self._open.move_to_end(key)
        held.borrowers += 1
        try:
            yield held.archive
        finally:
            held.borrowers -= 1
            self._close_idle()

    def _close_idle(self) -> None:
        for key, held in list(self._open.items()):
            if len(self._open) <= _MAX_OPEN_ARCHIVES:
                return
            if held.borrowers == 0:
                del self._open[key]
                held.archive.close()


def _identity(path: str) -> object:
    """Return a value that changes when another file takes a local archive's name."""
    try:
        status = Path(path).stat()
    except (OSError, ValueError):  # remote, or what opening it will tell of
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


_open_archives = _OpenArchives()
