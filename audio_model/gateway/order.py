"""Put packets back in order by their numbers. A lost packet becomes silence of its length."""

from collections.abc import Iterator

MAX_AHEAD = 10
"""Packets (200 ms of 20 ms each) that may wait for one that is late."""

MAX_GAP = 50
"""Packets (1 s) that are made up; a larger jump is a new numbering, not a loss."""

MAX_SILENCE_BYTES = 96_000
"""The most silence to insert: 1 s of the largest format that gateways have, 16 bits at 48 kHz."""


class PacketOrder:
    """One leg's packets, which may be lost, late, doubled or out of order.

    Attributes:
        lost: packets that never came in time.
        dropped: packets that came twice or too late.
    """

    def __init__(self, silence: bytes) -> None:
        """Begin a stream.

        ``silence`` is one sample of it in the leg's encoding.
        """
        self._silence = silence
        self._next: int | None = None
        self._ahead: dict[int, bytes] = {}
        self.lost = 0
        self.dropped = 0

    def passes(self, number: int) -> bool:
        """Return whether a packet is the next one, so that it need not be :meth:`put` in order.

        This makes the usual case cheap.
        """
        if number != self._next or self._ahead:
            return False
        self._next = number + 1
        return True

    def put(self, number: int, payload: bytes) -> Iterator[bytes]:
        """Take a packet and yield those whose turn it is.

        Args:
            number: one more for each packet that was sent.
            payload: whole samples.
        """
        if self._next is None or abs(number - self._next) > MAX_GAP:
            yield from self.rest()
            self._next = number
        if self.passes(number):
            yield payload
            return
        if number < self._next or number in self._ahead:
            self.dropped += 1
            return
        self._ahead[number] = payload
        yield from self._in_turn()
        while len(self._ahead) > MAX_AHEAD:
            yield self._make_up()
            yield from self._in_turn()

    def rest(self) -> Iterator[bytes]:
        """Yield what still waits, at the end of the call."""
        while self._ahead:
            yield from self._in_turn()
            if self._ahead:
                yield self._make_up()

    def _in_turn(self) -> Iterator[bytes]:
        while self._next in self._ahead:
            yield self._ahead.pop(self._next)
            self._next += 1

    def _make_up(self) -> bytes:
        """Return silence up to the first packet that waits, in packets of that one's length."""
        assert self._next is not None
        first = min(self._ahead)
        missing = first - self._next
        self._next = first
        self.lost += missing
        n_bytes = min(missing * len(self._ahead[first]), MAX_SILENCE_BYTES)
        return self._silence * (n_bytes // len(self._silence))
