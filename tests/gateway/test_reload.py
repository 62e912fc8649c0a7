"""Settings read again by a server that runs, and servers that take turns at one port."""

import asyncio
import json
import signal
import socket
import ssl
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import psutil
import pytest
import uvloop

from audio_model.companding import mulaw_encode
from audio_model.gateway.reload import merged
from audio_model.gateway.server import HANDSHAKE_SECONDS
from tests import sounds
from tests.gateway.process import ServerProcess
from tests.gateway.serving import listening, settings_of
from tests.gateway.waiting import hold_until, until

SPEECH = mulaw_encode((sounds.voice(1, 2) * 32767).astype("int16")).tobytes()


async def speak(client: aiohttp.ClientSession, at: str, number: int) -> None:
    """Speak in a call, and wait for its final event."""
    async with client.ws_connect(f"{at}/v1/stream?encoding=mulaw&call=call-{number}") as call:
        await call.send_bytes(SPEECH)
        await call.send_str('{"event": "stop"}')
        while (await call.receive_json(timeout=30))["event"] != "final":
            pass


def connections_to(port: int) -> list[Any]:
    """Return the connections of this process to a port that are not closed."""
    every = psutil.Process().net_connections("tcp")
    return [each for each in every if each.raddr and each.raddr.port == port]


def status(server: ServerProcess, token: str, context: ssl.SSLContext | None = None) -> int:
    request = urllib.request.Request(
        server.url + "/v1/calls", headers={"Authorization": f"Bearer {token}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=30, context=context) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_what_can_change_does_and_the_rest_is_named() -> None:
    old = settings_of("--port", "1", "--max-legs", "5", "--deadline-seconds", "4")
    new = settings_of("--port", "2", "--max-legs", "6", "--deadline-seconds", "3")
    now, waiting = merged(old, new)
    assert (now.limits.max_legs, now.listening.port, now.detection.deadline_seconds) == (6, 1, 4)
    assert waiting == ["listening.port", "detection.deadline_seconds"]
    assert merged(old, old) == (old, [])


@pytest.mark.slow
def test_hangup_reads_tokens_limits_and_stores_again(serve: Any, tmp_path: Path) -> None:
    token, config, store = tmp_path / "token", tmp_path / "serve.toml", tmp_path / "ranges.db"
    token.write_text("first")
    config.write_text(f'token_file = "{token}"\nranges = "{store}"\nmax_legs = 7\n')
    server = serve("--config", str(config))
    assert (status(server, "first"), status(server, "second")) == (200, 401)

    def hang_up(says: str) -> None:
        n = server.log.count(says)
        server.process.send_signal(signal.SIGHUP)
        hold_until(lambda: server.log.count(says) > n)

    token.write_text("second")
    config.write_text(config.read_text() + "deadline_seconds = 3\n")
    hang_up("settings were read again")
    assert (status(server, "first"), status(server, "second")) == (401, 200)
    assert "need a restart: detection.deadline_seconds" in server.log

    config.write_text("max_legs = none")
    hang_up("what was there before holds")
    assert status(server, "second") == 200

    # A store that was deleted begins anew when somebody says so.
    config.write_text(f'token_file = "{token}"\nranges = "{store}"\n')
    store.unlink()
    hold_until(lambda: _ready(server)["parts"] == {"ranges": "down"})
    assert not store.exists()
    hang_up("settings were read again")
    assert _ready(server) == {"status": "ready", "parts": {"ranges": "up"}}
    assert store.exists()
    assert server.stop() == 0


def _ready(server: ServerProcess) -> Any:
    try:
        with urllib.request.urlopen(server.url + "/readyz", timeout=30) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return json.load(error)


@pytest.mark.slow
def test_hangup_shows_a_new_certificate_and_open_calls_go_on(serve: Any, tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"

    def make(name: str) -> None:
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt"),
                *("ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-subj", f"/CN={name}"),
                *("-keyout", key, "-out", certificate),
            ],
            check=True,
            capture_output=True,
        )

    def shown() -> bytes:
        pem = ssl.get_server_certificate(("127.0.0.1", server.port))
        return ssl.PEM_cert_to_DER_cert(pem)

    make("before")
    server = serve("--tls-certificate", str(certificate), "--tls-key", str(key))
    assert b"before" in shown()

    async def test() -> None:
        url = f"{server.ws_url}/v1/stream?encoding=mulaw"
        async with (
            aiohttp.ClientSession() as client,
            client.ws_connect(url, ssl=False) as call,
        ):
            await asyncio.to_thread(make, "after")
            server.process.send_signal(signal.SIGHUP)
            await until(lambda: "were read again" in server.log)
            assert b"after" in await asyncio.to_thread(shown)
            certificate.write_text("no certificate")
            server.process.send_signal(signal.SIGHUP)
            await until(lambda: "before holds" in server.log)
            assert b"after" in await asyncio.to_thread(shown)
            await call.send_bytes(SPEECH)
            await call.send_str('{"event": "stop"}')
            assert (await call.receive_json(timeout=30))["event"] == "final"
        # aiohttp does not wait until TLS has said goodbye, and uvloop can't end in the midst of it.
        await until(lambda: not connections_to(server.port))

    uvloop.run(test())


@pytest.mark.slow
def test_a_port_is_shared_by_those_alone_who_say_so(serve: Any) -> None:
    first = serve("--reuse-port")
    serve("--reuse-port", "--port", str(first.port))
    with pytest.raises(RuntimeError, match="can't listen"):
        serve("--port", str(first.port))


@pytest.mark.slow
def test_calls_that_begin_during_a_restart_are_all_heard_and_no_event_is_lost(
    serve: Any, tmp_path: Path
) -> None:
    """Sixty calls a second by WebSocket and by AudioSocket, through three restarts."""
    secret = tmp_path / "secret"
    secret.write_text("s")

    async def test() -> None:
        received: set[str] = set()

        async def hook(request: aiohttp.web.Request) -> aiohttp.web.Response:
            event = json.loads(await request.read())
            if event["event"] == "final":
                received.add(event["call"])
            return aiohttp.web.Response()

        async with listening(hook) as runner:
            with socket.create_server(("127.0.0.1", 0)) as probe:
                audiosocket = probe.getsockname()[1]
            flags = ["--reuse-port", "--deadline-seconds", "1", "--audiosocket"]
            flags += [f"127.0.0.1:{audiosocket}", "--webhook-secret-file", str(secret)]
            flags += ["--webhook-url", f"http://127.0.0.1:{runner.addresses[0][1]}/"]
            server = await asyncio.to_thread(serve, *flags)
            port, sent, failed = server.port, set(), []

            async def by_websocket(client: aiohttp.ClientSession, n: int) -> None:
                await speak(client, f"ws://127.0.0.1:{port}", n)

            async def by_audiosocket(n: int) -> None:
                reader, writer = await asyncio.open_connection("127.0.0.1", audiosocket)
                writer.write(b"\x01\x00\x10" + n.to_bytes(16, "big"))
                writer.write((b"\x10\x01\x40" + bytes(320)) * 20 + b"\x00\x00\x00")
                await reader.read()
                writer.close()

            loop, late_at = asyncio.get_running_loop(), 0.0

            async def watch() -> None:
                """Note when this process is too slow for the handshakes of its calls."""
                nonlocal late_at
                while True:
                    due = loop.time() + 0.02
                    await asyncio.sleep(0.02)
                    if loop.time() - due > HANDSHAKE_SECONDS / 4:
                        late_at = loop.time()

            async def call(client: aiohttp.ClientSession, n: int, name: str) -> None:
                began = loop.time()
                try:
                    async with asyncio.timeout(60):
                        await (by_audiosocket(n) if n % 2 else by_websocket(client, n))
                except (aiohttp.ClientError, OSError, TypeError, TimeoutError) as error:
                    await asyncio.sleep(0.1)
                    if late_at < began:
                        failed.append(repr(error))
                    else:
                        sent.discard(name)

            async def restart() -> None:
                old = server
                for _ in range(3):
                    await asyncio.sleep(1)
                    new = await asyncio.to_thread(lambda: serve(*flags, "--port", str(port)))
                    old.process.send_signal(signal.SIGTERM)
                    assert await asyncio.to_thread(old.process.wait, 60) == 0
                    old = new

            async with aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(force_close=True)
            ) as client:
                watching, restarting = loop.create_task(watch()), loop.create_task(restart())
                calls: list[asyncio.Task[None]] = []
                while not restarting.done():
                    n = len(calls)
                    name = str(UUID(int=n)) if n % 2 else f"call-{n}"
                    sent.add(name)
                    calls.append(loop.create_task(call(client, n, name)))
                    await asyncio.sleep(1 / 60)
                await restarting
                await asyncio.gather(*calls)
                watching.cancel()
            for _ in range(600):
                if received >= sent:
                    break
                await asyncio.sleep(0.05)
            assert failed == []
            assert sent - received == set()
            assert len(sent) > 100

    uvloop.run(test())


@pytest.mark.slow
def test_a_server_that_is_killed_loses_no_event_that_is_spooled(serve: Any, tmp_path: Path) -> None:
    secret, spool = tmp_path / "secret", tmp_path / "spool"
    secret.write_text("s")

    async def test() -> None:
        received: dict[str, str] = {}
        answer = 503

        async def hook(request: aiohttp.web.Request) -> aiohttp.web.Response:
            event = json.loads(await request.read())
            if answer == 204:
                received[event["call"]] = request.headers["Idempotency-Key"]
            return aiohttp.web.Response(status=answer)

        async with listening(hook) as runner:
            flags = ["--webhook-url", f"http://127.0.0.1:{runner.addresses[0][1]}/"]
            flags += ["--webhook-secret-file", str(secret), "--webhook-spool", str(spool)]
            server = await asyncio.to_thread(lambda: serve(*flags, "--webhook-retries", "0"))
            async with aiohttp.ClientSession() as client:
                for n in range(5):
                    await speak(client, server.ws_url, n)
            await asyncio.sleep(0.1)
            server.kill()
            answer = 204
            await asyncio.to_thread(serve, *flags)
            async with asyncio.timeout(20):
                while len(received) < 5:
                    await asyncio.sleep(0.02)
            assert sorted(received) == [f"call-{n}" for n in range(5)]

    uvloop.run(test())
