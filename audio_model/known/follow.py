"""A store beside the network, which follows each leg and learns from network and repetition."""

import logging
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import monotonic

from audio_model.decision import Verdict, VerdictKind
from audio_model.errors import StoreError
from audio_model.frontend import Samples
from audio_model.known.counts import Counted, counted
from audio_model.known.fingerprint import NOTHING
from audio_model.known.fuse import fuse, goes_on
from audio_model.known.match import WORTH_WEIGHING
from audio_model.known.matcher import Matcher
from audio_model.known.recent import RecentCalls, Retention
from audio_model.known.recording import CODES_PER_POSITION, POSITIONS_PER_SECOND, LearntBy
from audio_model.known.repetition import Repetition
from audio_model.known.store import Store
from audio_model.rule import OperatingPoint
from audio_model.stream import PhoneCall
from audio_model.times import DAY_SECONDS

logger = logging.getLogger(__name__)

LEARN_FROM_SCORE = 0.95
LEARN_FROM_SECONDS = 1.6
"""Seconds of the call that carry enough energy to identify it."""

RETRY_SECONDS = 5.0
"""How long a store that failed is left alone."""
EXPIRY_SECONDS = 60.0
"""The time between two rounds in which a store that learns forgets what is old."""
PATIENT_SECONDS = 30.0
HURRIED_SECONDS = 0.05
"""How long a locked store is waited for: patiently after calls, hurriedly beside them."""

ToThread = Callable[[Callable[[], None]], None]
"""Takes a job to another thread, and never waits for it."""


class KnownRecordings:
    """A store in use by one thread. It follows legs, and learns if asked to."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        learn: bool = False,
        keep: Retention | None = None,
        on_failure: Callable[[], None] | None = None,
    ) -> None:
        """Open a store of known recordings.

        Args:
            path: the store's file. One that learns is made if it is missing.
            learn: whether calls are counted, sure recordings are learnt, and all calls are kept for
            a
                while so that audio that comes again is learnt.
            keep: for how long calls and learnt recordings are kept, and how many.
            on_failure: called whenever the store fails; the failure is then logged and not raised.
                Calls pass on the network alone until the store works again. A server that owes each
                call an answer sets it. By default a failure is raised.

        Raises StoreError if the store can't be used now. With ``on_failure`` it is opened when the
        first leg comes, in the thread that follows it.
        """
        self.path, self.learns = Path(path), learn
        self._on_failure = on_failure
        self._retry_at = 0.0
        self._failing = False
        self._expire_at = 0.0
        self._keep = Retention() if keep is None else keep
        self._recent: RecentCalls | None = None
        if learn:
            self._recent = RecentCalls(
                self.path,
                self._keep,
                busy_seconds=PATIENT_SECONDS,
                mapped=on_failure is None,
            )
        self._store: Store | None = self._open() if on_failure is None else None

    def follow(
        self,
        call: PhoneCall | None = None,
        repetition: Repetition | None = None,
        spread: ToThread | None = None,
    ) -> "KnownFollower":
        """Follow one leg.

        Args:
            call: the call's id, time and numbers. Recordings that were learnt from a call of its
            name,
                by another leg or at another time, don't count as known.
            repetition: looks for the leg in the calls heard before. By default it does if the store
                learns.
            spread: see :class:`KnownFollower`.
        """
        call = call or PhoneCall()
        repetition = repetition or self.repetition(call)
        return KnownFollower(self, call, self._usable(), repetition, spread)

    def repetition(self, call: PhoneCall) -> Repetition | None:
        """Return a look-up of a leg in the calls heard before; None if the store doesn't learn."""
        return None if self._recent is None else Repetition(self._usable, self._recent, call)

    def retry(self) -> None:
        """Open the store anew for the next leg."""
        self.close()
        self._retry_at = 0.0

    @property
    def failing(self) -> bool:
        """Return whether the store failed when it was last tried."""
        return self._failing

    def close(self) -> None:
        """Let go of the files."""
        if self._recent is not None:
            self._recent.close()
        if self._store is not None:
            self._store.close()
            self._store = None

    def conclude(
        self, follower: "KnownFollower", verdict: Verdict, at: float | None = None
    ) -> None:
        """End a leg: count its call or learn it, if that was asked for.

        A call is counted once, however many legs it has and however often it is scored.

        Args:
            follower: of any store in this file.
            verdict: the network's own, before it was fused. A store must not learn from itself.
            at: seconds since 1970, by default the time of the follower's call.
        """
        if not self.learns or (store := self._usable()) is None or follower.matcher is None:
            return
        try:
            when = follower.call.time if at is None else at
            self._conclude(store, follower, follower.matcher, verdict, when)
            self._expire(store)
        # As in Follower.
        except Exception as error:
            self.failed(error)

    def _conclude(
        self, store: Store, follower: "KnownFollower", matcher: Matcher, verdict: Verdict, at: float
    ) -> None:
        call, repetition = follower.call, follower.repetition
        if repetition is not None and not matcher.sure:
            repetition.hear_again(matcher.allowed)
        repeated = None if repetition is None else repetition.match
        worth_learning = repeated is None and _is_worth_learning(matcher, verdict)
        if matcher.sure or worth_learning:
            # Another leg may have taught it since this one was heard, or it was removed.
            with store.writing():
                now_known = Matcher(store)
                now_known.add(matcher.fingerprint)
                match = now_known.match
                if match is not None and match.sure:
                    recording = match.recording
                    if not (recording.learnt and recording.name == call.name):
                        counts = _counted(call, at, goes_on(verdict, match))
                        store.heard(recording.id, at, counts)
                    return
                unlike = all(m.probability < WORTH_WEIGHING for m in now_known.matches)
                # What it learnt would hold what may recur, too.
                if worth_learning and unlike and not now_known.allowed:
                    counts = _counted(call, at)
                    codes = matcher.codes
                    store.add(call.name, codes, at, learnt=LearntBy.NETWORK, call=counts)
                    return
        if repeated is not None:
            counts = _counted(call, at, goes_on(verdict, repeated))
            store.heard(repeated.recording.id, at, counts)
        elif repetition is not None and _telling_seconds(matcher) >= LEARN_FROM_SECONDS:
            repetition.keep(matcher.codes, matcher.allowed)

    def _expire(self, store: Store) -> None:
        """Forget learnt recordings that are not heard any more, now and then."""
        if monotonic() < self._expire_at:
            return
        # A few are forgotten at a time, and the others behind the next calls.
        if not store.expire(self._keep.days * DAY_SECONDS, self._keep.recordings):
            self._expire_at = monotonic() + EXPIRY_SECONDS

    def failed(self, error: Exception) -> None:
        """Go on without the store for a while, or raise its failure."""
        if self._on_failure is None:
            raise error
        self.close()
        self._retry_at = monotonic() + RETRY_SECONDS
        self._on_failure()
        if not self._failing:
            self._failing = True
            trace = None if isinstance(error, StoreError) else error
            logger.error("calls pass without known recordings: %s", error, exc_info=trace)

    def _open(self) -> Store:
        beside_calls = self._on_failure is not None
        return Store(
            self.path,
            create=self.learns,
            # Learning happens in a thread that nobody waits for.
            busy_seconds=HURRIED_SECONDS if beside_calls and not self.learns else PATIENT_SECONDS,
            mapped=not beside_calls,
        )

    def _usable(self) -> Store | None:
        if self._on_failure is None or (self._store is not None and self._store.is_there()):
            return self._store
        if monotonic() < self._retry_at:
            return None
        self.close()
        try:
            self._store = self._open()
        except StoreError as error:
            self.failed(error)
            return None
        if self._failing:
            self._failing = False
            logger.warning("known recordings work again")
        return self._store


class KnownFollower:
    """One leg beside a store. Made by :meth:`KnownRecordings.follow`."""

    def __init__(
        self,
        known: KnownRecordings,
        call: PhoneCall,
        store: Store | None,
        repetition: Repetition | None = None,
        spread: ToThread | None = None,
    ) -> None:
        """Follow a leg.

        Args:
            repetition: looks for the leg in calls heard before; None for no such look-up.
            spread: does that look-up in another thread and never waits for it. By default the
                look-up is done at once.
        """
        self._known, self.call, self.repetition = known, call, repetition
        self._spread = spread
        self._n_looked_for = 0
        self.matcher: Matcher | None = None
        """None once the store has failed."""
        if store is not None:
            self.matcher = Matcher(store, call.name, self._look_further)

    @property
    def weighs(self) -> bool:
        """Return whether a match may change the network's verdict."""
        if self.repetition is not None and self.repetition.match is not None:
            return True
        match = None if self.matcher is None else self.matcher.match
        return match is not None and match.probability >= WORTH_WEIGHING

    def hear(self, samples: Samples) -> None:
        """Hear the leg's next samples, at 8 kHz. [shape=(n_samples,)]"""
        if self.matcher is not None:
            self._guarded(lambda matcher: matcher.feed(samples))

    def look_ahead(self) -> None:
        """Look for all audio so far in the calls heard before, since a verdict is due soon.

        The rest of the leg is looked for too late for the verdict, in another thread.
        """
        if self.repetition is not None:
            self._guarded(self._hear_and_look)

    def flush(self) -> None:
        """Hear the rest at the end of the leg."""
        if self.matcher is not None:
            self._guarded(lambda matcher: matcher.flush())

    def fuse(self, verdict: Verdict, point: OperatingPoint) -> Verdict:
        """Return one verdict from the network's and the match."""
        matcher = self.matcher
        if matcher is None:
            return verdict
        if self.repetition is not None and (match := self.repetition.match) is not None:
            return fuse(verdict, match, self.repetition.sure_at, point)
        return fuse(verdict, matcher.match, matcher.sure_at, point)

    def conclude(self, verdict: Verdict) -> None:
        """Conclude the leg as :meth:`KnownRecordings.conclude` says."""
        self._known.conclude(self, verdict)

    def _hear_and_look(self, matcher: Matcher) -> None:
        matcher.hear_waiting()
        self._look_further(over=False)

    def _look_further(self, over: bool) -> None:
        """Look for the latest audio in the calls heard before."""
        matcher, repetition = self.matcher, self.repetition
        if matcher is None or repetition is None:
            return
        if matcher.sure and repetition.match is None:
            return
        heard = matcher.fingerprint[self._n_looked_for :]
        self._n_looked_for = len(matcher.codes)
        look = partial(repetition.hear, heard, matcher.seconds, matcher.allowed, over=over)
        if self._spread is None:
            look()
        else:
            self._spread(look)

    def _guarded(self, job: Callable[[Matcher], None]) -> None:
        matcher = self.matcher
        if matcher is None:
            return
        try:
            job(matcher)
        # The boundary: a damaged file may fail in ways of its own where its bytes are used.
        except Exception as error:
            self.matcher = None
            self._known.failed(error)


def _counted(call: PhoneCall, at: float, own_voice: bool = False) -> Counted | None:
    return counted(call.name, call.caller, at, goes_on=own_voice) if call.name else None


def _is_worth_learning(matcher: Matcher, verdict: Verdict) -> bool:
    """Return whether a call is surely recorded, and long enough to be recognised by."""
    return (
        verdict.verdict is VerdictKind.RECORDED
        and verdict.score >= LEARN_FROM_SCORE
        and _telling_seconds(matcher) >= LEARN_FROM_SECONDS
    )


def _telling_seconds(matcher: Matcher) -> float:
    telling = (matcher.codes[::CODES_PER_POSITION] != NOTHING).sum()
    return float(telling) / POSITIONS_PER_SECOND
