"""Genesys Cloud AudioHook, version 2: AudioHook Monitor and Audio Connector.

Sources: Genesys Developer Center, "AudioHook Protocol Reference" and "Session Walkthrough"; for
``outputVariables``, Genesys' Audio Connector server reference guide.

The client counts its messages in ``seq`` and says in ``serverseq`` which of ours it had last; we do
the same in ``seq`` and ``clientseq``. Whoever meets another number ends the session: here by
``disconnect`` with the reason ``error``, upon which the client closes in its turn and the phone
call goes on.
"""

import json
import logging
from typing import Annotated, Any, Literal

import msgspec

from audio_model.formats import Encoding, RawFormat
from audio_model.gateway.calls import Calls
from audio_model.gateway.dialects.base import Connection, ProtocolError
from audio_model.gateway.dialects.streams import StreamDialect, shown
from audio_model.gateway.events import CALLER, CallInfo, Event, EventKind

logger = logging.getLogger(__name__)

ENTITY = "recording_verdict"
"""Type of the entity in our ``event`` messages."""

MAX_TEXT_CHARACTERS = 65_535

NO_CONVERSATION = "00000000-0000-0000-0000-000000000000"
"""The conversation of a connection probe, which Genesys makes when an integration is activated."""

_SAMPLE_RATE = 8_000
_FORMATS = {"PCMU": Encoding.MULAW, "L16": Encoding.S16LE}
_EXTERNAL = "external"

SequenceNumber = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Duration = Annotated[str, msgspec.Meta(pattern=r"^PT(\d*\.)?\d+S$", max_length=40)]


class _Message(msgspec.Struct):
    version: Literal["2"]
    id: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    type: str
    seq: SequenceNumber
    serverseq: SequenceNumber
    position: Duration
    parameters: msgspec.Raw


class _Participant(msgspec.Struct):
    id: str = ""
    ani: str = ""
    dnis: str = ""


class _Media(msgspec.Struct):
    type: str
    format: str
    channels: list[str]
    rate: int


class _Open(msgspec.Struct, rename="camel"):
    organization_id: str
    conversation_id: str
    participant: _Participant
    media: list[_Media]
    language: str = ""
    supported_languages: bool = False
    input_variables: dict[str, str] | None = None


_message = msgspec.json.Decoder(_Message)
_open = msgspec.json.Decoder(_Open)


class AudioHook(StreamDialect):
    """``open``, then audio until ``close``. The external party is heard.

    To a monitor a verdict is sent as an ``event``, and the session stays until the client closes
    it. An Audio Connector is known by its ``inputVariables``. Its flow waits for us to end the
    session: the final event does, and takes the verdict along in ``outputVariables``.
    """

    name = "audiohook"

    def __init__(self, connection: Connection, calls: Calls) -> None:
        super().__init__(connection, calls)
        self._session = connection.headers.get("Audiohook-Session-Id", "")
        self._seq = 0
        self._client_seq = 0
        self._opened = False
        self._flow_waits = False
        self._ended = False
        """Whether ``disconnect`` or ``closed`` was sent."""
        self._closed = False

    def text(self, message: str) -> None:
        """Read a message of the session and answer it."""
        parsed = self._parse(message)
        if self._ended:
            # Its numbers may be wrong by now: all that is left is to close the session.
            if parsed.type == "close" and not self._closed:
                self._close()
            return
        self._check(parsed)
        match parsed.type:
            case "open":
                self._open(parsed)
            case "ping":
                self._send("pong")
            case "update":
                self._send("updated")
            case "close":
                self._close()
            case "error":
                logger.warning(
                    "AudioHook client's error: %s", shown(bytes(parsed.parameters).decode())
                )
        # Paused, resumed and discarded audio is not sent later: what comes is heard as it comes.
        # Digits, playback and types of later protocols don't concern us.

    def binary(self, message: bytes) -> None:
        """Hear a message of audio while the session is open."""
        # A connection probe is no call, and nothing of it is heard.
        if not self._ended and (self.begun or not self._opened):
            super().binary(message)

    def fail(self, detail: str) -> None:
        """End the session with an error."""
        super().fail(detail)
        self._disconnect("error", detail)

    def tell(self, event: Event) -> None:
        """Send an event, or end the session with the verdict in Architect's flow."""
        if event.kind is EventKind.PROGRESS or self._ended or not self._opened:
            return
        if not self._flow_waits:
            self._send("event", {"entities": [{"type": ENTITY, "data": event.as_dict()}]})
        elif event.kind is EventKind.FINAL:
            self._disconnect("completed", outputs=_outputs(event))

    def _parse(self, message: str) -> _Message:
        if len(message) > MAX_TEXT_CHARACTERS:
            raise self._broken(f"a text of {len(message)} characters")
        try:
            return _message.decode(message)
        except (msgspec.MsgspecError, RecursionError, UnicodeEncodeError) as error:
            raise self._broken(f"not a message of a client: {error}") from error

    def _check(self, message: _Message) -> None:
        if message.seq != self._client_seq + 1:
            raise self._broken(f"seq {message.seq} after {self._client_seq}")
        if message.serverseq > self._seq:
            raise self._broken(f"serverseq {message.serverseq}, but {self._seq} was the last")
        if self._session and message.id != self._session:
            raise self._broken("another session's id")
        self._session = message.id
        self._client_seq = message.seq

    def _open(self, message: _Message) -> None:
        if self._opened:
            raise ProtocolError("a second open")
        try:
            said = _open.decode(message.parameters)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise self._broken(f"open: {error}") from error
        self._opened = True
        self._flow_waits = said.input_variables is not None
        media = _choose(said.media)
        answer: dict[str, Any] = {
            "startPaused": False,
            "media": [] if media is None else [msgspec.to_builtins(media)],
        }
        if said.supported_languages:
            answer["supportedLanguages"] = []
        self._send("opened", answer)
        if said.conversation_id == NO_CONVERSATION:
            return
        info = CallInfo(
            said.conversation_id,
            self.name,
            said.participant.ani,
            said.participant.dnis,
            {
                "session": self._session,
                "organization": said.organization_id,
                "participant": said.participant.id,
                **(said.input_variables or {}),
            },
        )
        if media is None:
            self.refuse(info, "no PCMU or L16 at 8000 Hz of the external channel was offered")
            return
        self.begin(
            info,
            RawFormat(_FORMATS[media.format], media.rate),
            [CALLER if channel == _EXTERNAL else None for channel in media.channels],
        )

    def _close(self) -> None:
        # A flow that has been left waits for no variables any more.
        self._ended = self._ended or self._flow_waits
        self.ended()
        self._send("closed")
        self._ended = self._closed = True

    def _broken(self, detail: str) -> ProtocolError:
        """End the session because of a message that is not allowed; return the error to raise."""
        if self.begun:
            super().fail(detail)
        self._disconnect("error", detail)
        return ProtocolError(detail)

    def _disconnect(
        self, reason: str, detail: str = "", outputs: dict[str, str] | None = None
    ) -> None:
        if self._ended:
            return
        parameters: dict[str, Any] = {"reason": reason, "info": detail}
        if outputs is not None:
            parameters["outputVariables"] = outputs
        self._send("disconnect", parameters)
        self._ended = True

    def _send(self, kind: str, parameters: dict[str, Any] | None = None) -> None:
        self._seq += 1
        message = {
            "version": "2",
            "id": self._session,
            "type": kind,
            "seq": self._seq,
            "clientseq": self._client_seq,
            "parameters": parameters or {},
        }
        self.connection.send_text(json.dumps(message))


def _choose(offered: list[_Media]) -> _Media | None:
    """Return the offered media with the fewest bytes that holds the external channel, or None."""
    fit = [
        media
        for media in offered
        if media.type == "audio"
        and media.format in _FORMATS
        and media.rate == _SAMPLE_RATE
        and media.channels in ([_EXTERNAL], [_EXTERNAL, "internal"], ["internal", _EXTERNAL])
    ]
    return min(fit, key=lambda media: (len(media.channels), media.format == "L16"), default=None)


def _outputs(event: Event) -> dict[str, str]:
    """Return the verdict as Architect's output variables, which are all strings."""
    values = event.as_dict()
    return {
        name: "" if values[name] is None else str(values[name])
        for name in ("verdict", "score", "reason", "decided_at")
    }
