"""Headers that libraries refuse though the samples behind them are whole, written anew.

A recorder that is killed never fills in the sizes: libsndfile reads on to the file's end where a
size of RIFF is missing, and refuses the same of AU and RF64. Other writers leave out the pad byte
behind a chunk of odd size. Source of the chunks: "Multimedia Programming Interface and Data
Specifications 1.0", 1991; of RF64 and BW64: EBU Tech 3306 and ITU-R BS.2088.
"""

import os
import struct

from audio_model.decoders.base import SeekableFile

_CHUNK = struct.Struct("<4sI")
_LONG = struct.Struct("<Q")
_FIRST_CHUNK = 12
_UNKNOWN = 0xFFFF_FFFF
"""A size that is not known."""
_DATA_SIZE_IN_DS64 = 8
_AU_SIZE = slice(8, 12)
_CHUNKS = frozenset({
    *(b"data", b"fmt ", b"LIST", b"fact", b"bext", b"iXML", b"JUNK", b"junk", b"PAD ", b"FLLR"),
    *(b"cue ", b"smpl", b"inst", b"id3 ", b"ID3 ", b"PEAK", b"chna", b"axml", b"_PMX", b"DISP"),
    *(b"plst", b"cart", b"minf", b"elm1", b"regn", b"umid", b"afsp", b"INFO", b"LGWV", b"ds64"),
})  # fmt: skip


class Reheaded:
    """A file that begins with another header than its own."""

    def __init__(self, head: bytes, file: SeekableFile, start: int) -> None:
        """Put a header in front of a file's content.

        Args:
            head: the bytes that are read first.
            file: the file that is read after them.
            start: the byte of that file that follows the header.
        """
        self._head, self._file, self._start = head, file, start
        self._at = 0

    def read(self, n_bytes: int, /) -> bytes:
        """Read at most so many bytes, from the header on into the file."""
        head = self._head[self._at : self._at + n_bytes]
        rest = b""
        if len(head) < n_bytes:
            self._file.seek(self._at + len(head) - len(self._head) + self._start)
            rest = self._file.read(n_bytes - len(head))
        self._at += len(head) + len(rest)
        return head + rest

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move to an offset and return the new position.

        Raises OSError for one before the start.
        """
        if whence == os.SEEK_CUR:
            offset += self._at
        elif whence == os.SEEK_END:
            end = self._file.seek(0, os.SEEK_END)
            offset += max(0, end - self._start) + len(self._head)
        if offset < 0:
            raise OSError("the position lies before the start")
        self._at = offset
        return offset

    def tell(self) -> int:
        """Return the position in bytes."""
        return self._at


def mended(head: bytes, file: SeekableFile) -> SeekableFile | None:
    """Return a file with a header that libraries read; None if its own is as good.

    Args:
        head: the file's beginning, with its header.
        file: where it is.
    """
    if head.startswith(b".snd") and head[_AU_SIZE] == b"\0\0\0\0":
        anew = bytearray(head[: _AU_SIZE.stop])
        anew[_AU_SIZE] = _UNKNOWN.to_bytes(4, "big")
        return Reheaded(bytes(anew), file, len(anew))
    if head[8:12] == b"WAVE" and head[:4] in (b"RIFF", b"RF64", b"BW64"):
        return _mended_wave(head, file)
    return None


def _mended_wave(head: bytes, file: SeekableFile) -> SeekableFile | None:
    form = b""
    n_data = _UNKNOWN
    is_wrong = head.startswith(b"BW64")
    at = _FIRST_CHUNK
    while at + _CHUNK.size <= len(head):
        name, n_bytes = _CHUNK.unpack_from(head, at)
        content = at + _CHUNK.size
        if name == b"data":
            n_data = n_bytes if n_bytes != _UNKNOWN else n_data
            if not (is_wrong and form):
                return None
            anew = b"fmt " + len(form).to_bytes(4, "little") + form
            anew = b"WAVE" + anew + _CHUNK.pack(b"data", n_data)
            size = min(_UNKNOWN, len(anew) + n_data)
            return Reheaded(_CHUNK.pack(b"RIFF", size) + anew, file, content)
        if name == b"fmt ":
            form = head[content : content + n_bytes]
        elif name == b"ds64" and content + _DATA_SIZE_IN_DS64 + _LONG.size <= len(head):
            (size,) = _LONG.unpack_from(head, content + _DATA_SIZE_IN_DS64)
            is_wrong = is_wrong or size == 0
            # Longer than RIFF can say is as good as unknown: no more is read than is wanted.
            n_data = size if 0 < size < _UNKNOWN else _UNKNOWN
        at = content + n_bytes
        if n_bytes % 2:
            padded = head[at + 1 : at + 5] in _CHUNKS
            is_wrong = is_wrong or (not padded and head[at : at + 4] in _CHUNKS)
            at += padded or head[at : at + 4] not in _CHUNKS
    return None
