"""rtpengine itself, with parties of ours: each codec that it may carry is heard as samples."""

import asyncio
import socket
from pathlib import Path
from typing import cast

import pytest
import uvloop

from audio_model.formats import Encoding, RawFormat
from audio_model.gateway.calls import Calls
from audio_model.gateway.rtp import sdp
from audio_model.gateway.rtp.ng import NgClient, RtpengineError, text
from audio_model.gateway.rtp.receiver import RtpPorts
from audio_model.gateway.rtp.rtpengine import Rtpengine
from tests.gateway.fakes import FakeCalls, FakeLeg
from tests.gateway.peers import telephony
from tests.gateway.peers.telephony import LOCAL
from tests.gateway.rtp.packets import rtp

pytestmark = [
    pytest.mark.peer,
    pytest.mark.slow,
    pytest.mark.skipif(bool(telephony.missing("rtpengine")), reason=telephony.missing("rtpengine")),
]

PACKETS = 25
OPUS = "a=rtpmap:96 opus/48000/2\r\n"
GSM_FRAME = b"\xd8" + bytes(32)


def _description(port: int, payload_type: int) -> str:
    return (
        f"v=0\r\no=- 1 1 IN IP4 {LOCAL}\r\ns=-\r\nc=IN IP4 {LOCAL}\r\nt=0 0\r\n"
        f"m=audio {port} RTP/AVP {payload_type}\r\n{OPUS if payload_type == 96 else ''}"
    )


async def _heard(
    ng_port: int, payload_type: int, payload: bytes, ticks: int, from_tag: str
) -> list[FakeLeg]:
    """What the legs hear of a call in which both parties send the same packets."""
    calls, call_id = FakeCalls(), f"call-{payload_type}"
    client = await NgClient.connect(LOCAL, ng_port)
    following = await Rtpengine.start(cast(Calls, calls), RtpPorts(LOCAL, 0, 0), LOCAL, ng_port)
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as callee,
    ):
        caller.bind((LOCAL, 0))
        callee.bind((LOCAL, 0))
        parties = []
        for party, name, keys in (
            (caller, "offer", {"from_tag": "a"}),
            (callee, "answer", {"from_tag": "a", "to_tag": "b"}),
        ):
            description = _description(party.getsockname()[1], payload_type)
            reply = await client.command(name, call_id=call_id, sdp=description, **keys)
            parties.append(sdp.parse(text(reply, b"sdp"))[0].port)
        await following.follow(call_id, from_tag)
        for index in range(PACKETS):
            packet = rtp(index, payload, payload_type=payload_type, timestamp=index * ticks)
            # What was offered on behalf of the caller is where the callee sends to.
            caller.sendto(packet, (LOCAL, parties[1]))
            callee.sendto(packet, (LOCAL, parties[0]))
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.1)
    await following.close()
    client.close()
    return calls.opened[0].legs


@pytest.mark.parametrize(
    ("payload_type", "payload", "ticks", "raw_format", "packet_bytes"),
    [
        (0, b"\x12" * 160, 160, RawFormat(Encoding.MULAW), 160),
        (8, b"\x12" * 160, 160, RawFormat(Encoding.ALAW), 160),
        (9, b"\xfa" * 160, 160, RawFormat(Encoding.S16LE, 16_000), 640),
        (96, b"\xf8\xff\xfe", 960, RawFormat(Encoding.S16LE, 48_000), 1920),
        # Not one of ours: rtpengine makes it µ-law.
        (3, GSM_FRAME, 160, RawFormat(Encoding.MULAW), 160),
    ],
    ids=["PCMU", "PCMA", "G722", "opus", "GSM"],
)
def test_what_rtpengine_carries_is_heard(
    payload_type: int,
    payload: bytes,
    ticks: int,
    raw_format: RawFormat,
    packet_bytes: int,
    tmp_path: Path,
) -> None:
    ng_port = telephony.free_port()
    with telephony.rtpengine(tmp_path, ng_port):
        (leg,) = uvloop.run(_heard(ng_port, payload_type, payload, ticks, "a"))
    assert leg.raw_format == raw_format
    assert [number for number, _ in leg.numbered] == list(range(len(leg.numbered)))
    # A transcoder holds the first packet back.
    assert PACKETS - 1 <= len(leg.numbered) <= PACKETS
    assert {len(heard) for _, heard in leg.numbered} == {packet_bytes}
    if raw_format.encoding is not Encoding.S16LE and payload_type != 3:
        assert {heard for _, heard in leg.numbered} == {payload}


def test_both_parties_are_heard_and_told_apart_by_their_order(tmp_path: Path) -> None:
    ng_port = telephony.free_port()
    with telephony.rtpengine(tmp_path, ng_port):
        legs = uvloop.run(_heard(ng_port, 0, b"\x12" * 160, 160, ""))
    assert [leg.name for leg in legs] == ["caller", "callee"]
    assert [len(leg.numbered) for leg in legs] == [PACKETS, PACKETS]


def test_a_call_that_rtpengine_does_not_know_is_an_error(tmp_path: Path) -> None:
    ng_port = telephony.free_port()

    async def run() -> None:
        following = await Rtpengine.start(
            cast(Calls, FakeCalls()), RtpPorts(LOCAL, 0, 0), LOCAL, ng_port
        )
        await following.ping()
        with pytest.raises(RtpengineError, match="Unknown call-ID"):
            await following.follow("nobody", "a")
        await following.close()

    with telephony.rtpengine(tmp_path, ng_port):
        uvloop.run(run())
