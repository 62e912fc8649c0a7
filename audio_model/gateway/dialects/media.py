"""The base of Twilio's, Telnyx's, Plivo's and Exotel's dialects: JSON with packets in base64.

All four send ``start`` once, then ``media``, then ``stop`` or nothing more, each message a JSON
object with an ``event``; numbers come as strings or as numbers, and fields are added over time.
One decoder does the work: it checks types, reads numbers out of strings and decodes base64.

Only the far end is heard, the track ``inbound``: what the gateway receives from the party that it
is connected to, whoever called.

Nothing is ever sent back. These vendors take ``media``, ``mark`` and ``clear`` or their like, which
change what the far end hears, and nothing that could carry a verdict; an event that it doesn't know
is an error to Twilio (31951, 31924). The verdict goes by webhook or server-sent events, with the
gateway's own ids to find the call by.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Generic, Self, TypeVar

import msgspec

from audio_model.formats import Encoding, RawFormat
from audio_model.frontend import SAMPLE_RATE
from audio_model.gateway.calls import Call, Calls, tell_nobody
from audio_model.gateway.codecs import G711, DecodeError, media_type
from audio_model.gateway.dialects.base import Connection, Dialect, ProtocolError, call_id
from audio_model.gateway.dialects.numbers import PacketNumbers
from audio_model.gateway.dialects.streams import pcm, scalars, shown, whole_number
from audio_model.gateway.events import CALLER, CallInfo
from audio_model.gateway.legs import Leg

_HEARD = (None, "inbound", "inbound_track")
"""Most send ``inbound``; where it is asked for, Twilio and Telnyx call it ``inbound_track``."""

Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
"""A number in a message; a larger one means nothing here."""

S = TypeVar("S")


class MediaPacket(msgspec.Struct, gc=False):
    """One packet of one track."""

    payload: bytes
    track: str | None = None
    chunk: Count | None = None
    timestamp: Count | None = None
    """Milliseconds."""


class MediaMessage(msgspec.Struct, Generic[S], gc=False):
    """Any message; ``S`` is the vendor's ``start``."""

    event: str
    media: MediaPacket | None = None
    start: S | None = None
    stream_id: Any = None
    """Telnyx."""
    extra_headers: Any = None
    """Plivo."""


@dataclass(frozen=True)
class Stream:
    """The format of a call's packets."""

    raw_format: RawFormat
    decode: Callable[[bytes], bytes] = bytes
    """A packet's payload to bytes in ``raw_format``. It may raise DecodeError."""
    codec: str = ""
    """The payload's codec, if it is not that of ``raw_format``."""

    @classmethod
    def of(
        cls,
        encodings: Mapping[str, Encoding],
        encoding: str,
        sample_rate: int | None,
        channels: int | None = None,
    ) -> Self:
        """Return the stream of a vendor whose packets are samples as they stand.

        Args:
            encodings: the vendor's names in lower case, beside those of :data:`G711`.
            encoding: what the vendor says, perhaps a media type with its parameters:
                ``audio/x-mulaw;rate=8000``.
            sample_rate: Hz; None where the vendor says none. Then the media type's ``rate`` holds,
                or 8000.
            channels: the same, with the media type's ``channels``, or 1.

        Raises ProtocolError for another name, an impossible rate, a rate that contradicts the media
        type's, and several channels.
        """
        name, said = media_type(encoding)
        check_mono(_agreed("channels", said, channels, 1))
        known = encodings.get(name) or G711.get(name)
        if known is None:
            names = " or ".join([*encodings, "G.711"])
            raise ProtocolError(f"encoding is {shown(encoding)}, not {names}")
        return cls(pcm(_agreed("rate", said, sample_rate, SAMPLE_RATE), known))


class MediaDialect(Dialect, Generic[S]):
    """A dialect of this family. Each vendor has its own, which knows how it spells ``start``.

    A connection carries one stream. The inbound track is heard, and nothing is sent.
    """

    _decoder: ClassVar[msgspec.json.Decoder[Any]]

    def __init_subclass__(cls, *, start: type[S]) -> None:
        """Read messages whose ``start`` is of this type."""
        # Not strict, so that strings pass for numbers.
        cls._decoder = msgspec.json.Decoder(MediaMessage[start], strict=False)  # type: ignore[valid-type]

    def __init__(self, connection: Connection, calls: Calls) -> None:
        super().__init__(connection, calls)
        self._leg: Leg | None = None
        self._numbers = PacketNumbers()
        self._decode: Callable[[bytes], bytes] = bytes
        self._sample_bytes, self._byte_ms = 1, 0.0

    @abstractmethod
    def info_of(self, start: S, message: MediaMessage[S]) -> CallInfo:
        """Return the facts about the call in ``start``."""

    @abstractmethod
    def stream_of(self, start: S) -> Stream:
        """Return the format of the packets in ``start``. Raises ProtocolError if it is unknown."""

    def text(self, message: str) -> None:
        """Read a message: the start, a packet, or the stop."""
        try:
            decoded: MediaMessage[S] = self._decoder.decode(message)
        except (ValueError, RecursionError) as error:
            raise ProtocolError(f"{self.name}: {error}: {shown(message)}") from error
        match decoded.event:
            case "media":
                self._hear(decoded.media)
            case "start":
                self._begin(decoded)
            case "stop":
                self.lost()
            case _:
                # connected, dtmf, mark, and what a vendor may add hold no audio.
                pass

    def binary(self, message: bytes) -> None:
        """Raise ProtocolError: these gateways send text."""
        raise ProtocolError(f"{self.name} sends text, not binary messages")

    def _begin(self, message: MediaMessage[S]) -> None:
        if message.start is None:
            raise ProtocolError(f"{self.name}: a start message says nothing of the stream")
        if self._call is not None:
            raise ProtocolError(f"{self.name}: a second start on one connection")
        info = self.info_of(message.start, message)
        try:
            stream = self.stream_of(message.start)
        except ProtocolError as error:
            # Somebody may wait for this call's verdict, and is answered at once.
            self.refuse(info, str(error))
            raise
        self._decode = stream.decode
        self._open(info, stream.raw_format)
        if stream.codec and self._leg is not None:
            self._leg.came_in(stream.codec)
        for media in self.early():
            self._hear(media)

    def _open(self, info: CallInfo, raw_format: RawFormat) -> Call:
        self._call = self.calls.open(info, tell_nobody, self.connection.terms)
        self._leg = self._call.open_leg(CALLER, raw_format, paced=True)
        self._sample_bytes = 2 if raw_format.encoding is Encoding.S16LE else 1
        self._byte_ms = 1000 / (self._sample_bytes * raw_format.sample_rate)
        return self._call

    def refuse(self, info: CallInfo, detail: str) -> None:
        """Begin a call that can't be heard, and fail it."""
        self.early()
        self._open(info, RawFormat(Encoding.MULAW)).fail(detail)

    def _hear(self, media: MediaPacket | None) -> None:
        leg = self._leg
        if leg is not None and not leg.hears:
            return
        if media is None:
            raise ProtocolError(f"{self.name}: a media message without media")
        if leg is None:
            self.hold(media, len(media.payload))
            return
        if media.track not in _HEARD:
            self._numbers.other_track(media.chunk)
            return
        try:
            packet = self._decode(media.payload)
        except DecodeError as error:
            raise ProtocolError(f"{self.name}: {error}") from error
        n_bytes = len(packet)
        if n_bytes % self._sample_bytes:
            raise ProtocolError(f"{self.name}: {n_bytes} bytes are not whole 16-bit samples")
        packet_ms = n_bytes * self._byte_ms
        number = self._numbers.number(media.chunk, media.timestamp, packet_ms)
        leg.feed_numbered(number, packet)


def _agreed(name: str, said: Mapping[str, str], number: int | None, default: int) -> int:
    """Return a number that a media type, a field of its own, or neither of them gives."""
    if name not in said:
        return default if number is None else number
    in_type = whole_number(name, said[name].strip().strip('"'))
    if number not in (None, in_type):
        raise ProtocolError(f"the media type's {name} is {in_type}, and another field's {number}")
    return in_type


_PARTIES = ("caller", "called")


def check_mono(channels: int) -> None:
    """Raise ProtocolError for several channels in one packet.

    Their parties are not named.
    """
    if channels != 1:
        raise ProtocolError(f"a track has one channel, not {channels}")


def call_info(
    gateway: str,
    given_id: Any,
    ids: Mapping[str, Any],
    parameters: Any = None,
    caller: Any = None,
    called: Any = None,
) -> CallInfo:
    """Return the facts about a call that a gateway sends.

    No fact costs a call its verdict: one that is no text and no number is left out.

    Args:
        given_id: the gateway's own id of the call; empty if it has none.
        ids: its other ids, by their names there.
        parameters: the user's own. They go into the details, where they can't hide an id. Their
            ``caller`` and ``called``, in small letters or capitals, come first, their ``from``
            and ``to`` last. What is no object holds none.
        caller: the number that the gateway sends; ``called`` likewise.
    """
    own = scalars(parameters) if isinstance(parameters, dict) else {}
    # Exotel repeats the URL's whole query here. Its ?token=... is no detail of the call.
    own.pop("token", None)
    sent = scalars({"id": given_id, "caller": caller, "called": called})
    parties = {key.lower(): own.pop(key) for key in list(own) if key.lower() in _PARTIES}
    return CallInfo(
        id=call_id(sent.get("id", "")),
        gateway=gateway,
        caller=parties.get("caller") or sent.get("caller") or own.get("from", ""),
        called=parties.get("called") or sent.get("called") or own.get("to", ""),
        details={**own, **{name: value for name, value in scalars(dict(ids)).items() if value}},
    )
