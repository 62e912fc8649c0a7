"""A breaker for each range: closed, warned, open, half open.

It warns and opens where the evidence reaches what an honest range reaches with the chance of the
error budget: the run length of the test is the range's own calls in a month over the budget. It
clears only when the evidence is gone, which is the hysteresis. Open ends by itself, after longer
each time; the calls that then pass are a trial with two ends, Wald's sequential probability ratio
test ("Sequential tests of statistical hypotheses", 1945).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from audio_model.errors import UsageError
from audio_model.ranges.change import ChangeTest
from audio_model.ranges.tree import Node, State
from audio_model.times import DAY_SECONDS

CLOCK_SECONDS = 3600.0
"""A state that was entered so much later than now is of a clock that was set back: it is over."""
_SLACK = 1.2
"""Nats by which a warning comes before the bound on its run length: of simulated honest ranges a
third as many reach the bound as it allows. An opening, which costs calls, keeps to it."""
MONTH_SECONDS = 30 * DAY_SECONDS
_LEAST_MONTHLY_CALLS = 1000.0
"""Calls a month of a range that has only begun to call."""

LEAST_RECORDED = 3
"""Calls that are said to be recorded, of those that speak against a range, before it is opened."""


@dataclass(frozen=True)
class Policy:
    """The thresholds and times by which a breaker moves."""

    test: ChangeTest = field(default_factory=ChangeTest)
    warnings: float = 1.0
    """Error budget: warnings a month of an honest range that plays as much as it may."""
    openings: float = 0.01
    """Error budget: chance a month that such a range is opened."""
    open_seconds: float = 1800.0
    """How long the first opening lasts; each one after it in a row lasts twice as long."""
    max_open_seconds: float = 86_400.0
    quiet_seconds: float = 3600.0
    """Without a call: a warning ends, and a range half open closes."""
    trial_error: float = 0.01
    """Chance that a trial ends wrongly, either way."""

    def __post_init__(self) -> None:
        """Raise UsageError for a policy that can't work."""
        if not 0 < self.openings <= self.warnings:
            raise UsageError("the budget of openings must be above 0, and at most that of warnings")
        if not 0 < self.open_seconds <= self.max_open_seconds:
            raise UsageError(
                "a range must open for more than 0 s, and at most for the longest time"
            )
        if not 0 < self.trial_error < 0.5 or self.quiet_seconds <= 0:
            raise UsageError("the chance of a wrong trial must be 0 to 0.5, the quiet above 0 s")

    def warn_at(self, node: Node) -> float:
        """Return the evidence, in nats, that warns of a range."""
        return self._warn_at(_monthly_calls(node))

    def open_at(self, node: Node) -> float:
        """Return the evidence, in nats, that opens a range."""
        return self.test.threshold(_monthly_calls(node) / self.openings)

    @cached_property
    def least_warning(self) -> float:
        """Return the least evidence that warns of a range, however few calls it has."""
        return self._warn_at(_LEAST_MONTHLY_CALLS)

    def _warn_at(self, monthly_calls: float) -> float:
        return max(self.test.threshold(monthly_calls / self.warnings) - _SLACK, 0.0)

    @property
    def trial_at(self) -> float:
        """Return the evidence, either way, that ends a trial."""
        return math.log((1 - self.trial_error) / self.trial_error)

    def opening_seconds(self, node: Node) -> float:
        """Return how long a range's next opening lasts."""
        return min(self.open_seconds * 2.0 ** min(node.openings, 60), self.max_open_seconds)


def _monthly_calls(node: Node) -> float:
    age = max(node.last - node.first, DAY_SECONDS)
    return max(node.heard * MONTH_SECONDS / age, _LEAST_MONTHLY_CALLS)


class Why(StrEnum):
    """Why a breaker moved."""

    EVIDENCE = "evidence"
    """It is enough for a warning, or for opening."""
    EXPLAINS = "explains"
    """The range explains the alarm of a wider one."""
    EXPLAINED = "explained"
    """Narrower ranges explain the alarm."""
    MOST = "most"
    """Most of the narrower ranges in it are held."""
    WIDE = "wide"
    """Recordings come from all over a range of many owners: it is warned of, and never opened."""
    GONE = "evidence_gone"
    TIME = "time"
    """The state's time is over."""
    FAILED = "trial_failed"
    PASSED = "trial_passed"
    ALLOWED = "allowed"
    """By a person."""
    PERSON = "person"
    """A person opened or closed it."""
    DISALLOWED = "disallowed"
    """A person took the range off the allow-list; the breaker stays as it is."""


@dataclass(frozen=True)
class Change:
    """A move of a breaker, with the facts that an audit needs."""

    time: float
    prefix: str
    before: State
    after: State
    why: Why
    ranges: tuple[str, ...]
    """The wider one that is explained, or the narrower ones that explain it."""
    until: float
    """When the new state ends by itself; 0 if it does not."""
    evidence: dict[str, object]
    """The evidence at that moment; see :func:`evidence_of`. It is empty if there was none."""
    who: str = ""
    """The person whose doing it is; empty if it is nobody's."""
    note: str = ""
    """Why, in that person's words."""


def is_told(node: Node) -> bool:
    """Return whether enough calls were found recorded, by detector or person, to open a range.

    Fewer live calls than usual are evidence too, and worth a look, but block nobody.
    """
    return node.recorded_since + node.marked_since >= LEAST_RECORDED


def is_heard(node: Node) -> bool:
    """Return whether a recording was heard since the change may have begun, or a person marked one.

    Without one there is nothing to warn of, however few calls are said to be live.
    """
    return node.recorded_since + node.marked_since > 0


def expired(node: Node, now: float) -> State | None:
    """Return the state that a node has reached by the time alone; None if it has not."""
    set_back = now < node.since - CLOCK_SECONDS
    if node.state is State.CLOSED or (now < node.until and not set_back):
        return None
    return State.HALF_OPEN if node.state is State.OPEN else State.CLOSED


def state_at(node: Node, now: float, policy: Policy) -> State:
    """Return the state of a node at a moment: what was opened long ago is closed by then."""
    after = expired(node, now)
    if after is State.HALF_OPEN and now >= node.until + policy.quiet_seconds:
        return State.CLOSED
    return after or node.state


def enter(
    node: Node, after: State, why: Why, now: float, policy: Policy, ranges: tuple[str, ...] = ()
) -> Change:
    """Move a breaker and return the change."""
    before, evidence = node.state, evidence_of(node, policy, now)
    match after:
        case State.CLOSED:
            node.drop_evidence()
            node.until, node.openings = 0.0, 0
        case State.WARNED:
            node.until = now + policy.quiet_seconds
        case State.OPEN:
            node.until = now + policy.opening_seconds(node)
            node.openings += 1
        case State.HALF_OPEN:
            node.drop_evidence()
            node.until = now + policy.quiet_seconds
    node.state, node.since = after, now
    return Change(now, node.prefix, before, after, why, ranges, node.until, evidence)


def evidence_of(node: Node, policy: Policy, now: float) -> dict[str, object]:
    """Return the evidence for or against a range, as JSON holds it."""
    recent = node.recent(now)
    return {
        "evidence": round(node.evidence, 3),
        "warn_at": round(policy.warn_at(node), 3),
        "open_at": round(policy.open_at(node), 3),
        "began": round(node.began, 3),
        "calls": node.calls,
        "recorded": node.recorded,
        "live": node.live,
        "unsure": node.unsure,
        "unheard": node.unheard,
        "recent": {said.value: round(n, 2) for said, n in recent.items()},
        "distinct_called": node.distinct_called,
        "short_share": None if node.short_share is None else round(node.short_share, 4),
        "marked_recorded": node.marked_recorded,
        "marked_live": node.marked_live,
        "campaigns": most_first(node.campaigns),
        "kinds": most_first(node.kinds),
        "blocked": node.blocked,
    }


def most_first(counts: Mapping[str, int]) -> dict[str, int]:
    """Return counts in their order, the largest first, without those of zero."""
    return {name: n for name, n in sorted(counts.items(), key=lambda each: -each[1]) if n}
