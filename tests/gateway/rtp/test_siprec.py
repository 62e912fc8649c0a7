"""Recording sessions over SIP on loopback: what is answered, and which stream becomes which leg."""

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import cast

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_model.errors import UsageError
from audio_model.formats import Encoding
from audio_model.gateway.calls import Calls
from audio_model.gateway.rtp import recording, sdp, sip, sip_transport
from audio_model.gateway.rtp.receiver import RtpPorts
from audio_model.gateway.rtp.siprec import SiprecServer
from tests.gateway.fakes import FakeCall, FakeCalls
from tests.gateway.rtp.packets import free_even_port, rtp
from tests.gateway.rtp.test_metadata import NO_SEND
from tests.gateway.rtp.test_metadata import RFC as METADATA
from tests.gateway.waiting import until

LOCAL = "127.0.0.1"
# Stream 97 is the callee's and stands first.
OFFER = f"""v=0\r
o=SRC 1 1 IN IP4 {LOCAL}\r
s=-\r
c=IN IP4 {LOCAL}\r
t=0 0\r
m=audio 12240 RTP/AVP 8 0 101\r
a=rtpmap:101 telephone-event/8000\r
a=sendonly\r
a=label:97\r
m=audio 12242 RTP/AVP 0\r
a=sendonly\r
a=label:96\r
"""


def _multipart(*parts: tuple[str, str]) -> str:
    bodies = (f"--b\r\nContent-Type: {kind}\r\n\r\n{text}\r\n" for kind, text in parts)
    return "".join(bodies) + "--b--\r\n"


BODY = _multipart(("application/sdp", OFFER), ("application/rs-metadata+xml", METADATA))


class Client:
    """A recording client's side of SIP."""

    def __init__(self, server: SiprecServer, transport: str = "UDP") -> None:
        self.server, self.transport = server, transport
        kind = socket.SOCK_DGRAM if transport == "UDP" else socket.SOCK_STREAM
        self.socket = socket.socket(socket.AF_INET, kind)
        self.socket.setblocking(False)
        self.to_tag = ""

    async def connect(self) -> None:
        loop = asyncio.get_running_loop()
        await loop.sock_connect(self.socket, (LOCAL, self.server.port))

    def request(
        self,
        method: str = "INVITE",
        sequence: int = 1,
        *,
        body: str = "",
        content_type: str = "multipart/mixed;boundary=b",
        headers: Sequence[str] = (),
        to_tag: str | None = None,
        call_id: str = "call-1",
    ) -> bytes:
        tag = self.to_tag if to_tag is None else to_tag
        lines = [
            f"{method} sip:srs@{LOCAL} SIP/2.0",
            f"Via: SIP/2.0/{self.transport} {LOCAL};branch=z9hG4bK{method}{sequence};rport",
            "From: <sip:src@x>;tag=them",
            f"To: <sip:srs@x>{';tag=' + tag if tag else ''}",
            f"Call-ID: {call_id}",
            f"CSeq: {sequence} {method}",
            "Contact: <sip:src@127.0.0.1:9>;+sip.src",
            *headers,
            *([f"Content-Type: {content_type}"] if body else []),
            f"Content-Length: {len(body.encode())}",
        ]
        return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()

    async def send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.socket, data)

    async def receive(self) -> bytes:
        receiving = asyncio.get_running_loop().sock_recv(self.socket, 65_536)
        return await asyncio.wait_for(receiving, 30)

    async def ask(self, data: bytes) -> sip.SipMessage:
        await self.send(data)
        return sip.parse(await self.receive())

    async def begin(self, body: str = BODY, **options: object) -> sip.SipMessage:
        """A recording session, acknowledged."""
        reply = await self.ask(self.request(body=body, **options))  # type: ignore[arg-type]
        self.to_tag = reply.to_tag
        if reply.status == 200:
            await self.send(self.request("ACK"))
        return reply


Scenario = Callable[[Client, FakeCalls], Awaitable[None]]


def _run(scenario: Scenario, transport: str = "UDP", ports: tuple[int, int] = (0, 0)) -> FakeCalls:
    calls = FakeCalls()

    async def run() -> None:
        server = await SiprecServer.start(cast(Calls, calls), RtpPorts(LOCAL, *ports), LOCAL, 0)
        client = Client(server, transport)
        try:
            await client.connect()
            await scenario(client, calls)
        finally:
            await server.close()
            client.socket.close()
            # Closed connections of asyncio are gone a turn later.
            await asyncio.sleep(0.01)

    uvloop.run(run())
    return calls


def _only(calls: FakeCalls) -> FakeCall:
    (call,) = calls.opened
    return call


def test_a_port_is_shared_and_left_to_the_others() -> None:
    """As a restart without a gap does it."""
    calls = FakeCalls(), FakeCalls()

    async def run() -> None:
        ports = RtpPorts(LOCAL, 0, 0)
        old = await SiprecServer.start(cast(Calls, calls[0]), ports, LOCAL, 0, reuse_port=True)
        first = Client(old)
        first.socket.bind((LOCAL, 0))
        # Not connected: what is sent from another port arrives as well.
        first.socket.sendto(first.request(body=BODY), (LOCAL, old.port))
        assert sip.parse(await first.receive()).status == 200
        new = await SiprecServer.start(
            cast(Calls, calls[1]), ports, LOCAL, old.port, reuse_port=True
        )
        with pytest.raises(UsageError, match="in use"):
            await SiprecServer.start(cast(Calls, calls[1]), ports, LOCAL, old.port)
        await old.stop_listening()
        for n, transport in enumerate(["UDP", "TCP"] * 8):
            client = Client(new, transport)
            await client.connect()
            assert (await client.begin(call_id=f"later-{n}")).status == 200
            client.socket.close()
        assert (len(calls[0].opened), len(calls[1].opened)) == (1, 16)
        await old.close()
        bye = sip.parse(await first.receive())
        assert (bye.method, bye.call_id) == ("BYE", "call-1")
        await new.close()
        first.socket.close()
        await asyncio.sleep(0.01)

    uvloop.run(run())


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
def test_the_streams_become_the_parties_legs(transport: str) -> None:
    async def scenario(client: Client, calls: FakeCalls) -> None:
        reply = await client.begin()
        assert reply.status == 200
        assert "+sip.srs" in reply.header("contact")
        assert reply.header("content-type") == "application/sdp"
        callee, caller = sdp.parse(reply.body.decode())
        assert [media.formats for media in (callee, caller)] == [("8", "101"), ("0",)]
        assert {callee.direction, caller.direction} == {"recvonly"}
        assert [callee.label, caller.label] == ["97", "96"]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.bind((LOCAL, 0))
            sender.sendto(rtp(1, b"caller"), (LOCAL, caller.port))
            sender.sendto(rtp(1, b"callee", payload_type=8), (LOCAL, callee.port))
        await until(lambda: all(leg.numbered for leg in _only(calls).legs))
        bye = await client.ask(client.request("BYE", 2))
        assert bye.status == 200
        assert _only(calls).closed == 1

    call = _only(_run(scenario, transport))
    heard = {leg.name: (leg.raw_format.encoding, leg.numbered[0][1]) for leg in call.legs}
    assert heard == {
        "caller": (Encoding.MULAW, b"caller"),
        "callee": (Encoding.ALAW, b"callee"),
    }
    assert call.info.id == "hVpd7YQgRW2nD22h7q60JQ=="
    assert (call.info.gateway, call.info.caller, call.info.called) == (
        "siprec",
        "+4930123456",
        "+4930654321",
    )
    assert call.info.details["sip_call_id"] == "call-1"


def test_a_hosts_name_in_the_offer_is_heard_from_the_clients_own_address() -> None:
    """sipwise/rtpengine#58, #1763."""

    async def scenario(client: Client, calls: FakeCalls) -> None:
        reply = await client.begin(BODY.replace(f"IN IP4 {LOCAL}", "IN IP4 sbc.example.org"))
        assert reply.status == 200
        _, caller = sdp.parse(reply.body.decode())
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.bind((LOCAL, 0))
            sender.sendto(rtp(1, b"caller"), (LOCAL, caller.port))
        await until(lambda: any(leg.numbered for leg in _only(calls).legs))

    heard = {leg.name: leg.numbered for leg in _only(_run(scenario)).legs}
    assert [payload for _, payload in heard["caller"]] == [b"caller"]


def test_of_metadata_without_senders_the_first_participant_is_the_caller() -> None:
    """OpenSIPS/opensips#3287, drachtio-siprec-recording-server#79."""
    body = _multipart(("application/sdp", OFFER), ("application/rs-metadata+xml", NO_SEND))

    async def scenario(client: Client, calls: FakeCalls) -> None:
        assert (await client.begin(body)).status == 200

    call = _only(_run(scenario))
    assert (call.info.caller, call.info.called) == ("95213742", "13900001111")
    assert [leg.name for leg in call.legs] == ["caller", "callee"]


def test_without_metadata_the_first_stream_is_the_callers() -> None:
    async def scenario(client: Client, calls: FakeCalls) -> None:
        reply = await client.begin(
            OFFER, content_type="application/sdp", headers=["Require: siprec"]
        )
        assert reply.status == 200

    call = _only(_run(scenario))
    assert {leg.name: leg.raw_format.encoding for leg in call.legs} == {
        "caller": Encoding.ALAW,
        "callee": Encoding.MULAW,
    }
    assert call.info.id == "call-1"


def test_metadata_that_cannot_be_read_do_not_cost_the_call() -> None:
    body = _multipart(("application/sdp", OFFER), ("application/rs-metadata+xml", "<oops"))

    async def scenario(client: Client, calls: FakeCalls) -> None:
        assert (await client.begin(body)).status == 200

    assert len(_only(_run(scenario)).legs) == 2


def test_an_invite_sent_again_gets_the_same_answer_and_no_second_call() -> None:
    async def scenario(client: Client, calls: FakeCalls) -> None:
        invite = client.request(body=BODY)
        await client.send(invite)
        first = await client.receive()
        await client.send(invite)
        assert await client.receive() == first
        bye = client.request("BYE", 2, to_tag=sip.parse(first).to_tag)
        assert (await client.ask(bye)).status == 200
        assert (await client.ask(bye)).status == 200

    assert _only(_run(scenario)).closed == 1


def test_an_answer_is_sent_again_until_it_is_acknowledged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recording, "T1_SECONDS", 0.02)
    monkeypatch.setattr(recording, "T2_SECONDS", 0.04)

    async def scenario(client: Client, calls: FakeCalls) -> None:
        await client.send(client.request(body=BODY))
        answers = [await client.receive() for _ in range(3)]
        assert len(set(answers)) == 1
        client.to_tag = sip.parse(answers[0]).to_tag
        await client.send(client.request("ACK"))
        # What was sent before it came is there still; then nothing more is.
        async with asyncio.timeout(20):
            with pytest.raises(TimeoutError):
                while True:
                    await asyncio.wait_for(client.receive(), 1)

    _run(scenario)


def test_a_session_that_is_never_acknowledged_gives_its_ports_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recording, "T1_SECONDS", 0.02)
    monkeypatch.setattr(recording, "GIVE_UP_SECONDS", 0.2)
    port = free_even_port()

    async def scenario(client: Client, calls: FakeCalls) -> None:
        await client.send(client.request(body=BODY))
        while sip.parse(answer := await client.receive()).method != "BYE":
            assert sip.parse(answer).status == 200
        assert calls.opened[0].closed
        reply = await client.ask(client.request(body=BODY, call_id="call-2"))
        assert reply.status == 200

    _run(scenario, ports=(port, port))


def test_a_changed_session_keeps_its_ports_and_legs() -> None:
    changed = OFFER.replace("a=sendonly", "a=inactive")

    async def scenario(client: Client, calls: FakeCalls) -> None:
        first = sdp.parse((await client.begin()).body.decode())
        reply = await client.ask(
            client.request("INVITE", 2, body=changed, content_type="application/sdp")
        )
        await client.send(client.request("ACK", 2))
        second = sdp.parse(reply.body.decode())
        assert [media.port for media in first] == [media.port for media in second]
        assert {media.direction for media in second} == {"inactive"}
        assert (await client.ask(client.request("UPDATE", 3))).status == 200
        without_offer = await client.ask(client.request("INVITE", 4))
        assert without_offer.body == reply.body
        await client.send(client.request("ACK", 4))
        late = await client.ask(client.request("UPDATE", 2))
        assert late.status == 500

    assert len(_only(_run(scenario)).legs) == 2


def test_a_session_that_begins_with_one_stream_can_get_another() -> None:
    one = OFFER.partition("m=audio 12242")[0]

    async def scenario(client: Client, calls: FakeCalls) -> None:
        body = _multipart(("application/sdp", one), ("application/rs-metadata+xml", METADATA))
        await client.begin(body)
        assert len(_only(calls).legs) == 1
        await client.ask(client.request("INVITE", 2, body=BODY))

    # The metadata tell that the first of them is the callee's.
    assert [leg.name for leg in _only(_run(scenario)).legs] == ["callee", "caller"]


def test_only_two_of_many_streams_are_taken_and_the_caller_is_among_them() -> None:
    third = "m=audio 12244 RTP/AVP 0\r\na=sendonly\r\na=label:98\r\n"
    first = OFFER.partition("m=audio")[0]
    offer = first + third + third + OFFER.removeprefix(first)

    async def scenario(client: Client, calls: FakeCalls) -> None:
        body = _multipart(("application/sdp", offer), ("application/rs-metadata+xml", METADATA))
        media = sdp.parse((await client.begin(body)).body.decode())
        assert [bool(stream.port) for stream in media] == [True, False, False, True]

    assert [leg.name for leg in _only(_run(scenario)).legs] == ["caller", "callee"]


def test_options_tell_what_is_taken() -> None:
    async def scenario(client: Client, calls: FakeCalls) -> None:
        reply = await client.ask(client.request("OPTIONS"))
        assert reply.status == 200
        assert reply.header("supported") == "siprec"
        assert "INVITE" in reply.header("allow")
        assert "application/rs-metadata+xml" in reply.header("accept")

    assert _run(scenario).opened == []


def _invite(**options: object) -> Callable[[Client], bytes]:
    return lambda client: client.request(**options)  # type: ignore[arg-type]


G729 = OFFER.replace(" 8 0 101", " 18").replace("RTP/AVP 0", "RTP/SAVP 0")


@pytest.mark.parametrize(
    ("make", "status", "header"),
    [
        (_invite(body=OFFER, content_type="application/sdp"), 488, "warning"),
        (_invite(body=G729, content_type="application/sdp", headers=["Require: siprec"]), 488, ""),
        (_invite(headers=["Require: siprec"]), 488, "warning"),
        (_invite(body=BODY, headers=["Require: siprec, 100rel"]), 420, "unsupported"),
        (_invite(body="x", content_type="text/plain"), 415, "accept"),
        (_invite(body="x", content_type="application/sdp"), 400, "warning"),
        (_invite(body="x", content_type="multipart/mixed"), 400, "warning"),
        (_invite(body=BODY, to_tag="unknown"), 481, ""),
        (_invite(method="BYE"), 481, ""),
        (_invite(method="CANCEL"), 481, ""),
        (_invite(method="UPDATE", to_tag="unknown"), 481, ""),
        (_invite(method="MESSAGE"), 405, "allow"),
        (_invite(method="REGISTER"), 405, "allow"),
    ],
)
def test_what_is_not_taken_is_refused_with_a_reason(
    make: Callable[[Client], bytes], status: int, header: str
) -> None:
    async def scenario(client: Client, calls: FakeCalls) -> None:
        reply = await client.ask(make(client))
        assert reply.status == status
        assert reply.to_tag
        if header:
            assert reply.header(header)

    assert all(call.finished or not call.legs for call in _run(scenario).opened)


def test_the_unsupported_extension_is_named() -> None:
    async def scenario(client: Client, calls: FakeCalls) -> None:
        reply = await client.ask(client.request(headers=["Require: siprec, 100rel, foo"]))
        assert reply.header("unsupported") == "100rel, foo"

    _run(scenario)


def test_no_free_port_is_said_and_the_next_call_may_have_better_luck() -> None:
    port = free_even_port()

    async def scenario(client: Client, calls: FakeCalls) -> None:
        # One port: the caller is heard, the callee is not.
        media = sdp.parse((await client.begin()).body.decode())
        assert [stream.port for stream in media] == [0, port]
        other = client.request(body=BODY, call_id="call-2", to_tag="")
        reply = await client.ask(other)
        assert (reply.status, reply.header("retry-after")) == (503, "10")
        await client.ask(client.request("BYE", 2))
        assert (await client.ask(other)).status == 200

    calls = _run(scenario, ports=(port, port))
    assert [len(call.legs) for call in calls.opened] == [1, 0, 1]


def test_a_leg_gives_its_port_back_at_its_final_event_and_the_next_call_hears_its_own() -> None:
    port = free_even_port()

    async def scenario(client: Client, calls: FakeCalls) -> None:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as former,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own,
        ):
            for sender in (former, own):
                sender.bind((LOCAL, 0))

            async def send(sender: socket.socket, payload: bytes) -> None:
                sender.sendto(rtp(1, payload), (LOCAL, port))
                await asyncio.sleep(0.05)

            await client.begin()
            await send(former, bytes(160))
            await until(lambda: len(calls.opened[0].legs[0].numbered) == 1)
            calls.opened[0].tell()
            # The session goes on, and so does its sender.
            other = client.request(body=BODY, call_id="call-2", to_tag="")
            reply = await client.ask(other)
            assert [stream.port for stream in sdp.parse(reply.body.decode())] == [0, port]
            await send(former, bytes(160))
            (leg,) = calls.opened[1].legs
            assert leg.numbered == []
            await send(own, b"\1" * 160)
            await until(lambda: bool(leg.numbered))
            assert [payload for _, payload in leg.numbered] == [b"\1" * 160]
            # A change of the first session does not touch the port any more.
            again = await client.ask(client.request(body=BODY, sequence=2))
            assert again.status == 200
            await send(own, b"\1" * 160)
            assert leg.numbered

    _run(scenario, ports=(port, port))


def test_where_no_more_files_may_be_open_the_client_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def exhausted(*_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    async def scenario(client: Client, calls: FakeCalls) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(socket, "socket", exhausted)
            reply = await client.ask(client.request(body=BODY))
        assert (reply.status, reply.header("retry-after")) == (503, "10")
        assert calls.opened[0].closed
        assert (await client.ask(client.request(body=BODY, call_id="call-2"))).status == 200

    _run(scenario)


def test_an_early_cancel_of_an_answered_invite_changes_nothing() -> None:
    async def scenario(client: Client, calls: FakeCalls) -> None:
        await client.begin()
        client.to_tag = ""
        assert (await client.ask(client.request("CANCEL"))).status == 200
        assert _only(calls).closed == 0

    _run(scenario)


def test_closing_says_goodbye_and_answers_the_legs() -> None:
    calls = FakeCalls()

    async def run() -> sip.SipMessage:
        server = await SiprecServer.start(cast(Calls, calls), RtpPorts(LOCAL, 0, 0), LOCAL, 0)
        client = Client(server)
        await client.connect()
        await client.begin(headers=["Record-Route: <sip:proxy;lr>"])
        await server.close()
        # An answer that was sent again may come before it.
        while (goodbye := sip.parse(await client.receive())).method != "BYE":
            assert goodbye.status == 200
        client.socket.close()
        assert goodbye.to_tag == "them"
        assert goodbye.from_tag == client.to_tag
        return goodbye

    goodbye = asyncio.run(run())
    assert (goodbye.method, goodbye.uri) == ("BYE", "sip:src@127.0.0.1:9")
    assert goodbye.header("route") == "<sip:proxy;lr>"
    assert _only(calls).closed == 1


def test_a_response_goes_to_the_port_that_the_via_names() -> None:
    async def scenario(client: Client, calls: FakeCalls) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.setblocking(False)
            other.bind((LOCAL, 0))
            via = f"{LOCAL}:{other.getsockname()[1]};branch=x".encode()
            request = client.request("OPTIONS").replace(
                f"{LOCAL};branch=z9hG4bKOPTIONS1;rport".encode(), via
            )
            await client.send(request)
            receiving = asyncio.get_running_loop().sock_recv(other, 65_536)
            assert sip.parse(await asyncio.wait_for(receiving, 30)).status == 200

    _run(scenario)


def test_messages_on_a_connection_may_be_cut_anywhere_and_come_together() -> None:
    async def scenario(client: Client, calls: FakeCalls) -> None:
        options = client.request("OPTIONS", body="x", content_type="text/plain")
        stream = b"\r\n\r\n" + options + b"\r\n" + options
        for start in range(0, len(stream), 50):
            await client.send(stream[start : start + 50])
            await asyncio.sleep(0.001)
        received = b""
        while received.count(b"SIP/2.0 200 OK") < 2:
            received += await client.receive()

    _run(scenario, "TCP")


@pytest.mark.parametrize(
    "garbage", [b"x" * 70_000, b"GET / HTTP/1.0\r\n\r\n", b"\xff\r\n\r\n", b"a\r\nl: 99999\r\n\r\n"]
)
def test_a_connection_that_speaks_something_else_is_closed(garbage: bytes) -> None:
    async def scenario(client: Client, calls: FakeCalls) -> None:
        with pytest.raises((ConnectionError, AssertionError)):
            await client.send(garbage)
            while True:
                assert await client.receive()

    _run(scenario, "TCP")


def test_a_slow_connection_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sip_transport, "SLOW_SECONDS", 0.1)

    async def scenario(client: Client, calls: FakeCalls) -> None:
        # A letter that comes after the server has closed is answered with a reset.
        with suppress(ConnectionError):
            for letter in b"OPTION":
                await client.send(bytes([letter]))
                await asyncio.sleep(0.005)
            assert await client.receive() == b""

    _run(scenario, "TCP")


def test_too_many_connections_are_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sip_transport, "MAX_CONNECTIONS", 1)

    async def scenario(client: Client, calls: FakeCalls) -> None:
        await client.ask(client.request("OPTIONS"))
        other = Client(client.server, "TCP")
        await other.connect()
        with pytest.raises(ConnectionError):
            await other.send(b"x")
            assert await other.receive()
        other.socket.close()
        assert (await client.ask(client.request("OPTIONS", 2))).status == 200

    _run(scenario, "TCP")


def test_an_address_that_is_taken_is_named() -> None:
    async def scenario(client: Client, calls: FakeCalls) -> None:
        with pytest.raises(UsageError, match=f"SIP at {LOCAL}:{client.server.port}"):
            await SiprecServer.start(
                cast(Calls, calls), RtpPorts(LOCAL, 0, 0), LOCAL, client.server.port
            )

    _run(scenario)


def test_on_every_address_the_contact_is_the_one_that_clients_reach() -> None:
    async def run() -> str:
        ports = RtpPorts(LOCAL, 0, 0)
        server = await SiprecServer.start(cast(Calls, FakeCalls()), ports, "0.0.0.0", 0)
        client = Client(server)
        await client.connect()
        reply = await client.ask(client.request("OPTIONS"))
        client.socket.close()
        await server.close()
        return reply.header("contact")

    assert asyncio.run(run()).startswith(f"<sip:{LOCAL}:")


def test_a_name_is_no_address() -> None:
    ports = RtpPorts(LOCAL, 0, 0)
    with pytest.raises(UsageError, match="needs an IP address"):
        asyncio.run(SiprecServer.start(cast(Calls, FakeCalls()), ports, "localhost", 0))


_words = st.sampled_from(
    [b"INVITE", b"BYE", b"ACK", b"1", b"2", b"them", b"--b", b"\r\n\r\n", b"a=label:9", b"m=audio"]
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 2500), st.integers(0, 9), st.binary(max_size=4) | _words),
        min_size=1,
        max_size=8,
    )
)
def test_whatever_is_sent_the_server_goes_on(changes: list[tuple[int, int, bytes]]) -> None:
    async def scenario(client: Client, calls: FakeCalls) -> None:
        methods = ["INVITE", "UPDATE", "BYE", "INVITE"]
        for number, (at, cut, noise) in enumerate(changes):
            data = client.request(methods[number % 4], number, body=BODY)
            await client.send(data[:at] + noise + data[at + cut :])
        await asyncio.sleep(0)
        with Client(client.server).socket as fresh:
            other = Client(client.server)
            other.socket.close()
            other.socket = fresh
            await other.connect()
            assert (await other.ask(other.request("OPTIONS", call_id="alive"))).status == 200

    calls = _run(scenario)
    assert all(call.closed for call in calls.opened)
