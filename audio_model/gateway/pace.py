"""The sample rate of a call's audio, by the length of its frames and by its pace.

Gateways send a call's audio as it is spoken, so bytes a second give its rate. A wrong rate would
give a wrong verdict: no rate is assumed where length and pace leave it open, and none is believed
that the pace contradicts.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import log
from time import monotonic

from audio_model.frontend import SAMPLE_RATE

USUAL_BYTES = 320
"""20 ms at 8 kHz: what every gateway sends that names no rate."""

RATES = (8_000, 12_000, 16_000, 24_000, 32_000, 44_100, 48_000)
FRAME_MS = (10, 20, 30, 40, 60)

CALL_RATES = (8_000, 16_000, 24_000, 32_000, 48_000)
"""Sample rates that gateways mistake for each other."""

PACE_SECONDS, GIVE_UP_SECONDS = 0.5, 2.0
"""For how long the pace is watched before it is believed, and until it is given up."""

G711_BYTES = 8_000
"""A second of G.711."""

TOLERANCE = 1.3
"""Factor by which the pace may differ from a rate. Packets of 100 ms make it differ by 1.25."""

CHECK_SECONDS, CHECKS = 0.25, 8
"""How often the pace of a leg is checked, and how many times."""

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

    def settled(self, now: float, *, may_be_g711: bool = False) -> bool:
        """Return whether :meth:`sample_rate` is as good as it will be.

        With ``may_be_g711`` the pace of G.711 settles it, too.
        """
        waited = now - self._began
        known = self.sample_rate() is not None or (may_be_g711 and self.is_g711)
        return (waited >= PACE_SECONDS and known) or waited >= GIVE_UP_SECONDS

    def sample_rate(self) -> int | None:
        """Return the rate in Hz, or None if it can't be told from what has come."""
        if self.is_usual:
            return SAMPLE_RATE
        seconds = self._last - self._began
        if seconds < _LEAST_SECONDS:
            return None if is_doubtful(self.frame_bytes) else SAMPLE_RATE
        return self._nearest(self._n_bytes / (2 * self._channels * seconds))

    @property
    def is_g711(self) -> bool:
        """Return whether the bytes come at the pace of G.711 in one channel."""
        seconds = self._last - self._began
        if seconds < _LEAST_SECONDS:
            return False
        return _nearest(self._n_bytes / seconds, (G711_BYTES,)) is not None

    def _nearest(self, samples: float) -> int | None:
        """Return the rate that frames of this length have at so many samples a second."""
        return _nearest(samples, _fitting(self.frame_bytes) or RATES)


class PaceCheck:
    """Compares the pace of a leg's audio with the rate at which it is heard.

    It is told now and then how much has come. Half a second at the pace of a higher rate, or a
    second at that of a lower one, contradicts. Both halves must agree: a jam that dissolves, or
    audio from before the connection, comes faster for a moment alone.
    """

    __slots__ = ("_looks", "_others", "_sample_rate")

    def __init__(self, sample_rate: int) -> None:
        self._sample_rate = sample_rate
        # Nearer ones can't be told from packets of 100 ms that fall into one look or the next.
        self._others = [
            rate for rate in CALL_RATES if rate >= 2 * sample_rate or 2 * rate <= sample_rate
        ]
        self._looks: list[tuple[float, float]] = []

    @property
    def over(self) -> bool:
        """Return whether the audio was watched for long enough."""
        own = (self._sample_rate,)
        return len(self._looks) > CHECKS or self._told_by(1, own) is not None

    @property
    def is_g711(self) -> bool:
        """Return whether audio called 16-bit came at the pace of G.711 in the last two looks.

        Both must lie below the pace of 16-bit audio: packets of 150 ms fall into one or the other.
        """
        last = self._looks[-3:]
        if len(last) < 3:
            return False
        slow = all(self._samples(*pair) < SAMPLE_RATE / TOLERANCE for pair in pairwise(last))
        of_all = self._samples(last[0], last[-1])
        return slow and _nearest(of_all, (G711_BYTES // 2,)) is not None

    def look(self, now: float, seconds: float) -> int | None:
        """Return the rate in Hz that the pace tells, if it is another one.

        Args:
            now: of :func:`time.monotonic`, some :data:`CHECK_SECONDS` after the last look.
            seconds: audio that has come so far.
        """
        if seconds > 0 and (not self._looks or now > self._looks[-1][0]):
            self._looks.append((now, seconds))
        higher = self._told_by(1, self._others)
        if higher is not None and higher > self._sample_rate:
            return higher
        lower = self._told_by(2, self._others)
        return lower if lower is not None and lower < self._sample_rate else None

    def _told_by(self, n_looks: int, rates: Sequence[int]) -> int | None:
        """Return the rate that so many looks tell and as many before; None if they differ."""
        ends = self._looks[: -2 * n_looks - 2 : -n_looks]
        if len(ends) < 3:
            return None
        latest = _nearest(self._samples(ends[1], ends[0]), rates)
        before = latest and _nearest(self._samples(ends[2], ends[1]), rates)
        return latest if latest == before else None

    def _samples(self, first: tuple[float, float], last: tuple[float, float]) -> float:
        """Return how many samples a second came between two looks."""
        return self._sample_rate * (last[1] - first[1]) / (last[0] - first[0])


def _nearest(samples: float, rates: Sequence[int]) -> int | None:
    """Return the rate that so many samples a second are meant to be, or None.

    ``rates`` go up.
    """
    # Most calls come at their own pace, far from all of these.
    if not rates or not rates[0] / TOLERANCE < samples < rates[-1] * TOLERANCE:
        return None
    nearest = min(rates, key=lambda rate: abs(log(samples / rate)))
    return nearest if abs(log(samples / nearest)) < log(TOLERANCE) else None


def _fitting(frame_bytes: int) -> list[int]:
    """Return the rates at which a frame of this length lasts as long as frames do."""
    return [rate for rate in RATES if 1000 * frame_bytes in [2 * rate * ms for ms in FRAME_MS]]
