"""Twilio Media Streams: ``<Start><Stream>`` and ``<Connect><Stream>``.

Source: Twilio documentation, "Media Streams - WebSocket Messages" and "TwiML Voice: <Stream>". Both
verbs send the same messages. The first forks the call; the second hands it to the stream's server
and goes on with the TwiML once that closes the connection, so it is never closed from here. Audio
is µ-law of 8 kHz, nothing else. The TwiML's ``<Parameter>`` elements come in ``start``: Twilio
doesn't tell the numbers itself, so ``<Parameter name="caller" value="..."/>`` and ``called`` do.

Packets are ordered by ``chunk``, which counts media messages, see ``numbers``. ``sequenceNumber``
counts marks and digits as well: it has gaps where no audio is missing.
"""

from typing import Any

import msgspec

from audio_model.gateway.dialects.media import Count, MediaDialect, MediaMessage, Stream, call_info
from audio_model.gateway.events import CallInfo


class _Format(msgspec.Struct, rename="camel"):
    encoding: str = "audio/x-mulaw"
    sample_rate: Count | None = None
    channels: Count | None = None


class _Start(msgspec.Struct, rename="camel"):
    call_sid: Any = ""
    stream_sid: Any = None
    account_sid: Any = None
    custom_parameters: Any = None
    media_format: _Format = msgspec.field(default_factory=_Format)


class Twilio(MediaDialect[_Start], start=_Start):
    """The messages of Twilio."""

    name = "twilio"

    def info_of(self, start: _Start, message: MediaMessage[_Start]) -> CallInfo:
        """Return the facts about the call in ``start``."""
        ids = {"streamSid": start.stream_sid, "accountSid": start.account_sid}
        return call_info(self.name, start.call_sid, ids, start.custom_parameters)

    def stream_of(self, start: _Start) -> Stream:
        """Return the format of the packets in ``start``."""
        said = start.media_format
        return Stream.of({}, said.encoding, said.sample_rate, said.channels)
