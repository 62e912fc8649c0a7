"""A store beside the network: it follows each leg, and learns from the network alone."""

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from time import monotonic

from audio_model.decision import OperatingPoint, Verdict, VerdictKind
from audio_model.errors import StoreError
from audio_model.frontend import Samples
from audio_model.known.fingerprint import NOTHING
from audio_model.known.fuse import fuse
from audio_model.known.match import WORTH_WEIGHING, Matcher
from audio_model.known.store import CODES_PER_POSITION, POSITIONS_PER_SECOND, Store

logger = logging.getLogger(__name__)

LEARN_FROM_SCORE = 0.95
LEARN_FROM_SECONDS = 1.6
"""Seconds of the call that carry enough energy to identify it."""

RETRY_SECONDS = 5.0
"""After which a store that failed is tried again."""
PATIENT_SECONDS = 30.0
HURRIED_SECONDS = 0.05
"""For which a store that another process has locked is waited for: with time, and beside calls."""


class KnownRecordings:
    """A store in use by one thread: follows legs, and learns if it is asked to."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        learn: bool = False,
        on_failure: Callable[[], None] | None = None,
    ) -> None:
        """
        Args:
            path: the store's file; one that learns is made if there is none.
            learn: whether calls are counted, and surely recorded ones learnt.
            on_failure: for who owes each call an answer: called whenever the store fails, which is
                never raised then. The log tells of it when it begins, and calls pass on the network
                alone until the store works again. By default a failure is raised.

        Raises StoreError if the store can't be used now. With ``on_failure`` it is opened when the
        first leg comes, in the thread that follows it.
        """
        self.path, self.learns = Path(path), learn
        self._on_failure = on_failure
        self._retry_at = 0.0
        self._failing = False
        self._store: Store | None = self._open() if on_failure is None else None

    def follow(self, call: str = "") -> "Follower":
        """Follow one leg.

        Args:
            call: its name in the store if it is learnt, such as the path or the call's id. What was
                learnt of that call, from another leg or another time, is nothing that is known.
        """
        return Follower(self, call, self._usable())

    def retry(self) -> None:
        """Open the store anew for the next leg."""
        self.close()
        self._retry_at = 0.0

    @property
    def failing(self) -> bool:
        """Whether the store failed when it was last tried."""
        return self._failing

    def close(self) -> None:
        """Let go of the file."""
        if self._store is not None:
            self._store.close()
            self._store = None

    def conclude(self, follower: "Follower", verdict: Verdict, at: float | None = None) -> None:
        """A leg is over: count its call or learn it, if that was asked for.

        A call is counted once, however many legs it has and however often it is scored.

        Args:
            follower: of any store in this file.
            verdict: the network's own, before it was fused: a store must not learn from itself.
            at: seconds since 1970, by default now.
        """
        if not self.learns or (store := self._usable()) is None:
            return
        matcher = follower.matcher
        if matcher is None or not (matcher.sure or _is_worth_learning(matcher, verdict)):
            return
        now = time.time() if at is None else at
        try:
            # Another leg may have taught it since this one was heard, or it was removed.
            with store.writing():
                now_known = Matcher(store)
                now_known.add(matcher.fingerprint)
                match = now_known.match
                if match is None or match.probability < WORTH_WEIGHING:
                    # What it learnt would hold the allowed recording, too.
                    if _is_worth_learning(matcher, verdict) and not now_known.allowed:
                        store.add(follower.call, matcher.codes, now, learnt=True)
                elif match.sure and not (
                    match.recording.learnt and match.recording.name == follower.call
                ):
                    store.heard(match.recording.id, now, follower.call)
        # As in Follower.
        except Exception as error:
            self.failed(error)

    def failed(self, error: Exception) -> None:
        """Go on without the store for a while, or raise what befell it."""
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
            # Who learns does so in a thread that nobody waits for.
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


class Follower:
    """One leg beside a store. Made by :meth:`KnownRecordings.follow`."""

    def __init__(self, known: KnownRecordings, call: str, store: Store | None) -> None:
        self._known, self.call = known, call
        self.matcher: Matcher | None = None if store is None else Matcher(store, call)
        """None once the store has failed."""

    @property
    def weighs(self) -> bool:
        """Whether a match may change the network's verdict."""
        match = None if self.matcher is None else self.matcher.match
        return match is not None and match.probability >= WORTH_WEIGHING

    def hear(self, samples: Samples) -> None:
        """The leg's next samples, at 8 kHz. [shape=(n_samples,)]"""
        if self.matcher is not None:
            self._guarded(lambda matcher: matcher.feed(samples))

    def flush(self) -> None:
        """The leg is over."""
        if self.matcher is not None:
            self._guarded(lambda matcher: matcher.flush())

    def fuse(self, verdict: Verdict, point: OperatingPoint) -> Verdict:
        """The network's verdict and the match in one."""
        matcher = self.matcher
        if matcher is None:
            return verdict
        return fuse(verdict, matcher.match, matcher.sure_at, point)

    def conclude(self, verdict: Verdict) -> None:
        """See :meth:`KnownRecordings.conclude`."""
        self._known.conclude(self, verdict)

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


def _is_worth_learning(matcher: Matcher, verdict: Verdict) -> bool:
    """Whether a call is surely recorded, and has enough in it to be known by."""
    telling = (matcher.codes[::CODES_PER_POSITION] != NOTHING).sum() / POSITIONS_PER_SECOND
    return (
        verdict.verdict is VerdictKind.RECORDED
        and verdict.score >= LEARN_FROM_SCORE
        and telling >= LEARN_FROM_SECONDS
    )
