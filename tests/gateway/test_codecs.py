"""Names lead to the right codec, and decoders keep their state from packet to packet."""

from io import BytesIO

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_model.companding import Pcm
from audio_model.formats import Encoding, RawFormat
from audio_model.gateway.codecs import (
    CODECS,
    Codec,
    DecodeError,
    by_payload_type,
    by_rtpmap,
)

SECOND = 16_000


def _chirp(sample_rate: int) -> Pcm:
    t = np.arange(sample_rate) / sample_rate
    return np.asarray(8000 * np.sin(2 * np.pi * (300 + 600 * t) * t), np.int16)


def _encoded(name: str, layout: str, pcm: Pcm, sample_rate: int) -> list[bytes]:
    """Packets of 20 ms, made by FFmpeg's encoder."""
    encoder = av.AudioCodecContext.create(name, "w")
    assert isinstance(encoder, av.AudioCodecContext)
    encoder.sample_rate, encoder.layout, encoder.format = sample_rate, layout, "s16"
    packets = []
    for start in range(0, len(pcm), sample_rate // 50):
        block = pcm[None, start : start + sample_rate // 50]
        if layout == "stereo":
            block = np.repeat(block, 2, axis=1)
        frame = av.AudioFrame.from_ndarray(block, format="s16", layout=layout)
        frame.sample_rate = sample_rate
        packets += [bytes(packet) for packet in encoder.encode(frame)]
    return packets


def _known(name: str, clock_rate: int, channels: int = 1) -> Codec:
    codec = by_rtpmap(name, clock_rate, channels)
    assert codec is not None
    return codec


def test_codecs_go_by_the_names_that_those_of_recordings_have() -> None:
    names = {codec.name: codec.common_name for codec in CODECS}
    assert names == {
        "PCMU": "mulaw", "PCMA": "alaw", "G722": "g722", "L16": "pcm", "OPUS": "opus",
    }  # fmt: skip


def test_static_payload_types_are_those_of_rfc_3551() -> None:
    names = {number: codec.name for number in range(128) if (codec := by_payload_type(number))}
    assert names == {0: "PCMU", 8: "PCMA", 9: "G722", 11: "L16"}


@pytest.mark.parametrize(
    ("rtpmap", "raw_format"),
    [
        (("pcmu", 8000, 1), RawFormat(Encoding.MULAW)),
        (("PCMA", 8000, 1), RawFormat(Encoding.ALAW)),
        (("G722", 8000, 1), RawFormat(Encoding.S16LE, 16_000)),
        (("opus", 48_000, 2), RawFormat(Encoding.S16LE, 48_000)),
        (("L16", 16_000, 1), RawFormat(Encoding.S16LE, 16_000)),
    ],
)
def test_rtpmap_names_are_known_in_any_case(
    rtpmap: tuple[str, int, int], raw_format: RawFormat
) -> None:
    assert _known(*rtpmap).raw_format == raw_format


@pytest.mark.parametrize("rtpmap", [("G729", 8000, 1), ("PCMU", 16_000, 1), ("L16", 8000, 2)])
def test_what_is_not_understood_is_not_known(rtpmap: tuple[str, int, int]) -> None:
    assert by_rtpmap(*rtpmap) is None


def test_g711_is_passed_on_as_it_came() -> None:
    payload = bytes(range(256))
    assert _known("PCMU", 8000).decoder()(payload) == payload
    assert _known("PCMA", 8000).decoder()(payload) == payload


def test_l16_comes_in_network_byte_order_and_a_cut_sample_is_left_out() -> None:
    assert _known("L16", 8000).decoder()(b"\x01\x02\xff\xfe\x7f") == b"\x02\x01\xfe\xff"


def test_g722_in_packets_is_the_file_that_they_make() -> None:
    packets = _encoded("g722", "mono", _chirp(SECOND), SECOND)
    decoder = _known("G722", 8000).decoder()
    in_packets = b"".join(decoder(packet) for packet in packets)
    with av.open(BytesIO(b"".join(packets)), "r", format="g722") as file:
        whole = b"".join(frame.to_ndarray().tobytes() for frame in file.decode(audio=0))
    assert in_packets == whole
    assert len(in_packets) == 2 * SECOND


@pytest.mark.parametrize("layout", ["mono", "stereo"])
def test_opus_of_one_or_two_channels_becomes_one(layout: str) -> None:
    chirp = _chirp(48_000)
    decoder = _known("opus", 48_000, 2).decoder()
    packets = _encoded("libopus", layout, chirp, 48_000)
    heard = np.frombuffer(b"".join(map(decoder, packets)), "<i2").astype(float)
    # The encoder looks 6.5 ms ahead.
    delay = 312
    late, sent = heard[delay:40_000], chirp[: 40_000 - delay].astype(float)
    assert np.corrcoef(late, sent)[0, 1] > 0.99
    assert np.std(late) == pytest.approx(np.std(sent), rel=0.1)


def test_each_stream_has_state_of_its_own() -> None:
    first, *rest = _encoded("g722", "mono", _chirp(SECOND), SECOND)
    codec = _known("G722", 8000)
    fresh, other = codec.decoder(), codec.decoder()
    for packet in rest:
        other(packet)
    assert fresh(first) == codec.decoder()(first)


@pytest.mark.parametrize(
    ("rtpmap", "twenty_ms", "ticks"),
    [
        (("PCMU", 8000, 1), 160, 160),
        (("G722", 8000, 1), 640, 160),
        (("opus", 48_000, 2), 1920, 960),
        (("L16", 44_100, 1), 1764, 882),
    ],
)
def test_ticks_are_of_rtps_clock(rtpmap: tuple[str, int, int], twenty_ms: int, ticks: int) -> None:
    assert _known(*rtpmap).ticks(twenty_ms) == ticks


@given(st.sampled_from(CODECS), st.lists(st.binary(max_size=400), max_size=4))
def test_garbage_is_decoded_or_refused(codec: Codec, payloads: list[bytes]) -> None:
    decoder = codec.decoder()
    sample_bytes = 2 if codec.raw_format.encoding is Encoding.S16LE else 1
    for payload in payloads:
        try:
            decoded = decoder(payload)
        except DecodeError:
            continue
        assert len(decoded) % sample_bytes == 0


def test_a_payload_that_opus_cannot_read_is_named() -> None:
    with pytest.raises(DecodeError, match="opus"):
        _known("opus", 48_000, 2).decoder()(b"\xff")


def test_an_empty_payload_does_not_end_the_stream() -> None:
    decoder = _known("G722", 8000).decoder()
    assert decoder(b"") == b""
    assert len(decoder(b"\x00" * 160)) == 640
