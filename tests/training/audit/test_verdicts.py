"""What a change did, on answers made by hand."""

from collections import Counter

import numpy as np
import pytest

from audio_model.rule import Calibration, DecisionRule, OperatingPoint
from tests import sounds
from tests.training import heard, made
from training.audit.verdicts import changed, choose, effect
from training.evaluation.infer import HeardTake, Take

RULE = DecisionRule(
    Calibration((0.4,), (1.0,), (0.0,)),
    (OperatingPoint(0.01, recorded_at=0.8, live_at=0.2, false_alarm=0, miss=0, passed=0.05),),
)
LIVE, UNSURE, RECORDED = -9.0, 0.0, 9.0


def answers(live: list[float], recorded: list[float]) -> list[HeardTake]:
    """Takes that say one logit all along; each class a list."""
    return [
        heard.take([logit] * 40, label, f"{label}{n}")
        for label, logits in enumerate((live, recorded))
        for n, logit in enumerate(logits)
    ]


def test_flips_are_counted_by_kind() -> None:
    before = answers([LIVE] * 4, [RECORDED] * 2)
    after = answers([LIVE, LIVE, UNSURE, RECORDED], [RECORDED, RECORDED])
    of = effect(before, after, RULE)
    assert of["takes"] == 6
    assert of["changed"] == pytest.approx(0.25)
    assert of["opposed"] == of["unsure"] == pytest.approx(0.125)
    assert of["live"]["changed"] == pytest.approx(0.5)
    assert of["live"]["before"] == {"recorded": 0, "live": 1, "unknown": 0}
    assert of["live"]["after"] == {"recorded": 0.25, "live": 0.5, "unknown": 0.25}
    assert of["recorded"]["changed"] == 0
    assert of["live"]["log_odds_change"] == pytest.approx((9 + 18) / 4)
    assert of["score_change"] == pytest.approx((0.5 + 1) / 8, abs=1e-3)


def test_no_change_changes_nothing() -> None:
    same = answers([LIVE, UNSURE], [RECORDED, UNSURE])
    of = effect(same, same, RULE)
    assert of["changed"] == of["opposed"] == of["unsure"] == of["score_change"] == 0


def test_sources_count_alike_and_classes_too() -> None:
    before = [heard.take([LIVE] * 40, 0, f"a{n}", weight=1 / 9) for n in range(9)]
    before += [heard.take([LIVE] * 40, 0, "b"), heard.take([RECORDED] * 40, 1, "r")]
    after = [heard.take([UNSURE] * 40, 0, f"a{n}", weight=1 / 9) for n in range(9)]
    after += before[9:]
    of = effect(before, after, RULE)
    assert of["live"]["changed"] == pytest.approx(0.5)
    assert of["changed"] == pytest.approx(0.25)


def test_what_is_too_short_to_be_heard_is_left_out() -> None:
    before = answers([LIVE] * 2, [RECORDED] * 2)
    after = [heard.take([], 0, "00"), *before[1:]]
    of = effect(before, after, RULE)
    assert of["takes"] == 3
    assert of["changed"] == 0


def take(label: int, source: str, n: int) -> Take:
    return Take(made.clip(f"{source}{n}", label, source=source), sounds.noise(0.1, n), "raw")


def test_a_choice_takes_sources_in_turn() -> None:
    takes = [take(0, "many", n) for n in range(20)] + [take(0, f"one{n}", 0) for n in range(5)]
    takes += [take(1, "r", n) for n in range(3)]
    chosen = choose(takes, 8)
    assert Counter(t.clip.source for t in chosen) == {
        "many": 3, "r": 3, **{f"one{n}": 1 for n in range(5)},
    }  # fmt: skip
    assert len({t.clip.name for t in chosen}) == len(chosen)
    assert choose(takes, 8) == chosen
    assert len(choose(takes, 100)) == len(takes)
    assert {t.clip.name for t in choose(takes, 8, seed=1)} != {t.clip.name for t in chosen}


def test_a_change_is_made_clip_by_clip() -> None:
    takes = [take(0, "a", 0), take(0, "b", 0)]
    out = changed(takes, lambda samples, rng: samples + np.float32(rng.uniform()))
    moved = [o.samples[0] - t.samples[0] for o, t in zip(out, takes, strict=True)]
    assert moved[0] != moved[1]
    assert [o.clip for o in out] == [t.clip for t in takes]
    again = changed(takes, lambda samples, rng: samples + np.float32(rng.uniform()))
    np.testing.assert_array_equal(out[1].samples, again[1].samples)
