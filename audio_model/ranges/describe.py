"""Ranges, changes and advice as plain values: for JSON, tables and pages."""

from collections.abc import Mapping
from dataclasses import asdict
from enum import StrEnum
from typing import Any

from audio_model.ranges.breaker import Change, Policy, most_first
from audio_model.ranges.monitor import Advice
from audio_model.ranges.named import is_too_wide
from audio_model.ranges.numbers import Flag, NumberKind
from audio_model.ranges.rates import recorded_share
from audio_model.ranges.rows import PastChange
from audio_model.ranges.tree import Node, State
from audio_model.tables.rows import Value
from audio_model.times import iso

RANGE_VALUES = (
    *("prefix", "kind", "reasons", "state", "since", "until", "evidence"),
    *("calls", "recorded", "live", "unsure", "unheard"),
    *("share", "share_low", "share_high", "above_honest", "distinct_called"),
    *("short_share", "campaigns", "largest_campaign", "marked_recorded", "marked_live"),
    *("calls_blocked", "first", "last", "too_wide_to_block"),
)
"""The values that are reported about a range."""

RANGE_COLUMNS = (*RANGE_VALUES, "times_warned", "times_opened")
"""Columns of a table of ranges."""

HISTORY_COLUMNS = (
    *("time", "prefix", "before", "after", "why", "ranges", "until", "calls_blocked"),
    *("who", "note"),
    *("evidence", "warn_at", "open_at", "began", "calls", "recorded", "live", "unsure", "unheard"),
    *("recent_recorded", "recent_live", "recent_unsure", "distinct_called", "short_share"),
    *("marked_recorded", "marked_live", "campaigns", "kinds"),
)
"""Columns of a table of changes. From ``evidence`` on it is what was known at that moment."""


class Act(StrEnum):
    """The action that a gateway should take with a call."""

    PASS = "pass"
    LOOK = "look"
    """Let it pass, and have somebody look at the range."""
    BLOCK = "block"
    TRY = "try"
    """Let it pass; it is a trial."""


ACTS = {
    State.CLOSED: Act.PASS,
    State.WARNED: Act.LOOK,
    State.OPEN: Act.BLOCK,
    State.HALF_OPEN: Act.TRY,
}


def range_values(node: Node, policy: Policy) -> dict[str, Value]:
    """Return the facts about a range. ``share`` is the posterior of its calls' recorded share.

    ``kind`` is the kind of most of its calls' numbers. For implausible numbers, ``reasons`` says
    why nobody can own them, and in how many calls.
    """
    kinds = most_first(node.kinds)
    reasons = {said: n for said, n in kinds.items() if said in set(Flag)}
    share = recorded_share(
        node.totals(), policy.test.rates, above=policy.test.honest, marks=node.marks()
    )
    return {
        "prefix": node.prefix,
        "kind": NumberKind.IMPLAUSIBLE.value if reasons else next(iter(kinds), None),
        "reasons": counted(reasons) or None,
        "state": node.state.value,
        "since": node.since or None,
        "until": node.until or None,
        "evidence": round(node.evidence, 3),
        "calls": node.calls,
        "recorded": node.recorded,
        "live": node.live,
        "unsure": node.unsure,
        "unheard": node.unheard,
        "share": round(share.mean, 4),
        "share_low": round(share.low, 4),
        "share_high": round(share.high, 4),
        "above_honest": round(share.above, 4),
        "distinct_called": node.distinct_called,
        "short_share": None if node.short_share is None else round(node.short_share, 4),
        "campaigns": len(node.campaigns),
        "largest_campaign": max(node.campaigns, key=node.campaigns.__getitem__, default=None),
        "marked_recorded": node.marked_recorded,
        "marked_live": node.marked_live,
        "calls_blocked": node.blocked,
        "first": round(node.first, 3),
        "last": round(node.last, 3),
        "too_wide_to_block": is_too_wide(node.prefix),
    }


def range_row(node: Node, policy: Policy, moves: Mapping[State, int]) -> list[Value]:
    """Return a row of RANGE_COLUMNS; ``moves`` counts the states that the breaker entered."""
    values = range_values(node, policy) | {
        "times_warned": moves.get(State.WARNED, 0),
        "times_opened": moves.get(State.OPEN, 0),
    }
    for name in ("since", "until", "first", "last"):
        values[name] = _time(values[name])
    values["too_wide_to_block"] = int(bool(values["too_wide_to_block"]))
    return [values[name] for name in RANGE_COLUMNS]


def history_row(past: PastChange) -> list[Value]:
    """Return a row of HISTORY_COLUMNS."""
    change = past.change
    values: dict[str, Any] = {**asdict(change), **change.evidence}
    recent = values.pop("recent", {})
    values |= {f"recent_{said}": n for said, n in recent.items()}
    values |= {
        "evidence": change.evidence.get("evidence"),
        "ranges": " ".join(change.ranges),
        "calls_blocked": past.blocked if change.after is State.OPEN else None,
    }
    for name in ("campaigns", "kinds"):
        values[name] = counted(values.get(name) or {})
    for name in ("time", "until", "began"):
        values[name] = _time(values.get(name))
    return [values.get(name) for name in HISTORY_COLUMNS]


def counted(counts: Mapping[str, int]) -> str:
    """Return counts by name as one cell: ``too_long 30; wrong_length 2``."""
    return "; ".join(f"{name} {n}" for name, n in counts.items())


def _time(moment: Any) -> str | None:
    """Return a moment with the machine's zone, as tables have it; None for no moment."""
    return iso(float(moment), zone=None) if moment else None


def advice_values(advice: Advice) -> dict[str, object]:
    """Return advice on a number, for JSON."""
    number = advice.number
    return {
        "number": number.key,
        "kind": number.kind.value,
        "implausible": None if number.flag is None else number.flag.value,
        "act": ACTS[advice.state].value,
        "state": advice.state.value,
        "range": advice.prefix,
        "too_wide_to_block": advice.too_wide,
        "allowed": advice.allowed or None,
        "since": advice.since or None,
        "until": advice.until or None,
    }


def change_values(change: Change) -> dict[str, object]:
    """Return a change of a breaker for JSON, as webhooks carry it."""
    return {"event": "range", **asdict(change)}
