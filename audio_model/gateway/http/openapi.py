"""The OpenAPI document of the HTTP side. Source: OpenAPI Specification 3.1."""

from collections.abc import Iterable
from importlib import metadata
from typing import Any

from audio_model.audio import Channel
from audio_model.decision import Reason, VerdictKind
from audio_model.gateway.events import EventKind
from audio_model.gateway.http.scoring import MAX_BYTES, RAW_TYPES
from audio_model.ranges.breaker import Why
from audio_model.ranges.describe import RANGE_VALUES, Act
from audio_model.ranges.numbers import Flag, NumberKind
from audio_model.ranges.rates import Mark
from audio_model.ranges.tree import State
from audio_model.tables.rows import KNOWN_COLUMNS, RESULT_COLUMNS

Json = dict[str, Any]

_PHASES = ["ok", "starting", "ready", "impaired", "stopping"]
_NUMBERS: Json = {"type": "array", "items": {"type": "number"}}
_NUMBER_OR_NULL: Json = {"type": ["number", "null"]}
_STRING_OR_NULL: Json = {"type": ["string", "null"]}
_PAIR_OR_NULL: Json = {"type": ["array", "null"], "items": {"type": "number"}}
_SECONDS_SINCE_1970: Json = {"type": "number", "description": "seconds since 1970"}
_CHANGES: Json = {"type": "array", "items": {"type": "object"}}


def document(gateways: Iterable[str], stream_path: str) -> Json:
    """All that the server answers to.

    Args:
        gateways: paths that speak a gateway's protocol over WebSocket.
        stream_path: of the plain stream.
    """
    paths: Json = {
        "/healthz": _get("Whether the process runs", _json("Health"), open_to_all=True),
        "/readyz": _get(
            "Whether calls are taken",
            _json("Health"),
            {"503": _json("Health", "Starting, stopping, or a part is down")},
            open_to_all=True,
        ),
        "/metrics": _get("Metrics for Prometheus", _text("text/plain"), _errors(401)),
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
            _errors(401, 404),
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
            _errors(400, 401, 404, 503),
            parameters=[
                {"name": "number", "in": "path", "required": True, "schema": {"type": "string"}}
            ],
        ),
        "/v1/campaigns": _get("Campaigns that run now", _json("Campaigns"), _errors(401, 404, 503)),
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
            "version": _version(),
            "description": "Is the far end of a call a recording or a live human?",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": paths,
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}, {}],
    }


def _schemas() -> Json:
    values = {
        "verdict": {"enum": list(VerdictKind)},
        "score": _NUMBER_OR_NULL | {"description": "calibrated probability of recorded"},
        "seconds": _NUMBER_OR_NULL | {"description": "audio heard"},
        "speech_seconds": _NUMBER_OR_NULL,
        "decided_at": _NUMBER_OR_NULL | {"description": "second of the audio"},
    }
    event: Json = {
        "event": {"enum": list(EventKind)},
        "call": {"type": "string"},
        "leg": {"type": "string"},
        "gateway": {"type": "string"},
        "caller": {"type": "string"},
        "called": {"type": "string"},
        "details": {"type": "object", "additionalProperties": {"type": "string"}},
        "time": {"type": "number", "description": "seconds since 1970"},
        "waited_seconds": {"type": "number", "description": "wall clock since the leg began"},
        **values,
        "reason": {"enum": list(Reason)},
        "detail": {"type": "string"},
        "known": {
            "oneOf": [_reference("Known"), {"type": "null"}],
            "description": "the recording of the store --known that the leg repeats",
        },
    }
    known: Json = {
        "recording": {"type": "integer", "description": "its number in the store"},
        "name": _string(),
        "offset": {"type": "number", "description": "its second at which the leg begins"},
        "start": {"type": "number", "description": "second of the leg"},
        "end": {"type": "number", "description": "second of the leg"},
        "seconds": {"type": "number", "description": "that match"},
        "probability": {"type": "number", "description": "that these samples were heard before"},
        **dict.fromkeys(("first_heard", "last_heard"), _SECONDS_SINCE_1970),
        "times_heard": {"type": "integer"},
        "repeated": _STRING_OR_NULL,
    }
    evidence: Json = {
        "strongest": _PAIR_OR_NULL,
        **dict.fromkeys(("times", "scores", "voice"), _NUMBERS),
        "changes": _CHANGES,
    }
    row: Json = {
        "path": {"type": "string", "description": "the file's name, where one was sent"},
        **values,
        "logit": _NUMBER_OR_NULL,
        "reason": {"enum": [reason.value or None for reason in Reason]},
        "error": {"type": ["string", "null"], "description": "why it can't be read"},
        "curve": {"type": "array", "items": _NUMBERS},
        "voice": _NUMBERS,
        "strongest": _PAIR_OR_NULL,
        "changes": _CHANGES,
        **{
            name: {"description": "of the recording of the store --known"} for name in KNOWN_COLUMNS
        },
    }
    state = {"enum": list(State)}
    advice: Json = {
        "number": _string() | {"description": "as the tree of ranges knows it"},
        "kind": {"enum": list(NumberKind)},
        "implausible": {"enum": [*Flag, None]},
        "act": {"enum": list(Act), "description": "what is advised; the gateway acts"},
        "state": state,
        "range": _string() | {"description": "what the state is of"},
        "allowed": _STRING_OR_NULL | {"description": "entry of the allow-list, which wins"},
        **dict.fromkeys(("since", "until"), _NUMBER_OR_NULL),
    }
    number_range: Json = {
        **{name: _NUMBER_OR_NULL for name in RANGE_VALUES},
        "prefix": _string(),
        "kind": {"enum": [*NumberKind, None], "description": "of most of its calls' numbers"},
        "reasons": _STRING_OR_NULL | {"description": "why nobody can own them, with their calls"},
        "state": state,
        "largest_campaign": _STRING_OR_NULL,
    }
    change: Json = {
        "event": {"const": "range"},
        "time": {"type": "number", "description": "seconds since 1970"},
        "prefix": _string(),
        "before": state,
        "after": state,
        "why": {"enum": list(Why)},
        "ranges": {"type": "array", "items": _string()},
        "until": {"type": "number"},
        "evidence": {"type": "object"},
        "who": _string() | {"description": "whose doing it is, if a person's"},
        "note": _string(),
    }
    return {
        "Error": _object({"error": _object({"code": _string(), "message": _string()})}),
        "Known": _object(known),
        "Health": _object({"status": {"enum": _PHASES}, "parts": {"type": "object"}}, ["status"]),
        "Event": _object({**event, "evidence": _object(evidence)}, required=list(event)),
        "Call": _object(
            {
                "call": _string(),
                "finished": {"type": "boolean"},
                "legs": {"type": "object", "additionalProperties": _reference("Event")},
            }
        ),
        "Calls": _object({"calls": {"type": "array", "items": _reference("Call")}}),
        "Range": _object(number_range),
        "RangeChange": _object(change),
        "Campaign": {"type": "object", "description": "a campaign that began, runs or is over"},
        "Campaigns": _object({"campaigns": {"type": "array", "items": _reference("Campaign")}}),
        "Advice": _object(
            {
                **advice,
                "ranges": {"type": "array", "items": _reference("Range")},
                "changes": {"type": "array", "items": _reference("RangeChange")},
            }
        ),
        "Row": _object(row, required=[name for name in RESULT_COLUMNS if name != "channel"]),
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
                    "schema": _object({"file": {"type": "string", "format": "binary"}})
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
    wanted = _object(
        {
            "call_id": _string() | {"description": "as rtpengine knows it: SIP's Call-ID"},
            "from_tag": _string() | {"description": "the party to hear; both, if missing"},
            "caller": _string(),
            "called": _string(),
        },
        required=["call_id"],
    )
    begun = _object({"call": _string(), "begun": {"type": "boolean"}})
    return {
        "summary": "Hear a call that passes through rtpengine",
        "requestBody": {"required": True, "content": _any("application/json", wanted)},
        "responses": {
            "202": {
                "description": "It is heard; begun is false if it was before",
                "content": _any("application/json", begun),
            },
            **_errors(400, 401, 404, 413, 502, 503),
        },
    }


def _feedback() -> Json:
    mark: Json = {"enum": list(Mark)}
    changes = {"type": "array", "items": _reference("RangeChange")}
    return {
        "summary": "What a call really was, as a person heard it; it counts in the caller's ranges",
        "requestBody": {
            "required": True,
            "content": _any("application/json", _object({"call": _string(), "mark": mark})),
        },
        "responses": {
            "200": _described(
                {
                    "content": _any(
                        "application/json",
                        _object({"call": _string(), "mark": mark, "changes": changes}),
                    )
                }
            ),
            **_errors(400, 401, 404, 413, 503),
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
            "parameters": [*parameters, token],
            "responses": {
                "101": {"description": "the WebSocket is open"},
                **_errors(400, 401, 426, 503),
            },
        }
    }


_ERRORS = {
    400: "The request can't be meant so",
    401: "A token or a signature is missing or wrong",
    404: "Nothing is known by this name",
    408: "The request came too slowly",
    413: "The request is too large",
    415: "Not a type of audio, or packed",
    426: "The path speaks WebSocket",
    502: "The other program refuses or does not answer",
    503: "The server is full, or stops, or its store can't be used",
}


def _errors(*statuses: int) -> Json:
    return {str(status): _json("Error", _ERRORS[status]) for status in statuses}


def _json(schema: str, description: str = "") -> Json:
    answer = {"content": _any("application/json", _reference(schema))}
    return answer | ({"description": description} if description else {})


def _text(kind: str) -> Json:
    return {"content": _any(kind, {"type": "string"})}


def _any(kind: str, schema: Json) -> Json:
    return {kind: {"schema": schema}}


def _described(answer: Json) -> Json:
    return {"description": "The answer", **answer}


def _query(name: str, schema: Json, description: str) -> Json:
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _object(properties: Json, required: list[str] | None = None) -> Json:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties) if required is None else required,
    }


def _string() -> Json:
    return {"type": "string"}


def _reference(schema: str) -> Json:
    return {"$ref": f"#/components/schemas/{schema}"}


def _version() -> str:
    try:
        return metadata.version("audio-model")
    except metadata.PackageNotFoundError:
        return "0"
