"""No rate is believed that the pace contradicts, and a jam that dissolves contradicts nothing."""

import asyncio
from collections.abc import Iterable
from itertools import accumulate

import pytest

from audio_model.decision import Reason
from audio_model.detector import Detector
from audio_model.formats import Encoding, RawFormat
from audio_model.gateway.calls import Calls
from audio_model.gateway.pace import CHECK_SECONDS, PaceCheck
from tests.gateway.clock import Clock, run_by_clock
from tests.gateway.test_calls import Told


def told(declared: int, pace: Iterable[float]) -> int | None:
    """What is told first of audio that comes at so many times its pace in each look's time."""
    check = PaceCheck(declared)
    for n, seconds in enumerate(accumulate(part * CHECK_SECONDS for part in pace)):
        if check.over:
            break
        if (rate := check.look(100 + n * CHECK_SECONDS, seconds)) is not None:
            return rate
    return None


@pytest.mark.parametrize(
    ("declared", "pace", "rate"),
    [
        (8_000, [1] * 20, None),
        (8_000, [2] * 3, 16_000),
        (8_000, [1, 1.7, 2.3], 16_000),
        (8_000, [3] * 3, 24_000),
        (8_000, [6] * 3, 48_000),
        (16_000, [0.5] * 5, 8_000),
        (16_000, [0.4, 0.6, 0.3, 0.7, 0.5], 8_000),
        # Packets of 100 ms, three in one look and two in the next; of 200 ms.
        (16_000, [1.2, 1.2, 0.8, 1.2, 0.8, 0.8] * 3, None),
        (8_000, [0.8, 0.8, 1.6, 0.8, 0.8, 0.8] * 3, None),
        (8_000, [1.6, 2.4, 1.6], 16_000),
        # What came before the first look says nothing, nor does a file that comes at once.
        (8_000, [9, *[1] * 20], None),
        (8_000, [200, 200, 200, *[0] * 20], None),
        (8_000, [50] * 20, None),
        # A network that stood still for a moment, and pauses that are not sent.
        (8_000, [1, 0, 2, 1, 0, 2, 1, 1, 1], None),
        (8_000, [0.4, 1.6, 0.4, 1.6, 1, 1], None),
        (8_000, [1, 0.5, 0.5, 0, 0, 1, 0.5], None),
        (16_000, [1, 0.5, 0.5, 0, 0, 1, 1, 1], None),
    ],
)
def test_what_the_pace_tells(declared: int, pace: list[float], rate: int | None) -> None:
    assert told(declared, pace) == rate


@pytest.mark.parametrize(
    ("packet_bytes", "paced", "refused"),
    [(640, True, True), (640, False, False), (320, True, False)],
)
def test_a_leg_at_the_pace_of_another_rate_gets_no_verdict(
    detector: Detector, packet_bytes: int, paced: bool, refused: bool
) -> None:
    """16 kHz that is called 8 kHz: a voice at half its speed, and the prompt was called live."""

    async def scene(clock: Clock) -> None:
        calls = Calls(detector, deadline_seconds=30, max_legs=10)
        call = Told(calls)
        leg = call.call.open_leg("caller", RawFormat(Encoding.S16LE), paced=paced)
        while clock.time() < 2:
            leg.feed(b"\1\0" * (packet_bytes // 2))
            await asyncio.sleep(0.02)
        assert leg.finished is refused
        if refused:
            assert call.final.verdict.reason is Reason.ERROR
            assert call.final.detail == "the audio comes as at 16000 Hz, not at 8000 Hz"
        call.call.close()

    run_by_clock(scene)
