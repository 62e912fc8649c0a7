"""The base of all WebSocket dialects: messages in, packets to legs, events out."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from time import monotonic
from typing import Any, ClassVar, Protocol
from uuid import uuid4

from audio_model.errors import AudioModelError
from audio_model.formats import Encoding, RawFormat
from audio_model.gateway.calls import Call, Calls, tell_nobody
from audio_model.gateway.events import CALLER, CallInfo
from audio_model.gateway.terms import Terms

EARLY_SECONDS = 3.0
"""How long audio waits for the message that describes it. After that its call is answered."""
MAX_EARLY_BYTES = 262_144
"""The most bytes of a call that may wait. Beyond them the oldest are dropped."""

UNSAID = "audio came, but not the message that says what it is"

_EARLY_COST = 64
"""Bytes that a message costs beyond its own."""


class ProtocolError(AudioModelError):
    """A message breaks its dialect's rules. The error says which message and why, in one line."""


class Connection(Protocol):
    """The socket, seen from a dialect. All methods return at once."""

    query: Mapping[str, str]
    headers: Mapping[str, str]
    terms: Terms | None
    """The terms of its call; None for the server's."""

    def send_text(self, message: str) -> None:
        """Send a text message."""

    def send_bytes(self, message: bytes) -> None:
        """Send a binary message."""

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close after the messages that were sent."""


class Dialect(ABC):
    """One connection, of one call, in one gateway's way of speaking.

    ``text`` and ``binary`` raise ProtocolError for what the dialect does not allow; the message is
    then dropped and counted, and after too many the call's legs end as ``unknown: error``. A
    dialect never closes a connection for bad input: with some gateways that would end the call.
    """

    name: ClassVar[str]
    """The dialect's name in events and metrics; its path is ``/name``."""
    subprotocols: ClassVar[tuple[str, ...]] = ()
    """WebSocket subprotocols that it answers to."""

    def __init__(self, connection: Connection, calls: Calls) -> None:
        self.connection = connection
        self.calls = calls
        self._call: Call | None = None
        self._early: list[Any] = []
        self._early_bytes = 0
        self._early_since: float | None = None
        """When the first audio came that had to wait."""
        self._unsaid = False
        """Whether it has waited in vain, and was answered."""

    @property
    def answered(self) -> bool:
        """Return whether every leg had its final event, so that no more audio is needed."""
        return self._call is not None and self._call.finished

    @abstractmethod
    def text(self, message: str) -> None:
        """Take a text message."""

    @abstractmethod
    def binary(self, message: bytes) -> None:
        """Take a binary message."""

    @abstractmethod
    def refuse(self, info: CallInfo, detail: str) -> None:
        """Begin a call that can't be heard, and end it at once so that nobody waits for it."""

    def hold(self, message: Any, n_bytes: int) -> None:
        """Keep audio that came before the message that describes it."""
        if self._unsaid:
            return
        if self._early_since is None:
            self._early_since = monotonic()
        self._early_bytes += n_bytes + _EARLY_COST
        if self._early_bytes > MAX_EARLY_BYTES:
            self._early.clear()
            self._early_bytes = n_bytes + _EARLY_COST
        self._early.append(message)

    def early(self) -> list[Any]:
        """Return the messages that were held, in their order, and hold them no longer."""
        kept, self._early, self._early_bytes = self._early, [], 0
        return kept

    def look(self, now: float) -> None:
        """Look after the call, once a second or so. ``now`` is the time of :func:`time.monotonic`.

        If audio came but the call never began, it is answered: somebody may wait for its verdict.
        """
        since = self._early_since
        if since is not None and now - since >= EARLY_SECONDS:
            self._refuse_unsaid()

    def lost(self) -> None:
        """End the call, if one was begun: the connection is gone, cleanly or not."""
        self._refuse_unsaid()
        if self._call is not None:
            self._call.end_soon()

    def ended(self) -> None:
        """Close the call at once: the gateway says that it is over, and waits for final events."""
        self._refuse_unsaid()
        if self._call is not None:
            self._call.close()

    def fail(self, detail: str) -> None:
        """Give up after too many bad messages.

        Open legs end as unknown. A call that never began gets one unknown leg.
        """
        if self._unsaid and self._call is None:
            return
        if self._call is None:
            self.refuse(CallInfo(call_id(), self.name), detail)
        else:
            self._call.fail(detail)

    def _refuse_unsaid(self) -> None:
        """Answer a call whose audio came but which never began.

        The message that describes it may still come, and begins the call then.
        """
        if self._call is None and self._early_since is not None and not self._unsaid:
            self._unsaid = True
            self.early()
            info = CallInfo(call_id(), self.name)
            call = self.calls.open(info, tell_nobody, self.connection.terms)
            call.open_leg(CALLER, RawFormat(Encoding.MULAW))
            call.fail(UNSAID)
            call.close()


def call_id(given: str = "") -> str:
    """Return the gateway's id of the call, or a new one, so that the call can be looked up."""
    return given or uuid4().hex
