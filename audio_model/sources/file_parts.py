"""Parts of open files as files of their own, and the damage that is found in them."""

import io
import lzma
import os
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_MAX_HELD_BYTES = 1 << 26
_PIECE_BYTES = 1 << 16

_DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    struct.error,
    # Numbers and names in damaged headers, more headers than Python calls can nest, and methods
    # of compression or encryption that zipfile knows of and doesn't read (RuntimeError).
    ValueError,
    OverflowError,
    RuntimeError,
)


@contextmanager
def damage_as_oserror() -> Iterator[None]:
    """Turn errors of Python's archives and decompressors about damage into OSError."""
    try:
        yield
    except OSError as error:
        # gzip and bz2 tell of damage so, without the number that the system's errors have.
        if error.errno is not None or isinstance(error, ArchiveError):
            raise
        raise ArchiveError(f"the archive is damaged ({error})") from error
    except _DAMAGE as error:
        raise ArchiveError(f"the archive is damaged ({error})") from error


class ArchiveError(OSError):
    """An archive or its member cannot be read; the message goes on after its name."""


class _SizedFile(io.RawIOBase):
    """A file of a known size whose seeks cost nothing until something is read."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise OSError("the position lies before the start")
        self._position = start + offset
        return self._position

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        target = memoryview(buffer).cast("B")
        wanted = max(0, min(len(target), self._size - self._position))
        data = self._read_at(self._position, wanted) if wanted else b""
        target[: len(data)] = data
        self._position += len(data)
        return len(data)

    def _read_at(self, position: int, n_bytes: int) -> bytes:
        raise NotImplementedError


class FilePart(_SizedFile):
    """A stretch of an open file, which stays the caller's to close."""

    def __init__(self, file: io.IOBase, start: int, size: int) -> None:
        super().__init__(size)
        self._file, self._start = file, start

    def _read_at(self, position: int, n_bytes: int) -> bytes:
        self._file.seek(self._start + position)
        data: bytes = self._file.read(n_bytes)
        if len(data) < n_bytes:
            raise ArchiveError("the archive is damaged (a member is cut off)")
        return data


class BufferedStream(_SizedFile):
    """A stream that can only be read forwards, made seekable by holding what was read of it.

    That is as far as the reader went, hardly ever all, and never more than 64 MiB, where it seems
    to end: a reader that looks for tags at the end of a long recording does without. The stream
    is closed with it.
    """

    def __init__(self, stream: io.IOBase, size: int) -> None:
        super().__init__(size)
        self._stream = stream
        self._held = bytearray()

    def _read_at(self, position: int, n_bytes: int) -> bytes:
        end = min(position + n_bytes, _MAX_HELD_BYTES)
        if end <= position:
            return b""
        while len(self._held) < end:
            with damage_as_oserror():
                piece = self._stream.read(max(_PIECE_BYTES, end - len(self._held)))
                if not piece:
                    raise EOFError("a member is cut off")
            self._held += piece
        return bytes(self._held[position:end])

    def close(self) -> None:
        """Close the stream as well."""
        self._stream.close()
        super().close()
