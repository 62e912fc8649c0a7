"""How many different numbers were called: exactly while they are few, then in 32 bytes.

The first ``EXACT`` values stand there one by one, behind a byte that makes their length another
than that of the registers. Then HyperLogLog: each value's hash chooses one of ``REGISTERS`` and how
many leading zeros the rest of it has; a register keeps the most. The error is 1.04 /
sqrt(REGISTERS), 18 %. Source: Flajolet et al., "HyperLogLog: the analysis of a near-optimal
cardinality estimation algorithm", 2007.
"""

import math
from hashlib import blake2b

REGISTERS = 32
EXACT = 48
_VALUE_BYTES = 4
_MARK = b"\1"
_INDEX_BITS = 5
_HASH_BITS = 32
_ALPHA = 0.697
"""The constant for 32 registers, from the same paper."""


def fingerprint(value: str) -> int:
    """Return a hash of 32 bits, the same in every process."""
    return int.from_bytes(blake2b(value.encode("utf-8", "replace"), digest_size=4).digest(), "big")


def add(counter: bytearray, value: int) -> None:
    """Note a value by its :func:`fingerprint`. ``counter`` is empty at first."""
    if len(counter) == REGISTERS:
        _register(counter, value)
        return
    held = value.to_bytes(_VALUE_BYTES, "big")
    at = counter.find(held, 1)
    while at > 0 and at % _VALUE_BYTES != 1:
        at = counter.find(held, at + 1)
    if at > 0:
        return
    if not counter:
        counter += _MARK
    counter += held
    values = _values(counter)
    if len(values) > EXACT:
        counter[:] = bytes(REGISTERS)
        for each in values:
            _register(counter, each)


def _values(counter: bytes | bytearray) -> list[int]:
    return [
        int.from_bytes(counter[at : at + _VALUE_BYTES], "big")
        for at in range(1, len(counter), _VALUE_BYTES)
    ]


def _register(registers: bytearray, value: int) -> None:
    index, rest = value & (REGISTERS - 1), value >> _INDEX_BITS
    rank = _HASH_BITS - _INDEX_BITS - rest.bit_length() + 1
    if rank > registers[index]:
        registers[index] = rank


def estimate(counter: bytes | bytearray) -> int:
    """Return how many different values were added: exact up to EXACT, then an estimate."""
    if len(counter) != REGISTERS:
        return len(counter) // _VALUE_BYTES
    registers = counter
    raw = _ALPHA * REGISTERS**2 / math.fsum(2.0**-rank for rank in registers)
    empty = registers.count(0)
    if raw <= 2.5 * REGISTERS and empty:
        raw = REGISTERS * math.log(REGISTERS / empty)
    return round(raw)
