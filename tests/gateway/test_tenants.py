"""Tenants that share a server: each has its token, terms, webhook and calls."""

import asyncio
import base64
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
import uvloop
from aiohttp import web

from audio_model.errors import UsageError
from audio_model.gateway.config.values import Secret
from audio_model.gateway.outlets.webhooks import SIGNATURE_HEADER, signature
from tests import sounds
from tests.gateway.serving import Running, serving, settings_of

SPEECH = sounds.mulaw(sounds.voice(1, 2))


@pytest.fixture
def tenants(tmp_path: Path) -> Path:
    """A file of two tenants, ``acme`` and ``bolt``, whose tokens are their names."""
    for name in ("own", "acme", "bolt", "key"):
        (tmp_path / name).write_text(name)
    path = tmp_path / "tenants.toml"
    path.write_text(
        f'[acme]\ntoken_file = "{tmp_path}/acme"\ndeadline_seconds = 0.3\nmax_legs = 1\n\n'
        f'[bolt]\ntoken_file = "{tmp_path}/bolt"\n'
    )
    return path


def flags(tenants: Path, model_path: Path) -> list[str]:
    token = str(tenants.parent / "own")
    return [
        *("--model", str(model_path), "--max-false-alarm", "0.1", "--wait-seconds", "0"),
        *("--tenants", str(tenants), "--token-file", token, "--deadline-seconds", "300"),
    ]


@asynccontextmanager
async def call(
    here: Running, token: str, name: str = "1", **query: str
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    parameters = {"encoding": "mulaw", "call": name, "token": token, **query}
    async with here.client.ws_connect("/v1/stream", params=parameters) as socket:
        yield socket


async def final(socket: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
    while (event := await socket.receive_json(timeout=30))["event"] != "final":
        pass
    return dict(event)


async def get(here: Running, path: str, token: str) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {token}"}
    async with here.client.get(path, headers=headers) as response:
        return response.status, await response.json(content_type=None)


def test_each_hears_on_its_terms_and_sees_its_calls_alone(tenants: Path, model_path: Path) -> None:
    async def test() -> None:
        async with serving(*flags(tenants, model_path)) as here:
            held = call(here, "acme", "2", deadline="300")
            async with held as socket, call(here, "acme", "4") as second:
                # One leg at once is all that it may have.
                assert (await final(second))["reason"] == "overload"
                await socket.send_str('{"event": "stop"}')
                await final(socket)
            async with call(here, "acme") as socket:
                await socket.send_bytes(SPEECH[:800])
                event = await final(socket)
                assert event["tenant"] == "acme" and event["waited_seconds"] < 250
            async with call(here, "bolt") as socket:
                await socket.send_bytes(SPEECH)
                await socket.send_str('{"event": "stop"}')
                assert (await final(socket))["tenant"] == "bolt"
            async with call(here, "own", "3") as socket:
                await socket.send_str('{"event": "stop"}')
                assert "tenant" not in await final(socket)
            for token, ids in (
                ("acme", ["1", "2", "4"]),
                ("bolt", ["1"]),
                ("own", ["1", "1", "2", "3", "4"]),
            ):
                _, answer = await get(here, "/v1/calls", token)
                assert sorted(each["call"] for each in answer["calls"]) == ids
            _, answer = await get(here, "/v1/calls/1", "bolt")
            assert answer["legs"]["caller"]["tenant"] == "bolt"
            assert (await get(here, "/v1/calls/2", "bolt"))[0] == 404
            for path in ("/metrics", "/v1/ranges/1", "/v1/campaigns"):
                assert (await get(here, path, "acme"))[0] == 403
            assert (await get(here, "/v1/calls", "nobody"))[0] == 401

    uvloop.run(test())


def test_a_url_asks_for_terms_and_what_can_not_be_had_is_refused(
    tenants: Path, model_path: Path
) -> None:
    async def test() -> None:
        async with serving(*flags(tenants, model_path)) as here:
            async with call(here, "bolt", deadline="0.3", budget="0.1") as socket:
                await socket.send_bytes(SPEECH[:800])
                assert (await final(socket))["waited_seconds"] < 250
            for query in ({"deadline": "soon"}, {"budget": "0.0000001"}, {"wait": "-3"}):
                headers = {"Authorization": "Bearer bolt"}
                parameters = {"encoding": "mulaw", **query}
                async with here.client.get(
                    "/v1/stream",
                    params=parameters,
                    headers={
                        **headers,
                        "Upgrade": "websocket",
                        "Connection": "Upgrade",
                        "Sec-WebSocket-Version": "13",
                        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
                    },
                ) as response:
                    assert response.status == 400
                    said = (await response.json())["error"]["message"]
                    assert next(iter(query)) in said or "false alarms" in said

    uvloop.run(test())


def test_events_go_to_their_tenants_webhook_and_readers(tenants: Path, model_path: Path) -> None:
    posted: dict[str, list[Any]] = {"/acme": [], "/own": []}

    async def take(request: web.Request) -> web.Response:
        body = await request.read()
        moment = int(request.headers[SIGNATURE_HEADER].split(",")[0][2:])
        key = "key" if request.path == "/acme" else "own"
        assert request.headers[SIGNATURE_HEADER] == signature(Secret(key), body, moment)
        posted[request.path].append(json.loads(body))
        return web.Response()

    @asynccontextmanager
    async def receiver() -> AsyncIterator[str]:
        application = web.Application()
        application.router.add_post("/{name}", take)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()

    async def test(url: str) -> None:
        text = tenants.read_text()
        hook = f'webhook_url = "{url}/acme"\nwebhook_secret_file = "{tenants.parent}/key"\n'
        tenants.write_text(text.replace("[acme]\n", f"[acme]\n{hook}"))
        more = ["--webhook-url", f"{url}/own", "--webhook-secret-file", str(tenants.parent / "own")]
        async with serving(*flags(tenants, model_path), *more) as here:
            async with here.client.get("/v1/events?token=bolt") as events:
                for token in ("acme", "bolt", "own"):
                    async with call(here, token, f"of-{token}") as socket:
                        await socket.send_str('{"event": "stop"}')
                        await final(socket)
                async with asyncio.timeout(30):
                    while len(posted["/acme"]) < 1 or len(posted["/own"]) < 2:
                        await asyncio.sleep(0.01)
                    told = await events.content.readuntil(b'"of-bolt"')
            assert [each["call"] for each in posted["/acme"]] == ["of-acme"]
            assert sorted(each["call"] for each in posted["/own"]) == ["of-bolt", "of-own"]
            assert b"of-acme" not in told and b"of-own" not in told
            # Settings are read again: another tenant takes its place.
            tenants.write_text(text.replace("acme", "cord"))
            (tenants.parent / "cord").write_text("cord")
            again = settings_of("--port", "0", *flags(tenants, model_path), *more)
            await here.server.reload(again)
            assert (await get(here, "/v1/calls", "cord"))[0] == 200
            assert (await get(here, "/v1/calls", "acme"))[0] == 401

    async def whole() -> None:
        async with receiver() as url:
            await test(url)

    uvloop.run(whole())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("deadline_seconds = 3", "must be in the table of a tenant"),
        ("[a]\ndeadline_seconds = 3", r"\[a\]: token_file is missing"),
        ('["a b"]', "letters, digits"),
        ('[a]\ntoken_file = "{own}"\n', "has the secret of --token-file"),
        (
            '[a]\ntoken_file = "{key}"\ntwilio_auth_token_file = "{own}"\n'
            '[b]\ntoken_file = "{acme}"\ntwilio_auth_token_file = "{own}"',
            r"\[b\]: twilio_auth_token_file: \[a\] has the same secret",
        ),
        (
            '[a]\ntoken_file = "{key}"\nplivo_auth_token_file = "{acme}"\n',
            "a has the secret of --plivo-auth-token-file",
        ),
        (
            '[a]\ntoken_file = "{key}"\ngenesys_client_secret_file = "{key}"',
            "needs genesys_api_key",
        ),
        ('[a]\ntoken_file = "{key}"\n[b]\ntoken_file = "{key}"', "has the same secret"),
        ('[a]\ntoken_file = "{key}"\ndeadline = 3', "no option 'deadline'; deadline_seconds is"),
        ('[a]\ntoken_file = "{key}"\nmax_legs = 0', r"\[a\]: max_legs: must be a whole number"),
        ('[a]\ntoken_file = "{key}"\nwebhook_url = "http://x"', "one needs the other"),
        ('[a]\ntoken_file = "/nowhere"', "/nowhere: No such file"),
        ("[a", "not TOML"),
    ],
)
def test_a_file_that_can_not_be_meant_is_refused(tenants: Path, text: str, says: str) -> None:
    folder = tenants.parent
    files = {name: folder / name for name in ("own", "key", "acme")}
    tenants.write_text(text.format(**files) if "{" in text else text)
    with pytest.raises(UsageError, match=says):
        settings_of(
            *("--tenants", str(tenants), "--token-file", str(folder / "own")),
            *("--plivo-auth-token-file", str(folder / "acme")),
        )


def by_twilio(url: str, secret: str) -> dict[str, str]:
    return {"X-Twilio-Signature": hmac64(secret.encode(), url, "sha1")}


def by_plivo(url: str, secret: str) -> dict[str, str]:
    signed = hmac64(secret.encode(), f"{url}.12345", "sha256")
    return {"X-Plivo-Signature-V3-Nonce": "12345", "X-Plivo-Signature-V3": signed}


def by_genesys(url: str, secret: str) -> dict[str, str]:
    """The key is the secret backwards; the client secret is the secret in base64."""
    headers = {
        "X-API-KEY": secret[::-1],
        "Audiohook-Organization-Id": "d7934305-0972-4844-938e-9060eef73d05",
        "Audiohook-Correlation-Id": "e160e428-53e2-487c-977d-96989bf5c99d",
        "Audiohook-Session-Id": "30b0e395-84d3-4570-ac13-9a62d8f514c0",
    }
    parts = urlsplit(url)
    covered = {
        "@request-target": parts.path,
        "@authority": parts.netloc,
        **{name.lower(): value for name, value in headers.items()},
    }
    names = " ".join(f'"{name}"' for name in covered)
    parameters = f'({names});keyid="{secret[::-1]}";created={int(time.time())}'
    lines = [f'"{name}": {value}' for name, value in covered.items()]
    text = "\n".join([*lines, f'"@signature-params": {parameters}'])
    headers["Signature-Input"] = f"sig1={parameters}"
    headers["Signature"] = f"sig1=:{hmac64(secret.encode(), text, 'sha256')}:"
    return headers


def hmac64(key: bytes, text: str, digest: str) -> str:
    return base64.b64encode(hmac.digest(key, text.encode(), digest)).decode()


@pytest.mark.parametrize(
    ("path", "sign"), [("/twilio", by_twilio), ("/plivo", by_plivo), ("/audiohook", by_genesys)]
)
def test_a_signed_call_is_the_tenants_whose_secret_signed_it(
    path: str, sign: Callable[[str, str], dict[str, str]], tenants: Path, model_path: Path
) -> None:
    folder = tenants.parent
    text = tenants.read_text()
    for name in ("acme", "bolt", "own"):
        (folder / f"{name}.auth").write_text(f"{name}-auth")
        (folder / f"{name}.key").write_text(f"{name}-auth"[::-1])
        (folder / f"{name}.secret").write_bytes(base64.b64encode(f"{name}-auth".encode()))
        lines = [f'{each}_auth_token_file = "{folder}/{name}.auth"' for each in ("twilio", "plivo")]
        lines += [f'genesys_api_key_file = "{folder}/{name}.key"']
        lines += [f'genesys_client_secret_file = "{folder}/{name}.secret"']
        text = text.replace(f"[{name}]\n", "\n".join([f"[{name}]", *lines, ""]))
    tenants.write_text(text)
    own = [
        *("--twilio-auth-token-file", f"{folder}/own.auth"),
        *("--plivo-auth-token-file", f"{folder}/own.auth"),
        *("--genesys-api-key-file", f"{folder}/own.key"),
        *("--genesys-client-secret-file", f"{folder}/own.secret"),
    ]

    async def whose(here: Running, headers: dict[str, str]) -> str:
        """The tenant whose the call is that these headers open."""
        async with here.client.ws_connect(path, headers=headers):
            async with asyncio.timeout(30):
                while not (open_ := list(here.server.websockets._open)):
                    await asyncio.sleep(0.01)
            assert open_[0].terms is not None
            return open_[0].terms.tenant

    async def test() -> None:
        async with serving(*flags(tenants, model_path), *own) as here:
            url = f"ws://127.0.0.1:{here.port}{path}"
            for name, tenant in (("acme", "acme"), ("bolt", "bolt"), ("own", "")):
                assert await whose(here, sign(url, f"{name}-auth")) == tenant
                await asyncio.sleep(0.05)
            with pytest.raises(aiohttp.WSServerHandshakeError, match="401"):
                await whose(here, sign(url, "cord-auth"))
            # A key of one and a signature of another are nobody's.
            mixed = sign(url, "acme-auth") | {"X-API-KEY": "bolt-auth"[::-1]}
            if path == "/audiohook":
                with pytest.raises(aiohttp.WSServerHandshakeError, match="401"):
                    await whose(here, mixed)

    uvloop.run(test())


def test_a_budget_that_the_model_does_not_know_is_refused_at_the_start(
    tenants: Path, model_path: Path
) -> None:
    tenants.write_text(tenants.read_text() + "max_false_alarm = 0.0000001\n")

    async def test() -> None:
        with pytest.raises(UsageError, match="--tenants: bolt: no operating point"):
            async with serving(*flags(tenants, model_path)):
                pass

    uvloop.run(test())
