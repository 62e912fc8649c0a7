"""Archives of recordings: list the members of a zip or tar file and open them in place.

Nothing is unpacked to disk, and no more of a member is read than is asked for. An archive that is
damaged or refused raises OSError, with a message that goes on after the archive's name.
"""

import bz2
import gzip
import io
import lzma
import re
import stat
import struct
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import IO, Protocol, Self, cast

from audio_model.sources.file_parts import ArchiveError, BufferedStream, FilePart, damage_as_oserror

ZIP, TAR = "zip", "tar"

_COMPRESSED_TARS = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tbz", ".tar.xz", ".txz")
_KINDS = {".zip": ZIP, ".tar": TAR, **dict.fromkeys(_COMPRESSED_TARS, TAR)}

_MAX_HEADER_BYTES = 1 << 20
"""The most that a tar's reader may ask for at once; a hostile header names gigabytes."""

_ZIP_HEADER = struct.Struct("<4s22xHH")
_ZIP_SIGNATURE = b"PK\3\4"

_GZIP, _BZIP2, _XZ = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0"

_NO_SUCH_MEMBER = "the archive holds no such member"
_SAME_NAME = "another member of the archive has this name, and only one can be scored"
_DRIVE = re.compile(r"[A-Za-z]:[/\\]")


@dataclass(frozen=True)
class Member:
    """A file in an archive."""

    name: str
    problem: str = ""
    """Why it cannot be read; empty if it can."""
    place: int | None = None
    """Where a plain tar's member begins there, in bytes; with it no other need be looked at."""


class Archive(Protocol):
    """An open archive. Everything may raise OSError."""

    def members(self) -> Iterator[Member]:
        """Yield the files in their order, without folders; a tar's as they are reached."""

    def open(self, name: str, place: int | None = None) -> io.RawIOBase:
        """Open a member that can seek. ``place`` is as it was listed, if it was."""

    def close(self) -> None:
        """Close the archive and its file."""


def kind_of(path: str) -> str | None:
    """Return ZIP or TAR, by a path's ending; None for any other path."""
    return next((kind for end, kind in _KINDS.items() if path.lower().endswith(end)), None)


def is_compressed_tar(path: str) -> bool:
    """Return whether a path ends like a tar that can only be read from its start."""
    return path.lower().endswith(_COMPRESSED_TARS)


def open_archive(file: io.RawIOBase, kind: str, *, compressed: bool) -> Archive:
    """Return the archive in an open file, which the archive closes from now on.

    Args:
        file: readable and seekable.
        kind: ZIP or TAR.
        compressed: whether a tar is compressed. Its content tells how.

    Raises:
        OSError: the file is no such archive, or is damaged.
    """
    if kind == ZIP:
        return _Zip(file)
    return _CompressedTar(file) if compressed else _Tar(file)


class _Zip:
    def __init__(self, file: io.RawIOBase) -> None:
        self._file = file
        with damage_as_oserror():
            self._zip = zipfile.ZipFile(cast(IO[bytes], file))

    def members(self) -> Iterator[Member]:
        for info in self._zip.infolist():
            # Not is_dir, which fails for a name without a character.
            if not info.filename.endswith("/"):
                yield Member(info.filename, self._problem(info))

    def open(self, name: str, place: int | None = None) -> io.RawIOBase:
        try:
            info = self._zip.getinfo(name)
        except KeyError:
            raise ArchiveError(_NO_SUCH_MEMBER) from None
        if problem := self._problem(info):
            raise ArchiveError(problem)
        with damage_as_oserror():
            if info.compress_type == zipfile.ZIP_STORED:
                return FilePart(self._file, self._start(info), info.file_size)
            return BufferedStream(cast(io.IOBase, self._zip.open(info)), info.file_size)

    def close(self) -> None:
        self._zip.close()
        self._file.close()

    def _problem(self, info: zipfile.ZipInfo) -> str:
        if info.flag_bits & 1:
            return "is encrypted"
        if stat.S_ISLNK(info.external_attr >> 16):
            return "is a link"
        if self._zip.getinfo(info.filename) is not info:
            return _SAME_NAME
        return _problem_of_name(info.filename)

    def _start(self, info: zipfile.ZipInfo) -> int:
        """Return the byte at which a member's content begins.

        Its own header may be longer than the directory says.
        """
        self._file.seek(info.header_offset)
        header = self._file.read(_ZIP_HEADER.size)
        signature, name_bytes, extra_bytes = _ZIP_HEADER.unpack(header)
        if signature != _ZIP_SIGNATURE:
            raise zipfile.BadZipFile("a member is not where the directory says")
        return int(info.header_offset + _ZIP_HEADER.size + name_bytes + extra_bytes)


class _Tar:
    """A tar that can be entered anywhere."""

    def __init__(self, file: io.RawIOBase) -> None:
        self._file = file
        self._headers = _Headers(file)
        self._places: dict[str, int] = {}
        """Places of the members found so far."""

    def members(self) -> Iterator[Member]:
        for member, info in _members(_Headers(self._file)):
            yield replace(member, place=info.offset)

    def open(self, name: str, place: int | None = None) -> io.RawIOBase:
        info = next(_Headers(self._file, self._place(name) if place is None else place), None)
        if info is None or info.name != name:
            raise ArchiveError("the archive has changed since it was listed")
        if problem := _problem_of_tar_member(info):
            raise ArchiveError(problem)
        return FilePart(self._file, info.offset_data, info.size)

    def close(self) -> None:
        self._file.close()

    def _place(self, name: str) -> int:
        while name not in self._places:
            info = next(self._headers, None)
            if info is None:
                raise ArchiveError(_NO_SUCH_MEMBER)
            self._places.setdefault(info.name, info.offset)
        return self._places[name]


class _CompressedTar:
    """A tar that is read from its start: a member that lies behind costs another pass."""

    def __init__(self, file: io.RawIOBase) -> None:
        self._file = file
        with damage_as_oserror():
            self._content = _decompressed(file)
        self._numbers: dict[str, int] = {}
        """Numbers of the members found so far, in any pass."""
        self._begin_pass()

    def members(self) -> Iterator[Member]:
        return (member for member, _ in _members(_Headers(self._content)))

    def open(self, name: str, place: int | None = None) -> io.RawIOBase:
        if self._numbers.get(name, self._number) < self._number:
            self._begin_pass()
        for info in self._headers:
            first = self._numbers.setdefault(info.name, self._number) == self._number
            self._number += 1
            if first and info.name == name:
                if problem := _problem_of_tar_member(info):
                    raise ArchiveError(problem)
                return BufferedStream(
                    FilePart(self._content, info.offset_data, info.size), info.size
                )
        raise ArchiveError(_NO_SUCH_MEMBER)

    def close(self) -> None:
        self._content.close()
        self._file.close()

    def _begin_pass(self) -> None:
        self._headers = _Headers(self._content)
        self._number = 0
        """The number of the next member."""


class _Headers:
    """The members of a tar from a place on, as tarfile reads them, but in flat memory.

    tarfile takes a damaged header for the archive's end; here it raises ArchiveError, as it does
    for all that comes after.
    """

    def __init__(self, content: io.IOBase, start: int = 0) -> None:
        self._content, self._start = content, start
        self._tar: tarfile.TarFile | None = None
        self._ended = False
        self._damage = ""

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> tarfile.TarInfo:
        if self._damage:
            raise ArchiveError(self._damage)
        try:
            with damage_as_oserror():
                info = None if self._ended else self._next()
        except ArchiveError as error:
            self._damage = str(error)
            raise
        if info is None:
            self._ended = True
            raise StopIteration
        return info

    def _next(self) -> tarfile.TarInfo | None:
        if self._tar is None:
            self._content.seek(self._start)
            self._tar = tarfile.TarFile(
                fileobj=cast(IO[bytes], _HeaderReader(self._content)),
                tarinfo=_CheckedTarInfo,
                encoding="utf-8",
                errors="surrogateescape",
            )
        info = self._tar.next()
        # A list that nobody asks for, and that would grow with the archive.
        self._tar.members.clear()  # type: ignore[attr-defined]
        return info


class _HeaderReader:
    """A file of which tarfile reads the headers. The members are read past it."""

    def __init__(self, content: io.IOBase) -> None:
        self._content = content
        self.seek = content.seek
        self.tell = content.tell
        self.asked = 0
        """Bytes of this header that were asked for so far."""
        self.last = b""
        """What was read last."""

    def read(self, n_bytes: int) -> bytes:
        # The latest Pythons ask for a long header in pieces.
        self.asked += n_bytes
        if self.asked > _MAX_HEADER_BYTES:
            raise ArchiveError(
                f"the archive is damaged (a header of more than {_MAX_HEADER_BYTES} bytes)"
            )
        self.last = self._content.read(n_bytes)
        return self.last


class _CheckedTarInfo(tarfile.TarInfo):
    @classmethod
    def fromtarfile(cls, tar: tarfile.TarFile) -> Self:
        reader = cast(_HeaderReader, tar.fileobj)
        reader.asked = 0
        try:
            return super().fromtarfile(tar)
        except tarfile.HeaderError as error:
            # An archive ends with zeros, or where nothing is left.
            if any(reader.last):
                raise tarfile.ReadError(str(error)) from error
            raise


def _decompressed(file: io.RawIOBase) -> io.IOBase:
    """Return a file's decompressed content by its first bytes.

    An uncompressed file is returned as it is.
    """
    head = file.read(len(_XZ))
    file.seek(0)
    content = cast(IO[bytes], file)
    if head.startswith(_GZIP):
        return gzip.GzipFile(fileobj=content, mode="rb")
    if head.startswith(_BZIP2):
        return bz2.BZ2File(content)
    return lzma.LZMAFile(content) if head.startswith(_XZ) else file


def _members(headers: _Headers) -> Iterator[tuple[Member, tarfile.TarInfo]]:
    names: set[int] = set()
    for info in headers:
        if info.isdir():
            continue
        problem = _problem_of_tar_member(info)
        # A set of names would take three times the memory.
        if (name := hash(info.name)) in names:
            problem = problem or _SAME_NAME
        names.add(name)
        yield Member(info.name, problem), info


def _problem_of_tar_member(info: tarfile.TarInfo) -> str:
    if info.issym() or info.islnk():
        return "is a link"
    if not info.isreg():
        return "is a FIFO or a device, not a file"
    if info.issparse():
        return "is a sparse file: unpack the archive"
    return _problem_of_name(info.name)


def _problem_of_name(name: str) -> str:
    # Nothing is unpacked, so that such a name does no harm here; but who wrote it meant some.
    if name.startswith(("/", "\\")) or _DRIVE.match(name) or ".." in re.split(r"[/\\]", name):
        return "its name leads out of the archive"
    return ""
