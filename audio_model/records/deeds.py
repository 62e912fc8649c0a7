"""The log of what people did at the desk: who, when, to what, and why."""

import json
import time
from collections.abc import Collection, Mapping, Sequence
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
    return _latest(store, "n < ?", (1 << 62 if before is None else before,), limit)


def to_undo(store: CallStore, who: str) -> Deed | None:
    """Return a person's last deed that can be undone; None if there is none."""
    return _last(store, who, (DeedKind.MARKED, DeedKind.SKIPPED), "undone = 0")


def latest(store: CallStore, who: str, whats: Collection[DeedKind], since: float) -> Deed | None:
    """Return a person's latest deed of these kinds since a moment; None without one."""
    deed = _last(store, who, whats)
    return None if deed is None or deed.time < since else deed


def just_undone(store: CallStore, who: str) -> Deed | None:
    """Return the deed that a person took back, if that is the last thing they did to a call.

    Its detail ``yours`` tells whether the call became the person's again.
    """
    undo = _last(store, who, (DeedKind.MARKED, DeedKind.SKIPPED, DeedKind.UNDONE))
    if undo is None or undo.what is not DeedKind.UNDONE:
        return None
    yours = {"yours": undo.detail.get("yours", True)}
    found = _latest(store, "n = ?", (undo.detail["deed"],), 1)
    return replace(found[0], detail={**found[0].detail, **yours}) if found else None


def _last(
    store: CallStore, who: str, whats: Collection[DeedKind], state: str = "TRUE"
) -> Deed | None:
    kinds = ", ".join("?" * len(whats))
    found = _latest(store, f"who = ? AND what IN ({kinds}) AND {state}", (who, *whats), 1)
    return found[0] if found else None


def _latest(store: CallStore, where: str, values: Sequence[object], limit: int) -> list[Deed]:
    rows = store.rows(
        f"SELECT n, time, who, what, call, about, detail, undone FROM deeds WHERE {where} "
        "ORDER BY n DESC LIMIT ?",
        (*values, limit),
    )
    return list(map(_deed, rows))


def _deed(row: tuple[Any, ...]) -> Deed:
    n, moment, who, what, call, about, detail, undone = row
    return Deed(n, moment, who, DeedKind(what), call, about, json.loads(detail), bool(undone))
