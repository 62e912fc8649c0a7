"""Plivo Audio Streaming: ``<Stream>``.

Source: Plivo documentation, "Audio Streaming" (messages) and "The Stream element" (contentType,
extraHeaders). Audio is µ-law of 8 kHz or linear PCM of 8 or 16 kHz, which is the default. Plivo
doesn't document the byte order of ``audio/x-l16``; its own examples hand the bytes to recognisers
that want little-endian, so that it is. Its rate may stand in ``sampleRate`` or in the encoding, as
``audio/x-mulaw;rate=8000``. Numbers come as numbers. There is no ``stop``: the connection ends with
the call. The user's extraHeaders come as one string of ``key=value``, apart by commas or
semicolons, or as ``{X-PH-key=value}``, with braces and the prefix of Plivo's SIP headers, or as an
object.

What Plivo takes (``playAudio``, ``checkpoint``, ``clearAudio``) is for the far end to hear.
"""

import re
from typing import Any

import msgspec

from audio_model.formats import Encoding
from audio_model.gateway.dialects.media import Count, MediaDialect, MediaMessage, Stream, call_info
from audio_model.gateway.dialects.streams import scalars
from audio_model.gateway.events import CallInfo

_PAIR = re.compile(
    r"""\s*["']?(?:X-PH-)?([^="':\s]+)["']?\s*[=:]\s*["']?(.*?)["']?\s*""",
    re.IGNORECASE | re.DOTALL,
)
"""A parameter; also as JSON writes it."""
_PREFIX = re.compile("X-PH-", re.IGNORECASE)

_ENCODINGS = {"audio/x-l16": Encoding.S16LE, "audio/l16": Encoding.S16LE}


class _Format(msgspec.Struct, rename="camel"):
    encoding: str
    sample_rate: Count | None = None


class _Start(msgspec.Struct, rename="camel"):
    media_format: _Format
    call_id: Any = ""
    stream_id: Any = None
    account_id: Any = None


class Plivo(MediaDialect[_Start], start=_Start):
    """The messages of Plivo."""

    name = "plivo"

    def info_of(self, start: _Start, message: MediaMessage[_Start]) -> CallInfo:
        """Return the facts about the call in ``start``."""
        ids = {"streamId": start.stream_id, "accountId": start.account_id}
        return call_info(self.name, start.call_id, ids, _parameters(message.extra_headers))

    def stream_of(self, start: _Start) -> Stream:
        """Return the format of the packets in ``start``."""
        return Stream.of(_ENCODINGS, start.media_format.encoding, start.media_format.sample_rate)


def _parameters(extra_headers: Any) -> dict[str, str]:
    """Return the user's parameters, by their names without Plivo's prefix."""
    if isinstance(extra_headers, dict):
        return {_PREFIX.sub("", name): value for name, value in scalars(extra_headers).items()}
    if not isinstance(extra_headers, str):
        return {}
    text = extra_headers.strip().removeprefix("{").removesuffix("}")
    pairs = (_PAIR.fullmatch(pair) for pair in re.split("[,;]", text))
    return {pair[1]: pair[2] for pair in pairs if pair is not None}
