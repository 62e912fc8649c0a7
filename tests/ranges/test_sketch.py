import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_model.ranges import sketch


@pytest.mark.parametrize("n", [0, 1, 5, 20])
def test_few_values_are_nearly_exact(n: int) -> None:
    registers = bytearray(sketch.REGISTERS)
    for value in range(n):
        for _ in range(3):
            sketch.add(registers, sketch.fingerprint(f"139{value:08d}"))
    assert sketch.estimate(registers) == pytest.approx(n, abs=1 + 0.25 * n)


@given(st.lists(st.integers(0, 2**32 - 1), max_size=2 * sketch.EXACT))
def test_few_values_are_counted_exactly(values: list[int]) -> None:
    counter = bytearray()
    for value in values + values:
        sketch.add(counter, value)
    distinct = len(set(values))
    if distinct <= sketch.EXACT:
        assert sketch.estimate(counter) == distinct
    else:
        # Then it is as if all had been counted in the registers from the first one on.
        registers = bytearray(sketch.REGISTERS)
        for value in values:
            sketch.add(registers, value)
        assert counter == registers


def test_the_error_over_many_sets_is_that_of_the_paper() -> None:
    errors = []
    rng = random.Random(1)
    for _ in range(60):
        registers = bytearray(sketch.REGISTERS)
        for _ in range(3000):
            sketch.add(registers, rng.getrandbits(32))
        errors.append(sketch.estimate(registers) / 3000 - 1)
    assert abs(sum(errors) / len(errors)) < 0.08
    assert 0.1 < (sum(error**2 for error in errors) / len(errors)) ** 0.5 < 0.27


def test_fingerprints_are_golden() -> None:
    """They are on disk: another hash would count every number anew.

    Of ``printf 13912345678 | b2sum -l 32``.
    """
    assert sketch.fingerprint("13912345678") == 0xFBBCF2B3
