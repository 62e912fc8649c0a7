"""``--calls``: write every call with a final verdict to the store of ``audio-model desk``.

A thread of its own writes calls, together with those that came meanwhile. While the store is locked
or full they wait, and beyond a number the oldest are lost. No call's answer waits.
"""

import logging
import os
import threading
from collections import deque
from pathlib import Path

from audio_model.decision import Reason
from audio_model.errors import StoreError
from audio_model.gateway.events import Event
from audio_model.gateway.outlets.keep import stem_of
from audio_model.records.calls import CallRecord, known_campaign
from audio_model.records.priority import Thresholds
from audio_model.records.store import BATCH, CallStore
from audio_model.tables.results import Outcome
from audio_model.tables.rows import escape

logger = logging.getLogger(__name__)

MAX_WAITING = 100_000
RETRY_SECONDS = 1.0
BUSY_SECONDS = 5.0


class CallRecorder:
    """An outlet of ``serve``; called in the event loop's thread."""

    def __init__(
        self, path: str | os.PathLike[str], thresholds: Thresholds, kept: Path | None
    ) -> None:
        """Open the store of calls.

        Args:
            path: the store of calls.
            thresholds: scores near them are worth a person's ear.
            kept: the folder of ``--keep-audio``.

        Raises StoreError if the store can't be opened.
        """
        CallStore(path, busy_seconds=BUSY_SECONDS).close()
        self._path, self._thresholds, self._kept = path, thresholds, kept
        self._waiting: deque[CallRecord] = deque(maxlen=MAX_WAITING)
        self._more, self._ending = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="calls", daemon=True)
        self._thread.start()

    def add(self, event: Event, body: bytes) -> None:
        """Take the final event of a caller's leg."""
        if event.ends_the_caller:
            self._waiting.append(record_of(event, self._kept))
            self._more.set()

    def close(self) -> None:
        """Write what is waiting, if the store lets it."""
        self._ending.set()
        self._more.set()
        self._thread.join()

    def _run(self) -> None:
        told = False
        while not (self._ending.is_set() and not self._waiting):
            self._more.wait()
            self._more.clear()
            try:
                self._write()
                told = False
            except StoreError as error:
                if not told:
                    logger.error("calls wait for the desk's store: %s", error)
                told = True
                if self._ending.wait(RETRY_SECONDS):
                    return
                self._more.set()

    def _write(self) -> None:
        if not self._waiting:
            return
        with CallStore(self._path, busy_seconds=BUSY_SECONDS) as store:
            while self._waiting:
                batch = [self._waiting[n] for n in range(min(BATCH, len(self._waiting)))]
                store.add(batch, None, self._thresholds)
                for call in batch:
                    # Some of it may have been lost to newer calls since.
                    if self._waiting and self._waiting[0] is call:
                        self._waiting.popleft()


def record_of(event: Event, kept: Path | None) -> CallRecord:
    """Return the final event of a caller's leg as a call with its recording in ``kept``."""
    call, verdict, known = event.call, event.verdict, event.known
    failed = verdict.reason is Reason.ERROR
    path = ""
    if kept is not None and verdict.verdict.value == Outcome.UNKNOWN:
        path = escape(str(kept.absolute() / f"{stem_of(event)}.wav"))
    return CallRecord(
        id=call.id,
        outcome=Outcome.ERROR if failed else Outcome(verdict.verdict.value),
        path=path,
        caller=call.caller,
        called=call.called,
        time=event.time,
        duration=None,
        score=event.score,
        seconds=verdict.seconds,
        speech_seconds=verdict.speech_seconds,
        decided_at=verdict.decided_at,
        reason=verdict.reason.value,
        error=event.detail if failed else "",
        known="" if known is None else str(known.recording),
        known_name="" if known is None else escape(known.name),
        campaign="" if known is None else known_campaign(known.recording),
    )
