"""The log of what people did at the desk: who, when, to what, and why."""

import json
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from audio_model.records.store import CallStore


class DeedKind(StrEnum):
    """A kind of deed at the desk."""

    SIGNED_IN = "signed_in"
    LISTENED = "listened"
    MARKED = "marked"
    SKIPPED = "skipped"
    UNDONE = "undone"
    OPENED = "opened"
    CLOSED = "closed"
    ALLOWED = "allowed"
    DISALLOWED = "disallowed"
    CAMPAIGN = "campaign"
    """Said of a campaign what it is."""
    IMPORTED = "imported"
    EXPORTED = "exported"


@dataclass(frozen=True, slots=True)
class Deed:
    """One line of the log."""

    n: int
    time: float
    who: str
    what: DeedKind
    call: int | None
    about: str
    """A range, a campaign or a file; empty where the call tells."""
    detail: Mapping[str, Any]
    undone: bool


_COLUMNS = "n, time, who, what, call, about, detail, undone"


def note(
    store: CallStore,
    who: str,
    what: DeedKind,
    *,
    call: int | None = None,
    about: str = "",
    now: float | None = None,
    detail: Mapping[str, object] | None = None,
) -> int:
    """Write a line of the log and return its number."""
    moment = time.time() if now is None else now
    cursor = store.do(
        "INSERT INTO deeds VALUES (NULL, ?, ?, ?, ?, ?, ?, 0)",
        (moment, who, what.value, call, about, json.dumps(detail or {})),
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def log(store: CallStore, limit: int, before: int | None = None) -> list[Deed]:
    """Return the latest lines, the last first. ``before`` is a line's number."""
    rows = store.rows(
        f"SELECT {_COLUMNS} FROM deeds WHERE n < ? ORDER BY n DESC LIMIT ?",
        (1 << 62 if before is None else before, limit),
    )
    return list(map(_deed, rows))


def to_undo(store: CallStore, who: str) -> Deed | None:
    """Return a person's last deed that can be undone; None if there is none."""
    row = store.one(
        f"SELECT {_COLUMNS} FROM deeds WHERE who = ? AND undone = 0 AND what IN (?, ?) "
        "ORDER BY n DESC LIMIT 1",
        (who, DeedKind.MARKED.value, DeedKind.SKIPPED.value),
    )
    return None if row is None else _deed(row)


def of_number(store: CallStore, n: int) -> Deed | None:
    """Return a line of the log by its number; None if there is none."""
    row = store.one(f"SELECT {_COLUMNS} FROM deeds WHERE n = ?", (n,))
    return None if row is None else _deed(row)


def latest(store: CallStore, who: str, whats: Collection[DeedKind], since: float) -> Deed | None:
    """Return a person's latest deed of these kinds since a moment; None without one."""
    row = store.one(
        f"SELECT {_COLUMNS} FROM deeds WHERE who = ? AND time >= ? "
        f"AND what IN ({', '.join('?' * len(whats))}) ORDER BY n DESC LIMIT 1",
        (who, since, *(each.value for each in whats)),
    )
    return None if row is None else _deed(row)


def just_undone(store: CallStore, who: str) -> Deed | None:
    """Return the deed that a person took back, if that is the last thing they did to a call.

    Its detail ``yours`` tells whether the call became the person's again.
    """
    row = store.one(
        f"SELECT {_COLUMNS} FROM deeds WHERE who = ? AND what IN (?, ?, ?) ORDER BY n DESC LIMIT 1",
        (who, DeedKind.MARKED.value, DeedKind.SKIPPED.value, DeedKind.UNDONE.value),
    )
    if row is None or DeedKind(row[3]) is not DeedKind.UNDONE:
        return None
    undo = _deed(row).detail
    deed = of_number(store, int(undo["deed"]))
    yours = {"yours": undo.get("yours", True)}
    return None if deed is None else replace(deed, detail={**deed.detail, **yours})


def _deed(row: tuple[Any, ...]) -> Deed:
    n, moment, who, what, call, about, detail, undone = row
    return Deed(n, moment, who, DeedKind(what), call, about, json.loads(detail), bool(undone))
