"""FreeSWITCH: mod_audio_stream and mod_audio_fork.

Sources: the README of mod_audio_stream and of drachtio's mod_audio_fork, and for what is in neither
the modules' behaviour: linear PCM of 16 bits, little-endian; in ``stereo`` the left channel is what
FreeSWITCH reads from the channel that the module is attached to, the right what it writes to it
(``SMBF_STEREO``). Neither module says rate or channels: they stand in the URL or in the metadata.

Text that we send becomes an event, ``mod_audio_stream::json`` whatever it is, save for the type
``streamAudio``; ``mod_audio_fork::json`` only if it is an object of the type ``json``.
"""

import json

from audio_model.gateway.calls import Calls
from audio_model.gateway.dialects.base import Connection, ProtocolError, call_id
from audio_model.gateway.dialects.streams import (
    CALLER,
    StreamDialect,
    json_object,
    number_in,
    pcm,
    scalars,
    whole_number,
)
from audio_model.gateway.events import CallInfo, Event, EventKind

_SETTINGS = ("rate", "channels", "call", "caller", "called")


class FreeSwitch(StreamDialect):
    """Audio, perhaps after one text of metadata. The caller is heard.

    ``rate`` (Hz, 8000 unless said), ``channels`` (1 or 2), ``call``, ``caller`` and ``called`` may
    stand in the query or, for this call and stronger, in metadata that is a JSON object. What else
    is in there becomes the call's details. Later texts (``send_text``, ``stop``) are not for us.
    """

    name = "freeswitch"
    subprotocols = ("audio.drachtio.org",)

    def __init__(self, connection: Connection, calls: Calls) -> None:
        """Raises ProtocolError if the query can't be meant."""
        super().__init__(connection, calls)
        query = connection.query
        self._settings = {key: query[key] for key in _SETTINGS if key in query}
        self._settings |= {key: number_in(query, key) for key in ("caller", "called")}
        self._check()

    def text(self, message: str) -> None:
        if self.begun:
            return
        details = {"metadata": message}
        try:
            if message.lstrip().startswith("{"):
                details = self._read(scalars(json_object(message)))
            self._begin(details)
        except ProtocolError as error:
            # Without its settings the audio would be taken for something that it is not.
            self.refuse(self._info(details), str(error))
            raise

    def binary(self, message: bytes) -> None:
        if not self.begun:
            self._begin({})
        super().binary(message)

    def tell(self, event: Event) -> None:
        if event.kind is not EventKind.PROGRESS:
            self.connection.send_text(json.dumps({"type": "json", "data": event.as_dict()}))

    def _read(self, metadata: dict[str, str]) -> dict[str, str]:
        """Take what is for us; returns the rest."""
        for key in _SETTINGS:
            if key in metadata:
                self._settings[key] = metadata.pop(key)
        return metadata

    def _begin(self, details: dict[str, str]) -> None:
        rate, channels = self._check()
        self.begin(self._info(details), pcm(rate), (CALLER, None)[:channels])

    def _check(self) -> tuple[int, int]:
        rate = whole_number("rate", self._settings.get("rate", "8000"))
        channels = whole_number("channels", self._settings.get("channels", "1"))
        pcm(rate)
        if channels not in (1, 2):
            raise ProtocolError(f"channels must be 1 or 2, not {channels}")
        return rate, channels

    def _info(self, details: dict[str, str]) -> CallInfo:
        said = self._settings
        return CallInfo(
            call_id(said.get("call", "")),
            self.name,
            said.get("caller", ""),
            said.get("called", ""),
            details,
        )
