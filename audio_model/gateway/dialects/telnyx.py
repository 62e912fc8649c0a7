"""Telnyx Media Streaming.

Source: Telnyx documentation, "Media Streaming over WebSockets" and the AsyncAPI document "Stream
call media over WebSocket". A payload is that of an RTP packet without its header, in the codec that
``media_format`` names, so L16 is in network byte order (RFC 3551, 4.5.11). PCMU, PCMA, G722, OPUS
and L16 are decoded; AMR-WB is refused by name, and the way out is ``stream_codec: PCMU``.

The order of media messages is not guaranteed, and ``chunk`` puts them right. G722 and OPUS, whose
decoders remember, are decoded in the order of arrival.

What Telnyx takes (``media``, ``mark``, ``clear``) is for the far end to hear.
"""

from typing import Any

import msgspec

from audio_model.formats import Encoding
from audio_model.gateway import codecs
from audio_model.gateway.dialects.base import ProtocolError
from audio_model.gateway.dialects.media import (
    Count,
    MediaDialect,
    MediaMessage,
    Stream,
    call_info,
    check_mono,
)
from audio_model.gateway.dialects.streams import shown
from audio_model.gateway.events import CallInfo

_PAYLOAD_TYPES = {"PCMU": 0, "PCMA": 8, "G722": 9}
"""Encodings whose audio has one rate, whatever ``sample_rate`` says."""


class _Format(msgspec.Struct):
    encoding: str = "PCMU"
    sample_rate: Count = 8000
    channels: Count = 1


class _Start(msgspec.Struct):
    call_control_id: Any = ""
    call_session_id: Any = None
    user_id: Any = None
    client_state: Any = None
    caller: Any = msgspec.field(default=None, name="from")
    called: Any = msgspec.field(default=None, name="to")
    custom_parameters: Any = None
    media_format: _Format = msgspec.field(default_factory=_Format)


class Telnyx(MediaDialect[_Start], start=_Start):
    """The messages of Telnyx."""

    name = "telnyx"

    def info_of(self, start: _Start, message: MediaMessage[_Start]) -> CallInfo:
        """Return the facts about the call in ``start``."""
        ids = {
            "stream_id": message.stream_id,
            "call_session_id": start.call_session_id,
            "user_id": start.user_id,
            "client_state": start.client_state,
        }
        parameters = start.custom_parameters
        given = start.call_control_id
        return call_info(self.name, given, ids, parameters, start.caller, start.called)

    def stream_of(self, start: _Start) -> Stream:
        """Return the format of the packets in ``start``."""
        said = start.media_format
        check_mono(said.channels)
        name = said.encoding.upper()
        if (law := codecs.G711.get(codecs.media_type(said.encoding)[0])) is not None:
            name = "PCMU" if law is Encoding.MULAW else "PCMA"
        if name in _PAYLOAD_TYPES:
            codec = codecs.by_payload_type(_PAYLOAD_TYPES[name])
        elif name == "OPUS":
            codec = codecs.by_rtpmap(name, 48_000, 2)
        else:
            codec = codecs.by_rtpmap(name, said.sample_rate)
        if codec is None:
            raise ProtocolError(
                f"{shown(said.encoding)} of {said.sample_rate} Hz can't be decoded; "
                "ask for it with stream_codec: PCMU"
            )
        return Stream(codec.raw_format, codec.decoder(), codec.common_name)
