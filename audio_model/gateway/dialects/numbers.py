"""Numbers for a track's packets: consecutive, with a gap only where audio was lost."""

_MAX_LOST_SHARE = 0.5
_HEAD_START = 10
"""Packets. A few that are lost at the very start are no reason to doubt the timestamps."""

_TRUNCATED_MS = 1


class PacketNumbers:
    """Makes the numbers that ``Leg.feed_numbered`` takes out of ``chunk`` and ``timestamp``.

    ``chunk`` counts media messages, so it orders them. It can't be taken as it is:

    * Where a stream has two tracks, no vendor says whether each has a count of its own. The first
      message of the second track tells: it begins its own count, at or below the first's, or it
      goes on with a common one. In a common count the other track's packets lie between ours, so
      ours are numbered as they come, in the order that a WebSocket keeps.
    * Twilio counts what it sends. Audio that never reached it shows in ``timestamp`` alone, which
      runs on; a packet that lags behind it by the length of others follows lost ones. So jitter
      can make up silence, but only once and no more than its largest value. Timestamps by which
      most of the audio would be lost have another unit or mean nothing: they are passed over.
    """

    __slots__ = ("_believed", "_chunk", "_common", "_due_ms", "_lost", "_number", "_other", "_ours")

    def __init__(self) -> None:
        self._number = 0
        self._chunk: int | None = None
        self._other: int | None = None
        self._common = False
        self._due_ms: float | None = None
        self._believed = True
        self._lost = self._ours = 0

    def other_track(self, chunk: int | None) -> None:
        """Count a packet of a track that isn't heard."""
        if self._other is None and chunk is not None:
            self._other = chunk
            self._common = self._chunk is not None and chunk > self._chunk

    def number(self, chunk: int | None, timestamp_ms: int | None, packet_ms: float) -> int:
        """Return the number of the packet that came.

        Args:
            chunk: the vendor's count; None if it gives none.
            timestamp_ms: the time of the packet's first sample, from any moment on; None for none.
            packet_ms: the packet's length.
        """
        self._ours += 1
        due_ms = self._due_ms
        # A short cut for the usual case: the next packet of its count, too early for a loss.
        if (
            chunk == (None if self._chunk is None else self._chunk + 1)
            and timestamp_ms is not None
            and due_ms is not None
            and timestamp_ms - due_ms + _TRUNCATED_MS < packet_ms
        ):
            self._chunk, self._due_ms = chunk, due_ms + packet_ms
            self._number += 1
            return self._number
        step = self._step(chunk)
        if step <= 0:
            return self._number + step
        self._number += step + self._gap(step, timestamp_ms, packet_ms)
        return self._number

    def _step(self, chunk: int | None) -> int:
        before = self._chunk
        if chunk is None:
            return 1
        if before is None:
            self._common = self._other is not None and chunk > self._other
            self._chunk = chunk
            return 1
        self._chunk = max(chunk, before)
        return 1 if self._common else chunk - before

    def _gap(self, step: int, timestamp_ms: int | None, packet_ms: float) -> int:
        """Return how many more packets are missing by the timestamp than by the count."""
        if timestamp_ms is None or packet_ms <= 0 or not self._believed:
            return 0
        if self._due_ms is None:
            self._due_ms = timestamp_ms + packet_ms
            return 0
        self._due_ms += (step - 1) * packet_ms
        missing = max(0.0, (timestamp_ms - self._due_ms + _TRUNCATED_MS) / packet_ms)
        # Checked before rounding, because a nonsensical timestamp can make it infinite.
        if self._lost + missing > _MAX_LOST_SHARE * (self._ours + _HEAD_START) + 1:
            self._believed = False
            return 0
        gap = int(missing)
        self._lost += gap
        self._due_ms += (gap + 1) * packet_ms
        return gap
