"""What is known of each prefix: a node, and how calls count in it.

The widest prefixes of a number always have a node. A narrower one is made when the prefix above it
holds evidence: below that a range at zero is as if it had never called (see ``change.py``), so the
tree stays as small as the trouble in it.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from audio_model.ranges import sketch
from audio_model.ranges.numbers import Number, normalise
from audio_model.ranges.rates import CallAnswer, MarkedAs
from audio_model.times import DAY_SECONDS

RECENT_SECONDS = 3600.0
"""Calls lose 63 % of their weight in the recent counts in so long."""
SHORT_SECONDS = 10.0
"""A call is short if it lasted less: hung up on, as recordings often are."""
MAX_CAMPAIGNS = 16
"""Campaigns that a node remembers by name; of more, the rarest is forgotten."""
IDLE_SECONDS = 2 * DAY_SECONDS
"""How long a narrow node without evidence is kept after its last call."""
FORGOTTEN_SECONDS = 30 * DAY_SECONDS
"""How long a narrow node with evidence is kept after its last call."""
WIDE_LENGTH = 8
"""Characters of a prefix up to which a node is never let go: there are few of them."""


class State(StrEnum):
    """The state of a range's breaker."""

    CLOSED = "closed"
    """Calls pass."""
    WARNED = "warned"
    """Calls pass, and somebody should look."""
    OPEN = "open"
    """Calls should not pass."""
    HALF_OPEN = "half_open"
    """Calls pass again, and the next ones decide."""


@dataclass(frozen=True, slots=True)
class RangeCall:
    """One call whose verdict is final."""

    id: str
    """The same call twice counts once."""
    caller: str
    """The caller as the gateway or the call record writes it."""
    time: float
    """Seconds since 1970."""
    outcome: CallAnswer
    called: str = ""
    duration: float | None = None
    """Seconds from answer to hang-up, where known."""
    campaign: str = ""
    """The known recording that was heard."""
    path: str = ""
    """Where the recording of the call lies, for manifests."""
    score: float | None = None

    @property
    def number(self) -> Number:
        """Return the caller's number."""
        return normalise(self.caller)

    def surer_than(self, other: "RangeCall") -> bool:
        """Return whether this final verdict counts, and not another one of the same call.

        A call has several if its stream broke and another one took its place.
        """
        return self._sureness() > other._sureness()

    def _sureness(self) -> tuple[int, float]:
        match self.outcome:
            case CallAnswer.UNHEARD:
                return 0, 0.0
            case CallAnswer.UNSURE:
                return 1, 0.0
            case CallAnswer.RECORDED:
                return 2, 0.5 if self.score is None else self.score
            case CallAnswer.LIVE:
                return 2, 0.5 if self.score is None else 1 - self.score


@dataclass(slots=True)
class Node:
    """One prefix. Counts are of all calls since ``first``; recent ones fade with their age."""

    prefix: str
    first: float
    last: float
    recorded: int = 0
    live: int = 0
    unsure: int = 0
    unheard: int = 0
    timed: int = 0
    """Calls whose duration is known."""
    short: int = 0
    marked_recorded: int = 0
    marked_live: int = 0
    recent_recorded: float = 0.0
    recent_live: float = 0.0
    recent_unsure: float = 0.0
    evidence: float = 0.0
    """Nats for a change to the share of a campaign; below zero while half open alone."""
    began: float = 0.0
    """When the evidence last left zero: the likeliest start of the change."""
    recorded_since: int = 0
    """Recordings since the evidence began."""
    heard_since: int = 0
    """Calls heard since the evidence began."""
    usual_recorded: int = 0
    """Recordings of earlier times, when evidence went back to zero."""
    usual_heard: int = 0
    state: State = State.CLOSED
    since: float = 0.0
    """When the state was entered."""
    until: float = 0.0
    """When it ends by itself; 0 for closed."""
    openings: int = 0
    """In a row, without having closed in between."""
    called: bytearray = field(default_factory=bytearray)
    campaigns: dict[str, int] = field(default_factory=dict)
    kinds: dict[str, int] = field(default_factory=dict)
    """Calls by the kind of their number or, where nobody can own it, by the reason why not."""
    blocked: int = 0
    """Calls that came while the range was open."""
    marked_since: int = 0
    """Calls since ``began`` that a person marked as recorded."""

    @property
    def heard(self) -> int:
        """Return the number of calls with a recorded or live answer."""
        return self.recorded + self.live + self.unsure

    @property
    def calls(self) -> int:
        """Return the number of all calls."""
        return self.heard + self.unheard

    @property
    def short_share(self) -> float | None:
        """Return the share of short calls among those of known duration; None without any."""
        return self.short / self.timed if self.timed else None

    @property
    def distinct_called(self) -> int:
        """Return how many numbers were called.

        It is exact while it is small, then an estimate, and never more than the calls.
        """
        return min(sketch.estimate(self.called), self.calls)

    def count(self, call: RangeCall, called: int) -> None:
        """Count a call; ``called`` is the fingerprint of its called number."""
        self.fade(call.time)
        match call.outcome:
            case CallAnswer.RECORDED:
                self.recorded += 1
                self.recent_recorded += 1
            case CallAnswer.LIVE:
                self.live += 1
                self.recent_live += 1
            case CallAnswer.UNSURE:
                self.unsure += 1
                self.recent_unsure += 1
            case CallAnswer.UNHEARD:
                self.unheard += 1
        if call.duration is not None:
            self.timed += 1
            self.short += call.duration < SHORT_SECONDS
        if call.called:
            sketch.add(self.called, called)
        if call.campaign:
            self._count_campaign(call.campaign)
        said = call.number.said
        self.kinds[said] = self.kinds.get(said, 0) + 1

    def take_back(self, call: RangeCall) -> None:
        """Forget the answer of a call that was counted, because a surer one takes its place."""
        self.fade(call.time)
        kept = math.exp(min(0.0, (call.time - self.last) / RECENT_SECONDS))
        match call.outcome:
            case CallAnswer.RECORDED:
                self.recorded = max(0, self.recorded - 1)
                self.recent_recorded = max(0.0, self.recent_recorded - kept)
            case CallAnswer.LIVE:
                self.live = max(0, self.live - 1)
                self.recent_live = max(0.0, self.recent_live - kept)
            case CallAnswer.UNSURE:
                self.unsure = max(0, self.unsure - 1)
                self.recent_unsure = max(0.0, self.recent_unsure - kept)
            case CallAnswer.UNHEARD:
                self.unheard = max(0, self.unheard - 1)
        if call.duration is not None:
            self.timed = max(0, self.timed - 1)
            self.short = max(0, self.short - (call.duration < SHORT_SECONDS))
        said = call.number.said
        self.kinds[said] = max(0, self.kinds.get(said, 0) - 1)

    def count_mark(self, mark: MarkedAs | None, before: MarkedAs | None) -> None:
        """Count a person's mark on a call. It replaces the mark ``before``."""
        for each, n in ((mark, 1), (before, -1)):
            if each is MarkedAs.RECORDED:
                self.marked_recorded += n
            elif each is MarkedAs.LIVE:
                self.marked_live += n

    def fade(self, now: float) -> None:
        """Age the recent counts to a moment. A moment before the last call changes nothing."""
        if now > self.last:
            kept = math.exp((self.last - now) / RECENT_SECONDS)
            self.recent_recorded *= kept
            self.recent_live *= kept
            self.recent_unsure *= kept
            self.last = now

    def recent(self, now: float) -> dict[CallAnswer, float]:
        """Return the recent counts at a moment."""
        kept = math.exp(min(0.0, (self.last - now) / RECENT_SECONDS))
        return {
            CallAnswer.RECORDED: self.recent_recorded * kept,
            CallAnswer.LIVE: self.recent_live * kept,
            CallAnswer.UNSURE: self.recent_unsure * kept,
        }

    def totals(self) -> dict[CallAnswer, float]:
        """Return the counts of all calls that were heard."""
        return {
            CallAnswer.RECORDED: self.recorded,
            CallAnswer.LIVE: self.live,
            CallAnswer.UNSURE: self.unsure,
        }

    def marks(self) -> dict[MarkedAs, float]:
        """Return the counts of calls that people marked."""
        return {MarkedAs.RECORDED: self.marked_recorded, MarkedAs.LIVE: self.marked_live}

    def add_evidence(self, gain: float, now: float) -> None:
        """Add evidence: one step of the CUSUM."""
        if self.evidence <= 0 < gain:
            self.began = now
        self.evidence = max(0.0, self.evidence + gain)
        if self.evidence == 0:
            self.usual_recorded += self.recorded_since
            self.usual_heard += self.heard_since
            self.recorded_since = self.heard_since = self.marked_since = 0

    def note(self, said: CallAnswer) -> None:
        """Note an answer that is about to count for the evidence."""
        self.recorded_since += said is CallAnswer.RECORDED
        self.heard_since += said is not CallAnswer.UNHEARD

    def drop_evidence(self, much: float = math.inf) -> None:
        """Take back evidence that something else explains. Its calls are not the usual ones."""
        self.evidence = max(0.0, self.evidence - much)
        if self.evidence == 0:
            self.recorded_since = self.heard_since = self.marked_since = 0

    @property
    def held(self) -> bool:
        """Return whether the breaker is anything but closed."""
        return self.state is not State.CLOSED

    @property
    def forgettable(self) -> bool:
        """Return whether the test would lose nothing if the node were made anew."""
        return self.evidence == 0 and not self.held

    def _count_campaign(self, name: str) -> None:
        if name not in self.campaigns and len(self.campaigns) >= MAX_CAMPAIGNS:
            del self.campaigns[min(self.campaigns, key=self.campaigns.__getitem__)]
        self.campaigns[name] = self.campaigns.get(name, 0) + 1


class Nodes(Protocol):
    """All nodes by their prefixes: a dictionary, or a store."""

    def get(self, prefix: str, /) -> Node | None:
        """Return the node of a prefix; None if there is none."""

    def __setitem__(self, prefix: str, node: Node, /) -> None: ...


def path_of(nodes: Nodes, number: Number, now: float) -> Iterator[Node]:
    """Yield the nodes of a number from the widest down, and make those that are needed.

    A node below the ones that are always kept is made if the one above holds evidence when it is
    asked for. So count a node before you ask for the next.
    """
    above: Node | None = None
    for depth, prefix in enumerate(number.prefixes):
        node = nodes.get(prefix)
        if node is None:
            if depth >= number.kept and above is not None and above.forgettable:
                return
            node = Node(prefix, first=now, last=now)
            nodes[prefix] = node
        yield node
        above = node


def children(nodes: Nodes, prefix: str) -> Iterable[Node]:
    """Return the nodes one digit below a prefix."""
    found = (nodes.get(prefix + digit) for digit in "0123456789")
    return (node for node in found if node is not None)
