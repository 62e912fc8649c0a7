"""Channels that last while their call is heard."""

import asyncio
import logging

import pytest

from audio_model.gateway.asterisk import alive
from audio_model.gateway.asterisk.alive import Alive
from tests.gateway.clock import Clock, run_by_clock


def test_a_channel_is_kept_three_times_in_its_time_while_its_call_is_heard() -> None:
    heard, sent = {"a"}, []

    async def test(_: Clock) -> None:
        keeper = Alive(heard.__contains__, lambda call_id, action: sent.append((call_id, action)))
        keeper.keep("a", "WebSocket/x-1", "1.2")
        keeper.keep("unheard", "WebSocket/x-2", "1.2")
        await asyncio.sleep(0.3)
        assert sent == []
        await asyncio.sleep(0.65)
        assert [call_id for call_id, _ in sent] == ["a", "a"]
        action = {"Action": "AbsoluteTimeout", "Channel": "WebSocket/x-1", "Timeout": "1.2"}
        assert sent[0][1] == action
        heard.clear()
        await asyncio.sleep(0.9)
        assert len(sent) == 2
        assert len(keeper) == 0

    run_by_clock(test)


def test_a_channel_that_is_gone_is_let_go() -> None:
    sent: list[str] = []

    async def test(_: Clock) -> None:
        keeper = Alive(lambda _: True, lambda call_id, _: sent.append(call_id))
        for call_id in ("a", "b"):
            keeper.keep(call_id, "x", "1")
        keeper.stop("a")
        keeper.stop("never known")
        await asyncio.sleep(0.5)
        assert sent == ["b"]
        keeper.close()
        assert len(keeper) == 0

    run_by_clock(test)


@pytest.mark.parametrize("seconds", ["", "soon", "nan", "0", "0.5", "-3", "61", "inf"])
def test_seconds_that_can_not_be_keep_nothing_and_say_so(
    seconds: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(_: Clock) -> None:
        keeper = Alive(lambda _: True, lambda *_: None)
        with caplog.at_level(logging.WARNING):
            keeper.keep("a", "x", seconds)
        assert len(keeper) == 0
        assert "Alive must be 1 to 60 seconds" in caplog.text

    run_by_clock(test)


def test_there_is_an_end_to_how_many_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alive, "MAX_CHANNELS", 2)

    async def test(_: Clock) -> None:
        keeper = Alive(lambda _: True, lambda *_: None)
        for n in range(5):
            keeper.keep(str(n), "x", "2")
        assert len(keeper) == 2
        keeper.close()

    run_by_clock(test)
