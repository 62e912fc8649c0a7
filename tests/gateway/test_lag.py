"""The event loop's lag is what its timers are late by."""

import asyncio
import time
from pathlib import Path

import pytest

from audio_model.gateway import lag
from audio_model.gateway.lag import LoopLag, waited_for_a_core


def test_a_loop_that_is_held_up_is_late_and_catches_up() -> None:
    async def scene() -> None:
        measured = LoopLag()
        for _ in range(4):
            time.sleep(0.5)
            # What is late now counts before the timer has fired.
            assert measured.seconds >= 0.15
            await asyncio.sleep(0)
        assert measured.seconds > 0.2
        for _ in range(3_000):
            await asyncio.sleep(0.02)
            if measured.seconds < 0.1:
                return
        raise AssertionError(measured.seconds)

    asyncio.run(scene())


@pytest.mark.parametrize("content", ["", "1", "a b c"])
def test_where_nobody_tells_nothing_is_assumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    monkeypatch.setattr(lag, "_SCHEDSTAT", tmp_path / "schedstat")
    assert waited_for_a_core() == 0
    (tmp_path / "schedstat").write_text(content)
    assert waited_for_a_core() == 0
    (tmp_path / "schedstat").write_text("5000000000 2500000000 7\n")
    assert waited_for_a_core() == 2.5
