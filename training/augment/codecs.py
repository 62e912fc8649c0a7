"""Real telephone codecs, encoded and decoded in memory, in place to within a few milliseconds.

libsndfile has G.711, GSM and ADPCM; FFmpeg, through PyAV, the rest. Bit rates and options are drawn
as networks use them. G.729, Speex, AMR-WB and EVS are missing: neither library encodes them.
"""

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import av
import numpy as np
import soundfile
import soxr
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.codec.context import CodecContext
from av.packet import Packet
from numpy.random import Generator

from audio_model.frontend import SAMPLE_RATE, Samples
from training.augment.levels import Effect

TAIL_SAMPLES = SAMPLE_RATE * 8 // 100
"""Silence behind the samples, so that a codec's delay doesn't cut their end off."""


class Codec(StrEnum):
    """A codec of telephone lines and stores."""

    MULAW = "mulaw"
    ALAW = "alaw"
    AMR_NB = "amr_nb"
    GSM = "gsm"
    G722 = "g722"
    G723 = "g723"
    G726 = "g726"
    OPUS = "opus"
    MP3 = "mp3"
    ADPCM = "adpcm"


def encode(samples: Samples, codec: str, rng: Generator) -> Samples:
    """Encode by the real encoder of a :class:`Codec`, decode, and remove its delay."""
    coder = _CODERS[Codec(codec)]
    # A lossy decoder overshoots full scale, and the next encoder would wrap around.
    padded = np.pad(np.clip(samples, -1, 1), (0, TAIL_SAMPLES))
    decoded = coder.code(padded, rng)[coder.delay_samples :]
    return np.asarray(decoded[: len(samples)], np.float32)


def draw_codec(shares: Mapping[Codec, float], rng: Generator) -> Codec:
    """Draw a codec by the shares."""
    codecs = list(shares)
    weights = np.array(list(shares.values()))
    return codecs[int(rng.choice(len(codecs), p=weights / weights.sum()))]


LINE_SHARES: Mapping[Codec, float] = {
    Codec.MULAW: 0.28,
    Codec.ALAW: 0.28,
    Codec.AMR_NB: 0.2,
    Codec.GSM: 0.07,
    Codec.OPUS: 0.05,
    Codec.G722: 0.04,
    Codec.MP3: 0.04,
    Codec.G726: 0.03,
    Codec.G723: 0.01,
}
"""Shares in China and North America, judged: PSTN and SIP trunks, then mobile, then the web; MP3
for calls that were archived.
"""

FILE_SHARES: Mapping[Codec, float] = {
    Codec.MP3: 0.4,
    Codec.ADPCM: 0.2,
    Codec.GSM: 0.2,
    Codec.MULAW: 0.1,
    Codec.ALAW: 0.1,
}
"""Shares of the files that dialling machines and exchanges play, judged."""


def _file(samples: Samples, subtype: str) -> Samples:
    """Write to a WAV file of libsndfile's and read it back."""
    file = io.BytesIO()
    soundfile.write(file, samples, SAMPLE_RATE, format="WAV", subtype=subtype)
    file.seek(0)
    decoded, _ = soundfile.read(file, dtype="float32")
    return np.asarray(decoded, np.float32)


def _context(name: str, mode: Literal["r", "w"], sample_rate: int) -> AudioCodecContext:
    context = CodecContext.create(name, mode)
    assert isinstance(context, AudioCodecContext)
    context.sample_rate, context.layout = sample_rate, "mono"
    return context


def _through(
    samples: Samples,
    encoder_name: str,
    decoder_name: str,
    bit_rate: int,
    *,
    sample_rate: int = SAMPLE_RATE,
    sample_format: str = "s16",
    options: dict[str, str] | None = None,
) -> Samples:
    """Send packet by packet through an encoder and a decoder of FFmpeg's."""
    encoder = _context(encoder_name, "w", sample_rate)
    encoder.format = sample_format
    packets = _packets(samples, encoder, bit_rate, options or {})
    decoder = _context(decoder_name, "r", sample_rate)
    decoder.extradata = encoder.extradata
    return _joined(frame for packet in packets for frame in decoder.decode(packet))


def _packets(
    samples: Samples, encoder: AudioCodecContext, bit_rate: int, options: dict[str, str]
) -> "list[Packet[AudioStream]]":
    """Return an encoder's packets for samples at its sample rate."""
    encoder.bit_rate, encoder.options = bit_rate, options
    frame = AudioFrame.from_ndarray(samples[None], format="flt", layout="mono")
    frame.sample_rate = encoder.sample_rate
    return [*encoder.encode(frame), *encoder.encode(None)]


def _joined(frames: Iterable[AudioFrame]) -> Samples:
    decoded = np.concatenate([frame.to_ndarray()[0] for frame in frames])
    if decoded.dtype == np.int16:
        return np.asarray(decoded / np.float32(32768), np.float32)
    return np.asarray(decoded, np.float32)


def _amr_nb(samples: Samples, rng: Generator) -> Samples:
    """Use one of the eight modes, the best half of the time.

    Pauses are mostly comfort noise (DTX).
    """
    bit_rate = 12_200
    if rng.random() < 0.5:
        bit_rate = int(rng.choice([4750, 5150, 5900, 6700, 7400, 7950, 10_200]))
    options = {"dtx": str(int(rng.random() < 0.7))}
    # FFmpeg's own decoder, amrnb, knows no comfort noise.
    name = "libopencore_amrnb"
    return _through(samples, name, name, bit_rate, options=options)


def _g722(samples: Samples, _: Generator) -> Samples:
    """Use the wideband codec: 16 kHz at 64 kbit/s."""
    wide = soxr.resample(samples, SAMPLE_RATE, 16_000)
    decoded = _through(wide, "g722", "g722", 64_000, sample_rate=16_000)
    return np.asarray(soxr.resample(decoded, 16_000, SAMPLE_RATE), np.float32)


def _g726(samples: Samples, rng: Generator) -> Samples:
    """Use 16 to 40 kbit/s: two to five bits a sample."""
    bits = int(rng.integers(2, 6))
    encoder = _context("g726", "w", SAMPLE_RATE)
    encoder.format = "s16"
    # FFmpeg's predictor wraps around near full scale.
    quieter = samples * np.float32(0.7)
    code = b"".join(map(bytes, _packets(quieter, encoder, bits * SAMPLE_RATE, {})))
    # PyAV can tell the size of a code word to FFmpeg's demuxer, but not to its decoder.
    options = {"code_size": str(bits), "sample_rate": str(SAMPLE_RATE)}
    with av.open(io.BytesIO(code), "r", format="g726", options=options) as container:
        return _joined(container.decode(container.streams.audio[0])) / np.float32(0.7)


def _opus(samples: Samples, rng: Generator) -> Samples:
    """Use the encoder's mode for speech (voip), 6 to 24 kbit/s, complexity 0 to 5.

    DTX is on half of the time.
    """
    options = {
        "application": "voip",
        "compression_level": str(rng.integers(6)),
        "dtx": str(int(rng.random() < 0.5)),
    }
    bit_rate = int(rng.integers(6, 25)) * 1000
    decoded = _through(samples, "libopus", "opus", bit_rate, sample_format="flt", options=options)
    return np.asarray(soxr.resample(decoded, 48_000, SAMPLE_RATE), np.float32)


def _mp3(samples: Samples, rng: Generator) -> Samples:
    """Use 8 to 32 kbit/s (MPEG 2.5)."""
    bit_rate = int(rng.choice([8, 16, 24, 32])) * 1000
    # LAME's quick setting is a third cheaper than its usual one.
    options = {"compression_level": "7"}
    return _through(
        samples, "libmp3lame", "mp3float", bit_rate, sample_format="fltp", options=options
    )


@dataclass(frozen=True)
class _Coder:
    code: Effect
    """Samples that are a little longer or shorter than those given, and late."""
    delay_samples: int = 0
    """How late, measured at 8 kHz."""


_CODERS: Mapping[Codec, _Coder] = {
    Codec.MULAW: _Coder(lambda samples, _: _file(samples, "ULAW")),
    Codec.ALAW: _Coder(lambda samples, _: _file(samples, "ALAW")),
    Codec.AMR_NB: _Coder(_amr_nb, 39),
    Codec.GSM: _Coder(lambda samples, _: _file(samples, "GSM610")),
    Codec.G722: _Coder(_g722, 11),
    Codec.G723: _Coder(lambda samples, _: _through(samples, "g723_1", "g723_1", 6_300), 60),
    Codec.G726: _Coder(_g726),
    Codec.OPUS: _Coder(_opus),
    Codec.MP3: _Coder(_mp3),
    Codec.ADPCM: _Coder(lambda samples, _: _file(samples, "IMA_ADPCM")),
}
