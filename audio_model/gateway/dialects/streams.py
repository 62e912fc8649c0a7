"""The base of dialects whose binary messages are one stream of interleaved samples."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import msgspec
import numpy as np

from audio_model.errors import UsageError
from audio_model.formats import Encoding, RawFormat
from audio_model.gateway.calls import Calls
from audio_model.gateway.dialects.base import Connection, Dialect, ProtocolError
from audio_model.gateway.events import CALLER, CallInfo, Event
from audio_model.gateway.legs import Leg

_SAMPLE = {Encoding.MULAW: np.uint8, Encoding.ALAW: np.uint8, Encoding.S16LE: np.uint16}
_SHOWN_CHARACTERS = 60


class Interleaved:
    """One stream of several channels, each heard by a leg of its own or by none."""

    def __init__(self, legs: Sequence[Leg | None], encoding: Encoding) -> None:
        """Split a stream into its legs.

        Args:
            legs: by channel; None for a channel that nobody hears.
        """
        self._legs = legs
        self._sample = np.dtype(_SAMPLE[encoding])
        self._frame_bytes = len(legs) * self._sample.itemsize
        self._rest = b""

    def feed(self, payload: bytes) -> None:
        """Take bytes of the stream, cut anywhere."""
        legs = self._legs
        if len(legs) == 1 and legs[0] is not None:
            legs[0].feed(payload)
            return
        if not any(leg is not None and leg.hears for leg in legs):
            return
        payload = self._rest + payload
        whole = len(payload) // self._frame_bytes * self._frame_bytes
        self._rest = payload[whole:]
        samples = np.frombuffer(payload, self._sample, whole // self._sample.itemsize)
        for channel, leg in enumerate(legs):
            if leg is not None:
                leg.feed(samples[channel :: len(legs)].tobytes())


class StreamDialect(Dialect):
    """One call a connection, whose binary messages are its audio."""

    paced: ClassVar[bool] = True
    """Whether the gateway sends audio as it is spoken."""

    def __init__(self, connection: Connection, calls: Calls) -> None:
        super().__init__(connection, calls)
        self._stream: Interleaved | None = None

    def begin(
        self,
        info: CallInfo,
        raw_format: RawFormat,
        legs: Sequence[str | None] = (CALLER,),
        codec: str = "",
    ) -> None:
        """Open the call and its legs, and hear the messages that came before.

        Args:
            raw_format: the format of one channel.
            legs: names by channel; None for a channel that is not to be heard.
            codec: the codec that the audio came in, if it was decoded to ``raw_format``.
        """
        call = self._call = self.calls.open(info, self.tell, self.connection.terms)
        opened = [
            None if name is None else call.open_leg(name, raw_format, paced=self.paced)
            for name in legs
        ]
        for leg in opened:
            if codec and leg is not None:
                leg.came_in(codec)
        self._stream = Interleaved(opened, raw_format.encoding)
        if early := self.early():
            self.binary(b"".join(early))

    def refuse(self, info: CallInfo, detail: str) -> None:
        """Begin a call that can't be heard, and fail it."""
        self.early()
        self.begin(info, RawFormat(Encoding.MULAW))
        self.fail(detail)

    @property
    def begun(self) -> bool:
        """Return whether the call has begun."""
        return self._call is not None

    def binary(self, message: bytes) -> None:
        """Hear a message, or hold it until the call begins."""
        if self._stream is None:
            self.hold(message, len(message))
        else:
            self._stream.feed(message)

    def tell(self, event: Event) -> None:
        """Send an event of the call in the gateway's own way, if it has one."""


def pcm(sample_rate: int, encoding: Encoding = Encoding.S16LE) -> RawFormat:
    """Return one channel's format. Raises ProtocolError for a rate that no audio has."""
    try:
        return RawFormat(encoding, sample_rate)
    except UsageError as error:
        raise ProtocolError(str(error)) from error


def whole_number(name: str, text: str) -> int:
    """Parse a number of a query. Raises ProtocolError for anything else."""
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise ProtocolError(f"{name} must be a whole number, not {shown(text)}")
    return int(text)


def number_in(query: Mapping[str, str], name: str) -> str:
    """Return a phone number of a query.

    A plus that was not written ``%2B`` reads as a space there.
    """
    text = query.get(name, "")
    return f"+{text[1:]}" if text.startswith(" ") else text


def json_object(message: str) -> dict[str, Any]:
    """Decode a text message; what is null is left out.

    Raises ProtocolError unless it is one JSON object.
    """
    try:
        values = msgspec.json.decode(message, type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError, UnicodeEncodeError) as error:
        raise ProtocolError(f"not a JSON object: {error}: {shown(message)}") from error
    return {key: value for key, value in values.items() if value is not None}


def scalars(values: dict[str, Any]) -> dict[str, str]:
    """Return the values that are scalars: strings, numbers, true and false."""
    return {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in values.items()
        if isinstance(value, str | int | float)
    }


def shown(text: str) -> str:
    """Return the start of an unexpected text, fit for one line of a log."""
    return ascii(text[:_SHOWN_CHARACTERS])
