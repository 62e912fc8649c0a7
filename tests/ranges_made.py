"""Calls and nodes for the tests of number ranges."""

import random
from collections.abc import Iterator

from audio_model.ranges.rates import CallAnswer, DetectorRates
from audio_model.ranges.tree import RangeCall

RATES = DetectorRates()


def said(recorded: bool, rng: random.Random, rates: DetectorRates = RATES) -> CallAnswer:
    """What the detector says of one call, at its rates."""
    chance = rates.of_recorded if recorded else rates.of_live
    (answer,) = rng.choices(
        (CallAnswer.RECORDED, CallAnswer.LIVE, CallAnswer.UNSURE),
        [chance(each) for each in (CallAnswer.RECORDED, CallAnswer.LIVE, CallAnswer.UNSURE)],
    )
    return answer


def calls(
    callers: list[str],
    n: int,
    *,
    share: float,
    start: float = 1_000_000_000.0,
    gap: float = 1.0,
    seed: int = 1,
    name: str = "call",
) -> Iterator[RangeCall]:
    """``n`` calls, one each ``gap`` seconds; ``share`` of them play a recording."""
    rng = random.Random(seed)
    for index in range(n):
        yield RangeCall(
            f"{name}-{index}",
            rng.choice(callers),
            start + index * gap,
            said(rng.random() < share, rng),
            called=f"1380000{rng.randrange(10_000):04d}",
        )
