"""Connections rest between reads while the engine says so; what comes meanwhile is read at once."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import pytest

from audio_model.gateway.engine import Engine
from audio_model.gateway.pacer import READ_BYTES, WAKE_SECONDS, WAKE_TOGETHER, Paced, Pacer
from tests.gateway.waiting import until

SECONDS = 20.0
"""For what is sure to come, on a machine that does other work as well."""


@dataclass
class Resting:
    """An engine, as far as the pacer asks it."""

    rest: float


class Protocol(asyncio.Protocol):
    """A connection that is paced, and notes what it received and when."""

    def __init__(self, pacer: Pacer, *, over: bool = False) -> None:
        self.pacer, self.over = pacer, over
        self.reads: list[bytes] = []
        self.read_at: list[float] = []
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.paced = self.pacer.pace(self.transport, self.data_received)

    def data_received(self, data: bytes) -> None:
        self.reads.append(data)
        self.read_at.append(asyncio.get_running_loop().time())
        self.paced.has_read(over=self.over)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True

    @property
    def received(self) -> bytes:
        return b"".join(self.reads)


@asynccontextmanager
async def connected(
    pacer: Pacer, *, over: bool = False
) -> AsyncIterator[tuple[Protocol, socket.socket]]:
    ours, theirs = socket.socketpair()
    with theirs:
        _, protocol = await asyncio.get_running_loop().connect_accepted_socket(
            lambda: Protocol(pacer, over=over), ours
        )
        try:
            yield protocol, theirs
        finally:
            protocol.transport.abort()
            await until(lambda: protocol.lost)


def pacer(rest: float) -> Pacer:
    return Pacer(cast(Engine, Resting(rest)))


def test_on_an_idle_machine_nobody_rests() -> None:
    async def scene() -> None:
        async with connected(pacer(0.0)) as (protocol, peer):
            for packet in (b"a", b"b"):
                peer.send(packet)
                await until(lambda packet=packet: protocol.received.endswith(packet))  # type: ignore[misc]
                assert protocol.transport.is_reading()

    asyncio.run(scene())


def test_what_comes_during_a_rest_is_read_at_once() -> None:
    async def scene() -> None:
        async with connected(pacer(0.2)) as (protocol, peer):
            for number in range(4):
                for packet in (b"a", b"b", b"c"):
                    peer.send(packet)
                await until(lambda number=number: len(protocol.received) == 3 * (number + 1))  # type: ignore[misc]
                assert not protocol.transport.is_reading()
            assert protocol.reads == 4 * [b"abc"]
            rests = [b - a for a, b in pairwise(protocol.read_at)]
            assert min(rests) > 0.2 - WAKE_SECONDS - 0.002

    asyncio.run(scene())


def test_who_hears_nothing_is_read_again_all_the_same() -> None:
    async def scene() -> None:
        async with connected(pacer(0.02)) as (protocol, peer):
            peer.send(b"a")
            await until(lambda: protocol.received == b"a")
            # Several rests in which nothing comes.
            await asyncio.sleep(0.1)
            peer.send(b"b")
            await until(lambda: protocol.received == b"ab")

    asyncio.run(scene())


def test_a_large_read_loses_nothing() -> None:
    async def scene() -> None:
        async with connected(pacer(0.02)) as (protocol, peer):
            sent = bytes(range(256)) * (3 * READ_BYTES // 256)
            peer.settimeout(SECONDS)
            await asyncio.to_thread(peer.sendall, sent)
            await until(lambda: len(protocol.received) == len(sent))
            assert protocol.received == sent

    asyncio.run(scene())


@pytest.mark.parametrize("rest", [0.0, 0.05])
def test_a_connection_that_ends_is_lost_after_its_last_packet(rest: float) -> None:
    async def scene() -> None:
        async with connected(pacer(rest)) as (protocol, peer):
            peer.send(b"a")
            await until(lambda: protocol.received == b"a")
            peer.send(b"b")
            peer.close()
            await until(lambda: protocol.lost)
            assert protocol.received == b"ab"

    asyncio.run(scene())


def test_a_connection_is_watched_again_when_the_machine_has_time() -> None:
    async def scene() -> None:
        engine = Resting(0.02)
        async with connected(Pacer(cast(Engine, engine))) as (protocol, peer):
            peer.send(b"a")
            await until(lambda: protocol.received == b"a")
            assert not protocol.transport.is_reading()
            engine.rest = 0.0
            await until(protocol.transport.is_reading)
            peer.send(b"b")
            await until(lambda: protocol.received == b"ab")

    asyncio.run(scene())


def test_who_was_answered_rests_on_an_idle_machine_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audio_model.gateway.pacer.OVER_SECONDS", 0.3)

    async def scene() -> None:
        async with connected(pacer(0.0), over=True) as (protocol, peer):
            peer.send(b"a")
            await until(lambda: protocol.received == b"a")
            assert not protocol.transport.is_reading()
            peer.send(b"b")
            await until(lambda: protocol.received == b"ab")
            assert protocol.read_at[1] - protocol.read_at[0] > 0.3 - WAKE_SECONDS - 0.002

    asyncio.run(scene())


def test_who_is_heard_does_not_wait_for_who_was_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audio_model.gateway.pacer.OVER_SECONDS", 600.0)

    async def scene() -> None:
        both = pacer(0.02)
        async with (
            connected(both, over=True) as (answered, _),
            connected(both) as (heard, peer),
        ):
            answered.paced.has_read(over=True)
            assert not answered.transport.is_reading()
            for n_bytes in (1, 2):
                peer.send(b"a")
                await until(lambda n_bytes=n_bytes: len(heard.received) == n_bytes)  # type: ignore[misc]

    asyncio.run(scene())


def test_who_paused_a_connection_for_reasons_of_its_own_is_not_read() -> None:
    async def scene() -> None:
        async with connected(pacer(0.02)) as (protocol, peer):

            def full(data: bytes) -> None:
                # As aiohttp does when more waits than it holds.
                protocol.reads.append(data)
                protocol.transport.pause_reading()

            paced = protocol.pacer.pace(protocol.transport, full)
            paced.has_read()
            peer.send(b"a")
            await until(lambda: protocol.received == b"a")
            peer.send(b"b")
            paced.has_read()
            await asyncio.sleep(0.1)
            assert protocol.received == b"a"
            protocol.transport.resume_reading()
            await until(lambda: protocol.received == b"ab")

    asyncio.run(scene())


class Transport:
    """A transport, as far as the pacer asks it."""

    def __init__(self, **extra: object) -> None:
        self.reading, self.resumed, self.extra = True, 0, extra

    def get_extra_info(self, name: str) -> object:
        return self.extra.get(name)

    def is_closing(self) -> bool:
        return False

    def is_reading(self) -> bool:
        return self.reading

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True
        self.resumed += 1


def test_bytes_that_are_encrypted_are_left_to_the_event_loop() -> None:
    async def scene() -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            theirs.send(b"encrypted")
            transport = Transport(socket=ours, sslcontext=object())
            received: list[bytes] = []
            paced = pacer(0.02).pace(cast(asyncio.Transport, transport), received.append)
            for times in (1, 2, 3):
                paced.has_read()
                assert not transport.reading
                await until(lambda times=times: transport.resumed == times)  # type: ignore[misc]
            assert not received

    asyncio.run(scene())


def test_not_all_are_read_at_one_turn_of_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    woken = 0
    wake = Paced.wake

    def counted(paced: Paced) -> None:
        nonlocal woken
        woken += 1
        wake(paced)

    monkeypatch.setattr(Paced, "wake", counted)

    async def scene() -> None:
        paced = pacer(0.02)
        for _ in range(3 * WAKE_TOGETHER):
            paced.pace(cast(asyncio.Transport, Transport()), lambda _: None).has_read()
        seen = [0]
        async with asyncio.timeout(SECONDS):
            while woken < 3 * WAKE_TOGETHER:
                await asyncio.sleep(0)
                seen.append(woken)
        assert max(b - a for a, b in pairwise(seen)) <= WAKE_TOGETHER

    asyncio.run(scene())
