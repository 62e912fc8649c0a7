"""Group calls that play one recording, or cuts of it, into one campaign.

Each call is matched against what was heard before it. What it adds is remembered, so a campaign is
known by all its parts, whichever of them a call holds: calls cut at different places are one
campaign as soon as something overlaps, and a name or digits spoken inside a template are a gap.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from audio_model.known.fingerprint import NOTHING, Fingerprint
from audio_model.known.match import PATCH_SECONDS, Match
from audio_model.known.matcher import Matcher
from audio_model.known.recording import CODES_PER_POSITION, POSITIONS_PER_SECOND
from audio_model.known.store import Store
from audio_model.sqlite import MEMORY

LEAST_SHARE = 0.4
"""Share of the seconds in which call and recording overlap that must match. Two messages that share
a phrase share less; a template with a name in it shares more.
"""

LEAST_NEW_SECONDS = 1.6
"""Seconds that a call must add to its match for the call to be remembered, too."""


@dataclass(frozen=True)
class CampaignCall:
    """One call of an archive, and where it stands."""

    index: int
    """The recording's number in the archive, from 0."""
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
    """The number of the campaign, from 1 in the order of their first calls."""
    exemplar: CampaignCall
    """The longest of those that others were matched with; its offset is 0."""
    calls: tuple[CampaignCall, ...]

    @property
    def first(self) -> float:
        """Return the time of the first call; nan if no time is known."""
        return min(
            (call.time for call in self.calls if not math.isnan(call.time)), default=math.nan
        )

    @property
    def last(self) -> float:
        """Return the time of the last call; nan if no time is known."""
        return max(
            (call.time for call in self.calls if not math.isnan(call.time)), default=math.nan
        )


@dataclass(frozen=True)
class Link:
    """An earlier call that a call matches."""

    call: int
    offset: float
    """Second of that call at which this one begins."""
    seconds: float
    """Seconds that both have."""


@dataclass(frozen=True)
class HeardCall:
    """The facts about a call once it was heard. They are enough to place it again."""

    time: float
    seconds: float
    links: tuple[Link, ...] = ()
    recording: int | None = None
    """Its number in the store, if it is remembered."""


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


class Grouping:
    """Groups calls as they come; :meth:`campaigns` at the end."""

    def __init__(self, store: Store | None = None) -> None:
        """Begin a grouping.

        Args:
            store: an empty store, or one filled by :meth:`add`; in memory by default.
        """
        self._store = Store(MEMORY) if store is None else store
        self._calls: list[_Node] = []
        self._call_of: dict[int, int] = {}
        """The call behind each recording of the store."""

    def add(self, fingerprint: Fingerprint | None, time: float = math.nan) -> HeardCall:
        """Hear the next call; None stands for one that could not be heard. Raises StoreError."""
        heard = self._hear(fingerprint, time)
        self.take(heard)
        return heard

    def take(self, heard: HeardCall) -> None:
        """Give the next call its place; its recording, if it has one, is in the store."""
        call = len(self._calls)
        node = _Node(heard.time, heard.seconds, call, remembered=heard.recording is not None)
        self._calls.append(node)
        for link in heard.links:
            self._join(call, link)
        if heard.links:
            node.matched_seconds = heard.links[0].seconds
        if heard.recording is not None:
            self._call_of[heard.recording] = call

    def _hear(self, fingerprint: Fingerprint | None, time: float) -> HeardCall:
        if fingerprint is None or not fingerprint.codes[::CODES_PER_POSITION].any():
            return HeardCall(time, 0.0)
        telling = (fingerprint.codes[::CODES_PER_POSITION] != NOTHING).sum()
        seconds = float(telling) / POSITIONS_PER_SECOND + PATCH_SECONDS
        # Calls that do not match each other may have a third one in common.
        matcher = Matcher(self._store, thorough=True)
        matcher.add(fingerprint)
        links = tuple(
            Link(self._call_of[match.recording.id], match.offset, match.seconds)
            for match in matcher.matches
            if is_same(match, len(self._call_of))
        )
        recording = None
        if not links or seconds - links[0].seconds >= LEAST_NEW_SECONDS:
            recording = self._store.add("", fingerprint.codes, 0.0)
        return HeardCall(time, seconds, links, recording)

    def campaigns(self) -> list[Campaign]:
        """Return the campaigns of two or more calls."""
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

    def _join(self, call: int, link: Link) -> None:
        root, offset = self._root(call)
        other_root, other_offset = self._root(link.call)
        node = self._calls[link.call]
        node.matched_seconds = max(node.matched_seconds, min(link.seconds, node.seconds))
        if root != other_root:
            self._calls[root].parent = other_root
            self._calls[root].offset = other_offset + link.offset - offset

    def _root(self, call: int) -> tuple[int, float]:
        """Return the root of a call's tree, and the root's second at which the call begins."""
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


def is_same(match: Match, n_calls: int) -> bool:
    """Return whether a match with one of so many calls puts a call into that call's campaign."""
    return match.is_sure_among(n_calls) and match.seconds >= LEAST_SHARE * match.overlap
