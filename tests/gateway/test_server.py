"""The server as a process: started, reached, told to stop; and a thousand connections in one."""

import asyncio
import http.client
import json
import re
import resource
import signal
import socket
import ssl
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import soundfile
import uvloop

from audio_model.cli import main
from audio_model.companding import mulaw_encode
from audio_model.errors import UsageError
from audio_model.gateway import main as module
from audio_model.gateway import server as server_module
from audio_model.gateway.http.api import dialect_paths
from audio_model.gateway.outlets import logs
from audio_model.gateway.tls import tls_context
from tests.gateway.process import ServerProcess
from tests.gateway.serving import Running, listening, serving, settings_of
from tests.gateway.waiting import until

SAMPLES = Path(__file__).parents[2] / "samples"
AUDIO = (SAMPLES / "live-testing.ulaw").read_bytes()
PROMPT = mulaw_encode(
    soundfile.read(SAMPLES / "recorded-prompt-en.wav", dtype="int16")[0]
).tobytes()
OF_OTHERS = {
    *("torch", "torchaudio", "librosa", "scipy", "sklearn", "training"),
    *("pyarrow", "pandas", "ray", "fsspec", "s3fs"),
    *("audio_model.batch", "audio_model.report", "audio_model.desk", "audio_model.line"),
}
"""What training, archives and pages need, and no live call."""


@pytest.mark.slow
def test_a_call_from_start_to_stop(serve: Any) -> None:
    server = serve("--audiosocket", "127.0.0.1:0", "--siprec", "127.0.0.1:0")
    assert server.get("/readyz") == {"status": "ready"}
    with socket.create_connection(server.audiosocket) as caller:
        caller.sendall(b"\x01\x00\x10" + bytes(15) + b"\x07")
        for at in range(0, 16_000, 160):
            caller.sendall(b"\x10\x00\xa0" + AUDIO[at : at + 160])
        caller.sendall(b"\x00\x00\x00")
        final = server.final("00000000-0000-0000-0000-000000000007")
    assert final["gateway"] == "audiosocket"
    assert final["seconds"] == pytest.approx(2.0, abs=0.1)
    assert server.siprec[1] > 0
    assert server.metrics()['audio_model_answer_seconds_count{gateway="audiosocket"}'] == 1
    assert server.stop() == 0
    assert "final gateway=audiosocket" in server.log


@pytest.mark.slow
def test_it_is_ready_without_what_others_need(serve: Any) -> None:
    """How soon it is ready says ``python -m benchmarks.gateway.start``."""
    server = serve(environ={"PYTHONPROFILEIMPORTTIME": "1"})
    assert server.get("/readyz") == {"status": "ready"}
    loaded = set(re.findall(r"^import time:.*\| +(\S+)$", server.log, re.MULTILINE))
    assert {"audio_model.gateway.server", "onnxruntime"} <= loaded
    assert not loaded & OF_OTHERS


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_answers_open_legs_and_sends_webhooks(
    serve: Any, tmp_path: Path, number: signal.Signals
) -> None:
    async def test() -> None:
        received = []

        async def hook(request: aiohttp.web.Request) -> aiohttp.web.Response:
            received.append(json.loads(await request.read()))
            return aiohttp.web.Response()

        async with listening(hook) as runner:
            secret = tmp_path / "secret"
            secret.write_text("s")
            flags = ["--webhook-url", f"http://127.0.0.1:{runner.addresses[0][1]}/"]
            flags += ["--webhook-secret-file", str(secret)]
            flags += ["--deadline-seconds", "300", "--listen-seconds", "1"]
            server = await asyncio.to_thread(serve, *flags)
            url = f"{server.ws_url}/v1/stream?encoding=mulaw&call=open"
            async with aiohttp.ClientSession() as client, client.ws_connect(url) as call:
                await call.send_bytes(AUDIO[:4000])
                await has_one_leg(server)
                server.process.send_signal(number)
                # It is still there, and says that it takes no calls.
                async with asyncio.timeout(30):
                    while (said := await ready(client, server.url)) == (200, {"status": "ready"}):
                        await asyncio.sleep(0.01)
                assert said == (503, {"status": "stopping"})
                with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                    await client.ws_connect(url)
                assert refused.value.status == 503
                assert server.process.poll() is None
                await call.send_bytes(AUDIO[4000:16_000])
                while (final := await call.receive_json(timeout=30))["event"] != "final":
                    pass
                assert final["call"] == "open"
                message = await call.receive(timeout=30)
                assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1001)
            assert await asyncio.to_thread(server.process.wait, 30) == 0
            assert received[-1] == final

    uvloop.run(test())


@pytest.mark.slow
def test_a_second_signal_ends_it_at_once_and_answers_all_the_same(serve: Any) -> None:
    async def test() -> None:
        server = await asyncio.to_thread(serve, "--deadline-seconds", "60")
        url = f"{server.ws_url}/v1/stream?encoding=mulaw"
        async with aiohttp.ClientSession() as client, client.ws_connect(url) as call:
            await call.send_bytes(AUDIO[:4000])
            await has_one_leg(server)
            server.process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(30):
                while (await ready(client, server.url))[0] == 200:
                    await asyncio.sleep(0.01)
            assert server.process.poll() is None
            server.process.send_signal(signal.SIGTERM)
            final = json.loads(await call.receive_str(timeout=30))
            assert final["event"] == "final"
        assert await asyncio.to_thread(server.process.wait, 30) == 128 + signal.SIGTERM

    uvloop.run(test())


@pytest.fixture
def no_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """For ``main`` in this process, whose log is pytest's."""
    monkeypatch.setattr(logs, "set_up", lambda _: None)


@pytest.mark.usefixtures("no_log")
def test_an_address_that_is_taken_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for flags in (["--port", str(port)], ["--port", "0", "--audiosocket", f"127.0.0.1:{port}"]):
            assert main(["serve", *flags]) == 2
            error = capsys.readouterr().err.splitlines()[-1]
            assert (
                error == f"audio-model: can't listen on 127.0.0.1:{port}: Address already in use"
                or (f"127.0.0.1:{port}" in error and "in use" in error)
            )


@pytest.mark.usefixtures("no_log")
def test_a_host_that_is_none_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    for host in ("a..b", "x" * 70, "999.1.1.1"):
        assert main(["serve", "--port", "0", "--host", host]) == 2
        (error,) = capsys.readouterr().err.splitlines()
        assert error.startswith(f"audio-model: can't listen on {host}:0: ")


def test_a_clock_that_is_set_moves_no_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        async with serving("--deadline-seconds", "1", "--wait-seconds", "0") as here:
            events = []
            path = "/v1/stream?encoding=mulaw&call=1"
            async with here.client.ws_connect(path) as early, here.client.ws_connect(path) as late:
                await early.send_bytes(AUDIO[:4000])
                for jump in (1e6, -1e6, -1e9):
                    now = time.time() + jump
                    monkeypatch.setattr(time, "time", lambda now=now: now)
                    await asyncio.sleep(0.1)
                await late.send_bytes(AUDIO[:4000])
                for socket in (early, late):
                    events.append(await socket.receive_json(timeout=30))
            assert [event["event"] for event in events] == ["final", "final"]
            # A leg is concluded LEAD_SHARE of its deadline ahead.
            assert all(0.8 < event["waited_seconds"] < 100 for event in events)

    uvloop.run(test())


def test_who_finds_no_room_holds_no_connection() -> None:
    """Or refused calls would keep others, and those who look after the server, out."""

    async def test() -> None:
        async with serving("--max-connections", "1") as here:
            handshake = (
                b"GET /v1/stream?encoding=mulaw HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
                b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            async with here.client.ws_connect("/v1/stream?encoding=mulaw"):
                reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
                writer.write(handshake)
                answer = await asyncio.wait_for(reader.read(), 30)
                assert answer.startswith(b"HTTP/1.1 503")
                writer.close()
                await writer.wait_closed()

    uvloop.run(test())


@pytest.mark.usefixtures("no_log")
def test_a_model_that_is_none_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--port", "0", "--model", __file__]) == 2
    assert capsys.readouterr().err.startswith(f"audio-model: {__file__}")


@pytest.mark.slow
def test_tls(serve: Any, tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-keyout", key, "-out", certificate, "-days", "2", "-nodes"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
    )
    server = serve("--tls-certificate", str(certificate), "--tls-key", str(key))
    assert server.url.startswith("https://127.0.0.1:")
    context = ssl.create_default_context(cafile=certificate)
    client = http.client.HTTPSConnection("127.0.0.1", server.port, context=context, timeout=30)
    client.request("GET", "/readyz")
    assert client.getresponse().read() == b'{"status":"ready"}'
    client.close()
    assert server.stop() == 0
    with pytest.raises(UsageError, match=r"^--tls-certificate .*key.pem"):
        tls_context(settings_of("--tls-certificate", str(key), "--tls-key", str(key)).listening)


def test_reachable_by_all_without_a_secret_is_worth_a_warning(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    secret = tmp_path / "token"
    secret.write_text("x")
    for flags, warned in [
        (["--host", "0.0.0.0"], True),
        (["--host", "0.0.0.0", "--token-file", str(secret)], False),
        (["--host", "127.0.0.2"], False),
        (["--host", "localhost"], False),
        (["--host", "::1"], False),
        (["--host", "pbx.example.org"], True),
    ]:
        caplog.clear()
        module._warn_if_open(settings_of(*flags))
        assert bool(caplog.records) is warned, flags


async def has_one_leg(server: ServerProcess) -> None:
    async with asyncio.timeout(30):
        while (await asyncio.to_thread(server.metrics))["audio_model_legs_open"] != 1:
            await asyncio.sleep(0.01)


async def ready(client: aiohttp.ClientSession, url: str) -> tuple[int, Any]:
    async with client.get(url + "/readyz") as response:
        return response.status, await response.json()


async def hear(here: Running, call: str, audio: bytes) -> dict[str, Any]:
    """The final event of a call by the plain stream."""
    url = f"/v1/stream?encoding=mulaw&call={call}&caller=5550100"
    async with here.client.ws_connect(url) as socket:
        await socket.send_bytes(audio)
        await socket.send_str('{"event": "stop"}')
        events = [json.loads(message.data) async for message in socket]
    final: dict[str, Any] = events[-1]
    return final


def test_a_full_server_answers_new_calls_at_once_and_hears_the_others() -> None:
    async def test() -> None:
        async with serving("--max-legs", "1") as here:
            async with here.client.ws_connect("/v1/stream?encoding=mulaw") as first:
                await first.send_bytes(AUDIO[:8000])
                await until(lambda: here.server.calls.open_legs == 1)
                refused = await hear(here, "second", AUDIO)
                assert (refused["verdict"], refused["reason"]) == ("unknown", "overload")
                assert refused["seconds"] == 0
                await first.send_bytes(AUDIO[8000:16000])
                await first.send_str('{"event": "stop"}')
                finals = [json.loads(message.data) async for message in first]
            assert finals[-1]["seconds"] == 2.0
            assert (await hear(here, "third", AUDIO))["reason"] != "overload"
            labels = 'gateway="stream",reason="overload",verdict="unknown"'
            assert (await here.metrics())[f"audio_model_verdicts_total{{{labels}}}"] == 1

    uvloop.run(test())


def test_others_that_are_not_there_hold_nothing_up(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    flags = ["--audiosocket", "127.0.0.1:0", "--siprec", "127.0.0.1:0"]
    flags += ["--rtpengine", "127.0.0.1:9"]
    for name in ("ami", "ari"):
        flags += [f"--{name}-address", "127.0.0.1:1", f"--{name}-user", "u"]
        flags += [f"--{name}-secret-file", str(secret)]

    async def test() -> None:
        async with serving(*flags) as here:
            schemes = [address.partition(":")[0] for address in here.server.addresses]
            assert schemes == ["http", "audiosocket", "sip"]
            assert (await hear(here, "a", PROMPT))["verdict"] == "recorded"
            began = time.monotonic()
        assert time.monotonic() - began < 20

    uvloop.run(test())


def test_only_unknown_calls_are_kept_and_only_if_asked(tmp_path: Path) -> None:
    folder = tmp_path / "kept"

    async def test() -> None:
        async with serving("--keep-audio", str(folder)) as here:
            assert (await hear(here, "short", AUDIO[:3200]))["verdict"] == "unknown"
            assert (await hear(here, "whole", PROMPT))["verdict"] == "recorded"
        async with serving() as here:
            await hear(here, "unkept", AUDIO[:3200])

    uvloop.run(test())
    (sound,) = folder.glob("*.wav")
    assert "-stream-short-caller" in sound.name
    assert sound.stat().st_size == 44 + 2 * 3200
    assert "5550100" not in sound.with_suffix(".json").read_text()


def test_sockets_beyond_all_limits_are_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "SPARE_CONNECTIONS", 1)

    async def fill(here: Running, n_sockets: int) -> None:
        connections = here.server._runner.server
        assert connections is not None
        held = [await asyncio.open_connection("127.0.0.1", here.port) for _ in range(n_sockets)]
        await until(lambda: len(connections.connections) == n_sockets)
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        assert (await asyncio.wait_for(reader.read(), 30)).startswith(b"HTTP/1.1 503 ")
        for _, other in [*held, (reader, writer)]:
            other.close()
            await other.wait_closed()
        await until(lambda: not connections.connections)

    async def test() -> None:
        async with serving("--max-connections", "1") as here:
            for limit in (1, 1, 3, 2):
                settings = here.server.settings
                limits = replace(settings.limits, max_connections=limit)
                await here.server.reload(replace(settings, limits=limits))
                await fill(here, limit + 1)
            async with here.client.get("/healthz") as response:
                assert response.status == 200

    uvloop.run(test())


def test_hostile_calls_leave_the_others_alone() -> None:
    """JSON bombs and junk at every dialect, while a call is heard to its end."""
    deep, wide = "[" * 100_000, '{"a":' * 20_000
    bombs = [deep, wide, "{" + ",".join(f'"k{n}":{n}' for n in range(10_000)) + "}", "1e999999"]
    bombs += ['{"event":"start","start":' + deep, "\x00" * 1000, '"' + "\\ud800" * 1000 + '"']

    async def attack(here: Any, path: str) -> None:
        try:
            async with here.client.ws_connect(path) as socket:
                for bomb in bombs * 4:
                    await socket.send_str(bomb)
                    await socket.send_bytes(bomb.encode())
                await asyncio.sleep(0.1)
        except (aiohttp.ClientError, ConnectionError):
            pass

    async def test() -> None:
        async with serving("--deadline-seconds", "60") as here:
            attacks = [asyncio.create_task(attack(here, path)) for path in dialect_paths()]
            url = "/v1/stream?encoding=mulaw&call=good"
            async with here.client.ws_connect(url) as call:
                for at in range(0, 16_000, 160):
                    await call.send_bytes(AUDIO[at : at + 160])
                    await asyncio.sleep(0.001)
                await call.send_str('{"event": "stop"}')
                finals = [json.loads(message.data) async for message in call]
            await asyncio.gather(*attacks)
            assert finals[-1]["event"] == "final"
            assert finals[-1]["seconds"] == pytest.approx(2.0, abs=0.05)
            metrics = await here.metrics()
            assert metrics["audio_model_internal_errors_total"] == 0
            assert sum(v for k, v in metrics.items() if "protocol_errors_total" in k) > 100

    uvloop.run(test())


@pytest.mark.slow
def test_a_thousand_idle_connections_do_not_delay_a_call(serve: Any) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))

    async def test(server: ServerProcess) -> None:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(server.ws_url, connector=connector) as client:
            idle = []
            for _ in range(20):
                fifty = [client.ws_connect("/twilio") for _ in range(50)]
                idle += await asyncio.gather(*fifty)
            async with client.ws_connect("/v1/stream?encoding=mulaw&call=good") as call:
                for at in range(0, 16_000, 160):
                    await call.send_bytes(AUDIO[at : at + 160])
                await call.send_str('{"event": "stop"}')
                finals = [json.loads(message.data) async for message in call]
            assert finals[-1]["event"] == "final"
            assert server.metrics()['audio_model_connections{gateway="twilio"}'] == 1000
            await asyncio.gather(*(socket.close() for socket in idle))
        assert server.metrics()['audio_model_connections{gateway="twilio"}'] == 0

    try:
        uvloop.run(test(serve()))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_what_the_settings_have_it_use_and_does_not_work_is_not_ready(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("wrong")
    store = tmp_path / "ranges.db"

    async def test() -> None:
        flags = ["--ranges", str(store), "--rtpengine", "127.0.0.1:9"]
        flags += ["--ami-address", "127.0.0.1:9", "--ami-user", "u", "--ami-secret-file"]
        async with serving(*flags, str(secret)) as running:

            async def parts() -> tuple[int, dict[str, Any]]:
                async with running.client.get("/readyz") as response:
                    return response.status, await response.json()

            status, said = await parts()
            assert (status, said["status"]) == (503, "impaired")
            assert said["parts"] == {"ami": "down", "rtpengine": "down", "ranges": "up"}
            metrics = await running.metrics()
            assert metrics['audio_model_part_up{part="ami"}'] == 0
            assert metrics['audio_model_part_up{part="ranges"}'] == 1
            store.unlink()
            assert (await parts())[1]["parts"]["ranges"] == "down"
            # It is no reason to refuse a call.
            async with running.client.ws_connect("/v1/stream?encoding=mulaw") as call:
                await call.send_str('{"event": "stop"}')
                assert (await call.receive_json())["reason"] == "no_audio"
        async with serving("--ranges", str(store)) as running:
            async with running.client.get("/readyz") as response:
                said = await response.json()
            assert said == {"status": "ready", "parts": {"ranges": "up"}}

    uvloop.run(test())
