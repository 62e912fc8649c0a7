from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.corpora.rnc_writer import Turn, pack
from training.corpora.errors import CorpusError
from training.corpora.rnc import unpack

turns = st.lists(
    st.tuples(st.binary(max_size=60), st.integers(1, 300), st.integers(2, 300)),
    min_size=1,
    max_size=8,
)


def copied(blocks: list[list[Turn]]) -> tuple[list[list[Turn]], bytes]:
    """The blocks with distances that reach no further than the beginning, and what they hold."""
    out = bytearray()
    written: list[list[Turn]] = []
    for block in blocks:
        written.append([])
        for number, (plain, back, n_copied) in enumerate(block):
            out += plain
            if not out:
                plain = b"a"
                out += plain
            back = min(back, len(out))
            written[-1].append((plain, back, n_copied))
            if number < len(block) - 1:
                for _ in range(n_copied):
                    out.append(out[-back])
    return written, bytes(out)


@given(st.lists(turns, min_size=1, max_size=3))
def test_what_is_packed_comes_out(blocks: list[list[Turn]]) -> None:
    written, content = copied(blocks)
    assert unpack(pack(written, len(content))) == content


def test_a_copy_may_be_longer_than_what_it_is_of() -> None:
    assert unpack(pack([[(b"ab", 2, 7), (b"c", 1, 2)]], 10)) == b"ababababac"


@given(st.binary(max_size=40))
def test_something_else_is_an_error(content: bytes) -> None:
    with pytest.raises(CorpusError, match="not packed"):
        unpack(b"XYZ\x01" + content)


@given(st.data())
def test_damage_is_an_error_or_other_bytes_and_never_another_exception(data: st.DataObject) -> None:
    packed = bytearray(pack([[(bytes(range(40)), 7, 30), (b"end", 1, 2)]], 73))
    at = data.draw(st.integers(4, len(packed) - 1))
    packed[at] ^= data.draw(st.integers(1, 255))
    cut = data.draw(st.integers(12, len(packed)))
    # A size that was damaged asks for gigabytes; what is looked at here is what follows.
    packed[4:8] = (73).to_bytes(4, "big")
    with suppress(CorpusError):
        assert len(unpack(bytes(packed[:cut]))) <= 73
