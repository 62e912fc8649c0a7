"""Following calls through an rtpengine that runs here, on loopback."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

import pytest

from audio_model.formats import Encoding, RawFormat
from audio_model.gateway.calls import Calls
from audio_model.gateway.rtp import bencode, ng, rtpengine, sdp
from audio_model.gateway.rtp.bencode import Encodable, Value
from audio_model.gateway.rtp.ng import NgClient, RtpengineError
from audio_model.gateway.rtp.receiver import NoPortError, RtpPorts
from audio_model.gateway.rtp.rtpengine import Rtpengine
from tests.gateway.fakes import FakeCall, FakeCalls
from tests.gateway.rtp.packets import free_even_port, rtp
from tests.gateway.waiting import until

LOCAL = "127.0.0.1"
OFFER = """v=0
o=- 1 1 IN IP4 127.0.0.1
s=-
c=IN IP4 127.0.0.1
t=0 0
m=audio 40024 RTP/AVP {formats}
a=rtpmap:101 telephone-event/8000
a=sendonly
"""

Command = dict[str, object]


def _text(value: Value) -> object:
    match value:
        case bytes():
            return value.decode()
        case list():
            return [_text(item) for item in value]
        case dict():
            return {key.decode(): _text(item) for key, item in value.items()}
        case _:
            return value


@dataclass
class FakeRtpengine(asyncio.DatagramProtocol):
    """Answers as rtpengine 10.5 does."""

    offer: str = OFFER.format(formats="0 101")
    answers: dict[str, dict[str, Encodable]] = field(default_factory=dict)
    """Other replies than the usual, by command."""
    to_lose: int = 0
    """Messages that get lost on the way."""
    commands: list[Command] = field(default_factory=list)
    cookies: list[bytes] = field(default_factory=list)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        cookie, _, body = data.partition(b" ")
        self.cookies.append(cookie)
        if self.to_lose:
            self.to_lose -= 1
            return
        command = cast(Command, _text(bencode.decode(body)))
        self.commands.append(command)
        usual: dict[str, Encodable] = {"result": "ok"}
        if command["command"] == "subscribe request":
            formats = "0 101" if "codec" in command else None
            usual |= {
                "sdp": OFFER.format(formats=formats) if formats else self.offer,
                "to-tag": "ours",
            }
        reply = self.answers.get(str(command["command"]), usual)
        self.transport.sendto(cookie + b" " + bencode.encode(reply), addr)

    def names(self) -> list[object]:
        return [command["command"] for command in self.commands]


@asynccontextmanager
async def _following(
    fake: FakeRtpengine, ports: RtpPorts | None = None
) -> AsyncIterator[tuple[Rtpengine, FakeCalls]]:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: fake, local_addr=(LOCAL, 0))
    port = transport.get_extra_info("sockname")[1]
    calls = FakeCalls()
    following = await Rtpengine.start(
        cast(Calls, calls), ports or RtpPorts(LOCAL, 0, 0), LOCAL, port
    )
    try:
        yield following, calls
    finally:
        await following.close()
        transport.close()


def _run(
    fake: FakeRtpengine, scenario: Callable[[Rtpengine, FakeCalls], Awaitable[None]]
) -> list[FakeCall]:
    async def run() -> list[FakeCall]:
        async with _following(fake) as (following, calls):
            await scenario(following, calls)
        return calls.opened

    return asyncio.run(run())


def _answer(fake: FakeRtpengine) -> tuple[sdp.MediaLine, ...]:
    (answer,) = (c for c in fake.commands if c["command"] == "subscribe answer")
    assert (answer["to-tag"], answer["call-id"]) == ("ours", "id@x")
    return sdp.parse(str(answer["sdp"]))


def test_whether_it_is_there_is_asked_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rtpengine, "PING_SECONDS", 0.02)

    async def scenario(following: Rtpengine, calls: FakeCalls) -> None:
        following.watch()
        await until(lambda: following.connected and fake.names().count("ping") >= 2)
        fake.answers["ping"] = {"result": "error", "error-reason": "no"}
        await until(lambda: not following.connected)

    fake = FakeRtpengine()
    _run(fake, scenario)


def test_the_callers_audio_is_subscribed_to_and_heard() -> None:
    fake = FakeRtpengine()

    async def scenario(following: Rtpengine, calls: FakeCalls) -> None:
        assert await following.follow("id@x", "tag-a", caller="+49", called="110")
        (media,) = _answer(fake)
        assert media.formats == ("0", "101")
        assert media.direction == "recvonly"
        fake.transport.sendto(rtp(1, b"voice"), (LOCAL, media.port))
        await until(lambda: bool(calls.opened[0].legs[0].numbered))

    (call,) = _run(fake, scenario)
    assert (call.info.id, call.info.gateway) == ("id@x", "rtpengine")
    assert (call.info.caller, call.info.called) == ("+49", "110")
    assert call.info.details == {"from-tag": "tag-a"}
    (leg,) = call.legs
    assert (leg.name, leg.raw_format) == ("caller", RawFormat(Encoding.MULAW))
    assert [payload for _, payload in leg.numbered] == [b"voice"]
    request = fake.commands[0]
    assert request == {"command": "subscribe request", "call-id": "id@x", "from-tag": "tag-a"}


def test_without_a_tag_both_parties_are_heard() -> None:
    second = "m=audio 40026 RTP/AVP 8\na=sendonly\n"
    fake = FakeRtpengine(offer=OFFER.format(formats="0 101") + second)

    async def scenario(following: Rtpengine, calls: FakeCalls) -> None:
        await following.follow("id@x")

    (call,) = _run(fake, scenario)
    assert [(leg.name, str(leg.raw_format.encoding)) for leg in call.legs] == [
        ("caller", "mulaw"),
        ("callee", "alaw"),
    ]
    assert fake.commands[0]["flags"] == ["all"]
    assert len(_answer(fake)) == 2


def test_every_codec_that_is_understood_is_taken() -> None:
    fake = FakeRtpengine(offer=OFFER.format(formats="9 18 8 0 101"))

    async def scenario(following: Rtpengine, calls: FakeCalls) -> None:
        await following.follow("id@x", "a")

    (call,) = _run(fake, scenario)
    assert _answer(fake)[0].formats == ("9", "8", "0", "101")
    assert call.legs[0].raw_format == RawFormat(Encoding.S16LE, 8000)


def test_rtpengine_is_asked_to_transcode_what_is_not_understood() -> None:
    fake = FakeRtpengine(offer=OFFER.format(formats="18 101"))

    async def scenario(following: Rtpengine, calls: FakeCalls) -> None:
        await following.follow("id@x", "a")

    (call,) = _run(fake, scenario)
    assert fake.names()[:3] == ["subscribe request", "unsubscribe", "subscribe request"]
    assert fake.commands[2]["codec"] == {"transcode": ["PCMU"]}
    assert call.legs[0].raw_format == RawFormat(Encoding.MULAW)


def test_the_subscription_ends_with_the_final_event() -> None:
    fake = FakeRtpengine()

    async def scenario(following: Rtpengine, calls: FakeCalls) -> None:
        await following.follow("id@x", "a")
        calls.opened[0].tell()
        await until(lambda: fake.names()[-1] == "unsubscribe")
        assert fake.names()[-1] == "unsubscribe"
        assert fake.commands[-1]["to-tag"] == "ours"
        # The call may be followed anew, such as after a transfer.
        assert await following.follow("id@x", "a")

    first, _ = _run(fake, scenario)
    assert first.closed == 1


def test_a_call_is_followed_once() -> None:
    fake = FakeRtpengine()

    async def scenario(following: Rtpengine, calls: FakeCalls) -> None:
        again = [following.follow("id@x", "a") for _ in range(3)]
        assert sorted(await asyncio.gather(*again)) == [False, False, True]
        assert not await following.follow("id@x", "a")

    assert len(_run(fake, scenario)) == 1


def test_lost_messages_are_sent_again_with_the_same_cookie(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ng, "TIMEOUTS_SECONDS", (0.01, 0.01, 30))
    fake = FakeRtpengine(to_lose=2)

    async def scenario(following: Rtpengine, calls: FakeCalls) -> None:
        await following.ping()

    _run(fake, scenario)
    assert len(fake.cookies) == 3
    assert len(set(fake.cookies)) == 1


def test_an_rtpengine_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ng, "TIMEOUTS_SECONDS", (0.01, 0.01))
    fake = FakeRtpengine(to_lose=100)

    async def scenario(following: Rtpengine, calls: FakeCalls) -> None:
        with pytest.raises(RtpengineError, match="did not answer 'subscribe request'"):
            await following.follow("id@x", "a")
        # It may be tried again.
        fake.to_lose = 0
        monkeypatch.setattr(ng, "TIMEOUTS_SECONDS", (30,))
        assert await following.follow("id@x", "a")

    _run(fake, scenario)


def test_nobody_at_the_port_is_an_error_and_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ng, "TIMEOUTS_SECONDS", (0.01, 0.01))

    async def run() -> None:
        client = await NgClient.connect(LOCAL, 9)
        with pytest.raises(RtpengineError, match="did not answer 'ping'"):
            await client.command("ping")
        client.close()

    asyncio.run(run())


def test_what_rtpengine_refuses_is_told_with_its_reason() -> None:
    error: dict[str, Encodable] = {"result": "error", "error-reason": "Unknown call-ID"}
    fake = FakeRtpengine(answers={"subscribe request": error})

    async def scenario(following: Rtpengine, calls: FakeCalls) -> None:
        with pytest.raises(RtpengineError, match="Unknown call-ID"):
            await following.follow("id@x", "a")

    assert _run(fake, scenario) == []


def test_an_answer_that_is_refused_ends_the_legs_as_unknown() -> None:
    fake = FakeRtpengine(answers={"subscribe answer": {"result": "error", "error-reason": "no"}})

    async def scenario(following: Rtpengine, calls: FakeCalls) -> None:
        with pytest.raises(RtpengineError, match="no"):
            await following.follow("id@x", "a")

    (call,) = _run(fake, scenario)
    assert call.failures == ["rtpengine refused 'subscribe answer': no"]
    assert call.finished
    assert fake.names()[-1] == "unsubscribe"


@pytest.mark.parametrize(
    "reply",
    [
        {"result": "ok"},
        {"result": "ok", "to-tag": "ours"},
        {"result": "ok", "to-tag": "ours", "sdp": "nonsense"},
        {"result": "ok", "to-tag": 5, "sdp": OFFER.format(formats="0")},
        {"result": "ok", "to-tag": "ours", "sdp": OFFER.format(formats="99")},
        {"result": "ok", "to-tag": "ours", "sdp": "v=0\n"},
        {"result": 7, "sdp": ["x"]},
    ],
)
def test_replies_that_make_no_sense_are_errors(reply: dict[str, Encodable]) -> None:
    fake = FakeRtpengine(answers={"subscribe request": reply})

    async def scenario(following: Rtpengine, calls: FakeCalls) -> None:
        with pytest.raises(RtpengineError):
            await following.follow("id@x", "a")

    assert _run(fake, scenario) == []


def test_a_machine_without_a_free_port_answers_at_once() -> None:
    fake = FakeRtpengine()

    async def run() -> list[FakeCall]:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind((LOCAL, free_even_port()))
            port = taken.getsockname()[1]
            async with _following(fake, RtpPorts(LOCAL, port, port)) as (following, calls):
                with pytest.raises(NoPortError):
                    await following.follow("id@x", "a")
            return calls.opened

    (call,) = asyncio.run(run())
    assert call.closed == 1
    assert call.failures == [f"no free RTP port on {LOCAL}"]
    assert fake.names()[-1] == "unsubscribe"


def test_one_who_asked_and_went_away_leaves_nothing_behind() -> None:
    fake = FakeRtpengine()

    async def scenario(following: Rtpengine, calls: FakeCalls) -> None:
        asked = asyncio.create_task(following.follow("id@x", "a"))
        while not calls.opened:
            await asyncio.sleep(0)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        calls.opened[0].tell()
        await until(lambda: not following._subscriptions and not following._beginning)

    (call,) = _run(fake, scenario)
    assert call.closed == 1
    assert fake.names()[-1] == "unsubscribe"


def test_closing_ends_what_is_under_way() -> None:
    fake = FakeRtpengine(to_lose=100)

    async def scenario(following: Rtpengine, calls: FakeCalls) -> None:
        asked = asyncio.create_task(following.follow("id@x", "a"))
        await asyncio.sleep(0.01)
        await following.close()
        with pytest.raises(RtpengineError, match="closed"):
            await asked
        with pytest.raises(RtpengineError, match="closed"):
            await following.follow("other", "a")

    assert _run(fake, scenario) == []


def test_garbage_from_rtpengine_does_no_harm() -> None:
    fake = FakeRtpengine()

    async def scenario(following: Rtpengine, calls: FakeCalls) -> None:
        client = following._client
        for garbage in (b"", b" ", b"cookie", b"cookie i1e", b"\xff" * 2000):
            client.datagram_received(garbage, None)
        waiting = asyncio.ensure_future(following.ping())
        # One turn begins it, and its answer takes more.
        await asyncio.sleep(0)
        (cookie,) = client._waiting
        client.datagram_received(cookie + b" nonsense", None)
        client.datagram_received(cookie + b" i5e", None)
        await waiting

    _run(fake, scenario)
    assert fake.names() == ["ping"]
