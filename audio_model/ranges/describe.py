"""Ranges, changes and advice as plain values: for JSON, tables and pages."""

from dataclasses import asdict
from enum import StrEnum

from audio_model.ranges.breaker import Change, Policy
from audio_model.ranges.monitor import Advice
from audio_model.ranges.rates import recorded_share
from audio_model.ranges.tree import Node, State

RANGE_COLUMNS = (
    *("prefix", "state", "since", "until", "evidence", "calls", "recorded", "live", "unsure"),
    *("unheard", "share", "share_low", "share_high", "above_honest", "distinct_called"),
    *("short_share", "campaigns", "largest_campaign", "marked_recorded", "marked_live"),
    *("first", "last"),
)


class Act(StrEnum):
    """What a gateway should do with a call."""

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


def range_values(node: Node, policy: Policy) -> dict[str, str | float | None]:
    """A node by RANGE_COLUMNS. ``share`` is the posterior of all its calls' recorded share."""
    share = recorded_share(
        node.totals(), policy.test.rates, above=policy.test.honest, marks=node.marks()
    )
    return {
        "prefix": node.prefix,
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
        "first": round(node.first, 3),
        "last": round(node.last, 3),
    }


def advice_values(advice: Advice) -> dict[str, object]:
    """Advice on a number, for JSON."""
    number = advice.number
    return {
        "number": number.key,
        "kind": number.kind.value,
        "implausible": None if number.flag is None else number.flag.value,
        "act": ACTS[advice.state].value,
        "state": advice.state.value,
        "range": advice.prefix,
        "allowed": advice.allowed or None,
        "since": advice.since or None,
        "until": advice.until or None,
    }


def change_values(change: Change) -> dict[str, object]:
    """A change of a breaker, for JSON: what webhooks carry."""
    return {"event": "range", **asdict(change)}
