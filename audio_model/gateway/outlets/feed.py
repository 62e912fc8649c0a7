"""Events as they happen, for readers of ``GET /v1/events``.

Server-sent events: WHATWG HTML, "Server-sent events". Each has an id. A reader that comes back with
``Last-Event-ID`` gets the events that it missed, as far as the ring of recent events reaches.
"""

import asyncio
import secrets
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from audio_model.gateway.events import Event

MAX_RECENT = 1000
MAX_UNREAD = 1000


@dataclass(frozen=True)
class Filter:
    """The events that a reader wants. An empty filter admits all."""

    kind: str = ""
    gateway: str = ""
    tenant: str | None = None
    """Whose events are told alone; None: everybody's."""

    def admits(self, event: Event) -> bool:
        """Return whether a reader wants an event."""
        call = event.call
        return (
            self.kind in ("", event.kind)
            and self.gateway in ("", call.gateway)
            and self.tenant in (None, call.tenant)
        )


class Reader:
    """One reader's events that it has not read yet."""

    def __init__(self, wanted: Filter, missed: Iterator[bytes], drop: Callable[[], None]) -> None:
        """Begin to read.

        Args:
            missed: events that come first.
            drop: called when more than MAX_UNREAD are unread: cut the connection.
        """
        self._wanted, self._drop = wanted, drop
        self._unread: deque[bytes] = deque(missed)
        self._wake = asyncio.Event()
        self.ended = False
        """Whether nothing more will come."""

    def put(self, event: Event, message: bytes) -> None:
        """Add an event if it is wanted, or drop a reader that is too slow."""
        if self.ended or not self._wanted.admits(event):
            return
        if len(self._unread) >= MAX_UNREAD:
            self._unread.clear()
            self.end()
            self._drop()
            return
        self._unread.append(message)
        self._wake.set()

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
        messages = b"".join(self._unread)
        self._unread.clear()
        return messages


class Feed:
    """Gives each event to all readers, and remembers the recent ones."""

    def __init__(self, max_recent: int = MAX_RECENT) -> None:
        # Ids of another run of the server must not be taken for ours.
        self._run = secrets.token_hex(4)
        self._number = 0
        self._recent: deque[tuple[int, Event, bytes]] = deque(maxlen=max_recent)
        self._readers: set[Reader] = set()

    def __len__(self) -> int:
        return len(self._readers)

    def add(self, event: Event, body: bytes) -> None:
        """Send an event to all readers."""
        self._number += 1
        message = b"id: %s-%d\nevent: %s\ndata: %s\n\n" % (
            self._run.encode(),
            self._number,
            event.kind.encode(),
            body,
        )
        self._recent.append((self._number, event, message))
        for reader in self._readers:
            reader.put(event, message)

    def open(self, wanted: Filter, last_id: str | None, drop: Callable[[], None]) -> Reader:
        """Begin a reader. ``last_id`` is the id of the last event that it has seen."""
        missed = iter(()) if last_id is None else self._since(last_id, wanted)
        reader = Reader(wanted, missed, drop)
        self._readers.add(reader)
        return reader

    def close(self, reader: Reader) -> None:
        """Remove a reader."""
        self._readers.discard(reader)

    def end(self) -> None:
        """End the feed. Readers end when they have read what is there."""
        for reader in self._readers:
            reader.end()

    def _since(self, last_id: str, wanted: Filter) -> Iterator[bytes]:
        run, _, digits = last_id.rpartition("-")
        known = run == self._run and digits.isascii() and digits.isdigit()
        seen = int(digits[:18]) if known else 0
        for number, event, message in self._recent:
            if number > seen and wanted.admits(event):
                yield message


EventSink = Callable[[Event, bytes], None]
"""Is given an event, and itself as JSON."""
