"""Packs as Rob Northen Compression, method 1, does, without looking for what comes twice."""

import struct
from collections.abc import Sequence

Turn = tuple[bytes, int, int]
"""Bytes as they are, then how many bytes are copied from how far back."""
N_SYMBOLS = 16
LENGTH = 4
"""Every word of the codes has this length: all sixteen symbols are there."""


class Writer:
    def __init__(self) -> None:
        self.out = bytearray()
        self._word_at, self._n_bits = -1, 16

    def bits(self, value: int, n: int) -> None:
        for place in range(n):
            if self._n_bits == 16:
                self._word_at, self._n_bits = len(self.out), 0
                self.out += bytes(2)
            word = int.from_bytes(self.out[self._word_at : self._word_at + 2], "little")
            word |= (value >> place & 1) << self._n_bits
            self.out[self._word_at : self._word_at + 2] = word.to_bytes(2, "little")
            self._n_bits += 1

    def number(self, value: int) -> None:
        symbol = value.bit_length()
        self.bits(int(f"{symbol:0{LENGTH}b}"[::-1], 2), LENGTH)
        if symbol > 1:
            self.bits(value - (1 << (symbol - 1)), symbol - 1)


def pack(blocks: Sequence[Sequence[Turn]], size: int) -> bytes:
    """Copy nothing in the last turn of a block. ``size``: that of what it unpacks to."""
    writer = Writer()
    writer.bits(0, 2)
    for turns in blocks:
        for _ in range(3):
            writer.bits(N_SYMBOLS, 5)
            for _ in range(N_SYMBOLS):
                writer.bits(LENGTH, 4)
        writer.bits(len(turns), 16)
        for number, (plain, back, n_copied) in enumerate(turns):
            writer.number(len(plain))
            writer.out += plain
            if number < len(turns) - 1:
                writer.number(back - 1)
                writer.number(n_copied - 2)
    header = struct.pack(">4sII6x", b"RNC\x01", size, len(writer.out))
    return header + bytes(writer.out)
