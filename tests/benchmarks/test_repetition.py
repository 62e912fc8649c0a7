"""The simulated day of repetition runs, and counts what it says it counts."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.known.speech import Clip
from benchmarks.repetition import Day, report, run, said_anew
from tests.known.calls import spoken


def clips(kind: str, first: int, n: int) -> list[Clip]:
    return [Clip(f"{kind}/{seed}", kind, spoken(5, seed)) for seed in range(first, first + n)]


@pytest.mark.parametrize("at_once", [1, 3])
def test_a_small_day(tmp_path: Path, capsys: pytest.CaptureFixture[str], at_once: int) -> None:
    day = Day(
        campaigns=4,
        campaign_calls=5,
        live_calls=12,
        share=0.5,
        hit=0.0,
        false_alarm=0.0,
        at_once=at_once,
    )
    told = run(
        day, clips("recorded", 0, 3), clips("live", 9, 2), tmp_path, np.random.default_rng(1)
    )
    assert (told.second, told.behind_second, told.live) == (2, 6, 6)
    assert told.told == told.known >= 4 and told.second_told >= 1
    assert (told.live_known, told.live_told) == ([], 0)
    report(day, told, 2, tmp_path)
    said = capsys.readouterr().out
    assert "0.5 of a day of 4 campaigns of 5 calls among 12 live ones" in said
    assert "32 are kept in the end" in said


def test_a_live_caller_never_says_it_twice_alike() -> None:
    rng = np.random.default_rng(0)
    samples = spoken(3, seed=1)
    anew = [said_anew(samples, rng) for _ in range(2)]
    assert len(anew[0]) != len(anew[1])
    assert all(2 < len(each) / 8000 < 4.6 for each in anew)
