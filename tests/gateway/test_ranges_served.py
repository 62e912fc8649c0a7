"""Number ranges inside a server: calls over the loopback address in, advice and webhooks out."""

import asyncio
import base64
import hashlib
import hmac
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import uvloop
from aiohttp import web

from audio_model.cli import main
from audio_model.gateway import ranges
from audio_model.gateway.outlets import logs
from audio_model.ranges.store import RangeStore
from tests import sounds
from tests.gateway.process import ServerProcess
from tests.gateway.serving import Running, serving

SECRET = "hook-secret"


PLAYED = sounds.mulaw(sounds.voice(3, 9, played=True))
PERSON = sounds.mulaw(sounds.voice(3, 2))
BLOCK = [f"9521370{n}" for n in range(10)]
NEIGHBOUR = "95213899"
KEPT = 'audio_model_range_calls_total{outcome="kept"}'


@pytest.fixture
def flags(model_path: Path, tmp_path: Path) -> list[str]:
    store = str(tmp_path / "ranges.db")
    return ["--model", str(model_path), "--max-false-alarm", "0.1", "--ranges", store]


@asynccontextmanager
async def hook(tmp_path: Path) -> AsyncIterator[tuple[list[str], list[dict[str, Any]]]]:
    """Flags of a webhook, and the changes of ranges that came, their signatures verified."""
    changes: list[dict[str, Any]] = []

    async def handle(request: web.Request) -> web.Response:
        body = await request.read()
        signed = request.headers["X-Audio-Model-Signature"]
        fields = dict(each.split("=", 1) for each in signed.split(","))
        payload = fields["t"].encode() + b"." + body
        expected = hmac.new(SECRET.encode(), payload, hashlib.sha256).hexdigest()
        assert hmac.compare_digest(expected, fields["v1"])
        event = json.loads(body)
        if event["event"] == "range":
            changes.append(event)
        return web.Response()

    application = web.Application()
    application.router.add_post("/", handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    secret = tmp_path / "hook-secret"
    secret.write_text(SECRET)
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    try:
        yield ["--webhook-url", url, "--webhook-secret-file", str(secret)], changes
    finally:
        await runner.cleanup()


async def by_stream(client: aiohttp.ClientSession, caller: str, call: str, audio: bytes) -> str:
    """A call by the plain stream; its verdict."""
    query = {"encoding": "mulaw", "call": call, "caller": caller, "called": f"138{call}"}
    async with client.ws_connect("/v1/stream", params=query) as socket:
        await socket.send_bytes(audio)
        await socket.send_str('{"event": "stop"}')
        events = [json.loads(message.data) async for message in socket]
    return str(events[-1]["verdict"])


async def by_twilio(client: aiohttp.ClientSession, caller: str, call: str, audio: bytes) -> None:
    start = {
        "streamSid": f"MZ{call}",
        "start": {
            "streamSid": f"MZ{call}",
            "callSid": call,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": {"caller": caller},
        },
    }
    payload = base64.b64encode(audio).decode()
    media = {"event": "media", "media": {"track": "inbound", "payload": payload}}
    async with client.ws_connect("/twilio") as socket:
        for message in ({"event": "start", **start}, media, {"event": "stop"}):
            await socket.send_json(message)


async def play(client: aiohttp.ClientSession, n: int, name: str, audio: bytes = PLAYED) -> None:
    """Calls from all over the block, by both ways in turn."""
    for index in range(n):
        call = by_twilio if index % 2 else by_stream
        await call(client, BLOCK[index % len(BLOCK)], f"{name}{index}", audio)


async def get(client: aiohttp.ClientSession, number: str, status: int = 200) -> dict[str, Any]:
    async with client.get(f"/v1/ranges/{number}") as response:
        assert response.status == status
        answer: dict[str, Any] = await response.json()
        return answer


async def until_act(client: aiohttp.ClientSession, number: str, act: str) -> dict[str, Any]:
    async with asyncio.timeout(30):
        while (answer := await get(client, number))["act"] != act:
            await asyncio.sleep(0.02)
    return answer


def test_a_campaign_opens_its_range_and_a_restart_keeps_it_open(
    flags: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        async with hook(tmp_path) as (hook_flags, changes):
            async with serving(*flags, *hook_flags) as here:
                for n in range(20):
                    assert await by_stream(here.client, NEIGHBOUR, f"good{n}", PERSON) == "live"
                await play(here.client, 40, "bad")
                answer = await until_act(here.client, BLOCK[3], "block")
                assert answer["state"] == "open"
                assert NEIGHBOUR[:6] != answer["range"] == BLOCK[0][: len(answer["range"])]
                opened = answer["changes"][0]
                assert (opened["after"], opened["evidence"]["live"]) == ("open", 0)
                assert opened["evidence"]["evidence"] >= opened["evidence"]["open_at"]
                assert opened["evidence"]["recorded"] <= 30
                assert (await get(here.client, NEIGHBOUR))["act"] == "pass"
                async with asyncio.timeout(30):
                    while (metrics := await here.metrics()).get(KEPT) != 60:
                        await asyncio.sleep(0.02)
                assert metrics['audio_model_range_changes_total{state="open"}'] >= 1
            assert [each["after"] for each in changes][-1] == "open"
            assert changes[-1] == opened
        async with serving(*flags) as again:
            answer = await get(again.client, BLOCK[3])
            assert (answer["act"], answer["changes"][0]) == ("block", opened)
            assert (await get(again.client, NEIGHBOUR))["act"] == "pass"

    uvloop.run(test())
    assert BLOCK[0][:5] not in caplog.text


def test_who_is_allowed_always_passes(flags: list[str], tmp_path: Path) -> None:
    async def test() -> None:
        async with serving(*flags) as here:
            with closing(RangeStore(tmp_path / "ranges.db")) as other:
                other.allow(BLOCK[3], "the bank")
            await play(here.client, 40, "bad")
            await until_act(here.client, BLOCK[4], "block")
            answer = await get(here.client, BLOCK[3])
            assert (answer["act"], answer["allowed"]) == ("pass", BLOCK[3])

    uvloop.run(test())


def test_what_a_person_says_counts_and_is_exported(
    flags: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "kept"

    async def test() -> None:
        async with serving(*flags, "--keep-audio", str(kept)) as here:
            await by_stream(here.client, BLOCK[0], "short", PLAYED[:3200])
            mark = {"call": "short", "mark": "recorded"}
            async with here.client.post("/v1/feedback", json=mark) as response:
                assert (response.status, (await response.json())["changes"]) == (200, [])
            chain = (await get(here.client, BLOCK[0]))["ranges"]
            assert {each["marked_recorded"] for each in chain} == {1}

    uvloop.run(test())
    manifest = tmp_path / "marks.csv"
    store = str(tmp_path / "ranges.db")
    assert main(["ranges", "export", store, str(manifest), "--audio", str(kept)]) == 0
    assert "1 marked calls" in capsys.readouterr().err
    (sound,) = kept.glob("*.wav")
    assert f"{sound.absolute()},recorded,recorded {BLOCK[0]}," in manifest.read_text()


def test_without_a_store_there_are_no_ranges(model_path: Path) -> None:
    async def test() -> None:
        async with serving("--model", str(model_path), "--max-false-alarm", "0.1") as here:
            answer = await get(here.client, BLOCK[0], 404)
            assert answer["error"]["code"] == "no_ranges"

    uvloop.run(test())


def test_a_store_that_fails_costs_no_call_its_answer(
    flags: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(ranges, "WRITE_SECONDS", 0.05)
    monkeypatch.setattr(ranges, "RETRY_SECONDS", 0.05)

    async def mark(here: Running, call: str) -> int:
        async with here.client.post("/v1/feedback", json={"call": call, "mark": "live"}) as answer:
            return answer.status

    async def test() -> None:
        async with serving(*flags) as here:
            with closing(sqlite3.connect(tmp_path / "ranges.db", isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                for n in range(3):
                    assert await by_stream(here.client, BLOCK[n], f"c{n}", PLAYED) == "recorded"
                assert await mark(here, "c0") == 503
                assert (await get(here.client, BLOCK[0]))["act"] == "pass"
                assert (await here.metrics())["audio_model_range_errors_total"] > 0
            async with asyncio.timeout(30):
                while await mark(here, "c0") != 200:
                    await asyncio.sleep(0.02)
            assert (await here.metrics())[KEPT] == 3

    uvloop.run(test())
    assert caplog.text.count("number ranges wait") == 1


@pytest.mark.slow
def test_two_servers_share_a_store_and_their_ends_lose_nothing(
    flags: list[str], tmp_path: Path
) -> None:
    first, second = (ServerProcess(tmp_path, *flags) for _ in range(2))

    async def test() -> None:
        async with (
            aiohttp.ClientSession(first.url) as one,
            aiohttp.ClientSession(second.url) as other,
        ):
            await asyncio.gather(play(one, 20, "one"), play(other, 20, "other"))
            for client in (one, other):
                assert (await until_act(client, BLOCK[7], "block"))["state"] == "open"
            # Calls that are open when the servers are told to end.
            for n, client in enumerate((one, other)):
                socket = await client.ws_connect(
                    "/v1/stream", params={"encoding": "mulaw", "caller": NEIGHBOUR, "call": f"o{n}"}
                )
                await socket.send_bytes(PERSON[:8000])
            await asyncio.sleep(0.2)
            assert [await asyncio.to_thread(each.stop) for each in (first, second)] == [0, 0]

    try:
        uvloop.run(test())
        with closing(RangeStore(tmp_path / "ranges.db")) as store:
            assert store.chain(NEIGHBOUR)[0].calls == 42
            assert {store.call(f"o{n}").caller for n in range(2)} == {NEIGHBOUR}
        assert BLOCK[0][:5] not in first.log + second.log
    finally:
        first.close()
        second.close()


def test_shares_that_cannot_be_told_apart_are_refused_at_the_start(
    flags: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "set_up", lambda _: None)
    wrong = ["--ranges-honest-share", "0.96"]
    assert main(["serve", "--port", "0", *flags, *wrong]) == 2
    assert "honest share 0.96" in capsys.readouterr().err


def test_a_file_that_is_no_store_is_refused_at_the_start(
    model_path: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logs, "set_up", lambda _: None)
    path = tmp_path / "notes.txt"
    path.write_text("no database " * 1000)
    flags = ["--model", str(model_path), "--max-false-alarm", "0.1", "--ranges", str(path)]
    assert main(["serve", "--port", "0", *flags]) == 2
    assert "notes.txt: file is not a database" in capsys.readouterr().err
