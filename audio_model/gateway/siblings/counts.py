"""What one process has open, in memory that its siblings read.

A file, mapped into memory, of records of sixteen bytes: a hash of what is counted, and how many.
One process writes it. Its siblings read a number without asking, so a process that hangs holds
nobody up, and the numbers of one that was killed are there until it is known to be dead.
"""

import logging
import mmap
import os
from hashlib import blake2b
from typing import Final

logger = logging.getLogger(__name__)

MAX_KINDS = 16_384
"""Kinds that are counted: legs, connections, and the legs of each tenant that ever had one."""
_WORDS_A_KIND: Final = 2
_BYTES: Final = MAX_KINDS * _WORDS_A_KIND * 8


def _hash(kind: str) -> int:
    """Return a number that stands for a kind; never 0, which stands for none."""
    return int.from_bytes(blake2b(kind.encode(), digest_size=8).digest(), "little", signed=True) | 1


class ProcessCounts:
    """One process's numbers. Made by the process that counts, and by each that reads."""

    def __init__(self, file: int) -> None:
        """Map a file into memory.

        Args:
            file: descriptor of the file, open for reading and writing; it may be closed then.
        """
        # It only ever grows: one that shrinks under a sibling that reads it would end that. And it
        # has all its room from the start: on a disk that is full, writing would end the process.
        if os.fstat(file).st_size < _BYTES:
            os.posix_fallocate(file, 0, _BYTES)
        self._words = memoryview(mmap.mmap(file, _BYTES)).cast("q")
        self._warned = False
        self._hashes: dict[str, int] = {}
        self._places: dict[int, int] = {}
        """Where the number of each hash is. Hashes keep their places, whoever writes the file."""

    def begin(self) -> None:
        """Forget the numbers of the process that had the file before."""
        self._find_all()
        for place in self._places.values():
            self._words[place] = 0

    def __getitem__(self, kind: str) -> int:
        place = self._place(kind)
        return 0 if place is None else self._words[place]

    def __setitem__(self, kind: str, number: int) -> None:
        place = self._place(kind)
        if place is None:
            at = _WORDS_A_KIND * len(self._places)
            if at == len(self._words):
                self._warn()
                return
            place = self._places[self._hashes[kind]] = at + 1
            # The number first: what has no hash yet is not read.
            self._words[place] = number
            self._words[at] = self._hashes[kind]
            return
        self._words[place] = number

    def _warn(self) -> None:
        if not self._warned:
            self._warned = True
            logger.warning(
                "more than %d tenants: the limits of some hold for each process alone", MAX_KINDS
            )

    def _place(self, kind: str) -> int | None:
        if kind not in self._hashes:
            self._hashes[kind] = _hash(kind)
        place = self._places.get(self._hashes[kind])
        if place is None:
            self._find_all()
            place = self._places.get(self._hashes[kind])
        return place

    def _find_all(self) -> None:
        """Find the places that were taken since it was looked last."""
        at = _WORDS_A_KIND * len(self._places)
        while at < len(self._words) and self._words[at]:
            self._places[self._words[at]] = at + 1
            at += _WORDS_A_KIND
