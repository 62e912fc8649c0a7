"""Find a leg's audio again in a call that was heard a while ago: then both are played.

Nobody says the same samples twice, whatever a network thinks of either call. So the part that two
calls share is a recording, and joins the store.

**When it is sure.** The best score of chance has a tail that falls exponentially, and grows with
the logarithm of what it is the best of (Karlin and Altschul, "Methods for assessing the statistical
significance of molecular sequence features", 1990). So each of ``n`` calls has prior odds of
``1 / n``, and the odds of a match must be as much higher. Each piece behind the first, and another
speed, must be worth a match of its own; see :meth:`.Match.is_sure_among`.

**What is no repetition.** The same call under another name: its legs, a stream that is carried or
forwarded twice, a recording that is sent or scored again. See :func:`is_same_call`.

**Why an error does not breed.** A recording is learnt from two calls that were both heard. It is
what both share, never what one of them holds alone, and a match with what was learnt teaches
nothing but a count. So the store's errors are those pairs that match by chance. What is learnt in
error holds some seconds of somebody's speech, and speaks against those alone who play it again: the
chance that another live call matches it is what it was before it was learnt.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from audio_model.known.counts import Counted, day_of
from audio_model.known.fingerprint import CODES_PER_SECOND, NOTHING, Codes, Fingerprint
from audio_model.known.match import Match
from audio_model.known.matcher import AMONG_CALLS, Matcher
from audio_model.known.recent import CallIdentity, CallsSince, RecentCalls
from audio_model.known.recording import CODES_PER_POSITION, POSITIONS_PER_SECOND, LearntBy
from audio_model.known.store import Store
from audio_model.stream import PhoneCall

SAME_MOMENT_SECONDS = 3.0
"""Two calls that hold the same sound within so many seconds by the clock are one sound, carried
twice."""
SENT_AGAIN_SECONDS = 600.0
"""A call between the same numbers within so many seconds may be the same one, sent again."""

LEAST_LONGER_SECONDS = 0.5
"""Seconds that a match must have gained for its recording to be lengthened."""


class Repetition:
    """A look-up of one leg in the calls heard before. What both share joins the store."""

    def __init__(
        self, store: Callable[[], Store | None], recent: RecentCalls, call: PhoneCall
    ) -> None:
        """Prepare to look for a leg.

        Args:
            store: returns the store, while it can be used.
            recent: the calls heard before, beside that store.
            call: the leg's.
        """
        self._store, self._recent, self.call = store, recent, call
        self._matcher = Matcher(recent, effort=AMONG_CALLS)
        self._ends: dict[int, int] | None = None
        """Where the calls that were kept ended when the leg began."""
        self._n_learnt = 0
        self.match: Match | None = None
        """The part that another call has, too, once that is sure; its recording is the store's."""
        self.sure_at: float | None = None
        """Second of the call at which it became sure."""

    def hear(
        self, fingerprint: Fingerprint, seconds: float, allowed: Sequence[Match], *, over: bool
    ) -> None:
        """Look for what was heard.

        Args:
            fingerprint: codes that follow those before.
            seconds: of the call, up to now.
            allowed: what of the call may recur.
            over: whether the call is.

        Raises StoreError.
        """
        if self.match is not None and not over:
            self._matcher.append(fingerprint)
            return
        if self._ends is None:
            self._ends = self._recent.ends()
        self._matcher.add(fingerprint, over=over)
        self._take(seconds, allowed)

    def hear_again(self, allowed: Sequence[Match]) -> None:
        """Search the calls that were kept since the leg began, now that it is over."""
        if self.match is not None or self._ends is None or self._recent.ends() == self._ends:
            return
        codes = self._matcher.fingerprint
        self._matcher = Matcher(CallsSince(self._recent, self._ends), effort=AMONG_CALLS)
        self._matcher.add(codes)
        self._take((len(codes) + 1) / CODES_PER_SECOND, allowed)

    def keep(self, codes: Codes, known: Sequence[Match]) -> None:
        """Keep the call for later ones, without the parts that are known or may recur."""
        codes = codes.copy()
        for match in known:
            codes[round(match.start * CODES_PER_SECOND) : round(match.end * CODES_PER_SECOND)] = (
                NOTHING
            )
        if codes[::CODES_PER_POSITION].any():
            self._recent.add(self.call, codes)

    def _take(self, seconds: float, allowed: Sequence[Match]) -> None:
        for match in self._matcher.matches:
            before = self._before(match, allowed)
            if before is None:
                continue
            if self.match is None:
                self.sure_at = seconds
                self.match = self._learn(match, before)
            elif match.seconds >= self.match.seconds + LEAST_LONGER_SECONDS:
                self._lengthen(match)
            return

    def _before(self, match: Match, allowed: Sequence[Match]) -> CallIdentity | None:
        """Return the other call, if a match is surely a repetition."""
        if not match.is_sure_among(len(self._recent)):
            return None
        if any(_shared(match, other) >= 0.5 * match.seconds for other in allowed):
            return None
        before = self._recent.facts(match.recording)
        held = self._recent.at(match.recording.first_position)
        if before is None or held is None:
            return None
        alike = is_identical(self._matcher.codes, held[1])
        one = is_same_call(CallIdentity.of(self.call), before, match, identical=alike)
        return None if one else before

    def _learn(self, match: Match, before: CallIdentity) -> Match | None:
        store, recording = self._store(), match.recording
        kept, zero = self._kept(match)
        if store is None or not kept.any():
            return None
        with store.writing():
            # Another leg, here or in another process, may have found the same just now.
            now_known = Matcher(store, self.call.name)
            now_known.add(self._matcher.fingerprint)
            if now_known.sure or now_known.allowed:
                return now_known.match if now_known.sure else None
            heard_at = recording.first_heard
            day = day_of(heard_at)
            call = Counted(before.call, before.caller or before.call, day, goes_on=False)
            name = recording.name
            id = store.take(name, kept, heard_at, learnt=LearntBy.REPETITION, call=call)
            stored = store.recording(id)
        self._n_learnt = len(kept)
        return None if stored is None else _moved(match, replace(match, recording=stored), zero)

    def _lengthen(self, match: Match) -> None:
        store, former = self._store(), self.match
        kept, zero = self._kept(match)
        if store is None or former is None:
            return
        if self._n_learnt and len(kept) > self._n_learnt:
            with store.writing():
                stored = store.recording(former.recording.id)
                if stored is not None and stored.times_heard == 1:
                    store.lengthen(stored.id, kept)
                    self.match = _moved(match, replace(match, recording=stored), zero)

    def _kept(self, match: Match) -> tuple[Codes, float]:
        """Return the other call's codes where both agree, and its second at which they begin."""
        found = self._recent.at(match.recording.first_position)
        if found is None:
            return self._matcher.codes[:0], 0.0
        codes = found[1]
        begin = min(piece.start + piece.offset for piece in match.pieces) * POSITIONS_PER_SECOND
        end = max(piece.end + piece.offset for piece in match.pieces) * POSITIONS_PER_SECOND
        first = max(0, math.floor(begin))
        return codes[first : math.ceil(end)], first / POSITIONS_PER_SECOND


def is_identical(codes: Codes, before: Codes) -> bool:
    """Return whether all that was heard of a call is the same as of one before, to the last bit.

    Args:
        codes: the call's codes so far.
        before: the earlier call's codes at the same positions, without those that were left out.
    """
    now = codes[::CODES_PER_POSITION]
    both = before[: len(now)]
    return len(both) == len(now) and bool(((both == now) | (both == NOTHING)).all())


def is_same_call(now: CallIdentity, before: CallIdentity, match: Match, *, identical: bool) -> bool:
    """Return whether two calls with the same samples are one call, or one sound that both carry.

    They are one if they have one name, such as the legs of a call. They are one if the samples come
    at one moment by the clock: a forwarded call, a conference, a stream that two gateways hear.
    They are one if the same caller called the same number within minutes, and the recording may
    have been sent again. And they are one if the audio is the same to the last bit and the
    recordings have one name: an archive that was moved.
    """
    if now.call and now.call == before.call:
        return True
    if identical and now.file and now.file == before.file:
        return True
    apart = math.inf
    if now.time is not None and before.time is not None:
        apart = abs(now.time - before.time)
        if abs(now.time - before.time - match.offset) <= SAME_MOMENT_SECONDS:
            return True
    same_numbers = now.caller == before.caller and now.called == before.called
    known_numbers = bool(now.caller and now.called)
    return known_numbers and same_numbers and apart <= SENT_AGAIN_SECONDS


def _shared(match: Match, other: Match) -> float:
    """Return the seconds of the call that two matches share."""
    return max(0.0, min(match.end, other.end) - max(match.start, other.start))


def _moved(former: Match, match: Match, zero: float) -> Match:
    """Return a match whose recording begins at another second of the former one."""
    pieces = tuple(replace(piece, offset=piece.offset - zero) for piece in former.pieces)
    return replace(match, offset=former.offset - zero, pieces=pieces)
