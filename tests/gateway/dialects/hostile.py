"""What a dialect must survive: whatever can be sent to a socket."""

import json
from collections.abc import Callable, Sequence

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audio_model.gateway.dialects.base import UNSAID, Dialect, ProtocolError

RATES: tuple[object, ...] = (
    0,
    -1,
    1,
    10**9,
    10**400,
    "8000",
    "",
    "1e3",
    8000.5,
    None,
    True,
    [],
    {},
)

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)

BOMBS = (
    "[" * 100_000,
    '{"a":' * 100_000,
    '{"event":' + "9" * 10_000 + "}",
    "\ud800",
    '{"event": "\ud800"}',
    "\x00",
    "",
    "null",
    "{}",
    "[]",
)


def survives(
    make: Callable[[], Dialect],
    keys: Sequence[str],
    valid: Sequence[str],
    wrap: Callable[[str], str] = str,
) -> None:
    """Send garbage and valid texts in any order: ProtocolError is all that escapes.

    Args:
        make: a fresh dialect.
        keys: fields that the dialect reads, to be given values of every kind.
        valid: texts that it takes.
        wrap: makes a message of a text.
    """
    fields = st.dictionaries(st.sampled_from(list(keys)), _json | st.sampled_from(RATES))
    texts = (
        st.text(max_size=200)
        | st.sampled_from(list(valid))
        | st.sampled_from(BOMBS)
        | _json.map(json.dumps)
        | fields.map(json.dumps)
    )
    mutated = st.tuples(st.sampled_from(list(valid)), st.integers(0, 400), st.text(max_size=3)).map(
        lambda cut: cut[0][: cut[1]] + cut[2] + cut[0][cut[1] + 1 :]
    )
    messages = st.lists(texts | mutated | st.binary(max_size=700), max_size=8)

    @settings(database=None, suppress_health_check=list(HealthCheck))
    @given(messages)
    def send(sequence: list[str | bytes]) -> None:
        dialect = make()
        for message in sequence:
            try:
                if isinstance(message, str):
                    dialect.text(wrap(message))
                else:
                    dialect.binary(message)
            except ProtocolError as error:
                assert len(str(error).splitlines()) <= 1
                assert len(str(error)) < 1_000
        dialect.fail("too many")
        dialect.lost()
        dialect.lost()
        opened = dialect.calls.opened  # type: ignore[attr-defined]
        # One for audio that nobody announced in time, and the call that is announced later.
        assert len([call for call in opened if call.failures != [UNSAID]]) <= 1
        assert len(opened) <= 2
        assert all(call.finished for call in opened)

    send()
