"""What every decoder takes and gives."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from io import FileIO

import numpy as np
from numpy.typing import NDArray

Block = NDArray[np.float32]

_BUDGET_BYTES = 1 << 25
_SEEK_COST_BYTES = 1 << 10


@dataclass(frozen=True)
class Decoded:
    """A recording being decoded.

    Attributes:
        sample_rate: Hz.
        channels: number of channels.
        blocks: float32 at full scale 1, decoded on demand. [each shape=(n_frames, channels)]
    """

    sample_rate: int
    channels: int
    blocks: Iterator[Block]


class BoundedFile:
    """A file that seems to end when too much of it is read without a block coming out.

    Damaged or sparse files send parsers looking for the next mark through many gigabytes. The
    budget is far beyond what lies between two blocks of sound; it covers a film's pictures too.
    """

    def __init__(self, file: FileIO) -> None:
        self._file = file
        self._left = _BUDGET_BYTES

    def read(self, n_bytes: int) -> bytes:
        # Called from C, where an exception could only be printed. A file that can't be read on is
        # taken for truncated.
        try:
            data = self._file.read(min(n_bytes, self._left))
        except OSError:
            return b""
        self._left -= len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._left = max(0, self._left - _SEEK_COST_BYTES)
        try:
            return self._file.seek(offset, whence) if self._left > 0 else -1
        except OSError:
            return -1

    def tell(self) -> int:
        return self._file.tell() if self._left > 0 else -1

    def rewind(self) -> None:
        """Go to the start, with a new budget."""
        self._file.seek(0)
        self._left = _BUDGET_BYTES

    def renewed_by(self, blocks: Iterator[Block]) -> Iterator[Block]:
        """The same blocks; each gives a new budget."""
        for block in blocks:
            self._left = _BUDGET_BYTES
            yield block
