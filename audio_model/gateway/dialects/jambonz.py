"""jambonz: the ``listen`` verb, also nested in ``dial`` and ``config``.

Source: jambonz documentation, "Listen". The first text holds the call's attributes, ``sampleRate``,
``mixType`` and the application's own ``metadata``, all in one object; then comes linear PCM of 16
bits, little-endian. jambonz's media server is FreeSWITCH with mod_audio_fork, so in ``stereo`` the
left channel is the party whose call runs the verb.

Back, ``listen`` knows only commands for its media (``playAudio``, ``killAudio``, ``disconnect``,
marks): the verdict goes by webhook, or through the application that gets it.
"""

from typing import Annotated, Any, Literal

import msgspec

from audio_model.gateway.dialects.base import ProtocolError, call_id
from audio_model.gateway.dialects.streams import StreamDialect, json_object, pcm, scalars
from audio_model.gateway.events import CALLER, CallInfo

_TEXTS = ("callSid", "from", "to")
_OWN = (*_TEXTS, "sampleRate", "mixType")


class _Start(msgspec.Struct, rename="camel"):
    call_sid: str = ""
    sample_rate: Annotated[int, msgspec.Meta(ge=0, le=10**9)] = 8000
    mix_type: Literal["mono", "mixed", "stereo"] = "mono"
    caller: str = msgspec.field(default="", name="from")
    called: str = msgspec.field(default="", name="to")


class Jambonz(StreamDialect):
    """One text, then audio. The caller is heard, or everybody if ``mixed`` is asked for."""

    name = "jambonz"
    subprotocols = ("audio.jambonz.org",)

    def text(self, message: str) -> None:
        """Begin the call with its attributes."""
        if self.begun:
            # Digits (passDtmf), playDone and marks.
            return
        values = json_object(message)
        details = {key: value for key, value in scalars(values).items() if key not in _OWN}
        try:
            # Not strict: a number may come as a string, and a string as a number.
            start = msgspec.convert(_plain(values) | _texts(values), _Start, strict=False)
            raw_format = pcm(start.sample_rate)
        except (msgspec.ValidationError, ProtocolError) as error:
            # Without these the audio would be decoded in the wrong format.
            said = _texts(values)
            ids = call_id(said.get("callSid", "")), self.name
            parties = said.get("from", ""), said.get("to", "")
            self.refuse(CallInfo(*ids, *parties, details), str(error))
            raise ProtocolError(f"first text: {error}") from error
        self.begin(
            CallInfo(call_id(start.call_sid), self.name, start.caller, start.called, details),
            raw_format,
            (CALLER, None) if start.mix_type == "stereo" else (CALLER,),
        )


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values: texts without surrounding blanks, keywords in lower case."""
    return {
        key: value.strip().lower() if isinstance(value, str) else value
        for key, value in values.items()
    }


def _texts(values: dict[str, Any]) -> dict[str, str]:
    """Return the fields that are texts, including those that were sent as numbers."""
    return {key: value for key, value in scalars(values).items() if key in _TEXTS}
