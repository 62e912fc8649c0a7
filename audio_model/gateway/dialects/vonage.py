"""Vonage Voice API: a WebSocket as an endpoint of a call.

Source: Vonage documentation, "WebSockets in the Vonage Voice API". The first message is text,
``websocket:connected``, with the audio's ``content-type`` and, beside it, the ``headers`` of the
NCCO's endpoint: the user's own words for the call, as Vonage tells no id and no numbers. ``uuid``,
``caller`` and ``called`` among them are taken for these. Then comes linear PCM of 16 bits,
little-endian, of 8, 16 or 24 kHz, in binary messages of 20 ms; text in between tells of digits and
of what was played.

A WebSocket is a participant, so it hears everybody else in the call: alone with the far end in an
NCCO ``connect``, or one far end among many in a conversation.

What Vonage takes as text (``clear``, ``notify``) is for its playback alone. No other command is
documented, so none is sent, and the verdict goes by webhook.
"""

import re
from typing import Any

from audio_model.gateway.dialects.base import ProtocolError
from audio_model.gateway.dialects.media import call_info
from audio_model.gateway.dialects.streams import StreamDialect, json_object, pcm, scalars, shown

_MONO = r'(?:;\s*channels="?1"?\s*)?'
_CONTENT_TYPE = re.compile(
    rf'audio/l16\s*{_MONO};\s*rate="?([0-9]{{1,9}})"?\s*{_MONO}', re.IGNORECASE
)
_OWN = ("event", "content-type")


class Vonage(StreamDialect):
    """Everybody else in the call is heard, and nothing is sent."""

    name = "vonage"

    def text(self, message: str) -> None:
        """Begin the call with its attributes."""
        values = json_object(message)
        if values.get("event", "websocket:connected") != "websocket:connected":
            # Digits, or answers to commands that another program sent.
            return
        if self.begun:
            raise ProtocolError("vonage: connected a second time")
        parameters = {key: value for key, value in values.items() if key not in _OWN}
        info = call_info(self.name, scalars(parameters).get("uuid", ""), {}, parameters)
        try:
            sample_rate = _sample_rate(values.get("content-type"))
            raw_format = pcm(sample_rate)
        except ProtocolError as error:
            self.refuse(info, str(error))
            raise
        self.begin(info, raw_format)


def _sample_rate(content_type: Any) -> int:
    match = _CONTENT_TYPE.fullmatch(str(content_type))
    if match is None:
        raise ProtocolError(
            f"content-type is {shown(str(content_type))}, not audio/l16;rate=16000 or the like"
        )
    return int(match[1])
