"""A leg's port: who is heard on it, and that it is quiet once the leg has its answer."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import cast

import pytest
import uvloop

from audio_model.errors import UsageError
from audio_model.formats import Encoding, RawFormat
from audio_model.gateway.codecs import by_payload_type
from audio_model.gateway.legs import Leg
from audio_model.gateway.rtp.receiver import (
    MAX_DATAGRAM_BYTES,
    NoPortError,
    RtpPorts,
    RtpReceiver,
)
from tests.gateway.fakes import FakeLeg
from tests.gateway.rtp.packets import free_even_port, rtp
from tests.gateway.waiting import until

LOCAL = "127.0.0.1"
PCMU = by_payload_type(0)
assert PCMU is not None
CODECS = {0: PCMU}

Send = Callable[[bytes], Awaitable[None]]


def _with_receiver(
    scenario: Callable[[RtpReceiver, FakeLeg, Send], Awaitable[None]], host: str = LOCAL
) -> FakeLeg:
    """Run a scenario with a leg, and a socket of its sender."""
    leg = FakeLeg("caller", RawFormat(Encoding.MULAW))

    async def run() -> None:
        receiver = RtpReceiver(RtpPorts(LOCAL, 0, 0).open(), cast(Leg, leg), CODECS, [host])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.bind((LOCAL, 0))

            async def send(datagram: bytes) -> None:
                sender.sendto(datagram, (LOCAL, receiver.port))
                await asyncio.sleep(0.002)

            await scenario(receiver, leg, send)
        receiver.close()
        receiver.close()

    uvloop.run(run())
    return leg


def test_packets_reach_the_leg_and_nothing_else_does() -> None:
    async def scenario(receiver: RtpReceiver, leg: FakeLeg, send: Send) -> None:
        await send(rtp(65_535, b"one"))
        await send(b"\x80\xc8" + bytes(26))  # RTCP
        await send(b"\x00\x01" + bytes(18))  # STUN
        await send(b"")
        await send(b"\x9f\x00" + bytes(10))  # cut short
        await send(b"\x80" * (MAX_DATAGRAM_BYTES + 1))
        await send(rtp(65_536, b"two"))

    (first, one), (second, two) = _with_receiver(scenario).numbered
    assert (one, two, second - first) == (b"one", b"two", 1)


def test_who_was_not_announced_is_not_heard() -> None:
    async def scenario(receiver: RtpReceiver, leg: FakeLeg, send: Send) -> None:
        await send(rtp(1, b"x"))
        assert leg.numbered == []
        receiver.update(CODECS, [LOCAL])
        await send(rtp(2, b"y"))

    assert [payload for _, payload in _with_receiver(scenario, "192.0.2.1").numbered] == [b"y"]


def test_a_burst_is_read_whole() -> None:
    n_packets = 40

    async def scenario(receiver: RtpReceiver, leg: FakeLeg, send: Send) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for index in range(n_packets):
                sender.sendto(rtp(index, b"x"), (LOCAL, receiver.port))
        await until(lambda: len(leg.numbered) >= n_packets)

    assert len(_with_receiver(scenario).numbered) == n_packets


def test_a_finished_leg_is_not_read_for_and_its_port_stays_taken() -> None:
    async def scenario(receiver: RtpReceiver, leg: FakeLeg, send: Send) -> None:
        await send(rtp(1, b"x"))
        leg.finished = True
        await send(rtp(2, b"y"))
        loop = asyncio.get_running_loop()
        # False: there was no reader to remove.
        assert not loop.remove_reader(receiver._socket)
        await send(rtp(3, b"z"))
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other,
            pytest.raises(OSError, match="in use"),
        ):
            other.bind((LOCAL, receiver.port))

    assert len(_with_receiver(scenario).numbered) == 1


def test_ports_are_even_within_their_range_and_come_round() -> None:
    first = free_even_port() - 1
    ports = RtpPorts(LOCAL, first, first + 1)
    opened = ports.open()
    assert opened.getsockname()[1] == first + 1
    with pytest.raises(NoPortError, match=LOCAL):
        ports.open()
    opened.close()
    ports.open().close()


@pytest.mark.parametrize(("first", "last"), [(5, 5), (10, 8), (0, 10), (-2, 8), (2, 70_000)])
def test_a_range_that_cannot_be_is_refused(first: int, last: int) -> None:
    with pytest.raises(UsageError):
        RtpPorts(LOCAL, first, last)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "localhost", ""])
def test_an_address_that_senders_could_not_reach_is_refused(host: str) -> None:
    with pytest.raises(UsageError, match="RTP needs"):
        RtpPorts(host, 0, 0)
