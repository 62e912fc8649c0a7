"""FreeSWITCH: mod_audio_stream and mod_audio_fork.

Sources: the README of mod_audio_stream and of drachtio's mod_audio_fork, and for what is in neither
the modules' behaviour: linear PCM of 16 bits, little-endian; in ``stereo`` the left channel is what
FreeSWITCH reads from the channel that the module is attached to, the right what it writes to it
(``SMBF_STEREO``). Neither module says rate or channels: they stand in the URL or in the metadata.

mod_audio_stream's first frames may overtake its metadata, so audio waits a moment for it. Where no
metadata comes and the URL has no rate, frames of 20 ms at 8 kHz are what they are documented to be;
others tell their rate by their pace, or the call's verdict is unknown.

Text that we send becomes an event, ``mod_audio_stream::json`` whatever it is, save for the type
``streamAudio``; ``mod_audio_fork::json`` only if it is an object of the type ``json``.
"""

from time import monotonic

from audio_model.gateway.calls import Calls
from audio_model.gateway.dialects.base import EARLY_SECONDS, Connection, ProtocolError, call_id
from audio_model.gateway.dialects.streams import (
    StreamDialect,
    json_object,
    number_in,
    pcm,
    scalars,
    whole_number,
)
from audio_model.gateway.events import CALLER, CallInfo, Event, EventKind
from audio_model.gateway.pace import Pace

METADATA_SECONDS = 0.2
"""How long audio waits for metadata that it may have overtaken."""

_NO_RATE = "nobody said the sample rate, and the audio does not tell it: put rate into the URL"

_SETTINGS = ("rate", "channels", "call", "caller", "called")


class FreeSwitch(StreamDialect):
    """Audio, perhaps after one text of metadata. The caller is heard.

    ``rate`` (Hz, 8000 unless said), ``channels`` (1 or 2), ``call``, ``caller`` and ``called`` may
    stand in the query, or in metadata that is a JSON object. The metadata win over the query, and
    their other values become the call's details. Later texts (``send_text``, ``stop``) are not for
    us.
    """

    name = "freeswitch"
    subprotocols = ("audio.drachtio.org",)

    def __init__(self, connection: Connection, calls: Calls) -> None:
        """Read the query. Raises ProtocolError for a value that is not allowed."""
        super().__init__(connection, calls)
        query = connection.query
        self._settings = {key: query[key] for key in _SETTINGS if key in query}
        self._settings |= {key: number_in(query, key) for key in ("caller", "called")}
        self._check()
        self._pace: Pace | None = None
        self._details: dict[str, str] | None = {} if "call" in query else None
        """Details from metadata without a rate, or of a call that the query names. None while
        nobody has spoken of a call."""
        self._opened_at = monotonic()
        self._text_at: float | None = None

    def text(self, message: str) -> None:
        """Read the metadata, which may begin the call."""
        first = self._text_at is None
        self._text_at = self._text_at or monotonic()
        if self.begun:
            if first:
                self._read_late(message)
            return
        details = {"metadata": message}
        try:
            if message.lstrip().startswith("{"):
                details = self._read(scalars(json_object(message)))
            self._check()
            if "rate" in self._settings:
                self._begin(details)
            elif first:
                self._details = details
                self.look(monotonic())
        except ProtocolError as error:
            # Without its settings the audio would be decoded in the wrong format.
            self.refuse(self._info(details), str(error))
            raise

    def binary(self, message: bytes) -> None:
        """Hear audio, or hold it until the sample rate is known."""
        if self.begun:
            super().binary(message)
            return
        self.hold(message, len(message))
        if self._pace is None:
            self._pace = Pace(len(message), self._check()[1])
        else:
            self._pace.add(len(message))
        self.look(monotonic())

    def look(self, now: float) -> None:
        """Begin a call whose metadata or rate have been awaited for long enough."""
        if self.begun:
            return
        if self._pace is None:
            since = self._text_at or self._opened_at
            if self._details is not None and now - since >= EARLY_SECONDS:
                self._begin(self._details)
            return
        told = self._text_at is not None
        if told or now - (self._early_since or now) >= METADATA_SECONDS:
            plain = "rate" in self._settings or self._pace.is_usual
            if plain or self._pace.settled(now):
                self._begin_untold(self._pace)

    def lost(self) -> None:
        """Begin a call that was held back, and close it."""
        if not self.begun:
            if self._pace is not None:
                self._begin_untold(self._pace)
            elif self._details is not None:
                self._begin(self._details)
        super().lost()

    def tell(self, event: Event) -> None:
        """Send an event, except for progress."""
        if event.kind is not EventKind.PROGRESS:
            self.connection.send_text(f'{{"type":"json","data":{event.body.decode()}}}')

    def _read(self, metadata: dict[str, str]) -> dict[str, str]:
        """Take the fields that we know and return the rest."""
        for key in _SETTINGS:
            if key in metadata:
                self._settings[key] = metadata.pop(key)
        return metadata

    def _begin(self, details: dict[str, str]) -> None:
        rate, channels = self._check()
        self.begin(self._info(details), pcm(rate), (CALLER, None)[:channels])

    def _begin_untold(self, pace: Pace) -> None:
        """Begin the call without metadata that say its rate."""
        details = self._details or {}
        if "rate" not in self._settings:
            rate = pace.sample_rate()
            if rate is None:
                self.refuse(self._info(details), _NO_RATE)
                return
            self._settings["rate"] = str(rate)
        self._begin(details)

    def _read_late(self, message: str) -> None:
        """Take the ids and details of metadata that came after the call began.

        The call fails if they say that its audio was decoded in the wrong format.
        """
        if not message.lstrip().startswith("{"):
            return
        heard, before = self._check(), self._settings.copy()
        try:
            details = self._read(scalars(json_object(message)))
            said = self._check()
        except ProtocolError:
            # It is a text of the user's own.
            self._settings = before
            return
        assert self._call is not None
        known = self._call.info
        self._settings.setdefault("call", known.id)
        self._call.learn_of(self._info({**known.details, **details}))
        if said != heard:
            self.fail(
                f"metadata came after audio was heard as {heard[0]} Hz of {heard[1]} channels, "
                f"and say {said[0]} Hz of {said[1]}"
            )

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
