"""A stand-in for Asterisk's REST Interface on the loopback address."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import BasicAuth, web
from hypothesis import given
from hypothesis import strategies as st

from audio_model.decision import VerdictKind
from audio_model.gateway.asterisk import ari
from audio_model.gateway.asterisk.action import Action
from audio_model.gateway.asterisk.ari import Ari
from audio_model.gateway.events import CallInfo, Event, EventKind
from tests.gateway.fakes import verdict
from tests.gateway.waiting import run, until

CALLER = {
    "id": "1795528793.1",
    "name": "PJSIP/100-00000001",
    "state": "Up",
    "caller": {"name": "", "number": "+4930123"},
    "dialplan": {"context": "in", "exten": "200", "priority": 2},
}


@dataclass
class Pbx:
    """Asterisk's end: what it was asked, and what it refuses."""

    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    refuses: str = "nothing"
    refusals: int = 10**9
    """How many requests whose path holds ``refuses`` are refused, one after the other."""
    status: int = 500
    enters: bool = True
    sockets: list[web.WebSocketResponse] = field(default_factory=list)

    async def events(self, request: web.Request) -> web.WebSocketResponse:
        assert request.query["app"] == "audio-model"
        assert BasicAuth.decode(request.headers["Authorization"]).login == "audio-model"
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets.append(socket)
        async for _ in socket:
            pass
        return socket

    async def other(self, request: web.Request) -> web.Response:
        path = request.path.removeprefix("/ari/")
        self.asked.append((request.method, path, dict(request.query)))
        if self.refuses in path and self.refusals:
            self.refusals -= 1
            return web.json_response({"message": "refused"}, status=self.status)
        made = request.query.get("channelId") or request.query.get("snoopId")
        if made and self.enters:
            await self.tell("StasisStart", {"id": made})
        return web.Response(status=204)

    async def tell(self, kind: str, channel: dict[str, Any]) -> None:
        await self.sockets[-1].send_str(json.dumps({"type": kind, "channel": channel}))

    def paths(self, method: str) -> list[str]:
        return [path for m, path, _ in self.asked if m == method]


@asynccontextmanager
async def connected(pbx: Pbx, action: Action = Action.VARIABLE) -> AsyncIterator[Ari]:
    application = web.Application()
    application.router.add_get("/ari/events", pbx.events)
    application.router.add_route("*", "/ari/{path:.*}", pbx.other)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    client = Ari(
        "127.0.0.1", port, "audio-model", "change-me", action, audiosocket="127.0.0.1:9092"
    )
    try:
        await until(lambda: bool(pbx.sockets))
        yield client
    finally:
        await client.close()
        await runner.cleanup()


async def call(pbx: Pbx) -> str:
    """A caller enters and is snooped on; the id of the call."""
    await pbx.tell("StasisStart", CALLER)
    await until(lambda: "channels/1795528793.1/continue" in pbx.paths("POST"))
    return next(query["data"] for _, _, query in pbx.asked if "data" in query)


def event(
    call_id: str,
    kind: EventKind = EventKind.FINAL,
    said: VerdictKind = VerdictKind.RECORDED,
) -> Event:
    return Event(kind, CallInfo(call_id, "audiosocket"), "caller", verdict(said))


def test_a_caller_is_copied_to_audiosocket_and_goes_on() -> None:
    async def test() -> None:
        pbx = Pbx()
        async with connected(pbx) as client:
            call_id = await call(pbx)
            made = {path: query for _, path, query in pbx.asked}
            media = made["channels/externalMedia"]
            assert media["external_host"] == "127.0.0.1:9092"
            assert (media["encapsulation"], media["transport"]) == ("audiosocket", "tcp")
            assert made["channels/1795528793.1/snoop"]["spy"] == "in"
            bridged = [q["channel"] for _, path, q in pbx.asked if path.endswith("/addChannel")]
            assert bridged == [
                media["channelId"],
                made["channels/1795528793.1/snoop"]["snoopId"],
            ]
            assert pbx.asked[-1][1] == "channels/1795528793.1/continue"
            info = client.describe(call_id)
            assert info is not None
            assert (info.id, info.gateway) == (call_id, "audiosocket")
            assert (info.caller, info.called) == ("+4930123", "200")
            assert info.details["channel_id"] == "1795528793.1"
            assert client.describe("another") is None

    run(test())


@pytest.mark.parametrize("refuses", ["bridges", "externalMedia", "snoop", "addChannel", "nothing"])
def test_a_caller_goes_on_whatever_fails(
    refuses: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        pbx = Pbx(refuses=refuses, enters=refuses != "nothing")
        async with connected(pbx) as client:
            if refuses == "nothing":
                # The client's requests keep their time; the channels get little of it to enter.
                monkeypatch.setattr(ari, "REQUEST_SECONDS", 0.2)
            await pbx.tell("StasisStart", CALLER)
            await until(lambda: "channels/1795528793.1/continue" in pbx.paths("POST"))
            await until(lambda: not client._snoops)
            await until(lambda: any("bridges" in path for path in pbx.paths("DELETE")))
            await until(lambda: "ARI at 127.0.0.1" in caplog.text)

    run(test())


def test_a_request_that_frees_something_is_made_again() -> None:
    async def test() -> None:
        pbx = Pbx(refuses="continue", refusals=2)
        async with connected(pbx) as client:
            call_id = await call(pbx)
            await until(lambda: pbx.paths("POST").count("channels/1795528793.1/continue") == 3)
            pbx.refuses, pbx.refusals = f"snoop-{call_id}", 1
            client.add(event(call_id))
            await until(lambda: len(pbx.paths("DELETE")) == 4)
            assert pbx.paths("DELETE").count(f"channels/audio-model-snoop-{call_id}") == 2

    run(test())


@pytest.mark.parametrize(("status", "told"), [(403, True), (404, False), (409, False)])
def test_a_caller_who_is_gone_is_not_asked_for_again(
    status: int, told: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        pbx = Pbx(refuses="continue", status=status)
        async with connected(pbx) as client:
            await call(pbx)
            await until(lambda: not client._tasks)
        assert pbx.paths("POST").count("channels/1795528793.1/continue") == 1
        assert ("ARI at 127.0.0.1" in caplog.text) is told

    run(test())


def test_the_final_verdict_is_shared_and_the_copy_is_taken_down() -> None:
    async def test() -> None:
        pbx = Pbx()
        async with connected(pbx) as client:
            call_id = await call(pbx)
            client.add(event(call_id, EventKind.PROGRESS))
            client.add(event("another"))
            client.add(event(call_id))
            await until(lambda: f"bridges/audio-model-{call_id}" in pbx.paths("DELETE"))
            await until(lambda: pbx.paths("POST").count("asterisk/variable") == 6)
            shared = {q["variable"]: q["value"] for _, _, q in pbx.asked if "variable" in q}
            assert shared["SHARED(AMDSTATUS,PJSIP/100-00000001)"] == "MACHINE"
            assert "channels/1795528793.1" not in pbx.paths("DELETE")
            assert client.describe(call_id) is None

    run(test())


@pytest.mark.parametrize(
    ("kind", "said", "ends"),
    [
        (EventKind.PROGRESS, VerdictKind.RECORDED, False),
        (EventKind.VERDICT, VerdictKind.LIVE, False),
        (EventKind.FINAL, VerdictKind.UNKNOWN, False),
        (EventKind.VERDICT, VerdictKind.RECORDED, True),
    ],
)
def test_only_a_recording_is_hung_up(kind: EventKind, said: VerdictKind, ends: bool) -> None:
    async def test() -> None:
        pbx = Pbx()
        async with connected(pbx, Action.HANGUP) as client:
            client.add(event(await call(pbx), kind, said))
            if ends:
                await until(lambda: "channels/1795528793.1" in pbx.paths("DELETE"))
            await asyncio.sleep(0.05)
            assert ("channels/1795528793.1" in pbx.paths("DELETE")) is ends
            assert "asterisk/variable" not in pbx.paths("POST")

    run(test())


@pytest.mark.parametrize("which", ["snoop", "media"])
def test_a_copy_whose_half_has_gone_is_taken_down(which: str) -> None:
    async def test() -> None:
        pbx = Pbx()
        async with connected(pbx) as client:
            call_id = await call(pbx)
            await pbx.tell("StasisEnd", {"id": f"audio-model-{which}-{call_id}"})
            await pbx.tell("ChannelDestroyed", {"id": f"audio-model-{which}-{call_id}"})
            await until(lambda: len(pbx.paths("DELETE")) == 3)
            assert f"bridges/audio-model-{call_id}" in pbx.paths("DELETE")
            assert client.describe(call_id) is None

    run(test())


def test_a_lost_connection_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ari, "FIRST_WAIT_SECONDS", 0.05)

    async def test() -> None:
        pbx = Pbx()
        async with connected(pbx):
            await pbx.sockets[0].close()
            await until(lambda: len(pbx.sockets) == 2)
            await call(pbx)

    run(test())


@given(
    text=st.text()
    | st.recursive(st.none() | st.floats() | st.text(), st.lists).map(json.dumps)
    | st.fixed_dictionaries(
        {"type": st.sampled_from(["StasisEnd", "StasisStart"]), "channel": st.text() | st.none()}
    ).map(json.dumps)
)
def test_events_that_are_none_are_passed_over(text: str) -> None:
    async def test() -> None:
        client = Ari("127.0.0.1", 9, "u", "p", Action.VARIABLE, audiosocket="127.0.0.1:9092")
        client._hear(text)
        assert not client._tasks
        await client.close()

    run(test())
