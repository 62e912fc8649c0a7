"""The store of known recordings beside live calls: read while they are heard, taught behind them.

Each thread has the file open for itself. Whatever befalls it, calls pass on the network alone.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import BoundedSemaphore

from audio_model.decision import Verdict, VerdictKind
from audio_model.detector import Detector
from audio_model.gateway.config.settings import Detection
from audio_model.gateway.outlets.metrics import Metrics
from audio_model.known.follow import Follower, KnownRecordings
from audio_model.known.store import Store
from audio_model.stream import StreamDetector

MAX_WAITING = 1000
"""Legs that wait to be learnt. Those beyond are not: a campaign has more of the same."""


class HeardBefore:
    """One store, in the three places where it is used."""

    def __init__(self, store: Path, metrics: Metrics, *, learn: bool) -> None:
        """Raises StoreError if the store can't be used; one that learns is made."""
        with Store(store, create=learn):
            self._path, self._on_failure = store, metrics.known_errors.inc
        self._followed: list[KnownRecordings] = []
        self._pupil: KnownRecordings | None = None
        if learn:
            self._pupil = KnownRecordings(store, learn=True, on_failure=self._on_failure)
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="known")
        self._room = BoundedSemaphore(MAX_WAITING)

    @classmethod
    def of(cls, detection: Detection, metrics: Metrics) -> "HeardBefore | None":
        """As the settings want it; None without a store. Raises StoreError."""
        if detection.known is None:
            return None
        return cls(detection.known, metrics, learn=detection.known_learn)

    def reader(self) -> KnownRecordings:
        """The store for one thread, which learns nothing."""
        reader = KnownRecordings(self._path, on_failure=self._on_failure)
        self._followed.append(reader)
        return reader

    @property
    def works(self) -> bool:
        """Whether the store is there, and could be used when it was last tried."""
        return self._path.is_file() and not any(reader.failing for reader in self._followed)

    def beside(self, detector: Detector) -> Detector:
        """A detector for the event loop's thread."""
        return detector.knowing(self.reader())

    def reopen(self) -> None:
        """Look at the file anew when the next leg comes, whatever befell it before."""
        for reader in self._followed:
            reader.retry()

    def learn(self, stream: StreamDetector) -> None:
        """Count or learn a leg that is over, in another thread, if that was asked for."""
        pupil, follower = self._pupil, stream.follower
        if pupil is None or not isinstance(follower, Follower):
            return
        network = stream.network_verdict()
        worth_it = network.verdict is VerdictKind.RECORDED or follower.weighs
        if worth_it and self._room.acquire(blocking=False):
            self._executor.submit(self._conclude, pupil, follower, network)

    def close(self) -> None:
        """Learn what waits, and let go of the file."""
        self._executor.shutdown()
        if self._pupil is not None:
            self._pupil.close()

    def _conclude(self, pupil: KnownRecordings, follower: Follower, network: Verdict) -> None:
        try:
            pupil.conclude(follower, network)
        finally:
            self._room.release()
