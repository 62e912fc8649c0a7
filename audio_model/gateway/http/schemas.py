"""The schemas of the OpenAPI document: requests, answers and events."""

from typing import Any

from audio_model.decision import Reason, VerdictKind
from audio_model.gateway.events import EventKind
from audio_model.ranges.breaker import Why
from audio_model.ranges.describe import RANGE_VALUES, Act
from audio_model.ranges.numbers import Flag, NumberKind
from audio_model.ranges.tree import State
from audio_model.tables.rows import KNOWN_COLUMNS, RESULT_COLUMNS

Json = dict[str, Any]

_PHASES = ["ok", "starting", "ready", "impaired", "stopping"]
_NUMBERS: Json = {"type": "array", "items": {"type": "number"}}
_NUMBER_OR_NULL: Json = {"type": ["number", "null"]}
_STRING_OR_NULL: Json = {"type": ["string", "null"]}
_PAIR_OR_NULL: Json = {"type": ["array", "null"], "items": {"type": "number"}}
_SECONDS_SINCE_1970: Json = {"type": "number", "description": "seconds since 1970"}
_SECONDS_SINCE_1970_OR_NULL: Json = _SECONDS_SINCE_1970 | {"type": ["number", "null"]}
_CHANGES: Json = {"type": "array", "items": {"type": "object"}}


def schemas() -> Json:
    """Return all schemas by their names."""
    values = {
        "verdict": {"enum": list(VerdictKind)},
        "score": _NUMBER_OR_NULL | {"description": "calibrated probability of recorded"},
        "seconds": _NUMBER_OR_NULL | {"description": "audio heard"},
        "speech_seconds": _NUMBER_OR_NULL,
        "decided_at": _NUMBER_OR_NULL | {"description": "second of the audio"},
        "noise_db": _NUMBER_OR_NULL | {"description": "level of the quietest tenth, dBFS"},
        "snr_db": _NUMBER_OR_NULL | {"description": "how far the voice lies above it"},
        "codec": _STRING_OR_NULL | {"description": "what the audio came in"},
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
            "oneOf": [reference("Known"), {"type": "null"}],
            "description": "the recording of the store --known that the leg repeats",
        },
    }
    known: Json = {
        "recording": {"type": "integer", "description": "its number in the store"},
        "name": string(),
        "offset": {"type": "number", "description": "its second at which the leg begins"},
        "start": {"type": "number", "description": "second of the leg"},
        "end": {"type": "number", "description": "second of the leg"},
        "seconds": {"type": "number", "description": "that match"},
        "probability": {"type": "number", "description": "that these samples were heard before"},
        **dict.fromkeys(("first_heard", "last_heard"), _SECONDS_SINCE_1970_OR_NULL),
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
        "number": string() | {"description": "as the tree of ranges knows it"},
        "kind": {"enum": list(NumberKind)},
        "implausible": {"enum": [*Flag, None]},
        "act": {"enum": list(Act), "description": "what is advised; the gateway acts"},
        "state": state,
        "range": string() | {"description": "what the state is of"},
        "too_wide_to_block": {"type": "boolean", "description": "it has many owners"},
        "allowed": _STRING_OR_NULL | {"description": "entry of the allow-list, which wins"},
        **dict.fromkeys(("since", "until"), _NUMBER_OR_NULL),
    }
    number_range: Json = {
        **{name: _NUMBER_OR_NULL for name in RANGE_VALUES},
        "prefix": string(),
        "kind": {"enum": [*NumberKind, None], "description": "of most of its calls' numbers"},
        "reasons": _STRING_OR_NULL | {"description": "why nobody can own them, with their calls"},
        "state": state,
        "largest_campaign": _STRING_OR_NULL,
        "too_wide_to_block": {"type": "boolean", "description": "it has many owners"},
    }
    change: Json = {
        "event": {"const": "range"},
        "time": {"type": "number", "description": "seconds since 1970"},
        "prefix": string(),
        "before": state,
        "after": state,
        "why": {"enum": list(Why)},
        "ranges": {"type": "array", "items": string()},
        "until": {"type": "number"},
        "evidence": {"type": "object"},
        "who": string() | {"description": "whose doing it is, if a person's"},
        "note": string(),
    }
    return {
        "Error": object_of({"error": object_of({"code": string(), "message": string()})}),
        "Known": object_of(known),
        "Health": object_of(
            {
                "status": {"enum": _PHASES},
                "parts": {"type": "object"},
                "processes": {
                    "type": "object",
                    "description": "with --reuse-port, the status of each process by its number",
                },
            },
            ["status"],
        ),
        "Event": object_of(
            {**event, "tenant": string(), "evidence": object_of(evidence)}, required=list(event)
        ),
        "Call": object_of(
            {
                "call": string(),
                "finished": {"type": "boolean"},
                "legs": {"type": "object", "additionalProperties": reference("Event")},
            }
        ),
        "Calls": object_of(
            {
                "calls": {"type": "array", "items": reference("Call")},
                "unanswered": {
                    "type": "array",
                    "items": {"type": "integer"},
                    "description": "processes of the port whose calls are missing",
                },
            },
            ["calls"],
        ),
        "Range": object_of(number_range),
        "RangeChange": object_of(change),
        "Campaign": {"type": "object", "description": "a campaign that began, runs or is over"},
        "Campaigns": object_of({"campaigns": {"type": "array", "items": reference("Campaign")}}),
        "Advice": object_of(
            {
                **advice,
                "ranges": {"type": "array", "items": reference("Range")},
                "changes": {"type": "array", "items": reference("RangeChange")},
            }
        ),
        "Row": object_of(row, required=[name for name in RESULT_COLUMNS if name != "channel"]),
    }


def object_of(properties: Json, required: list[str] | None = None) -> Json:
    """Return the schema of an object; all its properties are required unless some are named."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties) if required is None else required,
    }


def string() -> Json:
    """Return the schema of a text."""
    return {"type": "string"}


def reference(schema: str) -> Json:
    """Return a reference to a schema by its name."""
    return {"$ref": f"#/components/schemas/{schema}"}
