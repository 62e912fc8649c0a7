"""Exotel AgentStream: the Stream and Voicebot applets.

Source: Exotel documentation, "WebSocket protocol", "Working with the Stream and Voicebot Applet"
and its extension guide. Audio is linear PCM of 16 bits, little-endian, of 8, 16 or 24 kHz, in
packets of about 100 ms; by the extension guide it may be µ-law. ``media_format`` has the rate as a
string, and for ``encoding`` it has ``audio/x-raw``, ``raw/slin`` or ``base64``, all of which mean
PCM. A message has no ``track`` unless both were asked for. Numbers are in ``from`` and ``to``.

What Exotel takes (``media``, ``mark``, ``clear``, and of the Stream applet nothing) is for the far
end to hear.
"""

from typing import Any

import msgspec

from audio_model.formats import Encoding
from audio_model.gateway.dialects.media import Count, MediaDialect, MediaMessage, Stream, call_info
from audio_model.gateway.events import CallInfo

_ENCODINGS = {
    "audio/x-raw": Encoding.S16LE,
    "raw/slin": Encoding.S16LE,
    "slin": Encoding.S16LE,
    "base64": Encoding.S16LE,
    "audio/l16": Encoding.S16LE,
    "audio/x-l16": Encoding.S16LE,
}


class _Format(msgspec.Struct):
    encoding: str = "audio/x-raw"
    sample_rate: Count | None = None


class _Start(msgspec.Struct):
    call_sid: Any = ""
    stream_sid: Any = None
    account_sid: Any = None
    caller: Any = msgspec.field(default=None, name="from")
    called: Any = msgspec.field(default=None, name="to")
    custom_parameters: Any = None
    media_format: _Format = msgspec.field(default_factory=_Format)


class Exotel(MediaDialect[_Start], start=_Start):
    """The messages of Exotel."""

    name = "exotel"

    def info_of(self, start: _Start, message: MediaMessage[_Start]) -> CallInfo:
        """Return the facts about the call in ``start``."""
        ids = {"stream_sid": start.stream_sid, "account_sid": start.account_sid}
        parameters = start.custom_parameters
        return call_info(self.name, start.call_sid, ids, parameters, start.caller, start.called)

    def stream_of(self, start: _Start) -> Stream:
        """Return the format of the packets in ``start``."""
        return Stream.of(_ENCODINGS, start.media_format.encoding, start.media_format.sample_rate)
