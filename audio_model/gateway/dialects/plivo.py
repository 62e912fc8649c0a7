"""Plivo Audio Streaming: ``<Stream>``.

Source: Plivo documentation, "Audio Streaming" (messages) and "The Stream element" (contentType,
extraHeaders). Audio is µ-law of 8 kHz or linear PCM of 8 or 16 kHz, which is the default. Plivo
doesn't document the byte order of ``audio/x-l16``; its own examples hand the bytes to recognisers
that want little-endian, so that it is. Numbers come as numbers. There is no ``stop``: the
connection ends with the call. The user's extraHeaders come as one string of ``key=value``, apart by
commas or semicolons.

What Plivo takes (``playAudio``, ``checkpoint``, ``clearAudio``) is for the far end to hear.
"""

import re

import msgspec

from audio_model.formats import Encoding
from audio_model.gateway.dialects.media import (
    Count,
    MediaDialect,
    Message,
    Stream,
    call_info,
    stream_in,
)
from audio_model.gateway.events import CallInfo

_ENCODINGS = {"audio/x-mulaw": Encoding.MULAW, "audio/x-l16": Encoding.S16LE}


class _Format(msgspec.Struct, rename="camel"):
    encoding: str
    sample_rate: Count = 8000


class _Start(msgspec.Struct, rename="camel"):
    media_format: _Format
    call_id: str = ""
    stream_id: str | None = None
    account_id: str | None = None


class Plivo(MediaDialect[_Start]):
    """One stream a connection; the inbound track is heard, and nothing is sent."""

    name = "plivo"
    decoder = msgspec.json.Decoder(Message[_Start], strict=False)

    def info_of(self, start: _Start, message: Message[_Start]) -> CallInfo:
        ids = {"streamId": start.stream_id, "accountId": start.account_id}
        return call_info(self.name, start.call_id, ids, _parameters(message.extra_headers or ""))

    def stream_of(self, start: _Start) -> Stream:
        return stream_in(_ENCODINGS, start.media_format.encoding, start.media_format.sample_rate)


def _parameters(extra_headers: str) -> dict[str, str]:
    pairs = (pair.partition("=") for pair in re.split("[,;]", extra_headers))
    return {key.strip(): value.strip() for key, equals, value in pairs if equals}
