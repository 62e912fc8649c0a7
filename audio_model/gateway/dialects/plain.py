"""The plain stream, for every other gateway. Its query describes the audio; events are JSON."""

from audio_model.formats import Encoding
from audio_model.gateway.calls import Calls
from audio_model.gateway.dialects.base import Connection, ProtocolError, call_id
from audio_model.gateway.dialects.streams import (
    StreamDialect,
    json_object,
    number_in,
    pcm,
    shown,
    whole_number,
)
from audio_model.gateway.events import CALLER, CallInfo, Event, EventKind

_LEGS = {1: (CALLER,), 2: ("left", "right")}


class Plain(StreamDialect):
    """Binary messages of any size are audio; the text ``{"event": "stop"}`` ends it.

    The query holds ``encoding`` (``mulaw``, ``alaw`` or ``s16le``), ``sample_rate`` (Hz, by default
    8000), ``channels`` (1 by default; of 2, interleaved, both are heard), ``call``, ``caller``,
    ``called``, and ``progress=1`` for events of progress too. Events are sent in their general
    form. After a stop, when every leg has had its final event, the connection is closed with 1000.
    """

    name = "stream"
    paced = False
    """Files are sent here as well, as fast as it goes."""

    def __init__(self, connection: Connection, calls: Calls) -> None:
        """Begin the call.

        Raises ProtocolError, and begins none, for a query that makes no sense.
        """
        super().__init__(connection, calls)
        query = connection.query
        encoding = query.get("encoding", "")
        if encoding not in list(Encoding):
            raise ProtocolError(f"encoding must be {', '.join(Encoding)}, not {shown(encoding)}")
        raw_format = pcm(
            whole_number("sample_rate", query.get("sample_rate", "8000")), Encoding(encoding)
        )
        channels = whole_number("channels", query.get("channels", "1"))
        if channels not in _LEGS:
            raise ProtocolError(f"channels must be 1 or 2, not {channels}")
        progress = query.get("progress", "0")
        if progress not in ("0", "1"):
            raise ProtocolError(f"progress must be 0 or 1, not {shown(progress)}")
        self._progress = progress == "1"
        self._stopped = False
        self._unanswered = set(_LEGS[channels])
        info = CallInfo(
            call_id(query.get("call", "")),
            self.name,
            number_in(query, "caller"),
            number_in(query, "called"),
        )
        self.begin(info, raw_format, _LEGS[channels])

    def text(self, message: str) -> None:
        """Read the only text that is allowed: ``{"event": "stop"}``."""
        if json_object(message).get("event") != "stop":
            raise ProtocolError(f'the only text is {{"event": "stop"}}, not {shown(message)}')
        if not self._stopped:
            self._stopped = True
            self.ended()
            self._close_when_answered()

    def tell(self, event: Event) -> None:
        """Send an event, and close the connection when all legs are answered."""
        if event.kind is EventKind.PROGRESS and not self._progress:
            return
        self.connection.send_text(event.body.decode())
        if event.kind is EventKind.FINAL:
            self._unanswered.discard(event.leg)
            self._close_when_answered()

    def _close_when_answered(self) -> None:
        if self._stopped and not self._unanswered:
            self.connection.close(1000)
