"""From one sender's RTP packets to a leg's numbered payloads."""

from collections.abc import Callable, Mapping

import numpy as np

from audio_model.audio import StreamResampler
from audio_model.companding import alaw_encode, mulaw_encode
from audio_model.formats import Encoding, RawFormat
from audio_model.frontend import SAMPLE_RATE
from audio_model.gateway.codecs import Codec, DecodeError, by_payload_type, to_pcm
from audio_model.gateway.legs import SILENCE
from audio_model.gateway.rtp.packet import RtpPacket, advance

PROBATION = 3
"""Packets in a row that make a new stream of what does not follow the one that is heard."""

MAX_JUMP = 3000
"""Sequence numbers within which a packet follows its stream (RFC 3550, A.1: MAX_DROPOUT)."""

MAX_PAUSE_SECONDS = 10
"""A longer way of the timestamp is no pause that was not sent, but another clock."""

Deliver = Callable[[int, bytes], None]
"""Takes consecutive numbers and payloads, as ``Leg.feed_numbered`` does."""


def leg_format(codecs: Mapping[int, Codec]) -> RawFormat:
    """Return the format of a leg whose packets may have any of these codecs, by payload type."""
    formats = {codec.raw_format for codec in codecs.values()}
    return formats.pop() if len(formats) == 1 else RawFormat(Encoding.S16LE, SAMPLE_RATE)


class RtpStream:
    """Follows the sender that speaks first, until another takes its place.

    A new SSRC, or a sequence number far away, begins a new stream once :data:`PROBATION` packets
    of it came in a row; so a stray packet does no harm, and a transferred call is heard on. What
    its sender calls silence and did not send (a marker bit or comfort noise, and a timestamp that
    went further than the packets) is delivered as silence of that length.
    """

    def __init__(
        self,
        codecs: Mapping[int, Codec],
        raw_format: RawFormat,
        deliver: Deliver,
        came_in: Callable[[str], None],
    ) -> None:
        """Begin a stream.

        Args:
            codecs: by payload type. Packets of other types are heard if RFC 3551 says what they
                are, for senders change their codec without notice; the rest hold no voice.
            raw_format: the format of the output; see :func:`leg_format`.
            came_in: called with the codec of the output from then on.
        """
        self._raw_format, self._deliver, self._came_in = raw_format, deliver, came_in
        self._codecs = dict(codecs)
        self._decoders: dict[int, _Decoder] = {}
        self._rivals: list[RtpPacket] = []
        self._ssrc: int | None = None
        self._sequence = 0
        self._number = -1
        # The offset added to sequence numbers, now and before the last pause.
        self._shift = self._shift_before = 0
        self._pause_sequence = 0
        self._voice: tuple[int, int, int] | None = None
        self._without_voice = 0

    def update(self, codecs: Mapping[int, Codec]) -> None:
        """Give payload types a new meaning from now on; the leg goes on in its own format.

        A type that is not among them keeps the meaning it had: its packets may still be on the way.
        """
        for payload_type, codec in codecs.items():
            if self._codecs.get(payload_type) != codec:
                self._codecs[payload_type] = codec
                self._decoders.pop(payload_type, None)

    def put(self, packet: RtpPacket) -> None:
        """Take a packet as it comes."""
        if self._ssrc is None:
            self._begin(packet)
        elif self._follows(packet):
            self._rivals.clear()
            self._take(packet)
        else:
            self._try(packet)

    def _follows(self, packet: RtpPacket) -> bool:
        way = advance(self._sequence, packet.sequence, 16)
        return packet.ssrc == self._ssrc and abs(way) <= MAX_JUMP

    def _try(self, packet: RtpPacket) -> None:
        rivals = self._rivals
        if rivals and (
            rivals[-1].ssrc != packet.ssrc or advance(rivals[-1].sequence, packet.sequence, 16) != 1
        ):
            rivals.clear()
        rivals.append(packet)
        if len(rivals) == PROBATION:
            self._rivals = []
            self._begin(rivals[0])
            for follower in rivals[1:]:
                self._take(follower)

    def _begin(self, packet: RtpPacket) -> None:
        self._ssrc, self._sequence = packet.ssrc, packet.sequence - 1
        # Numbers go on where the stream before has ended.
        self._shift = self._shift_before = self._number + 1 - packet.sequence
        self._pause_sequence = packet.sequence
        self._voice, self._without_voice = None, 0
        self._decoders.clear()
        self._take(packet)

    def _take(self, packet: RtpPacket) -> None:
        payload, ticks = self._decode(packet)
        # Counted on beyond 16 bits.
        sequence = self._sequence + advance(self._sequence, packet.sequence, 16)
        if sequence <= self._sequence:
            late = sequence < self._pause_sequence
            self._deliver(sequence + (self._shift_before if late else self._shift), payload)
            return
        self._sequence = sequence
        if ticks:
            self._add_pause(packet, sequence)
            self._voice = sequence, packet.timestamp, ticks
            self._without_voice = 0
        else:
            self._without_voice += 1
        self._number = sequence + self._shift
        self._deliver(self._number, payload)

    def _add_pause(self, packet: RtpPacket, sequence: int) -> None:
        if self._voice is None or not (packet.marker or self._without_voice):
            return
        voice_sequence, timestamp, ticks = self._voice
        sent = sequence - voice_sequence - self._without_voice
        pause = advance(timestamp, packet.timestamp, 32) - sent * ticks
        clock_rate = self._decoders[packet.payload_type].clock_rate
        if 0 < pause <= MAX_PAUSE_SECONDS * clock_rate:
            samples = pause * self._raw_format.sample_rate // clock_rate
            self._deliver(sequence + self._shift, SILENCE[self._raw_format.encoding] * samples)
            self._shift_before, self._pause_sequence = self._shift, sequence
            self._shift += 1

    def _decode(self, packet: RtpPacket) -> tuple[bytes, int]:
        """Return the payload in the leg's format and its length by RTP's clock; 0 without voice."""
        payload_type = packet.payload_type
        decoder = self._decoders.get(payload_type)
        if decoder is None:
            codec = self._codecs.get(payload_type) or by_payload_type(payload_type)
            if codec is None:
                return b"", 0
            decoder = self._decoders[payload_type] = _Decoder(codec, self._raw_format)
            self._came_in(codec.common_name)
        try:
            return decoder(packet.payload)
        except DecodeError:
            return b"", 0


class _Decoder:
    """Packets of one codec to a leg's format."""

    def __init__(self, codec: Codec, raw_format: RawFormat) -> None:
        self._codec, self._decode = codec, codec.decoder()
        self.clock_rate = codec.clock_rate
        self._convert = (
            None if codec.raw_format == raw_format else _Converter(codec.raw_format, raw_format)
        )

    def __call__(self, payload: bytes) -> tuple[bytes, int]:
        decoded = self._decode(payload)
        ticks = self._codec.ticks(len(decoded))
        return (decoded if self._convert is None else self._convert(decoded)), ticks


class _Converter:
    """Payloads of one raw format to another."""

    def __init__(self, source: RawFormat, target: RawFormat) -> None:
        self._source, self._target = source.encoding, target.encoding
        self._resampler = (
            None
            if source.sample_rate == target.sample_rate
            else StreamResampler(source.sample_rate, target.sample_rate)
        )

    def __call__(self, payload: bytes) -> bytes:
        pcm = to_pcm(payload, self._source)
        if self._resampler is not None:
            samples = self._resampler.feed(pcm.astype(np.float32) / np.float32(32768))
            pcm = np.rint(np.clip(samples * 32768, -32768, 32767)).astype(np.int16)
        match self._target:
            case Encoding.MULAW:
                return mulaw_encode(pcm).tobytes()
            case Encoding.ALAW:
                return alaw_encode(pcm).tobytes()
            case Encoding.S16LE:
                return pcm.astype("<i2").tobytes()
