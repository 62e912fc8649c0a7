import base64
import hmac
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import uvloop

from tests.gateway.serving import Running, serving

TOKEN = "s3cret-tökén"


@pytest.fixture
def token(tmp_path: Path) -> str:
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n", "utf-8")
    return str(path)


async def connects(here: Running, url: str, headers: dict[str, str] | None = None) -> bool:
    try:
        async with here.client.ws_connect(url, headers=headers):
            return True
    except aiohttp.WSServerHandshakeError as error:
        assert error.status == 401
        return False


def bearer(value: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {value}"}


def basic(value: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(value.encode()).decode()}


def test_without_secrets_everyone_may() -> None:
    async def test() -> None:
        async with serving() as here:
            assert await connects(here, "/twilio")
            async with here.client.get("/v1/calls", headers=bearer("x")) as response:
                assert response.status == 200

    uvloop.run(test())


@pytest.mark.parametrize(
    "headers",
    [
        {},
        bearer(""),
        bearer("S3cret-tökén"),
        bearer(TOKEN + "x"),
        bearer(TOKEN[:-1]),
        {"Authorization": TOKEN},
        {"Authorization": f"Digest {TOKEN}"},
        basic(TOKEN),
        basic(f"{TOKEN}:"),
        {"Authorization": "Basic ???"},
        {"Authorization": "Basic"},
        {"X-Twilio-Signature": "x"},
    ],
)
def test_a_wrong_token_opens_nothing(token: str, headers: dict[str, str]) -> None:
    async def test() -> None:
        async with serving("--token-file", token) as here:
            for path in ("/v1/calls", "/v1/calls/x", "/v1/events", "/metrics"):
                async with here.client.get(path, headers=headers) as response:
                    assert response.status == 401
                    assert response.headers["WWW-Authenticate"] == "Bearer"
                    assert TOKEN not in await response.text()
            async with here.client.post("/v1/score", data=b"x", headers=headers) as response:
                assert response.status == 401
            assert not await connects(here, "/twilio", headers)
            assert not await connects(here, "/v1/stream?encoding=mulaw&token=x", headers)

    uvloop.run(test())


def test_the_token_opens_all(token: str) -> None:
    async def test() -> None:
        async with serving("--token-file", token) as here:
            async with here.client.get("/v1/calls", headers=bearer(TOKEN)) as response:
                assert response.status == 200
            async with here.client.get("/v1/calls", params={"token": TOKEN}) as response:
                assert response.status == 401, "in a header alone"
            assert await connects(here, "/twilio", bearer(TOKEN))
            assert await connects(here, "/exotel", basic(f"user:{TOKEN}"))
            assert await connects(here, f"/vonage?token={TOKEN}")
            assert await connects(here, "/telnyx", {"x-telnyx-streaming-auth-token": TOKEN})
            async with here.client.get(f"/v1/events?token={TOKEN}") as response:
                assert response.status == 200
            async with here.client.get("/healthz") as response:
                assert response.status == 200

    uvloop.run(test())


def test_a_token_is_compared_in_constant_time(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    compare = hmac.compare_digest

    def watched(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", watched)

    async def test() -> None:
        async with serving("--token-file", token) as here:
            async with here.client.get("/v1/calls", headers=bearer("wrong")) as response:
                assert response.status == 401
            assert (b"wrong", TOKEN.encode()) in compared

    uvloop.run(test())


def test_twilio_signs_the_public_address(tmp_path: Path) -> None:
    secret = tmp_path / "twilio"
    secret.write_text("12345")
    digest = hmac.digest(b"12345", b"wss://calls.example.org/twilio", "sha1")
    signed = {"X-Twilio-Signature": base64.b64encode(digest).decode()}
    flags = ["--twilio-auth-token-file", str(secret), "--public-url", "https://calls.example.org/"]

    async def test() -> None:
        async with serving(*flags) as here:
            assert await connects(here, "/twilio", signed)
            assert not await connects(here, "/twilio")
            assert not await connects(here, "/twilio", {"X-Twilio-Signature": "x"})
            assert not await connects(here, "/twilio?x=1", signed)
            # One secret closes the paths that have none.
            assert not await connects(here, "/telnyx", signed)
            async with here.client.get("/v1/calls") as response:
                assert response.status == 401
            assert (await here.client.get("/healthz")).status == 200

    uvloop.run(test())


def test_without_a_public_address_the_one_asked_for_is_signed(tmp_path: Path) -> None:
    secret = tmp_path / "twilio"
    secret.write_text("12345")

    async def test() -> None:
        async with serving("--twilio-auth-token-file", str(secret)) as here:
            url = f"ws://127.0.0.1:{here.port}/twilio"
            digest = hmac.digest(b"12345", url.encode(), "sha1")
            signed = {"X-Twilio-Signature": base64.b64encode(digest).decode()}
            assert await connects(here, "/twilio", signed)

    uvloop.run(test())


def test_genesys_needs_its_key(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("a-key")
    other: dict[str, Any] = {"X-API-KEY": "another"}

    async def test() -> None:
        async with serving("--genesys-api-key-file", str(key)) as here:
            assert await connects(here, "/audiohook", {"X-API-KEY": "a-key"})
            assert not await connects(here, "/audiohook", other)
            assert not await connects(here, "/audiohook")

    uvloop.run(test())
