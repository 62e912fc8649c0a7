"""Codecs that gateways send: their names, their payload types, and their decoders.

Payload types are those of RFC 3551, table 4. Codecs whose packets stand alone (G.711, linear PCM)
need no state. G.722 and Opus carry state from packet to packet, so each stream has a decoder of its
own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext

from audio_model.companding import Pcm, alaw_decode, mulaw_decode
from audio_model.formats import PCM, Encoding, RawFormat

PayloadDecoder = Callable[[bytes], bytes]
"""The payload of one packet to bytes in the codec's raw format."""


class DecodeError(ValueError):
    """A payload that its codec can't read; one line."""


@dataclass(frozen=True)
class Codec:
    """A codec as SDP names it, and what its decoder gives."""

    name: str
    """Encoding name of its rtpmap, in upper case."""
    clock_rate: int
    """The rate of RTP timestamps, in Hz. G.722's is 8000, though its audio is 16 kHz (RFC 3551,
    4.5.2).
    """
    raw_format: RawFormat
    """The format of the decoder's output, which always has one channel."""
    channels: int = 1
    """The channels in the rtpmap. Opus always has 2 there (RFC 7587, 4.1) and is decoded to one."""
    payload_type: int | None = None
    """The static one, if there is one."""

    @property
    def common_name(self) -> str:
        """Return the name in events and results, as for a recording: ``mulaw``, ``g722`` ..."""
        return _COMMON_NAMES.get(self.name, self.name.lower())

    def decoder(self) -> PayloadDecoder:
        """Return a decoder for one stream. It raises DecodeError."""
        match self.name:
            case "G722":
                return _AvDecoder("g722", self.raw_format.sample_rate)
            case "OPUS":
                return _AvDecoder("libopus", self.raw_format.sample_rate)
            case "L16":
                return swapped
            case _:
                return bytes

    def ticks(self, n_bytes: int) -> int:
        """Return how many ticks of RTP's clock ``n_bytes`` of the raw format last."""
        samples = n_bytes if self.raw_format.encoding is not Encoding.S16LE else n_bytes // 2
        return samples * self.clock_rate // self.raw_format.sample_rate


_COMMON_NAMES = {"PCMU": Encoding.MULAW.value, "PCMA": Encoding.ALAW.value, "L16": PCM}


def _l16(sample_rate: int, payload_type: int | None = None) -> Codec:
    raw_format = RawFormat(Encoding.S16LE, sample_rate)
    return Codec("L16", sample_rate, raw_format, payload_type=payload_type)


CODECS: Final = (
    Codec("PCMU", 8_000, RawFormat(Encoding.MULAW), payload_type=0),
    Codec("PCMA", 8_000, RawFormat(Encoding.ALAW), payload_type=8),
    Codec("G722", 8_000, RawFormat(Encoding.S16LE, 16_000), payload_type=9),
    _l16(44_100, 11),
    *(_l16(sample_rate) for sample_rate in (8_000, 16_000, 24_000, 32_000, 48_000)),
    Codec("OPUS", 48_000, RawFormat(Encoding.S16LE, 48_000), channels=2),
)
"""Every codec that is understood. L16 in stereo is not: which side is whose would be a guess."""

G711 = {
    **dict.fromkeys(
        ("audio/x-mulaw", "audio/mulaw", "audio/pcmu", "mulaw", "ulaw", "pcmu"), Encoding.MULAW
    ),
    **dict.fromkeys(("audio/x-alaw", "audio/alaw", "audio/pcma", "alaw", "pcma"), Encoding.ALAW),
}
"""Names of G.711 in lower case: each vendor documents one, and some send another's."""

COMFORT_NOISE_PAYLOAD_TYPE = 13
COMFORT_NOISE = "CN"
TELEPHONE_EVENT = "TELEPHONE-EVENT"
"""RFC 3389 and RFC 4733: no voice in them. What they stand for is heard as silence."""

_BY_RTPMAP = {(codec.name, codec.clock_rate, codec.channels): codec for codec in CODECS}
_BY_PAYLOAD_TYPE = {codec.payload_type: codec for codec in CODECS if codec.payload_type is not None}


def by_rtpmap(name: str, clock_rate: int, channels: int = 1) -> Codec | None:
    """Return the codec of ``a=rtpmap:... name/clock_rate/channels``, or None if it is unknown."""
    return _BY_RTPMAP.get((name.upper(), clock_rate, channels))


def by_payload_type(payload_type: int) -> Codec | None:
    """Return the codec of a static payload type, or None if it is unknown."""
    return _BY_PAYLOAD_TYPE.get(payload_type)


def media_type(text: str) -> tuple[str, dict[str, str]]:
    """Return the name and the parameters of a media type, in lower case.

    A type is written ``audio/x-mulaw;rate=8000``.
    """
    name, *parameters = (part.strip().lower() for part in text.split(";"))
    return name, dict(parameter.partition("=")[::2] for parameter in parameters)


class _AvDecoder:
    """One of FFmpeg's decoders, fed packet by packet; gives s16le of one channel."""

    def __init__(self, name: str, sample_rate: int) -> None:
        context = av.CodecContext.create(name, "r")
        assert isinstance(context, AudioCodecContext)
        context.sample_rate = sample_rate
        context.layout = "mono"
        self._context = context

    def __call__(self, payload: bytes) -> bytes:
        if not payload:
            # FFmpeg takes an empty packet for the end of the stream.
            return b""
        try:
            frames = self._context.decode(av.Packet(payload))
        except av.FFmpegError as error:
            raise DecodeError(f"{self._context.name}: {error.strerror}") from error
        return b"".join(frame.to_ndarray().astype("<i2", copy=False).tobytes() for frame in frames)


def to_pcm(payload: bytes, encoding: Encoding) -> Pcm:
    """Return a payload as 16-bit samples [shape=(n_samples,)]. Half a sample at its end is lost."""
    match encoding:
        case Encoding.MULAW:
            return mulaw_decode(np.frombuffer(payload, np.uint8))
        case Encoding.ALAW:
            return alaw_decode(np.frombuffer(payload, np.uint8))
        case Encoding.S16LE:
            return np.frombuffer(payload[: len(payload) // 2 * 2], "<i2")


def swapped(payload: bytes) -> bytes:
    """Swap the bytes of L16, which is sent in network byte order (RFC 3551, 4.5.11)."""
    return to_pcm(payload, Encoding.S16LE).byteswap().tobytes()
