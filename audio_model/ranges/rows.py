"""Nodes, calls, changes, the allow-list and the policy as rows of a store."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from audio_model.ranges.breaker import Change, Policy, Why
from audio_model.ranges.change import ChangeTest
from audio_model.ranges.rates import CallAnswer, DetectorRates, MarkedAs
from audio_model.ranges.tree import Node, RangeCall, State
from audio_model.sqlite import storable

NODE_COLUMNS = tuple(each.name for each in fields(Node))
CALL_COLUMNS = tuple(each.name for each in fields(RangeCall))
CHANGE_COLUMNS = tuple(each.name for each in fields(Change))


@dataclass(frozen=True)
class Allowed:
    """An entry of the allow-list."""

    prefix: str
    note: str
    time: float
    who: str = ""


@dataclass(frozen=True)
class MarkedCall:
    """A call, and a person's mark on it."""

    call: RangeCall
    mark: MarkedAs
    time: float
    """When it was marked."""


@dataclass(frozen=True)
class PastChange:
    """A change of a breaker, and the calls since then."""

    change: Change
    blocked: int | None
    """Calls that came until the next change while the range was open; None if nobody counted."""


def policy_row(policy: Policy) -> str:
    """Return a policy as JSON."""
    return json.dumps(asdict(policy))


def policy_of(text: str) -> Policy:
    """Return the policy of a row."""
    values = json.loads(text)
    test = values.pop("test")
    rates = DetectorRates(**test.pop("rates"))
    return Policy(ChangeTest(rates, **test), **values)


def node_row(node: Node) -> list[object]:
    """Return a node as values of NODE_COLUMNS."""
    values: list[object] = [getattr(node, name) for name in NODE_COLUMNS]
    values[NODE_COLUMNS.index("called")] = bytes(node.called)
    for name in ("campaigns", "kinds"):
        values[NODE_COLUMNS.index(name)] = json.dumps(getattr(node, name), ensure_ascii=False)
    return values


def node_of(row: Sequence[Any]) -> Node:
    """Return the node of a row."""
    values = dict(zip(NODE_COLUMNS, row, strict=True))
    values["state"] = State(values["state"])
    values["called"] = bytearray(values["called"])
    values["campaigns"], values["kinds"] = map(json.loads, (values["campaigns"], values["kinds"]))
    return Node(**values)


def call_row(call: RangeCall) -> list[object]:
    """Return a call as values of CALL_COLUMNS. Characters that no text can hold are replaced."""
    return [storable(getattr(call, name)) for name in CALL_COLUMNS]


def call_of(row: Sequence[Any]) -> RangeCall:
    """Return the call of a row."""
    values = dict(zip(CALL_COLUMNS, row, strict=True))
    values["outcome"] = CallAnswer(values["outcome"])
    return RangeCall(**values)


def marked_of(row: Sequence[Any]) -> MarkedCall:
    """Return the marked call of a row of ``marks``."""
    return MarkedCall(call_of([row[0], *row[3:]]), MarkedAs(row[1]), row[2])


def change_row(change: Change) -> list[object]:
    """Return a change as values of CHANGE_COLUMNS."""
    values = [storable(getattr(change, name)) for name in CHANGE_COLUMNS]
    values[CHANGE_COLUMNS.index("ranges")] = " ".join(change.ranges)
    values[CHANGE_COLUMNS.index("evidence")] = json.dumps(change.evidence, ensure_ascii=False)
    return values


def change_of(row: Sequence[Any]) -> Change:
    """Return the change of a row."""
    values = dict(zip(CHANGE_COLUMNS, row, strict=True))
    values["before"], values["after"] = State(values["before"]), State(values["after"])
    values["why"], values["ranges"] = Why(values["why"]), tuple(values["ranges"].split())
    values["evidence"] = json.loads(values["evidence"])
    return Change(**values)
