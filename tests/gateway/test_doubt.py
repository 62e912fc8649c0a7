"""What comes at the pace of G.711 and looks like it is heard as such, and nothing else is."""

import asyncio
from collections.abc import Callable

import numpy as np
import pytest

from audio_model.companding import alaw_encode, mulaw_encode
from audio_model.decision import Verdict, VerdictKind
from audio_model.detector import Detector
from audio_model.formats import Encoding, RawFormat
from audio_model.gateway.calls import Calls
from audio_model.gateway.events import EventKind
from tests import sounds
from tests.gateway.clock import Clock
from tests.gateway.test_calls import Told, by_clock, cut, heard

SLIN = RawFormat(Encoding.S16LE)
CODERS: dict[Encoding, Callable[..., np.ndarray]] = {
    Encoding.MULAW: mulaw_encode,
    Encoding.ALAW: alaw_encode,
    Encoding.S16LE: lambda samples: samples.astype("<i2"),
}


def coded(samples: sounds.Samples, encoding: Encoding) -> bytes:
    return CODERS[encoding](np.rint(samples * 32767).astype(np.int16)).tobytes()


async def play(
    told: Told, audio: bytes, frame_bytes: int, frame_ms: int, **options: bool
) -> RawFormat:
    """Send a call as it is spoken, typed as 16-bit, and return as what it is heard."""
    leg = told.call.open_leg("caller", SLIN, paced=True, **options)
    for packet in cut(audio, frame_bytes):
        leg.feed(packet)
        await asyncio.sleep(frame_ms / 1000)
    told.call.close()
    return leg.raw_format


def alone(detector: Detector, audio: bytes, encoding: Encoding) -> Verdict:
    stream = detector.stream(8000, encoding, wait_seconds=10)
    stream.feed(audio)
    return stream.flush()


@pytest.mark.parametrize("played", [True, False])
@pytest.mark.parametrize("silent_seconds", [0, 2])
@pytest.mark.parametrize("frame_ms", [40, 50, 90, 150])
@pytest.mark.parametrize("encoding", [Encoding.MULAW, Encoding.ALAW])
def test_g711_that_is_typed_16_bit_gets_the_verdict_of_its_own_encoding(
    detector: Detector, encoding: Encoding, frame_ms: int, silent_seconds: int, played: bool
) -> None:
    voice = sounds.voice(4, 9, played=True) if played else sounds.voice(4, 2)
    audio = coded(np.concatenate([sounds.silence(silent_seconds), voice]), encoding)

    async def scene(calls: Calls, _: Clock) -> None:
        told = Told(calls)
        heard_as = await play(told, audio, 8 * frame_ms, frame_ms, doubtful=True)
        assert heard_as == RawFormat(encoding)
        expected = alone(detector, audio, encoding)
        verdict = told.final.verdict
        assert verdict.verdict is expected.verdict is not VerdictKind.UNKNOWN
        assert verdict.score == pytest.approx(expected.score, abs=1e-5)
        assert verdict.decided_at == expected.decided_at
        assert verdict.codec == str(encoding)
        kinds = [event.kind for event in told.events]
        assert kinds == [EventKind.VERDICT, EventKind.FINAL], "nothing was told of the wrong one"

    by_clock(detector, scene, wait_seconds=10)


def test_a_voice_in_the_wrong_encoding_does_not_count(detector: Detector) -> None:
    """The deadline counts from the first voice of the right one."""
    silence, voice = (
        coded(samples, Encoding.MULAW)
        for samples in (sounds.silence(3), sounds.voice(4, 9, played=True))
    )

    async def scene(calls: Calls, _: Clock) -> None:
        told = Told(calls)
        leg = told.call.open_leg("caller", SLIN, paced=True, doubtful=True)
        leg.feed(coded(sounds.voice(1, 2), Encoding.S16LE))
        await heard(leg)
        assert leg.stream is not None and leg.stream.voice_at == 0
        leg.hear_anew(RawFormat(Encoding.MULAW), b"")
        for packet in cut(silence + voice, 160):
            leg.feed(packet)
            await asyncio.sleep(0.02)
        assert told.final.verdict.verdict is VerdictKind.RECORDED
        assert told.final.waited_seconds > 5

    by_clock(detector, scene, wait_seconds=10, deadline_seconds=4)


@pytest.mark.parametrize("talks_ms", [20, 100, 250])
def test_16_bit_audio_with_pauses_that_are_not_sent_stays_what_it_is(
    detector: Detector, talks_ms: int
) -> None:
    """Its pace is that of G.711. So are many codes of a quiet line."""
    samples = sounds.voice(4, 2) + sounds.noise(4, level=0.01)
    audio = coded(samples, Encoding.S16LE)

    async def scene(calls: Calls, _: Clock) -> None:
        told = Told(calls)
        heard_as = await play(told, audio, 16 * talks_ms, 2 * talks_ms, doubtful=True)
        assert heard_as == SLIN
        assert told.final.verdict.codec == "pcm"

    by_clock(detector, scene)


def test_an_encoding_that_is_named_is_not_doubted(detector: Detector) -> None:
    audio = coded(sounds.voice(3, 2), Encoding.MULAW)

    async def scene(calls: Calls, _: Clock) -> None:
        assert await play(Told(calls), audio, 320, 40) == SLIN

    by_clock(detector, scene)


def test_at_the_usual_pace_16_bit_audio_stays_what_it_is(detector: Detector) -> None:
    """Whatever its bytes look like."""
    audio = coded(sounds.voice(4, 2), Encoding.MULAW)

    async def scene(calls: Calls, _: Clock) -> None:
        assert await play(Told(calls), audio, 320, 20, doubtful=True) == SLIN

    by_clock(detector, scene)


def test_audio_is_kept_in_the_encoding_that_it_has(detector: Detector) -> None:
    audio = coded(sounds.tone(3, 450), Encoding.MULAW)
    kept: list[tuple[RawFormat, bytes]] = []

    async def scene(calls: Calls, _: Clock) -> None:
        await play(Told(calls), audio, 320, 40, doubtful=True)

    by_clock(
        detector, scene, keep=lambda _, raw_format, payload: kept.append((raw_format, payload))
    )
    assert kept == [(RawFormat(Encoding.MULAW), audio)]
