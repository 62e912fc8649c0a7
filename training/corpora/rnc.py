"""Data packed by Rob Northen Compression, method 1, as games of the nineties hold it.

A file is a run of blocks. A block has three prefix codes (for the number of bytes that stand
there as they are, for distances and for lengths) and then turns: so many bytes, then a copy of
what was unpacked a distance ago.
"""

import struct

from training.corpora.errors import CorpusError

MAGIC = b"RNC\x01"
HEADER_BYTES = 18
LONGEST_CODE = 16

Code = dict[tuple[int, int], int]
"""Number of bits and their value, the first bit lowest, to what they stand for."""


class _Bits:
    """Bits of 16-bit words, the lowest first, with whole bytes between them."""

    def __init__(self, packed: bytes) -> None:
        self._packed = packed + bytes(4)
        self._at, self._held, self._n_held = 0, 0, 0

    def see(self, n: int) -> int:
        while self._n_held < n:
            if self._at + 2 > len(self._packed):
                raise CorpusError("packed data ends early")
            word = int.from_bytes(self._packed[self._at : self._at + 2], "little")
            self._held |= word << self._n_held
            self._at += 2
            self._n_held += 16
        return self._held & ((1 << n) - 1)

    def take(self, n: int) -> int:
        value = self.see(n)
        self._held >>= n
        self._n_held -= n
        return value

    def take_bytes(self, n: int) -> bytes:
        # A word that was only looked at comes after the bytes.
        while self._n_held >= 16:
            self._n_held -= 16
            self._at -= 2
        self._held &= (1 << self._n_held) - 1
        start, self._at = self._at, self._at + n
        return self._packed[start : self._at]


def unpack(packed: bytes) -> bytes:
    """Unpack RNC data. Raises CorpusError for data that is damaged or packed otherwise."""
    if packed[:4] != MAGIC:
        raise CorpusError("it is not packed by RNC, method 1")
    size, packed_size = struct.unpack(">II", packed[4:12])
    bits = _Bits(packed[HEADER_BYTES : HEADER_BYTES + packed_size])
    bits.take(2)
    out = bytearray()
    while len(out) < size:
        plain, distance, length = (_code(bits) for _ in range(3))
        n_turns = bits.take(16)
        for turn in range(n_turns):
            n = _number(bits, plain)
            out += bits.take_bytes(n)
            if turn < n_turns - 1:
                back, n_copied = _number(bits, distance) + 1, _number(bits, length) + 2
                if back > len(out):
                    raise CorpusError("packed data is damaged")
                copied = bytes(out[-back:][:n_copied])
                # A copy may be longer than what it is of: then it goes round.
                out += (copied * (n_copied // len(copied) + 1))[:n_copied]
        if not n_turns:
            raise CorpusError("packed data is damaged")
    return bytes(out[:size])


def _code(bits: _Bits) -> Code:
    """Return a canonical prefix code by the lengths of its words.

    Words are written with their first bit highest and read the other way round.
    """
    lengths = [bits.take(4) for _ in range(bits.take(5))]
    code: Code = {}
    word = 0
    for length in range(1, LONGEST_CODE + 1):
        for symbol, its_length in enumerate(lengths):
            if its_length == length:
                code[length, int(f"{word:0{length}b}"[::-1], 2)] = symbol
                word += 1
        word <<= 1
    return code


def _number(bits: _Bits, code: Code) -> int:
    """Read a number: a symbol says how many bits it has, and all but its highest follow."""
    for length in range(1, LONGEST_CODE + 1):
        symbol = code.get((length, bits.see(length)))
        if symbol is not None:
            bits.take(length)
            return symbol if symbol < 2 else 1 << (symbol - 1) | bits.take(symbol - 1)
    raise CorpusError("packed data is damaged")
