import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_model.ranges.timeline import MAX_TICKS, ticks

NOON = 1_764_331_200.0
"""2025-11-28 12:00 UTC."""


@pytest.fixture(autouse=True)
def china(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "Asia/Shanghai")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (300, ["20:00", "20:01", "20:02", "20:03", "20:04", "20:05"]),
        (3600, ["20:00", "20:10", "20:20", "20:30", "20:40", "20:50", "21:00"]),
        (86_400, ["11-29", "06:00", "12:00", "18:00"]),
        (6 * 86_400, ["11-29", "11-30", "12-01", "12-02", "12-03", "12-04"]),
    ],
)
def test_ticks_are_round_by_the_clock_on_the_wall(seconds: int, written: list[str]) -> None:
    assert [text for _, text in ticks(NOON, NOON + seconds)] == written


@given(st.floats(0, 4e9), st.floats(1, 3e9))
def test_ticks_lie_within_and_are_few(first: float, span: float) -> None:
    found = ticks(first, first + span)
    assert all(first <= at <= first + span for at, _ in found)
    assert [at for at, _ in found] == sorted(at for at, _ in found)
    assert len(found) <= MAX_TICKS + 2
