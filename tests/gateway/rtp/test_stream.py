"""Packets of a stream, in whatever order, become the payloads that were sent."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_model.companding import alaw_encode, mulaw_decode, mulaw_encode
from audio_model.decoders.headerless import to_samples
from audio_model.formats import Encoding, RawFormat
from audio_model.gateway.codecs import CODECS, Codec, by_payload_type, by_rtpmap
from audio_model.gateway.order import MAX_AHEAD, PacketOrder
from audio_model.gateway.rtp.packet import parse
from audio_model.gateway.rtp.stream import MAX_PAUSE_SECONDS, PROBATION, RtpStream, leg_format
from tests.gateway.rtp.packets import rtp

PCMU, PCMA, G722 = (codec for n in (0, 8, 9) if (codec := by_payload_type(n)) is not None)
assert PCMU and PCMA and G722
MULAW = RawFormat(Encoding.MULAW)
SILENCE = b"\xff"
EVENT, NOISE = 101, 13
SILENCES = {Encoding.MULAW: b"\xff", Encoding.ALAW: b"\xd5", Encoding.S16LE: b"\0\0"}


class Heard:
    """What a leg would hear."""

    def __init__(self, codecs: dict[int, Codec] | None = None) -> None:
        codecs = codecs or {0: PCMU}
        self.raw_format = leg_format(codecs)
        self.numbers: list[int] = []
        self.order = PacketOrder(SILENCES[self.raw_format.encoding])
        self.audio = b""
        self.codecs: list[str] = []
        self.stream = RtpStream(codecs, self.raw_format, self._deliver, self.codecs.append)

    def _deliver(self, number: int, payload: bytes) -> None:
        self.numbers.append(number)
        self.audio += b"".join(self.order.put(number, payload))

    def put(self, *datagrams: bytes) -> bytes:
        for datagram in datagrams:
            self.stream.put(parse(datagram))
        return self.audio

    def rest(self) -> bytes:
        return self.audio + b"".join(self.order.rest())


def _payload(index: int) -> bytes:
    return bytes([index % 251]) * 160


@pytest.mark.parametrize("first", [0, 1, 65_530, 65_535])
def test_packets_in_order_are_numbered_on_across_the_wrap(first: int) -> None:
    heard = Heard()
    packets = [rtp(first + index, _payload(index)) for index in range(40)]
    assert heard.put(*packets) == b"".join(map(_payload, range(40)))
    assert all(after - before == 1 for before, after in pairwise(heard.numbers))


@given(
    st.permutations(range(MAX_AHEAD)),
    st.lists(st.integers(0, MAX_AHEAD - 1), max_size=5),
    st.integers(0, 65_535),
)
def test_late_and_doubled_packets_change_nothing(
    order: list[int], doubled: list[int], first: int
) -> None:
    heard = Heard()
    # The first that comes begins the stream, so one is there before the disorder.
    heard.put(rtp(first, _payload(0)))
    for index in [*order, *doubled]:
        heard.put(rtp(first + 1 + index, _payload(1 + index)))
    assert heard.rest() == b"".join(map(_payload, range(MAX_AHEAD + 1)))


@given(st.sets(st.integers(1, 58), max_size=8))
def test_lost_packets_become_silence_of_their_length(lost: set[int]) -> None:
    heard = Heard()
    for index in range(60):
        if index not in lost:
            heard.put(rtp(index, _payload(index)))
    expected = [SILENCE * 160 if index in lost else _payload(index) for index in range(60)]
    assert heard.rest() == b"".join(expected)


def test_a_pause_that_was_not_sent_is_heard_as_silence() -> None:
    heard = Heard()
    heard.put(rtp(7, _payload(1), timestamp=1000))
    heard.put(rtp(8, _payload(2), timestamp=1160 + 12_345, marker=True))
    assert heard.rest() == _payload(1) + SILENCE * 12_345 + _payload(2)


def test_comfort_noise_marks_a_pause_without_a_marker_bit() -> None:
    heard = Heard()
    heard.put(rtp(7, _payload(1), timestamp=0))
    heard.put(rtp(8, b"\x40", timestamp=160, payload_type=NOISE))
    heard.put(rtp(9, b"\x40", timestamp=1760, payload_type=NOISE))
    heard.put(rtp(10, _payload(2), timestamp=3200))
    assert heard.rest() == _payload(1) + SILENCE * (3200 - 160) + _payload(2)


def test_a_pressed_key_is_silence_as_long_as_its_timestamps_say() -> None:
    # RFC 4733: the packets of one event all have its first timestamp.
    heard = Heard()
    heard.put(rtp(0, _payload(1), timestamp=0))
    events = [rtp(1 + n, b"\5\n\0\0", timestamp=160, payload_type=EVENT) for n in range(9)]
    heard.put(*events, rtp(10, _payload(2), timestamp=1280))
    assert heard.rest() == _payload(1) + SILENCE * 1120 + _payload(2)


def test_a_packet_from_before_the_pause_finds_its_place() -> None:
    heard = Heard()
    heard.put(rtp(0, _payload(0), timestamp=0))
    heard.put(rtp(2, _payload(2), timestamp=320 + 1600, marker=True))
    heard.put(rtp(1, _payload(1), timestamp=160))
    heard.put(rtp(3, _payload(3), timestamp=480 + 1600))
    silence = SILENCE * 1600
    assert heard.rest() == _payload(0) + _payload(1) + silence + _payload(2) + _payload(3)


@pytest.mark.parametrize("timestamp", [321 + 8000 * MAX_PAUSE_SECONDS, 2**31, 0, 100, 320])
def test_a_timestamp_of_another_clock_is_no_pause(timestamp: int) -> None:
    heard = Heard()
    heard.put(rtp(0, _payload(1), timestamp=160))
    heard.put(rtp(1, _payload(2), timestamp=timestamp, marker=True))
    assert heard.rest() == _payload(1) + _payload(2)


def test_a_clock_that_is_too_fast_is_no_pause_between_all_packets() -> None:
    heard = Heard()
    heard.put(*(rtp(index, _payload(index), timestamp=320 * index) for index in range(5)))
    assert heard.rest() == b"".join(map(_payload, range(5)))


def test_a_stray_sender_is_not_heard() -> None:
    heard = Heard()
    heard.put(rtp(0, _payload(0)))
    for index in range(1, 30):
        heard.put(rtp(500 + index, b"\0" * 160, ssrc=0x666), rtp(index, _payload(index)))
    assert heard.rest() == b"".join(map(_payload, range(30)))


@pytest.mark.parametrize(("ssrc", "first"), [(0x777, 900), (0x1234, 40_000)])
def test_a_new_stream_takes_over_without_a_loss(ssrc: int, first: int) -> None:
    heard = Heard()
    heard.put(*(rtp(index, _payload(index)) for index in range(5)))
    heard.put(*(rtp(first + index, _payload(5 + index), ssrc=ssrc) for index in range(5)))
    assert heard.rest() == b"".join(map(_payload, range(10)))
    assert heard.numbers == list(range(10))


def test_a_new_stream_must_come_in_a_row() -> None:
    heard = Heard()
    heard.put(rtp(0, _payload(0)))
    for index in range(20):
        heard.put(rtp(30_000 + 2 * index, b"\0" * 160, ssrc=0x777))
    assert heard.rest() == _payload(0)
    assert PROBATION > 1


def test_two_codecs_on_one_leg_are_heard_as_samples_of_the_models_rate() -> None:
    heard = Heard({0: PCMU, 8: PCMA})
    pcm = np.arange(-8000, 8000, 100, dtype=np.int16)
    heard.put(rtp(0, mulaw_encode(pcm).tobytes()))
    heard.put(rtp(1, alaw_encode(pcm).tobytes(), payload_type=8))
    audio = np.frombuffer(heard.rest(), "<i2")
    assert heard.raw_format == RawFormat(Encoding.S16LE, 8000)
    np.testing.assert_array_equal(audio[:160], mulaw_decode(mulaw_encode(pcm)))
    np.testing.assert_allclose(audio[160:], pcm, atol=260)
    assert heard.codecs == ["mulaw", "alaw"]


def test_wideband_beside_narrowband_is_resampled_with_state() -> None:
    heard = Heard({0: PCMU, 9: G722})
    for index in range(100):
        heard.put(rtp(index, b"\xfa" * 160, payload_type=9))
    # The resampler holds back at most 0.2 s.
    assert 2 * 160 * 90 <= len(heard.rest()) <= 2 * 160 * 100


def test_payload_types_can_change_their_meaning() -> None:
    opus, l16 = by_rtpmap("opus", 48_000, 2), by_rtpmap("L16", 48_000)
    assert opus and l16
    heard = Heard({96: opus})
    heard.put(rtp(0, bytes([0xF8, 0xFF, 0xFE]), payload_type=96))
    heard.stream.update({96: l16})
    assert heard.put(rtp(1, b"\1\2", payload_type=96))[-2:] == b"\2\1"


@pytest.mark.parametrize("told", [True, False], ids=["re-INVITE", "without a word"])
@pytest.mark.parametrize(
    ("first", "second"), [(8, 0), (0, 8), (0, 9), (9, 0), (8, 9), (0, 11), (11, 8)]
)
def test_a_codec_that_changes_is_heard_in_the_format_of_the_leg(
    first: int, second: int, told: bool
) -> None:
    """``rtp_codec_change.py``: what a leg of A-law heard of 160 bytes of mu-law were 320 of PCM."""
    before, after = by_payload_type(first), by_payload_type(second)
    assert before and after
    heard = Heard({first: before})
    silent = SILENCES[after.raw_format.encoding]
    sample_bytes = len(SILENCES[before.raw_format.encoding])
    heard.put(rtp(0, b"", payload_type=first))
    if told:
        heard.stream.update({second: after})
    seconds = 0.0
    for index in range(1, 101):
        payload = silent * (after.raw_format.sample_rate // 50)
        payload = b"\xfa" * 160 if second == 9 else payload
        heard.put(rtp(index, payload, payload_type=second, timestamp=160 * index))
        seconds += 0.02
    # A resampler holds back at most 0.2 s.
    got = len(heard.rest()) / sample_bytes / before.raw_format.sample_rate
    assert seconds - 0.2 <= got <= seconds + 0.001


@pytest.mark.parametrize(("first", "second"), [(8, 0), (0, 8), (9, 0), (11, 8)])
def test_what_is_said_in_another_codec_sounds_the_same(first: int, second: int) -> None:
    before, after = by_payload_type(first), by_payload_type(second)
    assert before and after
    heard = Heard({first: before})
    heard.stream.update({second: after})
    pcm = np.rint(8000 * np.sin(2 * np.pi * 400 * np.arange(16_000) / 8000)).astype(np.int16)
    encode = mulaw_encode if second == 0 else alaw_encode
    for index in range(100):
        packet = pcm[160 * index : 160 * (index + 1)]
        heard.put(rtp(index, encode(packet).tobytes(), payload_type=second, timestamp=160 * index))
    samples = to_samples(heard.rest(), before.raw_format.encoding)
    rate = before.raw_format.sample_rate
    tone = np.abs(np.fft.rfft(samples[-rate:]))
    assert abs(np.argmax(tone) * rate / len(samples[-rate:]) - 400) <= 2
    assert 0.9 * 8000 < 32768 * samples[-rate // 2 :].std() * 2**0.5 < 1.1 * 8000


def test_a_packet_of_the_codec_before_may_still_be_on_its_way() -> None:
    heard = Heard({8: PCMA})
    heard.stream.update({0: PCMU})
    heard.put(rtp(0, b"\xff" * 160), rtp(1, b"\x55" * 160, payload_type=8))
    assert heard.rest()[160:] == b"\x55" * 160


_packets = st.builds(
    rtp,
    st.integers(0, 70_000) | st.integers(0, 20),
    st.binary(max_size=60),
    payload_type=st.sampled_from([0, 8, 9, 13, 96, 101]),
    timestamp=st.integers(0, 2**32 - 1) | st.integers(0, 2000),
    ssrc=st.sampled_from([1, 1, 1, 2]),
    marker=st.booleans(),
)


@given(st.lists(_packets, max_size=60))
def test_whatever_comes_memory_and_time_stay_bounded(datagrams: list[bytes]) -> None:
    opus = CODECS[-1]
    heard = Heard({0: PCMU, 8: PCMA, 9: G722, 96: opus})
    before = 0
    for datagram in datagrams:
        heard.put(datagram)
        assert len(heard.audio) - before <= 2 * 8000 * (MAX_PAUSE_SECONDS + 60)
        before = len(heard.audio)
    assert len(heard.stream._rivals) < PROBATION
