"""Servers that share a port: limits, calls, events and metrics are of all of them."""

import asyncio
import json
import shutil
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import uvloop

from audio_model.companding import mulaw_encode
from audio_model.decision import Reason, VerdictKind
from audio_model.formats import Encoding, RawFormat
from audio_model.gateway.calls import Call
from audio_model.gateway.engine import Engine
from audio_model.gateway.events import CallInfo
from audio_model.gateway.http.api import Phase
from audio_model.gateway.server import Server
from audio_model.gateway.siblings import follow, siblings
from audio_model.gateway.siblings.seats import folder_of
from tests import sounds
from tests.gateway.fakes import verdict
from tests.gateway.process import ServerProcess
from tests.gateway.serving import Running, serving
from tests.gateway.waiting import until

SPEECH = mulaw_encode((sounds.voice(1, 2) * 32767).astype("int16")).tobytes()
MULAW = RawFormat(Encoding.MULAW)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(siblings, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(follow, "LOOK_SECONDS", 0.02)
    # However busy this machine is.
    monkeypatch.setattr(siblings, "ANSWER_SECONDS", 30)
    monkeypatch.setattr(Engine, "full", False)


@asynccontextmanager
async def two(*flags: str) -> AsyncIterator[tuple[Running, Running]]:
    """Two servers on one port; the system chooses which one a connection reaches."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(serving("--reuse-port", *flags))
        second = await stack.enter_async_context(
            serving("--reuse-port", *flags, "--port", str(first.port))
        )
        # From its first call on a new one counts, and knows the others.
        assert sees(first) and sees(second)
        yield first, second


def sees(here: Running) -> bool:
    return here.server.api.siblings is not None and bool(here.server.api.siblings.others)


def call(here: Running, name: str, tenant: str = "", said: VerdictKind | None = None) -> Call:
    """Begin a call at this one of the servers, or have it finished by a verdict."""
    calls = here.server.calls
    terms = replace(calls.terms, tenant=tenant)
    begun = calls.open(CallInfo(name, "test"), lambda event: None, terms)
    leg = begun.open_leg("caller", MULAW)
    if said is not None:
        leg._finish(replace(verdict(said), reason=Reason.NONE), "")
        begun.close()
    return begun


async def get(url: str, token: str = "") -> tuple[int, Any]:
    """An answer on a connection of its own, by whichever of the servers the system chooses."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with aiohttp.ClientSession() as client, client.get(url, headers=headers) as response:
        return response.status, await response.json()


async def metrics(url: str) -> list[str]:
    """The lines of ``/metrics``, by whichever of the servers the system chooses."""
    async with aiohttp.ClientSession() as client, client.get(url + "/metrics") as response:
        return (await response.text()).splitlines()


async def everywhere(url: str, token: str = "") -> Any:
    """An answer that is the same on twenty connections, so by all servers."""
    answers = [await get(url, token) for _ in range(20)]
    assert answers.count(answers[0]) == len(answers)
    return answers[0]


def test_calls_are_those_of_all_servers() -> None:
    async def test() -> None:
        async with two() as (first, second):
            for n in range(4):
                call((first, second)[n % 2], f"call-{n}", said=VerdictKind.LIVE)
            status, body = await everywhere(first.url + "/v1/calls")
            ids = [each["call"] for each in body["calls"]]
            assert (status, ids) == (200, ["call-3", "call-2", "call-1", "call-0"])
            status, body = await everywhere(first.url + "/v1/calls?limit=3")
            assert [each["call"] for each in body["calls"]] == ids[:3]
            # A stream that broke went on at the other server: the surest final event counts.
            call(first, "broken", said=VerdictKind.RECORDED)
            call(second, "broken", said=VerdictKind.UNKNOWN)
            status, body = await everywhere(first.url + "/v1/calls/broken")
            assert body["finished"] and body["legs"]["caller"]["verdict"] == "recorded"
            assert (await everywhere(first.url + "/v1/calls/none"))[0] == 404

    uvloop.run(test())


@pytest.fixture
def tenants(tmp_path: Path) -> list[str]:
    """Flags for a tenant ``acme`` of one leg, whose token is its name."""
    for name in ("own", "acme"):
        (tmp_path / name).write_text(name)
    path = tmp_path / "tenants.toml"
    path.write_text(f'[acme]\ntoken_file = "{tmp_path}/acme"\nmax_legs = 1\n')
    return ["--tenants", str(path), "--token-file", str(tmp_path / "own")]


def test_a_tenant_sees_its_own_calls_of_all_servers(tenants: list[str]) -> None:
    async def test() -> None:
        async with two(*tenants) as (first, second), aiohttp.ClientSession() as client:
            url = first.url + "/v1/events?token=acme"
            readers = [await client.get(url) for _ in range(6)]
            async with asyncio.timeout(30):
                for reader in readers:
                    # It follows both of them once its id says so.
                    await reader.content.readuntil(b",")
            for n, server in enumerate((first, second)):
                call(server, f"own-{n}", said=VerdictKind.LIVE)
                call(server, "same", said=VerdictKind.LIVE)
                call(server, f"acme-{n}", tenant="acme", said=VerdictKind.LIVE)
            told = [b""] * len(readers)
            async with asyncio.timeout(30):
                for n, reader in enumerate(readers):
                    while not (b"acme-0" in told[n] and b"acme-1" in told[n]):
                        told[n] += await reader.content.readany()
            assert all(b"own-" not in each and b'"same"' not in each for each in told)
            _, body = await everywhere(first.url + "/v1/calls", "acme")
            assert [each["call"] for each in body["calls"]] == ["acme-1", "acme-0"]
            assert (await everywhere(first.url + "/v1/calls/same", "acme"))[0] == 404
            assert (await everywhere(first.url + "/v1/calls/acme-0", "acme"))[0] == 200
            assert (await everywhere(first.url + "/metrics", "acme"))[0] == 403
            _, body = await everywhere(first.url + "/v1/calls", "own")
            assert len(body["calls"]) == 5

    uvloop.run(test())


def test_limits_hold_for_all_servers_together(tenants: list[str]) -> None:
    flags = ["--max-legs", "3", "--max-connections", "2", *tenants]

    async def test() -> None:
        async with two(*flags) as (first, second):
            acme = first.server.settings.access.tenants[0]
            calls = first.server.calls, second.server.calls
            terms = calls[0].terms.of(acme)
            assert not any(each.full_for(terms) for each in calls)
            one = call(first, "one", tenant="acme")
            assert all(each.full_for(terms) for each in calls)
            others = [call(second, "two"), call(first, "three")]
            assert all(each.full for each in calls)
            assert call(second, "four").finished
            one.close()
            assert not any(each.full for each in calls)
            # Twice as many connections as one of them alone would take, and the third is too much.
            url = first.url + "/v1/stream?encoding=mulaw&token=own"
            async with AsyncExitStack() as stack:
                client = await stack.enter_async_context(aiohttp.ClientSession())
                for _ in range(2):
                    await stack.enter_async_context(client.ws_connect(url))
                for _ in range(10):
                    with pytest.raises(aiohttp.WSServerHandshakeError, match="503"):
                        await client.ws_connect(url)
            for each in others:
                each.close()

    uvloop.run(test())


def test_events_of_all_servers_come_to_every_reader_and_from_where_one_was() -> None:
    following: list[str] = []

    async def read(client: aiohttp.ClientSession, url: str, n: int, last_id: str = "") -> Any:
        """So many events of ``url``, and the id of the last.

        The first id that tells of both servers goes into ``following``.
        """
        headers = {"Last-Event-ID": last_id} if last_id else {}
        calls: list[str] = []
        async with client.get(url + "/v1/events", headers=headers) as response:
            async with asyncio.timeout(30):
                while len(calls) < n:
                    line = (await response.content.readline()).decode()
                    name, _, value = line.strip().partition(": ")
                    if name == "id":
                        if "," in value and "," not in last_id:
                            following.append(value)
                        last_id = value
                    elif name == "data":
                        calls.append(json.loads(value)["call"])
        return calls, last_id

    async def test() -> None:
        async with two() as (first, second), aiohttp.ClientSession() as client:
            call(first, "before", said=VerdictKind.LIVE)
            call(second, "before", said=VerdictKind.LIVE)
            readers = [asyncio.create_task(read(client, first.url, 2)) for _ in range(8)]
            await until(lambda: len(following) == 8)
            call(first, "one", said=VerdictKind.LIVE)
            call(second, "two", said=VerdictKind.LIVE)
            ends = [await each for each in readers]
            assert all(sorted(calls) == ["one", "two"] for calls, _ in ends)
            call(second, "three", said=VerdictKind.LIVE)
            call(first, "four", said=VerdictKind.LIVE)
            # Whichever server they come back to, nothing comes twice and nothing is left out.
            for _, last_id in ends:
                again, _ = await read(client, first.url, 2, last_id)
                assert sorted(again) == ["four", "three"]
            # Of a server that begins later a reader is told everything.
            reader = asyncio.create_task(read(client, first.url, 1))
            await until(lambda: len(following) == 9)
            async with serving("--reuse-port", "--port", str(first.port)) as third:
                call(third, "five", said=VerdictKind.LIVE)
                assert (await reader)[0] == ["five"]

    uvloop.run(test())


def test_metrics_say_of_which_server_they_are() -> None:
    async def test() -> None:
        async with two() as (first, second):
            begun = [call(first, "one"), call(second, "two"), call(second, "three")]
            for _ in range(5):
                lines = await metrics(first.url)
                assert 'audio_model_legs_open{process="0"} 1.0' in lines
                assert 'audio_model_legs_open{process="1"} 2.0' in lines
            for each in begun:
                each.close()

    uvloop.run(test())


def test_who_stops_leaves_what_it_knows_to_another_one() -> None:
    async def test() -> None:
        async with serving("--reuse-port") as first:
            async with serving("--reuse-port", "--port", str(first.port)) as second:
                await until(lambda: sees(first))
                for n in range(450):
                    call(second, f"call-{n}", said=VerdictKind.LIVE)
                call(first, "last", said=VerdictKind.LIVE)
            _, body = await get(first.url + "/v1/calls?limit=1000")
            ids = [each["call"] for each in body["calls"]]
            assert ids == ["last", *(f"call-{n}" for n in reversed(range(450)))]
            await until(lambda: not sees(first))

    uvloop.run(test())


def test_readiness_is_that_of_all_servers() -> None:
    async def test() -> None:
        async with two() as (first, second):
            url = first.url + "/readyz"
            processes = {"0": "ready", "1": "ready"}
            assert await everywhere(url) == (200, {"status": "ready", "processes": processes})
            second.server.api.parts = {"ami": lambda: False, "ranges": lambda: True}
            first.server.api.parts = {"ami": lambda: True, "ranges": lambda: True}
            status, body = await everywhere(url)
            assert (status, body["status"]) == (503, "impaired")
            assert body["parts"] == {"ami": "down", "ranges": "up"}
            assert body["processes"] == {"0": "ready", "1": "impaired"}
            second.server.api.parts = {}
            # One that starts or stops takes no calls, and nobody is to keep them from the others.
            for phase in (Phase.STARTING, Phase.STOPPING):
                second.server.api.phase = phase
                answers = [await get(url) for _ in range(20)]
                assert (200, processes | {"1": str(phase)}) in [
                    (status, body["processes"]) for status, body in answers
                ]
            second.server.api.phase = Phase.READY

    uvloop.run(test())


@pytest.mark.slow
def test_calls_of_one_that_is_killed_stay(serve: Any) -> None:
    """Also of the last one, and of one that had taken over the calls of another."""
    first: ServerProcess = serve("--reuse-port")

    def known(server: ServerProcess) -> set[str]:
        return {each["call"] for each in server.calls() if each["finished"]}

    def call_at(server: ServerProcess, name: str) -> None:
        async def call() -> None:
            url = f"{server.ws_url}/v1/stream?encoding=mulaw&call={name}"
            async with aiohttp.ClientSession() as client, client.ws_connect(url) as socket:
                await socket.send_bytes(SPEECH)
                await socket.send_str('{"event": "stop"}')
                async for _ in socket:
                    pass

        asyncio.run(call())

    call_at(first, "one")
    second: ServerProcess = serve("--reuse-port", "--port", str(first.port))
    # Some of them come to each.
    names = {f"call-{n}" for n in range(12)}
    for name in names:
        call_at(first, name)
    first.kill()
    stop = time.monotonic() + 30
    while known(second) != names | {"one"} and time.monotonic() < stop:
        time.sleep(0.05)
    assert known(second) == names | {"one"}
    call_at(second, "last")
    second.kill()
    third: ServerProcess = serve("--reuse-port", "--port", str(first.port))
    assert known(third) == names | {"one", "last"}
    third.stop()
    fourth: ServerProcess = serve("--reuse-port", "--port", str(first.port))
    assert known(fourth) == set()


def test_who_starts_takes_no_connection_before_it_is_ready(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def test() -> None:
        async with serving("--reuse-port") as first:
            start_others = Server._start_others
            answers: list[int] = []

            async def slowly(server: Server) -> None:
                answers.extend([(await get(first.url + "/readyz"))[0] for _ in range(20)])
                await start_others(server)

            monkeypatch.setattr(Server, "_start_others", slowly)
            async with serving("--reuse-port", "--port", str(first.port)):
                assert answers == [200] * 20

    uvloop.run(test())


def test_a_folder_that_is_gone_at_the_end_holds_nothing_up(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(siblings, "LOOK_SECONDS", 60)

    async def test() -> None:
        async with two() as (first, second):
            call(second, "one", said=VerdictKind.LIVE)
            shutil.rmtree(folder_of("127.0.0.1", first.port).parent)
            # It is known that there was another process; nobody can ask it any more.
            status, body = await get(first.url + "/v1/calls")
            assert (status, len(body["unanswered"])) == (200, 1)
            assert (await get(first.url + "/v1/calls/none"))[0] == 503

    uvloop.run(test())
    assert "can't be found" in caplog.text


def test_a_folder_that_is_deleted_is_made_again(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        async with two() as (first, second):
            shutil.rmtree(folder_of("127.0.0.1", first.port))
            await until(lambda: "was deleted, and is there again" in caplog.text)
            await until(lambda: sees(first) and sees(second))
            call(first, "one", said=VerdictKind.LIVE)
            assert (await everywhere(first.url + "/v1/calls/one"))[0] == 200

    uvloop.run(test())


@pytest.mark.slow
def test_one_that_is_killed_or_hangs_takes_nothing_from_the_others(serve: Any) -> None:
    """As processes: STOP, CONT and KILL of one of two, with calls open in both."""
    flags = ["--reuse-port", "--max-legs", "6", "--deadline-seconds", "300"]
    first: ServerProcess = serve(*flags)
    second: ServerProcess = serve(*flags, "--port", str(first.port))
    url = f"{first.ws_url}/v1/stream?encoding=mulaw"

    async def open_call(client: aiohttp.ClientSession, n: int) -> Any:
        socket = await client.ws_connect(f"{url}&call=call-{n}")
        await socket.send_bytes(SPEECH[:800])
        return socket

    async def refused(client: aiohttp.ClientSession, n: int) -> bool:
        """Whether a call is answered ``overload`` at once; ends it."""
        async with client.ws_connect(f"{url}&call=probe-{n}") as socket:
            await socket.send_str('{"event": "stop"}')
            event = await socket.receive_json(timeout=30)
            return bool(event["reason"] == "overload")

    async def open_legs() -> dict[str, float]:
        lines = await metrics(first.url)
        legs = (line for line in lines if line.startswith("audio_model_legs_open{"))
        return {line.split('"')[1]: float(line.split()[-1]) for line in legs}

    async def test() -> None:
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(force_close=True)
        ) as client:
            sockets: list[Any] = []
            async with asyncio.timeout(60):
                # A machine that is busy with other things refuses some of them.
                while sum((legs := await open_legs()).values()) < 6:
                    sockets.append(await open_call(client, len(sockets)))
            assert set(legs) == {"0", "1"}
            assert all([await refused(client, n) for n in range(10)])
            second.process.send_signal(signal.SIGSTOP)
            # What the system gives to the one that hangs waits. The other one answers without it.
            asked = [asyncio.create_task(get(f"{first.url}/v1/calls")) for _ in range(16)]
            done, waiting = await asyncio.wait(asked, timeout=10)
            assert done and all(each.result()[1]["unanswered"] == [1] for each in done)
            second.process.send_signal(signal.SIGCONT)
            assert not any("unanswered" in body for _, body in await asyncio.gather(*waiting))
            second.kill()
            async with asyncio.timeout(20):
                while "1" in await open_legs():
                    await asyncio.sleep(0.02)
            # The room of the one that was killed is there for the others.
            mine = int((await open_legs())["0"])
            assert [await refused(client, 20 + n) for n in range(3)] == [mine >= 6] * 3
            for socket in sockets:
                await socket.close()
            finals = [
                leg["reason"] != "overload"
                for each in first.calls()
                for leg in each["legs"].values()
                if each["call"].startswith("call-")
            ]
            assert sum(finals) == mine

    uvloop.run(test())
