"""A stand-in for Asterisk's REST Interface on the loopback address."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import BasicAuth, web
from hypothesis import given
from hypothesis import strategies as st

from audio_model.decision import VerdictKind
from audio_model.gateway import server
from audio_model.gateway.asterisk import ari
from audio_model.gateway.asterisk.action import Action
from audio_model.gateway.asterisk.ari import Ari
from audio_model.gateway.events import CallInfo, Event, EventKind
from tests.gateway.fakes import verdict
from tests.gateway.serving import serving
from tests.gateway.waiting import run, until

ROOT = Path(__file__).parents[3]

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
        made = request.query.get("snoopId")
        if made and self.enters:
            await self.tell("StasisStart", {"id": made})
        return web.Response(status=204)

    async def tell(self, kind: str, channel: dict[str, Any]) -> None:
        await self.sockets[-1].send_str(json.dumps({"type": kind, "channel": channel}))

    def paths(self, method: str) -> list[str]:
        return [path for m, path, _ in self.asked if m == method]


@asynccontextmanager
async def asterisk(pbx: Pbx) -> AsyncIterator[int]:
    """The port of an Asterisk's HTTP server."""
    application = web.Application()
    application.router.add_get("/ari/events", pbx.events)
    application.router.add_route("*", "/ari/{path:.*}", pbx.other)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@asynccontextmanager
async def connected(pbx: Pbx, action: Action = Action.VARIABLE) -> AsyncIterator[Ari]:
    async with asterisk(pbx) as port:
        client = Ari("127.0.0.1", port, "audio-model", "change-me", action)
        try:
            await until(lambda: bool(pbx.sockets))
            yield client
        finally:
            await client.close()


async def call(pbx: Pbx, client: Ari) -> str:
    """A caller enters and is snooped on, and the audio comes; the id of the call."""
    await pbx.tell("StasisStart", CALLER)
    await until(lambda: "channels/1795528793.1/continue" in pbx.paths("POST"))
    call_id = next(query["extension"] for _, _, query in pbx.asked if "extension" in query)
    assert client.describe(call_id) is not None
    return call_id


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
            call_id = await call(pbx, client)
            (_, first, snoop), (_, second, goes), (_, third, _) = pbx.asked
            assert first == "channels/1795528793.1/snoop"
            assert (snoop["app"], snoop["spy"]) == ("audio-model", "in")
            # The copy goes to the dialplan, where AudioSocket() sends it: never over a channel of
            # AudioSocket, whose reads may hold up the whole of Asterisk.
            assert second == f"channels/{snoop['snoopId']}/continue"
            assert goes == {"context": "audio-model-snoop", "extension": call_id, "priority": "1"}
            assert third == "channels/1795528793.1/continue"
            info = client.describe(call_id)
            assert info is not None
            assert (info.id, info.gateway) == (call_id, "audiosocket")
            assert (info.caller, info.called) == ("+4930123", "200")
            assert info.details["channel_id"] == "1795528793.1"
            assert client.describe("another") is None

    run(test())


def test_the_dialplan_of_the_example_has_the_extension_of_the_copy() -> None:
    lines = (ROOT / "examples/asterisk/extensions.conf").read_text().splitlines()
    extension = lines[lines.index(f"[{ari.CONTEXT}]") + 1]
    assert extension == "exten => _[0-9a-f].,1,AudioSocket(${EXTEN},${AUDIOSOCKET})"


@pytest.mark.parametrize("refuses", ["/snoop", "audio-model-", "nothing"])
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
            await until(lambda: len(pbx.paths("DELETE")) > 0)
            await until(lambda: "ARI at 127.0.0.1" in caplog.text)

    run(test())


def test_a_copy_whose_audio_does_not_come_is_told_of_and_taken_down(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ari, "CONNECT_SECONDS", 0.1)

    async def test() -> None:
        pbx = Pbx()
        async with connected(pbx) as client:
            await pbx.tell("StasisStart", CALLER)
            await until(lambda: len(pbx.paths("DELETE")) == 1)
            (snoop,) = [query["snoopId"] for _, _, query in pbx.asked if "snoopId" in query]
            assert pbx.paths("DELETE") == [f"channels/{snoop}"]
            assert "no audio of PJSIP/100-00000001" in caplog.text
            assert "audio-model-snoop" in caplog.text
            assert not client._snoops

    run(test())


def test_a_request_that_frees_something_is_made_again() -> None:
    async def test() -> None:
        pbx = Pbx(refuses="793.1/continue", refusals=2)
        async with connected(pbx) as client:
            call_id = await call(pbx, client)
            await until(lambda: pbx.paths("POST").count("channels/1795528793.1/continue") == 3)
            pbx.refuses, pbx.refusals = call_id, 1
            client.add(event(call_id))
            await until(lambda: len(pbx.paths("DELETE")) == 2)
            assert pbx.paths("DELETE").count(f"channels/audio-model-{call_id}") == 2

    run(test())


@pytest.mark.parametrize(("status", "told"), [(403, True), (404, False), (409, False)])
def test_a_caller_who_is_gone_is_not_asked_for_again(
    status: int, told: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        pbx = Pbx(refuses="793.1/continue", status=status)
        async with connected(pbx) as client:
            await call(pbx, client)
            await until(lambda: not client._tasks)
        assert pbx.paths("POST").count("channels/1795528793.1/continue") == 1
        assert ("ARI at 127.0.0.1" in caplog.text) is told

    run(test())


def test_the_final_verdict_is_shared_and_the_copy_is_taken_down() -> None:
    async def test() -> None:
        pbx = Pbx()
        async with connected(pbx) as client:
            call_id = await call(pbx, client)
            client.add(event(call_id, EventKind.PROGRESS))
            client.add(event("another"))
            client.add(event(call_id))
            await until(lambda: f"channels/audio-model-{call_id}" in pbx.paths("DELETE"))
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
            client.add(event(await call(pbx, client), kind, said))
            if ends:
                await until(lambda: "channels/1795528793.1" in pbx.paths("DELETE"))
            await asyncio.sleep(0.05)
            assert ("channels/1795528793.1" in pbx.paths("DELETE")) is ends
            assert "asterisk/variable" not in pbx.paths("POST")

    run(test())


def test_a_copy_that_goes_on_in_the_dialplan_is_not_taken_down() -> None:
    async def test() -> None:
        pbx = Pbx()
        async with connected(pbx) as client:
            call_id = await call(pbx, client)
            await pbx.tell("StasisEnd", {"id": f"audio-model-{call_id}"})
            await pbx.tell("StasisEnd", {"id": CALLER["id"]})
            await asyncio.sleep(0.05)
            assert pbx.paths("DELETE") == []
            assert client.describe(call_id) is not None

    run(test())


def test_a_lost_connection_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ari, "FIRST_WAIT_SECONDS", 0.05)

    async def test() -> None:
        pbx = Pbx()
        async with connected(pbx) as client:
            await pbx.sockets[0].close()
            await until(lambda: len(pbx.sockets) == 2)
            await call(pbx, client)

    run(test())


def test_a_server_that_is_ready_serves_stasis(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls come once it is ready, and those that Stasis() turns away go on unheard."""
    monkeypatch.setattr(server, "PARTS_SECONDS", 30)
    (tmp_path / "secret").write_text("change-me")

    async def test() -> None:
        pbx = Pbx()
        async with (
            asterisk(pbx) as port,
            serving(
                *("--audiosocket", "127.0.0.1:0", "--ari-address", f"127.0.0.1:{port}"),
                *("--ari-user", "audio-model", "--ari-secret-file", str(tmp_path / "secret")),
            ) as here,
            here.client.get("/readyz") as response,
        ):
            assert (await response.json())["parts"] == {"ari": "up"}

    asyncio.run(test())


@given(
    text=st.text()
    | st.recursive(st.none() | st.floats() | st.text(), st.lists).map(json.dumps)
    | st.fixed_dictionaries(
        {"type": st.sampled_from(["StasisEnd", "StasisStart"]), "channel": st.text() | st.none()}
    ).map(json.dumps)
)
def test_events_that_are_none_are_passed_over(text: str) -> None:
    async def test() -> None:
        client = Ari("127.0.0.1", 9, "u", "p", Action.VARIABLE)
        client._hear(text)
        assert not client._tasks
        await client.close()

    run(test())
