"""Connections rest between reads while the engine says so, and all wake again."""

import asyncio
from dataclasses import dataclass, field
from itertools import pairwise
from typing import cast

import pytest

from audio_model.gateway.engine import Engine
from audio_model.gateway.pacer import WAKE_SECONDS, WAKE_TOGETHER, Pacer
from tests.gateway.waiting import until


@dataclass
class Resting:
    """An engine, as far as the pacer asks it."""

    rest: float


@dataclass
class Transport:
    """A connection that tells when it was let read again."""

    woken_at: list[float] = field(default_factory=list)
    reading: bool = True

    def is_reading(self) -> bool:
        return self.reading

    def pause_reading(self) -> None:
        assert self.reading
        self.reading = False

    def resume_reading(self) -> None:
        assert not self.reading
        self.reading = True
        self.woken_at.append(asyncio.get_running_loop().time())


def pacer(rest: float) -> Pacer:
    return Pacer(cast(Engine, Resting(rest)))


def read(paced: Pacer, transport: Transport, *, over: bool = False) -> None:
    paced.has_read(cast(asyncio.Transport, transport), over=over)


def test_on_an_idle_machine_nobody_rests() -> None:
    async def scene() -> None:
        transport = Transport()
        read(pacer(0.0), transport)
        assert transport.reading

    asyncio.run(scene())


def test_each_rests_as_long_as_it_is_told() -> None:
    async def scene() -> None:
        paced, transports = pacer(0.1), [Transport() for _ in range(5)]
        began = []
        for transport in transports:
            began.append(asyncio.get_running_loop().time())
            read(paced, transport)
            # A message of the same read, which changes nothing.
            read(paced, transport)
            assert not transport.reading
            await asyncio.sleep(0.02)
        await until(lambda: all(transport.woken_at for transport in transports))
        for since, transport in zip(began, transports, strict=True):
            [woken_at] = transport.woken_at
            assert woken_at - since > 0.1 - WAKE_SECONDS - 0.001
        # Not all at once with the first, unless this thread had no core for so long.
        if transports[0].woken_at[0] - began[0] < 0.12:
            assert transports[-1].woken_at[0] - transports[0].woken_at[0] > 0.05

    asyncio.run(scene())


def test_who_was_answered_rests_on_an_idle_machine_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audio_model.gateway.pacer.OVER_SECONDS", 0.2)

    async def scene() -> None:
        paced, answered, heard = pacer(0.02), Transport(), Transport()
        read(paced, answered, over=True)
        read(paced, heard)
        await until(lambda: bool(heard.woken_at and answered.woken_at))
        # Who is heard does not wait for whoever rests longer.
        assert heard.woken_at[0] < answered.woken_at[0]

    asyncio.run(scene())


def test_who_woke_may_rest_again() -> None:
    async def scene() -> None:
        paced, transport = pacer(0.02), Transport()
        for times in range(1, 4):
            read(paced, transport)
            assert not transport.reading
            async with asyncio.timeout(30):
                while len(transport.woken_at) < times:
                    await asyncio.sleep(0.005)

    asyncio.run(scene())


def test_not_all_wake_at_one_turn_of_the_loop() -> None:
    async def scene() -> None:
        paced, transports = pacer(0.02), [Transport() for _ in range(3 * WAKE_TOGETHER)]
        for transport in transports:
            read(paced, transport)
        woken = []
        async with asyncio.timeout(30):
            while not all(transport.reading for transport in transports):
                await asyncio.sleep(0)
                woken.append(sum(transport.reading for transport in transports))
        assert max(b - a for a, b in pairwise([0, *woken])) <= WAKE_TOGETHER

    asyncio.run(scene())
