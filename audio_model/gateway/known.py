"""The store of known recordings beside live calls: read during a call, taught after it.

Known recordings are few, and looked up in the thread that hears calls. The calls of the last hours
are many, and looked up in another thread: a leg gets what was found by the time of its verdict, and
never waits. Each thread has the files open for itself. Whatever happens to the files, calls pass on
the network alone.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import BoundedSemaphore

from audio_model.decision import Verdict
from audio_model.detector import Detector
from audio_model.gateway.config.settings import Detection
from audio_model.gateway.outlets.metrics import Metrics
from audio_model.known.follow import KnownFollower, KnownRecordings
from audio_model.known.recent import Retention
from audio_model.known.store import Store
from audio_model.stream import PhoneCall, StreamDetector

MAX_WAITING = 1000
"""Look-ups and legs that wait for the thread that learns. Those beyond are left out: a campaign has
more of the same."""


class HeardBefore:
    """One store, in the three places where it is used."""

    def __init__(
        self, store: Path, metrics: Metrics, *, learn: bool, keep: Retention | None = None
    ) -> None:
        """Open the store. One that learns is made if it is missing.

        Raises StoreError if the store can't be used.
        """
        with Store(store, create=learn):
            self._path, self._on_failure = store, metrics.known_errors.inc
        self._followed: list[KnownRecordings] = []
        self._left_out = metrics.known_left_out.inc
        self._pupil: KnownRecordings | None = None
        if learn:
            self._pupil = KnownRecordings(store, learn=True, keep=keep, on_failure=self._on_failure)
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="known")
        self._room = BoundedSemaphore(MAX_WAITING)

    @classmethod
    def of(cls, detection: Detection, metrics: Metrics) -> "HeardBefore | None":
        """Open the store of the settings; None without one. Raises StoreError."""
        if detection.known is None:
            return None
        keep = Retention(
            detection.known_keep_hours,
            detection.known_keep_calls,
            detection.known_keep_days,
            detection.known_keep_recordings,
        )
        return cls(detection.known, metrics, learn=detection.known_learn, keep=keep)

    def reader(self) -> KnownRecordings:
        """Return the store for one thread, which learns nothing."""
        reader = KnownRecordings(self._path, on_failure=self._on_failure)
        self._followed.append(reader)
        return reader

    @property
    def works(self) -> bool:
        """Return whether the store is there and worked when it was last read or written."""
        pupils = () if self._pupil is None else (self._pupil,)
        return self._path.is_file() and not any(each.failing for each in (*self._followed, *pupils))

    def beside(self, detector: Detector) -> Detector:
        """Return a detector for the event loop's thread."""
        reader = self.reader()
        if self._pupil is None:
            return detector.knowing(reader)
        return detector.knowing(_Beside(reader, self._pupil, self._spread))

    def reopen(self) -> None:
        """Open the file anew when the next leg comes, whatever happened to it before."""
        for reader in self._followed:
            reader.retry()

    def learn(self, stream: StreamDetector) -> None:
        """Count, learn or keep a leg that is over, in another thread, if asked to."""
        pupil, follower = self._pupil, stream.follower
        if pupil is not None and isinstance(follower, KnownFollower):
            network = stream.network_verdict()
            self._spread(partial(_conclude, pupil, follower, network))

    def close(self) -> None:
        """Learn the waiting legs, and let go of the file."""
        self._executor.shutdown()
        if self._pupil is not None:
            self._pupil.close()

    def _spread(self, job: Callable[[], None]) -> None:
        """Do a job in the thread that learns, or not at all if too much waits for it."""
        if self._room.acquire(blocking=False):
            self._executor.submit(self._do, job)
        else:
            self._left_out()

    def _do(self, job: Callable[[], None]) -> None:
        try:
            job()
        # As in Follower: a damaged file may fail in ways of its own.
        except Exception as error:
            if self._pupil is not None:
                self._pupil.failed(error)
        finally:
            self._room.release()


class _Beside:
    """Follows legs in the event loop's thread, and has others look further."""

    def __init__(
        self,
        reader: KnownRecordings,
        pupil: KnownRecordings,
        spread: Callable[[Callable[[], None]], None],
    ) -> None:
        self._reader, self._pupil, self._spread = reader, pupil, spread

    def follow(self, call: PhoneCall) -> KnownFollower:
        """Follow one leg; see :meth:`KnownRecordings.follow`."""
        return self._reader.follow(call, self._pupil.repetition(call), self._spread)

    def close(self) -> None:
        """Let go of the file."""
        self._reader.close()


def _conclude(pupil: KnownRecordings, follower: KnownFollower, network: Verdict) -> None:
    pupil.conclude(follower, network)
