"""Entries to score, their rows of results, and rows as plain values."""

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import cast

from audio_model.audio import Channel
from audio_model.decision import KnownRecording, Reason, Verdict, VerdictKind
from audio_model.times import iso

_RESULT: dict[str, type] = {
    "path": str,
    "channel": str,
    "verdict": str,
    "score": float,
    "logit": float,
    "seconds": float,
    "speech_seconds": float,
    "decided_at": float,
    "noise_db": float,
    "snr_db": float,
    "codec": str,
    "reason": str,
    "error": str,
}
_KNOWN: dict[str, type] = {
    "known": float,
    "known_name": str,
    "known_offset": float,
    "known_seconds": float,
    "known_first_heard": str,
    "known_last_heard": str,
    "known_times_heard": float,
    "known_repeated": str,
}
RESULT_COLUMNS = tuple(_RESULT)
KNOWN_COLUMNS = tuple(_KNOWN)
"""Columns of the known recording that a call repeats, behind the others where a store is asked."""
NUMBER_COLUMNS = {name for name, kind in (_RESULT | _KNOWN).items() if kind is float}
EVIDENCE_KEYS = ("curve", "voice", "strongest", "changes")

Value = str | float | None

# A backslash is itself escaped only where it would read as an escape, so that ordinary text,
# Windows paths among it, stays as it is.
_TO_ESCAPE = re.compile(r"[\ud800-\udfff]|\\(?=x[0-9a-f]{2}|ud[89a-f][0-9a-f]{2})")
_ESCAPED = re.compile(r"\\x([0-9a-f]{2})|\\u(d[89a-f][0-9a-f]{2})")


@dataclass(frozen=True)
class Entry:
    """One recording to score, or one of the inputs that can't be scored."""

    path: str
    carried: Mapping[str, object] = field(default_factory=dict)
    """The manifest's other columns, by their names there."""
    problem: str = ""
    """Why there is nothing to score here; empty for a recording."""
    place: int | None = None
    """Where a tar's member lies in the archive, if listing it told: it is found at once there."""


@dataclass(frozen=True)
class Row:
    """The result of one entry, or of one channel of it."""

    entry: Entry
    verdict: Verdict | None = None
    """None when there is an error."""
    channel: Channel | None = None
    """The channel that was scored, where each is scored apart."""
    error: str = ""


class Columns:
    """The columns of a result table: ours, then those that manifests carry through."""

    def __init__(
        self, *, each_channel: bool, known: bool = False, carried: Iterable[str] = ()
    ) -> None:
        self._each_channel, self._known = each_channel, known
        self.own = tuple(name for name in RESULT_COLUMNS if each_channel or name != "channel")
        if known:
            self.own += KNOWN_COLUMNS
        self.carried = free_names(carried, {*RESULT_COLUMNS, *EVIDENCE_KEYS, *KNOWN_COLUMNS})
        """A manifest's column name to its name in the result."""

    @property
    def names(self) -> list[str]:
        """Return all column names, in order."""
        return [*self.own, *self.carried.values()]

    def own_values(self, row: Row) -> dict[str, Value]:
        """Return our columns of a row, with None where a value is missing."""
        values = result_values(row)
        if not self._each_channel:
            del values["channel"]
        if self._known:
            values |= known_values(row)
        return values

    def carried_values(self, row: Row) -> dict[str, object]:
        """Return the carried columns of a row, as values that JSON can hold."""
        return {
            free: json_value(row.entry.carried.get(name)) for name, free in self.carried.items()
        }


def free_names(carried: Iterable[str], taken: Iterable[str]) -> dict[str, str]:
    """Return each carried column's name in a table that has columns of its own.

    A name that is taken gets ``manifest_`` before it.
    """
    names: dict[str, str] = {}
    used = set(taken)
    for name in carried:
        free = escape(name)
        while free in used:
            free = f"manifest_{free}"
        used.add(free)
        names[name] = free
    return names


def result_values(row: Row) -> dict[str, Value]:
    """Return the value of each of RESULT_COLUMNS for a row; None where it has none."""
    verdict = row.verdict
    return {
        "path": escape(row.entry.path),
        "channel": None if row.channel is None else row.channel.value,
        "verdict": (VerdictKind.UNKNOWN if verdict is None else verdict.verdict).value,
        "score": None if verdict is None else _number(verdict.score),
        "logit": None if verdict is None else _number(verdict.logit),
        "seconds": None if verdict is None else _number(verdict.seconds),
        "speech_seconds": None if verdict is None else _number(verdict.speech_seconds),
        "decided_at": None if verdict is None else _number(verdict.decided_at),
        "noise_db": None if verdict is None else _number(verdict.noise_db),
        "snr_db": None if verdict is None else _number(verdict.snr_db),
        "codec": None if verdict is None else verdict.codec or None,
        "reason": (Reason.ERROR if verdict is None else verdict.reason).value or None,
        "error": escape(row.error) or None,
    }


def known_values(row: Row) -> dict[str, Value]:
    """Return the value of each of KNOWN_COLUMNS for a row; None where nothing known was heard."""
    known = None if row.verdict is None else row.verdict.evidence.known
    if known is None:
        return dict.fromkeys(KNOWN_COLUMNS)
    fields = known_fields(known)
    return {column: fields[_field_of(column)] for column in KNOWN_COLUMNS}


def known_fields(known: KnownRecording) -> dict[str, Value]:
    """Return a known recording's fields as tables hold them: rounded, its times in ISO 8601."""
    times = {"first_heard": iso(known.first_heard), "last_heard": iso(known.last_heard)}
    return cast(dict[str, Value], known.as_dict()) | times


def _field_of(column: str) -> str:
    """Return the field of a known recording that a column holds: of ``known``, its number."""
    return column.removeprefix("known").removeprefix("_") or "recording"


def evidence_values(row: Row) -> dict[str, object]:
    """Return the evidence behind a row's verdict, by EVIDENCE_KEYS; empty when there is an error.

    ``curve`` is [[seconds, score], ...], ``voice`` the probability of voice for each of these, and
    ``strongest`` the start and end in seconds of what spoke most for the verdict, or None.
    ``changes`` holds the first decision and what changed it later, with its second.
    """
    if row.verdict is None:
        return {}
    evidence = row.verdict.evidence
    return {
        "curve": [list(point) for point in zip(evidence.times, evidence.scores, strict=True)],
        "voice": list(evidence.voice),
        "strongest": None if evidence.strongest is None else list(evidence.strongest),
        "changes": [change.as_dict() for change in evidence.changes],
    }


def escape(text: str) -> str:
    r"""Return text that every output can hold: undecodable bytes of a name become ``\xNN``.

    Python keeps such bytes as lone surrogates (PEP 383), which UTF-8 has no code for. A
    backslash that would read as an escape is written ``\x5c``, so that `unescape` gives back
    exactly what went in.
    """
    return _TO_ESCAPE.sub(_escape_one, text)


def unescape(text: str) -> str:
    """Return the text that `escape` was given."""
    return _ESCAPED.sub(_unescape_one, text)


def json_value(value: object) -> object:
    """Return a manifest's value as JSON can hold it.

    Dates and the like become text, and NaN becomes None.
    """
    if isinstance(value, str):
        return escape(value)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, Mapping):
        return {escape(str(key)): json_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(item) for item in value]
    return escape(str(value))


def json_text(value: object, indent: int | None = None) -> str:
    """Return values as a line of JSON that any file can hold, or as lines with an indent."""
    return json.dumps(json_value(value), ensure_ascii=False, indent=indent, allow_nan=False) + "\n"


def text_value(value: object) -> str | None:
    """Return a JSON value as the text of one cell; None stays None."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _escape_one(match: re.Match[str]) -> str:
    if match[0] == "\\":
        return r"\x5c"
    code = ord(match[0])
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"


def _unescape_one(match: re.Match[str]) -> str:
    if match[2]:
        return chr(int(match[2], 16))
    byte = int(match[1], 16)
    return chr(byte) if byte < 0x80 else chr(0xDC00 + byte)
