"""The OpenAPI document of the HTTP side. Source: OpenAPI Specification 3.1."""

from collections.abc import Iterable

from audio_model.audio import Channel
from audio_model.commands import package_version
from audio_model.gateway.events import EventKind
from audio_model.gateway.http.schemas import Json, object_of, reference, schemas, string
from audio_model.gateway.http.scoring import MAX_BYTES, RAW_TYPES
from audio_model.ranges.rates import MarkedAs


def document(gateways: Iterable[str], stream_path: str) -> Json:
    """Return the OpenAPI document of all routes.

    Args:
        gateways: paths that speak a gateway's protocol over WebSocket.
        stream_path: path of the plain stream.
    """
    paths: Json = {
        "/healthz": _get("Whether the process runs", _json("Health"), open_to_all=True),
        "/readyz": _get(
            "Whether calls are taken",
            _json("Health"),
            {"503": _json("Health", "Starting, stopping, or a part is down")},
            open_to_all=True,
        ),
        "/metrics": _get("Metrics for Prometheus", _text("text/plain"), _errors(401, 403)),
        "/openapi.json": _get(
            "This document",
            {"content": _any("application/json", {"type": "object"})},
            open_to_all=True,
        ),
        "/v1/score": {"post": _score()},
        "/v1/calls": _get(
            "Calls of which something was said lately, the latest first",
            _json("Calls"),
            _errors(400, 401),
            parameters=[
                _query("limit", {"type": "integer", "minimum": 1, "maximum": 1000}, "at most")
            ],
        ),
        "/v1/calls/{id}": _get(
            "One call: the latest event of each leg",
            _json("Call"),
            _errors(401, 404, 503),
            parameters=[
                {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
            ],
        ),
        "/v1/events": _get(
            "Events as they happen, as server-sent events: their data are of schema Event",
            _text("text/event-stream"),
            _errors(400, 401, 503),
            parameters=[
                _query("event", {"enum": list(EventKind)}, "this kind alone"),
                _query("gateway", {"type": "string"}, "of this gateway alone"),
                _query("token", {"type": "string"}, "the token, where no header can be sent"),
                {
                    "name": "Last-Event-ID",
                    "in": "header",
                    "description": "the last event seen: what came since is sent first",
                    "schema": {"type": "string"},
                },
            ],
        ),
        "/v1/rtpengine": {"post": _follow()},
        "/v1/ranges/{number}": _get(
            "What to do with a number's calls, and what is known of its ranges",
            _json("Advice"),
            _errors(400, 401, 403, 404, 503),
            parameters=[
                {"name": "number", "in": "path", "required": True, "schema": {"type": "string"}}
            ],
        ),
        "/v1/campaigns": _get(
            "Campaigns that run now", _json("Campaigns"), _errors(401, 403, 404, 503)
        ),
        "/v1/feedback": {"post": _feedback()},
        stream_path: _websocket(
            "The plain stream: binary messages of audio in, events (schema Event) out as text",
            [
                _query("encoding", {"enum": ["mulaw", "alaw", "s16le"]}, "of the audio"),
                _query("sample_rate", {"type": "integer", "default": 8000}, "Hz"),
                _query("channels", {"enum": [1, 2], "default": 1}, "interleaved"),
                _query("call", {"type": "string"}, "id of the call; made up if missing"),
                _query("caller", {"type": "string"}, "number"),
                _query("called", {"type": "string"}, "number"),
                _query("progress", {"enum": [0, 1], "default": 0}, "1: progress events, too"),
            ],
        ),
    }
    for path in gateways:
        paths[path] = _websocket(f"Calls of {path.removeprefix('/')}, in its own protocol", [])
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "audio-model",
            "version": package_version("0"),
            "description": "Is the far end of a call a recording or a live human?",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": paths,
        "components": {
            "schemas": schemas(),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}, {}],
    }


def _score() -> Json:
    raw = {"type": "string", "contentMediaType": "audio/*"}
    kinds = ["audio/*", *RAW_TYPES, "application/octet-stream"]
    return {
        "summary": "Score a recording",
        "description": (
            "The answer is a row of `audio-model score --output rows.jsonl`; a recording that "
            "can't be read is a row with an error. audio/x-mulaw, audio/x-alaw and audio/L16 take "
            "rate= and channels=; audio/L16 is big endian (RFC 2586) unless "
            f"endianness=little-endian. At most {MAX_BYTES} bytes."
        ),
        "parameters": [_query("channel", {"enum": list(Channel), "default": "mix"}, "the leg")],
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": object_of({"file": {"type": "string", "format": "binary"}})
                },
                **{kind: {"schema": raw} for kind in kinds},
            },
        },
        "responses": {
            "200": _described(_json("Row")),
            **_errors(400, 401, 408, 413, 415, 503),
        },
    }


def _follow() -> Json:
    wanted = object_of(
        {
            "call_id": string() | {"description": "as rtpengine knows it: SIP's Call-ID"},
            "from_tag": string() | {"description": "the party to hear; both, if missing"},
            "caller": string(),
            "called": string(),
        },
        required=["call_id"],
    )
    begun = object_of({"call": string(), "begun": {"type": "boolean"}})
    return {
        "summary": "Hear a call that passes through rtpengine",
        "requestBody": {"required": True, "content": _any("application/json", wanted)},
        "responses": {
            "202": {
                "description": "It is heard; begun is false if it was before",
                "content": _any("application/json", begun),
            },
            **_errors(400, 401, 403, 404, 413, 502, 503),
        },
    }


def _feedback() -> Json:
    mark: Json = {"enum": list(MarkedAs)}
    changes = {"type": "array", "items": reference("RangeChange")}
    return {
        "summary": "What a call really was, as a person heard it; it counts in the caller's ranges",
        "requestBody": {
            "required": True,
            "content": _any("application/json", object_of({"call": string(), "mark": mark})),
        },
        "responses": {
            "200": _described(
                {
                    "content": _any(
                        "application/json",
                        object_of({"call": string(), "mark": mark, "changes": changes}),
                    )
                }
            ),
            **_errors(400, 401, 403, 404, 413, 503),
        },
    }


def _get(
    summary: str,
    answer: Json,
    others: Json | None = None,
    *,
    parameters: list[Json] | None = None,
    open_to_all: bool = False,
) -> Json:
    operation: Json = {
        "summary": summary,
        "responses": {"200": _described(answer), **(others or {})},
    }
    if parameters:
        operation["parameters"] = parameters
    if open_to_all:
        operation["security"] = []
    return {"get": operation}


def _websocket(summary: str, parameters: list[Json]) -> Json:
    token = _query("token", {"type": "string"}, "the token, where no header can be sent")
    return {
        "get": {
            "summary": f"{summary} (WebSocket)",
            "parameters": [*parameters, *_TERMS, token],
            "responses": {
                "101": {"description": "the WebSocket is open"},
                **_errors(400, 401, 426, 503),
            },
        }
    }


_ERRORS = {
    400: "The request can't be meant so",
    401: "A token or a signature is missing or wrong",
    403: "It concerns the whole server, and the token is a tenant's",
    404: "Nothing is known by this name",
    408: "The request came too slowly",
    413: "The request is too large",
    415: "Not a type of audio, or packed",
    426: "The path speaks WebSocket",
    502: "The other program refuses or does not answer",
    503: "The server is full, or stops, or its store or another process can't be used",
}


def _errors(*statuses: int) -> Json:
    return {str(status): _json("Error", _ERRORS[status]) for status in statuses}


def _json(schema: str, description: str = "") -> Json:
    answer = {"content": _any("application/json", reference(schema))}
    return answer | ({"description": description} if description else {})


def _text(kind: str) -> Json:
    return {"content": _any(kind, {"type": "string"})}


def _any(kind: str, schema: Json) -> Json:
    return {kind: {"schema": schema}}


def _described(answer: Json) -> Json:
    return {"description": "The answer", **answer}


def _query(name: str, schema: Json, description: str) -> Json:
    return {"name": name, "in": "query", "description": description, "schema": schema}


_TERMS = [
    _query("deadline", {"type": "number"}, "seconds from the first voice to the final event"),
    _query("wait", {"type": "number"}, "seconds for which the first voice is awaited"),
    _query("listen", {"type": "number"}, "seconds of audio heard from the first voice on"),
    _query("budget", {"type": "number"}, "share of live callers who may be called recorded"),
]
"""The terms that any call's URL may ask for; see :data:`audio_model.gateway.terms.ASKED`."""
