"""What every WebSocket dialect has: messages in, packets to legs, events out."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Protocol

from audio_model.errors import AudioModelError
from audio_model.gateway.calls import Calls


class ProtocolError(AudioModelError):
    """A message that its dialect does not allow; says which and why in one line."""


class Connection(Protocol):
    """The socket, seen from a dialect. All methods return at once."""

    query: Mapping[str, str]
    headers: Mapping[str, str]

    def send_text(self, message: str) -> None: ...

    def send_bytes(self, message: bytes) -> None: ...

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close once what was sent is out."""


class Dialect(ABC):
    """One connection in one gateway's way of speaking.

    ``text`` and ``binary`` raise ProtocolError for what the dialect does not allow; the message is
    then dropped and counted, and after too many the call's legs end as ``unknown: error``. A
    dialect never closes a connection for bad input: with some gateways that would end the call.
    """

    name: ClassVar[str]
    """Of the dialect, in events and metrics; its path is ``/name``."""
    subprotocols: ClassVar[tuple[str, ...]] = ()
    """WebSocket subprotocols that it answers to."""

    def __init__(self, connection: Connection, calls: Calls) -> None:
        self.connection = connection
        self.calls = calls

    @abstractmethod
    def text(self, message: str) -> None:
        """A text message came."""

    @abstractmethod
    def binary(self, message: bytes) -> None:
        """A binary message came."""

    @abstractmethod
    def lost(self) -> None:
        """The connection is gone, cleanly or not: close the call, if one was begun."""

    @abstractmethod
    def fail(self, detail: str) -> None:
        """Too many bad messages: the call's legs end as unknown, of no call begun one is."""
