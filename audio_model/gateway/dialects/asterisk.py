"""Asterisk 20.16, 21.11, 22.6, 23 and later: the WebSocket channel driver (chan_websocket).

Source: Asterisk documentation, "WebSocket" (Channel Drivers). Texts are events, in plain text
(``EVENT key:value key:value``) or in JSON, as the connection is configured; ``MEDIA_START`` is the
first and names the format. Binary messages are the codec's bytes and nothing else.

The driver answers its channel itself once we are connected; with the dial option ``n`` somebody
else means to. Commands concern the channel and its media, none could carry a verdict: it goes by
webhook, or through ARI or AMI. One command is sent, if the dialplan asks for it by the variable
``hangup``: ``HANGUP``, in the form of the events. It ends ``Dial()`` as soon as there is a verdict.
"""

import asyncio
import logging
from typing import Any

import msgspec

from audio_model.formats import Encoding, RawFormat
from audio_model.gateway.asterisk.action import HangUp, until_told
from audio_model.gateway.calls import Calls
from audio_model.gateway.codecs import DecodeError, PayloadDecoder, by_rtpmap
from audio_model.gateway.dialects.base import Connection, ProtocolError, call_id
from audio_model.gateway.dialects.streams import StreamDialect, json_object, scalars, shown
from audio_model.gateway.events import CallInfo, Event

logger = logging.getLogger(__name__)

# Asterisk's names; slin alone is 8 kHz.
_RAW = {
    "ulaw": RawFormat(Encoding.MULAW),
    "alaw": RawFormat(Encoding.ALAW),
    "slin": RawFormat(Encoding.S16LE),
    **{
        f"slin{rate // 1000}": RawFormat(Encoding.S16LE, rate)
        for rate in (12_000, 16_000, 24_000, 32_000, 44_100, 48_000, 96_000, 192_000)
    },
}
_CODED = {"g722": by_rtpmap("G722", 8_000), "opus": by_rtpmap("OPUS", 48_000, 2)}


_WHEN = " or ".join(HangUp)


class _MediaStart(msgspec.Struct):
    format: str
    connection_id: str = ""
    channel: str = ""
    channel_id: str = ""
    channel_variables: dict[str, Any] = {}


class Asterisk(StreamDialect):
    """``MEDIA_START``, then audio. The party that the WebSocket channel is bridged with is heard.

    A call has the WebSocket channel's id, or its name where the id isn't told. In JSON the
    channel's variables come along: ``call``, ``caller`` and ``called`` say whose call it is,
    ``hangup`` when the channel is to end (``never``, ``recorded`` or ``always``), and the others
    become the call's details. The query of the URL would not do: what one call puts there with the
    dial option ``v()`` was seen on later calls' connections (Asterisk 22.10).
    """

    name = "asterisk"
    subprotocols = ("media",)

    def __init__(self, connection: Connection, calls: Calls) -> None:
        super().__init__(connection, calls)
        self._decode: PayloadDecoder = bytes
        self._hang_up = HangUp.NEVER
        self._in_json = False
        self._hanging_up: asyncio.Task[None] | None = None

    def text(self, message: str) -> None:
        """Read an event. MEDIA_START begins the call."""
        event, values = _parse(message)
        if event != "MEDIA_START":
            # MEDIA_XON and XOFF, DTMF_END and what else concerns media that we don't send.
            return
        if self.begun:
            raise ProtocolError("a second MEDIA_START")
        self._in_json = message.startswith("{")
        try:
            self._start(msgspec.convert(values, _MediaStart))
        except msgspec.ValidationError as error:
            raise ProtocolError(f"MEDIA_START: {error}") from error

    def binary(self, message: bytes) -> None:
        """Decode a message of audio and hear it."""
        if self.answered:
            return
        try:
            message = self._decode(message)
        except DecodeError as error:
            raise ProtocolError(str(error)) from error
        super().binary(message)

    def tell(self, event: Event) -> None:
        """Hang up after the event that asks for it."""
        if self._hanging_up is None and self._hang_up.asks(event):
            # In a task of its own: the channel's variables are set by listeners that come later.
            self._hanging_up = asyncio.create_task(self._end(event.call.id))

    async def _end(self, call_id: str) -> None:
        if self._call is not None:
            self._call.close()
        await until_told(self.calls.told, call_id)
        self.connection.send_text('{"command": "HANGUP"}' if self._in_json else "HANGUP")

    def _start(self, start: _MediaStart) -> None:
        variables = _without_marks(scalars(start.channel_variables))
        call = variables.pop("call", "") or start.channel_id or start.channel
        caller, called = variables.pop("caller", ""), variables.pop("called", "")
        if (hangup := variables.pop("hangup", "")) in list(HangUp):
            self._hang_up = HangUp(hangup)
        elif hangup:
            logger.warning("asterisk: the variable hangup is %s, not %s", shown(hangup), _WHEN)
        ids = {
            "connection_id": start.connection_id,
            "channel": start.channel,
            "channel_id": start.channel_id,
        }
        details = variables | {key: value for key, value in ids.items() if value}
        info = CallInfo(call_id(call), self.name, caller, called, details)
        if (raw_format := _RAW.get(start.format)) is not None:
            self.begin(info, raw_format)
        elif (codec := _CODED.get(start.format)) is not None:
            self._decode = codec.decoder()
            self.begin(info, codec.raw_format, codec=codec.common_name)
        else:
            detail = f"format {shown(start.format)} is not understood: one of {_understood()} is"
            self.refuse(info, detail)
            raise ProtocolError(detail)


def _without_marks(variables: dict[str, str]) -> dict[str, str]:
    """Return variables without the underscores of inheritance, as in ``__call``."""
    marked = {name.lstrip("_"): value for name, value in variables.items() if name[:1] == "_"}
    return marked | {name: value for name, value in variables.items() if name[:1] != "_"}


def _parse(message: str) -> tuple[str, dict[str, Any]]:
    """Return an event's name and values, from either form."""
    if message.startswith("{"):
        values = json_object(message)
        event = values.get("event")
        if not isinstance(event, str):
            raise ProtocolError(f"an event without a name: {shown(message)}")
        return event, values
    event, *words = message.split() or [""]
    if not event.isascii() or not event.replace("_", "").isupper():
        raise ProtocolError(f"not an event: {shown(message)}")
    pairs = (word.partition(":") for word in words)
    return event, {key: value for key, colon, value in pairs if colon}


def _understood() -> str:
    return ", ".join([*_RAW, *_CODED])
