"""The sample rate of unnamed 16-bit audio, by the length of its frames and by its pace.

Gateways send a call's audio as it is spoken, so bytes a second give its rate. A wrong rate would
give a wrong verdict, so no rate is assumed where length and pace leave it open.
"""

from math import log
from time import monotonic

from audio_model.frontend import SAMPLE_RATE

USUAL_BYTES = 320
"""20 ms at 8 kHz: what every gateway sends that names no rate."""

RATES = (8_000, 12_000, 16_000, 24_000, 32_000, 44_100, 48_000)
FRAME_MS = (10, 20, 30, 40, 60)

PACE_SECONDS, GIVE_UP_SECONDS = 0.5, 2.0
"""For how long the pace is watched before it is believed, and until it is given up."""

TOLERANCE = 1.25
"""Factor by which the pace may differ from a rate; the rates lie further apart than that."""

_LEAST_SECONDS = 0.3
_AT_ONCE_SECONDS = 0.005


def is_doubtful(frame_bytes: int) -> bool:
    """Return whether frames of one channel and this length may have another rate than 8 kHz."""
    return frame_bytes != USUAL_BYTES and any(rate != SAMPLE_RATE for rate in _fitting(frame_bytes))


class Pace:
    """Watches the frames of one stream from its first one on."""

    __slots__ = ("_began", "_channels", "_last", "_n_bytes", "frame_bytes")

    def __init__(self, frame_bytes: int, channels: int = 1) -> None:
        """Begin to watch; ``frame_bytes`` is the length of the first frame, all channels."""
        self.frame_bytes, self._channels = frame_bytes // channels, channels
        self._began = self._last = monotonic()
        self._n_bytes = 0

    def add(self, n_bytes: int) -> None:
        """Count bytes that came after the first frame."""
        self._last = monotonic()
        # Frames that came with the first one were spoken before it.
        if self._last - self._began > _AT_ONCE_SECONDS:
            self._n_bytes += n_bytes

    @property
    def is_usual(self) -> bool:
        """Return whether the frames are those of gateways that send 8 kHz and name no rate."""
        return self.frame_bytes == USUAL_BYTES

    def settled(self, now: float) -> bool:
        """Return whether :meth:`sample_rate` is as good as it will be."""
        waited = now - self._began
        known = waited >= PACE_SECONDS and self.sample_rate() is not None
        return known or waited >= GIVE_UP_SECONDS

    def sample_rate(self) -> int | None:
        """Return the rate in Hz, or None if it can't be told from what has come."""
        if self.is_usual:
            return SAMPLE_RATE
        seconds = self._last - self._began
        if seconds < _LEAST_SECONDS:
            return None if is_doubtful(self.frame_bytes) else SAMPLE_RATE
        samples = self._n_bytes / (2 * self._channels * seconds)
        return self._nearest(samples)

    def contradicts(self) -> int | None:
        """Return the rate that usual frames have by their pace, if it is not the usual one.

        What comes much faster or slower than any rate, a file that is sent at once, tells nothing.
        """
        samples = self._n_bytes / (2 * self._channels * max(self._last - self._began, 1e-9))
        rate = self._nearest(samples)
        return None if rate == SAMPLE_RATE else rate

    def watched(self, now: float) -> bool:
        """Return whether the pace was watched for long enough to trust it."""
        return now - self._began >= PACE_SECONDS

    def _nearest(self, samples: float) -> int | None:
        """Return the rate that frames of this length have at so many samples a second."""
        if samples <= 0:
            return None
        fitting = _fitting(self.frame_bytes) or RATES
        nearest = min(fitting, key=lambda rate: abs(log(samples / rate)))
        return nearest if abs(log(samples / nearest)) < log(TOLERANCE) else None


def _fitting(frame_bytes: int) -> list[int]:
    """Return the rates at which a frame of this length lasts as long as frames do."""
    return [rate for rate in RATES if 1000 * frame_bytes in [2 * rate * ms for ms in FRAME_MS]]
