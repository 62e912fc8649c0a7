"""The document describes every route, and every route answers as it is described."""

from pathlib import Path
from typing import Any

import jsonschema
import uvloop
from aiohttp import web

from audio_model.gateway.http.api import dialect_paths
from tests.gateway.serving import Running, serving

PROMPT = Path(__file__).parents[3] / "samples" / "recorded-prompt-en.wav"


def routes(here: Running) -> set[tuple[str, str]]:
    found = set()
    for route in here.server.api.application().router.routes():
        assert isinstance(route.resource, web.Resource)
        if route.method != "HEAD":
            found.add((route.resource.canonical, route.method.lower()))
    return found


async def document(here: Running) -> dict[str, Any]:
    async with here.client.get("/openapi.json") as response:
        return await response.json()


def test_every_route_is_described_and_nothing_else() -> None:
    async def test() -> None:
        async with serving() as here:
            described = {
                (path, method)
                for path, operations in (await document(here))["paths"].items()
                for method in operations
            }
            assert described == routes(here)

    uvloop.run(test())


def test_every_schema_is_one_and_every_reference_leads_somewhere() -> None:
    async def test() -> None:
        async with serving() as here:
            whole = await document(here)
        for schema in whole["components"]["schemas"].values():
            jsonschema.Draft202012Validator.check_schema(schema)
        names = set(whole["components"]["schemas"])
        assert set(references(whole)) == names

    uvloop.run(test())


def references(part: Any) -> list[str]:
    if isinstance(part, list):
        return [name for item in part for name in references(item)]
    if not isinstance(part, dict):
        return []
    own = [part["$ref"].removeprefix("#/components/schemas/")] if "$ref" in part else []
    return own + [name for item in part.values() for name in references(item)]


REQUESTS: list[tuple[str, str, str, dict[str, Any], int]] = [
    ("get", "/healthz", "/healthz", {}, 200),
    ("get", "/readyz", "/readyz", {}, 200),
    ("get", "/metrics", "/metrics", {}, 200),
    ("get", "/openapi.json", "/openapi.json", {}, 200),
    ("get", "/v1/calls", "/v1/calls", {}, 200),
    ("get", "/v1/calls", "/v1/calls?limit=0", {}, 400),
    ("get", "/v1/calls/{id}", "/v1/calls/there", {}, 200),
    ("get", "/v1/calls/{id}", "/v1/calls/elsewhere", {}, 404),
    ("get", "/v1/events", "/v1/events?event=x", {}, 400),
    ("post", "/v1/score", "/v1/score", {"data": b"x"}, 200),
    ("post", "/v1/score", "/v1/score?channel=x", {"data": b"x"}, 400),
    ("post", "/v1/score", "/v1/score", {"json": {}}, 415),
    ("post", "/v1/rtpengine", "/v1/rtpengine", {"json": {"call_id": "x"}}, 404),
    ("post", "/v1/rtpengine", "/v1/rtpengine", {"data": b"x" * 20_000}, 404),
    ("get", "/v1/ranges/{number}", "/v1/ranges/95213700", {}, 200),
    ("get", "/v1/ranges/{number}", "/v1/ranges/" + "9" * 65, {}, 400),
    ("get", "/v1/campaigns", "/v1/campaigns", {}, 200),
    ("post", "/v1/feedback", "/v1/feedback", {"json": {"call": "there", "mark": "live"}}, 200),
    ("post", "/v1/feedback", "/v1/feedback", {"json": {"call": "else", "mark": "live"}}, 404),
    ("post", "/v1/feedback", "/v1/feedback", {"data": b"\xff{"}, 400),
    ("post", "/v1/feedback", "/v1/feedback", {"data": b"x" * 20_000}, 413),
    *[("get", path, path, {}, 426) for path in dialect_paths()],
]


def test_every_route_answers_as_described(tmp_path: Path) -> None:
    async def test() -> None:
        async with serving("--ranges", str(tmp_path / "ranges.db")) as here:
            whole = await document(here)
            query = "encoding=mulaw&call=there&caller=95213700"
            async with here.client.ws_connect(f"/v1/stream?{query}") as socket:
                await socket.send_bytes(b"\xff" * 800)
                await socket.send_str('{"event": "stop"}')
                async for _ in socket:
                    pass
            form: dict[str, Any] = {"data": {"file": PROMPT.open("rb")}}
            requests = [*REQUESTS, ("post", "/v1/score", "/v1/score", form, 200)]
            for method, path, url, options, status in requests:
                async with here.client.request(method, url, **options) as response:
                    assert response.status == status, url
                    await check(whole, whole["paths"][path][method], response)
            asked = {(path, method) for method, path, *_ in requests}
            assert asked == routes(here)

    uvloop.run(test())


async def check(whole: dict[str, Any], operation: dict[str, Any], response: Any) -> None:
    content = operation["responses"][str(response.status)]["content"]
    assert set(content) == {response.content_type}
    if response.content_type == "application/json":
        schema = {**content["application/json"]["schema"], "components": whole["components"]}
        jsonschema.Draft202012Validator(schema).validate(await response.json())


def test_what_needs_a_token_says_so(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("s3cret")

    async def test() -> None:
        async with serving("--token-file", str(token)) as here:
            whole = await document(here)
            for path, operations in whole["paths"].items():
                for method, operation in operations.items():
                    url = path.replace("{id}", "x")
                    async with here.client.request(method, url) as response:
                        if operation.get("security") == []:
                            assert response.status == 200, path
                        else:
                            assert response.status == 401, path
                            await check(whole, operation, response)

    uvloop.run(test())
