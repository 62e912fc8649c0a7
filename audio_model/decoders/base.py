"""The input and the output that all decoders share."""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from io import FileIO
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Block = NDArray[np.float32]
Piece = TypeVar("Piece")

_BUDGET_BYTES = 1 << 25
_SEEK_COST_BYTES = 1 << 10
_MAX_BLOCK_SAMPLES = 1 << 18


@runtime_checkable
class SeekableFile(Protocol):
    """An open binary file; ``read`` gives fewer bytes than asked for only where it ends."""

    def read(self, n_bytes: int, /) -> bytes:
        """Read at most so many bytes."""

    def seek(self, offset: int, whence: int = ..., /) -> int:
        """Move to an offset and return the new position."""

    def tell(self) -> int:
        """Return the position in bytes."""


@dataclass(frozen=True)
class Decoded:
    """A recording being decoded.

    Attributes:
        sample_rate: Hz.
        channels: number of channels.
        codec: what the container says the audio came in: ``mulaw``, ``alaw``, ``pcm``, ``gsm`` ...
        blocks: float32 at full scale 1, decoded on demand. [each shape=(n_frames, channels)]
        within_scale: whether every sample is known to be within [-1, 1].
    """

    sample_rate: int
    channels: int
    codec: str
    blocks: Iterator[Block]
    within_scale: bool = False


def block_frames(seconds: float, sample_rate: int, channels: int) -> int:
    """Return how many frames to decode at once when ``seconds`` are wanted.

    A short recording is one block.
    """
    wanted = math.ceil(seconds * sample_rate)
    return max(1, min(wanted, _MAX_BLOCK_SAMPLES // channels))


class BoundedFile:
    """A file that seems to end when too much of it is read without a block coming out.

    Damaged or sparse files send parsers looking for the next mark through many gigabytes. The
    budget is far beyond what lies between two blocks of sound; it covers a film's pictures too.
    """

    def __init__(self, file: SeekableFile) -> None:
        self._file = file
        self._left = _BUDGET_BYTES
        self._failure: OSError | None = None

    def descriptor(self) -> int | None:
        """Return the descriptor of a local file within the budget, or None for any other file.

        A library that reads the file by itself costs a third of one that calls Python for each
        piece.
        """
        if not isinstance(self._file, FileIO):
            return None
        fd = self._file.fileno()
        return fd if os.fstat(fd).st_size <= _BUDGET_BYTES else None

    def read(self, n_bytes: int) -> bytes:
        """Read at most so many bytes, and none beyond the budget."""
        # Called from C, where an exception could only be printed: the file seems to end, and
        # `check` tells afterwards.
        try:
            data = self._file.read(min(n_bytes, self._left))
        except OSError as error:
            self._failure = self._failure or error
            return b""
        self._left -= len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to an offset at the cost of some of the budget; return -1 where that fails."""
        self._left = max(0, self._left - _SEEK_COST_BYTES)
        try:
            return self._file.seek(offset, whence) if self._left > 0 else -1
        except OSError:
            return -1

    def tell(self) -> int:
        """Return the position in bytes, or -1 when the budget is spent."""
        return self._file.tell() if self._left > 0 else -1

    def check(self) -> None:
        """Raise the OSError that reading met, if it met one: then the file's end wasn't its own."""
        if self._failure is not None:
            raise self._failure

    def rewind(self) -> None:
        """Go to the start, with a new budget."""
        self._file.seek(0)
        self._left = _BUDGET_BYTES

    def renewed_by(self, decoded: Iterator[Piece]) -> Iterator[Piece]:
        """Yield the same pieces of sound, each of which renews the budget.

        Raises OSError as `check` does.
        """
        for piece in decoded:
            self.check()
            self._left = _BUDGET_BYTES
            yield piece
        self.check()
