"""Events as they happen, for readers of ``GET /v1/events``.

Server-sent events: WHATWG HTML, "Server-sent events". The id of a message says how far its reader
has come with each process of the port: ``RUN-NUMBER,RUN-NUMBER``. A reader that comes back with it
as ``Last-Event-ID``, to whichever process, gets the events that it missed, as far as the rings of
recent events reach.
"""

import asyncio
import secrets
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from audio_model.gateway.events import Event

MAX_RECENT = 1000
MAX_UNREAD = 1000
MAX_RUNS = 300
"""In an id: of processes that are there, and some that were."""


@dataclass(frozen=True)
class Filter:
    """The events that a reader wants. An empty filter admits all."""

    kind: str = ""
    gateway: str = ""
    tenant: str | None = None
    """The tenant whose events are told; None for all tenants."""

    def admits(self, event: Event) -> bool:
        """Return whether a reader wants an event."""
        call = event.call
        return (
            self.kind in ("", event.kind)
            and self.gateway in ("", call.gateway)
            and self.tenant in (None, call.tenant)
        )


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """An event as readers get it."""

    run: str
    """The process of the event. Each start of a server is another one."""
    number: int
    """One more for each event of the run."""
    kind: str = ""
    """Empty: nothing is told but how far the run has come."""
    body: bytes = b""
    """The event as JSON."""


class Position:
    """How far a reader has come with the events of each run."""

    def __init__(self, last_id: str = "") -> None:
        """Read a message's id. What can't be read in it counts as nothing read."""
        self._seen: dict[str, int] = {}
        for one in last_id.split(",")[:MAX_RUNS]:
            run, _, digits = one.rpartition("-")
            if run and digits.isascii() and digits.isdigit():
                self._seen[run] = int(digits[:18])

    def __str__(self) -> str:
        """Return the id of a message."""
        return ",".join(f"{run}-{number}" for run, number in self._seen.items())

    def of(self, run: str) -> int:
        """Return the number of the last event of a run that was read; 0 for none."""
        return self._seen.get(run, 0)

    def move(self, told: FeedEvent) -> None:
        """Read an event."""
        # The run that has told something last stands last.
        self._seen.pop(told.run, None)
        self._seen[told.run] = told.number
        if len(self._seen) > MAX_RUNS:
            del self._seen[next(iter(self._seen))]


class Reader:
    """One reader's events that it has not read yet."""

    def __init__(self, wanted: Filter, last_id: str | None, drop: Callable[[], None]) -> None:
        """Begin to read.

        Args:
            last_id: of the last message that the reader has seen; None for a new one.
            drop: called when more than MAX_UNREAD are unread: cut the connection.
        """
        self.wanted, self._drop = wanted, drop
        self.resumes, self.position = last_id is not None, Position(last_id or "")
        self._unread: deque[FeedEvent] = deque()
        self._wake = asyncio.Event()
        self.ended = False
        """Whether nothing more will come."""

    def put(self, told: FeedEvent) -> None:
        """Add an event that is wanted, or drop a reader that is too slow."""
        if self.ended:
            return
        if len(self._unread) >= MAX_UNREAD:
            self._unread.clear()
            self.end()
            self._drop()
            return
        self._unread.append(told)
        self._wake.set()

    @property
    def crowded(self) -> bool:
        """Return whether so much is unread that a writer who can wait should wait."""
        return len(self._unread) >= MAX_UNREAD // 2

    def end(self) -> None:
        """Add nothing more to what is unread."""
        self.ended = True
        self._wake.set()

    async def read(self, within: float) -> bytes:
        """Return what is unread, after at most ``within`` seconds; it may be nothing."""
        if not self._unread and not self.ended:
            self._wake.clear()
            try:
                async with asyncio.timeout(within):
                    await self._wake.wait()
            except TimeoutError:
                return b""
        messages = b"".join(map(self._message, self._unread))
        self._unread.clear()
        return messages

    def _message(self, told: FeedEvent) -> bytes:
        self.position.move(told)
        seen = str(self.position).encode()
        if not told.kind:
            # Without data, so no event for the reader: its next Last-Event-ID alone.
            return b"id: %s\n\n" % seen
        return b"id: %s\nevent: %s\ndata: %s\n\n" % (seen, told.kind.encode(), told.body)


class Feed:
    """Gives each event to all readers, and remembers the recent ones."""

    def __init__(self, max_recent: int = MAX_RECENT) -> None:
        self._run = secrets.token_hex(4)
        self._number = 0
        self._recent: deque[tuple[Event, FeedEvent]] = deque(maxlen=max_recent)
        self._readers: set[Reader] = set()
        self._ended = False

    def add(self, event: Event, body: bytes) -> None:
        """Send an event to all readers."""
        self._number += 1
        told = FeedEvent(self._run, self._number, event.kind, body)
        self._recent.append((event, told))
        for reader in self._readers:
            if reader.wanted.admits(event):
                reader.put(told)

    def open(self, wanted: Filter, last_id: str | None, drop: Callable[[], None]) -> Reader:
        """Begin a reader. ``last_id`` is of the last message that it has seen."""
        reader = Reader(wanted, last_id, drop)
        if reader.resumes:
            for told in self._since(reader.position.of(self._run), wanted):
                reader.put(told)
        else:
            reader.put(FeedEvent(self._run, self._number))
        if self._ended:
            reader.end()
        self._readers.add(reader)
        return reader

    def close(self, reader: Reader) -> None:
        """Remove a reader."""
        self._readers.discard(reader)

    def end(self) -> None:
        """End the feed. Readers end when they have read what is there."""
        self._ended = True
        for reader in self._readers:
            reader.end()

    def _since(self, seen: int, wanted: Filter) -> Iterator[FeedEvent]:
        for event, told in self._recent:
            if told.number > seen and wanted.admits(event):
                yield told


EventSink = Callable[[Event, bytes], None]
"""Is given an event, and itself as JSON."""
