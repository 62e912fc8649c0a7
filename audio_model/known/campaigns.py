"""Calls that play one recording, or cuts of it, are one campaign.

Each call is matched against what was heard before it. What it adds is remembered, so a campaign is
known by all its parts, whichever of them a call holds: calls cut at different places are one
campaign as soon as something overlaps, and a name or digits spoken inside a template are a gap.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from audio_model.known.fingerprint import NOTHING, Fingerprint
from audio_model.known.match import PATCH_SECONDS, Match, Matcher
from audio_model.known.store import CODES_PER_POSITION, POSITIONS_PER_SECOND, Store

LEAST_SHARE = 0.4
"""Of the seconds in which call and recording overlap that must match. Two messages that share a
phrase share less; a template with a name in it shares more."""

LEAST_NEW_SECONDS = 1.6
"""That a call must add to what it matches for it to be remembered, too."""


@dataclass(frozen=True)
class CampaignCall:
    """One call of an archive, and where it stands."""

    index: int
    """Of the archive's recordings, from 0."""
    time: float
    """Seconds since 1970; nan if unknown."""
    offset: float
    """Second of the campaign's exemplar at which the call begins; negative if before."""
    matched_seconds: float
    """Seconds that another call of the campaign has, too."""
    seconds: float


@dataclass(frozen=True)
class Campaign:
    """Calls with one recording, first one first."""

    number: int
    """From 1, in the order of their first calls."""
    exemplar: CampaignCall
    """The longest of those that others were matched with; its offset is 0."""
    calls: tuple[CampaignCall, ...]

    @property
    def first(self) -> float:
        """Time of the first call; nan if no time is known."""
        return min(
            (call.time for call in self.calls if not math.isnan(call.time)), default=math.nan
        )

    @property
    def last(self) -> float:
        """Time of the last call; nan if no time is known."""
        return max(
            (call.time for call in self.calls if not math.isnan(call.time)), default=math.nan
        )


@dataclass
class _Node:
    """A call in a tree of calls that match; its root stands for the campaign."""

    time: float
    seconds: float
    parent: int
    offset: float = 0.0
    """Second of the parent at which this one begins."""
    matched_seconds: float = 0.0
    remembered: bool = False


@dataclass
class Grouping:
    """Groups calls as they come; :meth:`campaigns` at the end."""

    _store: Store = field(default_factory=lambda: Store(":memory:"))
    _calls: list[_Node] = field(default_factory=list)
    _call_of: dict[int, int] = field(default_factory=dict)
    """The call behind each recording of the store."""

    def add(self, fingerprint: Fingerprint | None, time: float = math.nan) -> None:
        """The next call; None for one that could not be heard."""
        call = len(self._calls)
        if fingerprint is None or not fingerprint.codes[::CODES_PER_POSITION].any():
            self._calls.append(_Node(time, 0.0, call))
            return
        telling = (fingerprint.codes[::CODES_PER_POSITION] != NOTHING).sum()
        seconds = float(telling) / POSITIONS_PER_SECOND + PATCH_SECONDS
        node = _Node(time, seconds, call)
        self._calls.append(node)
        matcher = Matcher(self._store)
        matcher.add(fingerprint)
        matches = [match for match in matcher.matches if is_same(match)]
        for match in matches:
            self._join(call, match)
        if matches:
            node.matched_seconds = matches[0].seconds
        if not matches or seconds - node.matched_seconds >= LEAST_NEW_SECONDS:
            node.remembered = True
            self._call_of[self._store.add("", fingerprint.codes, 0.0)] = call

    def campaigns(self) -> list[Campaign]:
        """The campaigns of two or more calls."""
        members: dict[int, list[int]] = {}
        for call in range(len(self._calls)):
            members.setdefault(self._root(call)[0], []).append(call)
        campaigns: list[Campaign] = []
        for calls in members.values():
            if len(calls) > 1:
                campaigns.append(self._campaign(len(campaigns) + 1, calls))
        return campaigns

    def _campaign(self, number: int, members: Sequence[int]) -> Campaign:
        remembered = [call for call in members if self._calls[call].remembered]
        exemplar = max(remembered, key=lambda call: self._calls[call].seconds)
        zero = self._root(exemplar)[1]
        calls = []
        for call in members:
            node = self._calls[call]
            offset = self._root(call)[1] - zero
            calls.append(CampaignCall(call, node.time, offset, node.matched_seconds, node.seconds))
        return Campaign(number, calls[members.index(exemplar)], tuple(calls))

    def _join(self, call: int, match: Match) -> None:
        other = self._call_of[match.recording.id]
        root, offset = self._root(call)
        other_root, other_offset = self._root(other)
        node = self._calls[other]
        node.matched_seconds = max(node.matched_seconds, min(match.seconds, node.seconds))
        if root != other_root:
            self._calls[root].parent = other_root
            self._calls[root].offset = other_offset + match.offset - offset

    def _root(self, call: int) -> tuple[int, float]:
        """The root of a call's tree, and the root's second at which the call begins."""
        way = []
        while (parent := self._calls[call].parent) != call:
            way.append(call)
            call = parent
        # Everyone on the way now points at the root: trees stay flat.
        offset = 0.0
        for below in reversed(way):
            offset += self._calls[below].offset
            self._calls[below].parent, self._calls[below].offset = call, offset
        return call, offset


def is_same(match: Match) -> bool:
    """Whether a match puts a call into the recording's campaign."""
    return match.sure and match.seconds >= LEAST_SHARE * match.overlap
