"""Packets of any size and encoding give the verdict of the whole recording."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_model.audio import RawFormat
from audio_model.companding import alaw_decode, alaw_encode, mulaw_decode, mulaw_encode
from audio_model.decision import Reason, VerdictKind
from audio_model.detector import Detector
from audio_model.errors import AudioError, UsageError
from audio_model.formats import Encoding
from audio_model.model import Model
from audio_model.steps import STEP_SAMPLES
from audio_model.stream import Packet, StreamDetector
from tests import fixture, sounds
from tests.verdicts import assert_same

CALL = np.concatenate(
    [sounds.silence(0.3), sounds.voice(1.2, 2), sounds.voice(2.8, 9, played=True)]
)
"""A live greeting, then a recording."""
PACKET_20_MS = 160

CODERS: dict[Encoding, tuple[Callable[..., np.ndarray], Callable[..., np.ndarray]]] = {
    Encoding.MULAW: (mulaw_encode, mulaw_decode),
    Encoding.ALAW: (alaw_encode, alaw_decode),
    Encoding.S16LE: (lambda pcm: pcm.astype("<i2"), lambda pcm: pcm),
}


def coded(samples: sounds.Samples, encoding: Encoding) -> tuple[bytes, sounds.Samples]:
    """What goes over the wire, and the samples that it stands for."""
    encode, decode = CODERS[encoding]
    codes = encode(sounds.pcm(samples))
    return codes.tobytes(), decode(codes).astype(np.float32) / np.float32(32768)


def packets(whole: Packet, cuts: list[int]) -> Iterator[Packet]:
    for start, end in pairwise([0, *sorted(cut for cut in cuts if cut < len(whole)), len(whole)]):
        yield whole[start:end]


def every(size: int, whole: Packet) -> list[int]:
    return list(range(size, len(whole), size))


cuts = st.lists(st.integers(0, 2 * len(CALL)), max_size=30)


@given(cuts=cuts)
@settings(max_examples=40)
@pytest.mark.parametrize("encoding", Encoding)
def test_bytes_may_be_cut_anywhere(detector: Detector, encoding: Encoding, cuts: list[int]) -> None:
    wire, samples = coded(CALL, encoding)
    stream = detector.stream(encoding=encoding)
    for packet in packets(wire, cuts):
        stream.feed(packet)
    assert_same(stream.flush(), detector.score_samples(samples, 8000))


@pytest.mark.parametrize("size", [1, 3, PACKET_20_MS, 333, 10**6])
@pytest.mark.parametrize("encoding", Encoding)
def test_packets_of_one_size(detector: Detector, encoding: Encoding, size: int) -> None:
    wire, samples = coded(CALL[: 8000 if size == 1 else None], encoding)
    stream = detector.stream(encoding=encoding)
    for packet in packets(wire, every(size, wire)):
        stream.feed(packet)
    assert_same(stream.flush(), detector.score_samples(samples, 8000))


@given(cuts=cuts)
@settings(max_examples=40)
def test_float_samples_may_be_cut_anywhere(detector: Detector, cuts: list[int]) -> None:
    stream = detector.stream()
    for packet in packets(CALL, cuts):
        stream.feed(packet)
    assert_same(stream.flush(), detector.score_samples(CALL, 8000))


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_bytes_like_packet(detector: Detector, kind: Callable[[bytes], Packet]) -> None:
    wire, samples = coded(CALL, Encoding.S16LE)
    stream = detector.stream()
    stream.feed(kind(wire))
    assert_same(stream.flush(), detector.score_samples(samples, 8000))


@pytest.mark.parametrize("packet", [160, [0.0] * 160, "audio", None])
def test_what_is_no_packet_is_refused(detector: Detector, packet: object) -> None:
    with pytest.raises(UsageError, match="a packet is bytes or samples"):
        detector.stream().feed(packet)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [7, 441, 10**6])
@pytest.mark.parametrize("sample_rate", [11_025, 16_000, 44_100, 48_000])
def test_any_sample_rate(detector: Detector, sample_rate: int, size: int) -> None:
    t = np.arange(3 * sample_rate) / sample_rate
    samples = np.interp(t, sounds.times(len(CALL) / 8000), CALL).astype(np.float32)
    samples = samples[: sample_rate if size == 7 else None]
    wire, decoded = coded(samples, Encoding.S16LE)
    expected = detector.score_samples(decoded, sample_rate)
    for packet_source in (wire, decoded):
        stream = detector.stream(sample_rate)
        for packet in packets(packet_source, every(size, packet_source)):
            stream.feed(packet)
        assert_same(stream.flush(), expected)


def test_feed_returns_a_verdict_exactly_when_it_changes(detector: Detector) -> None:
    stream = detector.stream()
    said = []
    before = stream.verdict().verdict
    for packet in packets(CALL, every(PACKET_20_MS, CALL)):
        change, now = stream.feed(packet), stream.verdict()
        assert (change is not None) == (now.verdict is not before)
        before = now.verdict
        if change is not None:
            assert change == now
            said.append((change.verdict, change.decided_at))
    live, unknown, recorded = VerdictKind.LIVE, VerdictKind.UNKNOWN, VerdictKind.RECORDED
    assert [kind for kind, _ in said] == [live, unknown, recorded]
    assert said[-1] == (stream.flush().verdict, stream.flush().decided_at)


def test_a_verdict_comes_with_the_packet_that_ends_its_step(detector: Detector) -> None:
    stream = detector.stream()
    for n, packet in enumerate(packets(CALL, every(PACKET_20_MS, CALL)), start=1):
        if change := stream.feed(packet):
            assert change.evidence.times[-1] == pytest.approx(n * 0.02)
            if change.verdict is not VerdictKind.UNKNOWN:
                assert change.decided_at == pytest.approx(n * 0.02)


@given(n_samples=st.integers(0, len(CALL)))
@settings(max_examples=30)
def test_the_verdict_on_the_way_is_that_of_the_prefix(detector: Detector, n_samples: int) -> None:
    stream = detector.stream()
    for packet in packets(CALL[:n_samples], every(1000, CALL)):
        stream.feed(packet)
    expected = detector.stream()
    expected.feed(CALL[:n_samples])
    assert_same(stream.verdict(), expected.verdict())
    scores = detector.score_samples(CALL, 8000).evidence.scores
    n_steps = n_samples // 640
    np.testing.assert_allclose(stream.verdict().evidence.scores, scores[:n_steps], atol=1e-5)


@pytest.mark.parametrize("sample_rate", [8000, 16_000])
def test_after_max_seconds_packets_are_ignored(detector: Detector, sample_rate: int) -> None:
    stream = detector.stream(sample_rate, max_seconds=1, wait_seconds=0)
    samples = sounds.noise(4)
    n_fed = 0
    while not stream.finished:
        stream.feed(samples[n_fed : n_fed + PACKET_20_MS])
        n_fed += PACKET_20_MS
    # A resampler lags behind by at most 0.2 s.
    assert 1 <= n_fed / sample_rate <= 1.25
    verdict = stream.verdict()
    assert verdict.seconds == 1
    assert stream.feed(sounds.voice(2, 3)) is None
    assert stream.feed(b"anything") is None
    assert stream.flush() == stream.verdict() == verdict
    whole = detector.score_samples(samples, sample_rate, max_seconds=1, wait_seconds=0)
    assert_same(verdict, whole)


def test_max_seconds_need_not_end_with_a_packet_or_a_step(detector: Detector) -> None:
    stream = detector.stream(max_seconds=1.23)
    for packet in packets(CALL, every(1000, CALL)):
        stream.feed(packet)
    assert stream.verdict().seconds == 1.23
    assert_same(stream.flush(), detector.score_samples(CALL, 8000, max_seconds=1.23))


@pytest.mark.parametrize("sample_rate", [8000, 16_000])
def test_flush_may_be_called_again(detector: Detector, sample_rate: int) -> None:
    stream = detector.stream(sample_rate)
    stream.feed(CALL)
    assert stream.flush() == stream.flush() == stream.verdict()


@pytest.mark.parametrize("sample_rate", [8000, 16_000])
def test_reset_forgets_the_call(detector: Detector, sample_rate: int) -> None:
    stream, wire = detector.stream(sample_rate), coded(CALL, Encoding.S16LE)[0]
    fresh = detector.stream(sample_rate)
    fresh.feed(wire)
    # An odd byte, a part of a step and the resampler's filter are all left from the call before.
    stream.feed(coded(sounds.voice(1.03, 9), Encoding.S16LE)[0][:-1])
    stream.reset()
    assert repr(stream.verdict()) == repr(detector.stream(sample_rate).verdict())
    stream.feed(wire)
    assert stream.flush() == fresh.flush()
    stream.reset()
    assert not stream.finished


def test_streams_of_one_detector_do_not_touch(detector: Detector) -> None:
    calls = [sounds.voice(2, seed, played=bool(seed % 2)) for seed in range(3)]
    streams = [detector.stream() for _ in calls]
    for start in range(0, len(calls[0]), 777):
        for stream, call in zip(streams, calls, strict=True):
            stream.feed(call[start : start + 777])
    for stream, call in zip(streams, calls, strict=True):
        assert_same(stream.flush(), detector.score_samples(call, 8000))


def test_before_any_packet(detector: Detector) -> None:
    verdict = detector.stream().verdict()
    assert (verdict.verdict, verdict.reason) == (VerdictKind.UNKNOWN, Reason.TOO_SHORT)
    assert verdict.seconds == verdict.speech_seconds == 0


@pytest.mark.parametrize("encoding", Encoding)
def test_an_empty_packet_changes_nothing(detector: Detector, encoding: Encoding) -> None:
    stream = detector.stream(encoding=encoding)
    assert stream.feed(b"") is None
    assert stream.feed(np.empty(0, np.float32)) is None
    assert stream.verdict().seconds == 0


@pytest.mark.parametrize(
    ("packet", "error"),
    [
        (np.full(100, np.nan, np.float32), AudioError),
        (np.full(100, 1e6, np.float32), AudioError),
        (np.zeros(100, np.int16), UsageError),
        (np.zeros((2, 100), np.float32), UsageError),
    ],
)
def test_a_packet_that_is_refused_leaves_the_call_as_it_was(
    detector: Detector, packet: np.ndarray, error: type[Exception]
) -> None:
    stream = detector.stream()
    stream.feed(CALL[:9999])
    with pytest.raises(error):
        stream.feed(packet)
    stream.feed(CALL[9999:])
    assert_same(stream.flush(), detector.score_samples(CALL, 8000))


def test_a_stream_is_one_leg(model: Model) -> None:
    with pytest.raises(UsageError, match="one leg"):
        StreamDetector(
            model, fixture.RULE.operating_points[0], RawFormat(Encoding.ALAW, 8000, 2), 6
        )


@pytest.mark.parametrize("sample_rate", [0, -8000, 10**7])
def test_an_absurd_sample_rate_is_refused(detector: Detector, sample_rate: int) -> None:
    with pytest.raises(UsageError, match="sample rate"):
        detector.stream(sample_rate)


LEADS = {
    "silence": sounds.silence(5),
    "comfort noise": sounds.noise(5, level=1e-4),
    "ringback": sounds.tone(5, 450, 0.1) * (sounds.times(5) % 5 < 1),
}


@pytest.mark.parametrize("played", [False, True])
@pytest.mark.parametrize("seconds", [2, 3.0011, 5])
@pytest.mark.parametrize("lead", LEADS)
def test_what_comes_before_the_first_voice_changes_nothing(
    detector: Detector, lead: str, seconds: float, played: bool
) -> None:
    voice = sounds.voice(4, 11, played=played)
    before = LEADS[lead][: round(8000 * seconds)].astype(np.float32)
    call = np.concatenate([before, voice])
    soon = detector.score_samples(np.concatenate([before[-1600:], voice]), 8000)
    late = detector.score_samples(call, 8000)
    assert late.verdict is soon.verdict is not VerdictKind.UNKNOWN
    assert late.score == pytest.approx(soon.score, abs=0.02)
    assert late.decided_at is not None and soon.decided_at is not None
    skipped = (len(before) - 1600) / 8000
    assert late.decided_at == pytest.approx(soon.decided_at + skipped, abs=0.02)
    assert late.seconds == pytest.approx(soon.seconds + skipped, abs=0.02)
    stream = detector.stream()
    for packet in packets(call, every(PACKET_20_MS, call)):
        stream.feed(packet)
    assert_same(stream.flush(), late)


class Runs:
    """A model that notes how many steps each run of it hears."""

    def __init__(self, model: Model) -> None:
        self._model, self.rule, self.start = model, model.rule, model.start
        self.steps: list[int] = []

    def run(self, samples: np.ndarray, state: np.ndarray) -> tuple[np.ndarray, ...]:
        self.steps.append(samples.shape[1] // STEP_SAMPLES)
        return self._model.run(samples, state)


@pytest.mark.parametrize(
    ("lead", "runs"), [(sounds.silence(0.1), [50]), (sounds.silence(1.5), [6, 6, 6, 6, 50])]
)
def test_a_leg_that_is_loud_at_once_is_heard_in_one_run(
    model: Model, lead: np.ndarray, runs: list[int]
) -> None:
    counted = Runs(model)
    detector = Detector(cast(Model, counted))
    call = np.concatenate([lead, sounds.voice(6, 9, played=True)])
    detector.score_samples(call, 8000, max_seconds=4)
    assert counted.steps == runs


def test_a_late_voice_is_heard_as_long_as_one_at_once(detector: Detector) -> None:
    call = np.concatenate([sounds.silence(8), sounds.voice(9, 9, played=True)])
    whole = detector.score_samples(call, 8000)
    for size in (PACKET_20_MS, 40_000, len(call)):
        stream = detector.stream()
        for packet in packets(call, every(size, call)):
            stream.feed(packet)
        assert stream.finished
        assert stream.voice_at == pytest.approx(7.8, abs=0.01)
        assert_same(stream.flush(), whole)
    assert whole.seconds == pytest.approx(13.8, abs=0.01)
    assert len(whole.evidence.times) == 75


@pytest.mark.parametrize("size", [PACKET_20_MS, 10**6])
def test_a_voice_is_waited_for_no_longer_than_asked(detector: Detector, size: int) -> None:
    call = np.concatenate([sounds.silence(4), sounds.voice(4, 9, played=True)])
    stream = detector.stream(wait_seconds=3, max_seconds=2)
    for packet in packets(call, every(size, call)):
        stream.feed(packet)
    verdict = stream.flush()
    assert (verdict.verdict, verdict.reason) == (VerdictKind.UNKNOWN, Reason.SILENCE)
    assert verdict.seconds == 3
    assert stream.finished and stream.voice_at is None


def test_a_voice_after_the_wait_is_heard_within_max_seconds(detector: Detector) -> None:
    call = np.concatenate([sounds.silence(2), sounds.voice(9, 9, played=True)])
    verdict = detector.score_samples(call, 8000, wait_seconds=1)
    assert verdict.verdict is VerdictKind.RECORDED
    assert verdict.seconds == 6


@pytest.mark.parametrize("wait_seconds", [-1, float("nan"), float("inf")])
def test_an_absurd_wait_is_refused(detector: Detector, wait_seconds: float) -> None:
    with pytest.raises(UsageError, match="wait_seconds"):
        detector.stream(wait_seconds=wait_seconds)
