"""Every corpus is judged by what the others chose."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_model.decision import VerdictKind
from audio_model.errors import UsageError
from audio_model.steps import Heard
from tests.training import heard, made
from training.config import CalibrationConfig
from training.data.manifest import Clip
from training.evaluation.answers import Answers
from training.evaluation.crossfit import N_PARTS, cross_fit, parts_of
from training.evaluation.infer import HeardTake
from training.evaluation.judge import judge

SETTINGS = CalibrationConfig(voice_seconds=(0.4,), budgets=(0.1,), cautions=(0.0,))


def corpus(name: str, label: int, centre: float, n: int = 30) -> list[HeardTake]:
    """Takes of voices of their own whose scores lie around a centre."""
    rng = np.random.default_rng(sum(map(ord, name)))
    return [
        heard.take(
            [float(rng.normal(centre))] * 30, label, f"{name}{k}", corpus=name, condition="raw"
        )
        for k in range(n)
    ]


def answers(odd: float = -2.0) -> Answers:
    """Two corpora a class; the scores of one live corpus lie around ``odd``."""
    takes = corpus("calls", 0, -2.0) + corpus("odd", 0, odd)
    takes += corpus("prompts", 1, 2.0) + corpus("engines", 1, 2.0)
    tone = heard.take([9.0] * 20, 0, "tone", kinds=[Heard.TONE] * 20).steps
    return Answers(takes, [tone])


def test_a_corpus_does_not_choose_what_judges_it() -> None:
    usual, moved = cross_fit(answers(), SETTINGS), cross_fit(answers(odd=1.0), SETTINGS)
    assert set(usual.rules) == {"calls", "odd", "prompts", "engines"}
    assert moved.rules["odd"] == usual.rules["odd"]
    for other in ("calls", "prompts", "engines"):
        assert moved.rules[other] != usual.rules[other]
    assert moved.final != usual.final

    def flagged(judgement: object, name: str) -> float:
        takes = judgement.takes["raw"]  # type: ignore[attr-defined]
        return float(np.mean([t.flagged for t in takes if t.heard.clip.corpus == name]))

    # Live callers that sound like recordings break the budget that the others had chosen.
    assert flagged(usual, "odd") < 0.2 < 0.5 < flagged(moved, "odd")


def test_every_take_is_judged_once_and_tones_by_the_final_rule() -> None:
    heard_of = answers()
    judged = cross_fit(heard_of, SETTINGS)
    names = sorted(take.heard.clip.name for take in judged.takes["raw"])
    assert names == sorted(take.clip.name for take in heard_of.heard)
    assert judged.tones == [VerdictKind.UNKNOWN]


def test_slices_choose_nothing() -> None:
    heard_of = answers()
    slices = [replace(take, condition="codec gsm", weight=99.0) for take in heard_of.heard]
    both = cross_fit(Answers([*heard_of.heard, *slices], heard_of.tones), SETTINGS)
    assert both.final == cross_fit(heard_of, SETTINGS).final
    assert len(both.takes["codec gsm"]) == len(slices)


def test_groups_are_left_out_where_a_class_has_one_corpus() -> None:
    live = [made.clip(f"l{n}", 0, corpus="calls", group=f"g{n // 2}") for n in range(40)]
    recorded = [made.clip(f"r{n}", 1, corpus=f"p{n % 2}", group=f"h{n}") for n in range(9)]
    part_of = parts_of(live + recorded)
    assert set(part_of.values()) == {str(n) for n in range(N_PARTS)}
    for n in range(0, 40, 2):
        assert part_of[f"l{n}"] == part_of[f"l{n + 1}"]
    for part in set(part_of.values()):
        left = [c for c in live + recorded if part_of[c.name] != part]
        assert {clip.label for clip in left} == {0, 1}


@pytest.mark.parametrize("label", [0, 1])
def test_a_class_of_one_group_judges_nothing(label: int) -> None:
    one = [made.clip(f"o{n}", label, group="one") for n in range(3)]
    many = [made.clip(f"m{n}", 1 - label) for n in range(3)]
    with pytest.raises(UsageError, match=r"(recorded|live) has 1"):
        parts_of(one + many)


def test_each_take_is_judged_by_the_rule_of_its_corpus() -> None:
    judged = cross_fit(answers(), SETTINGS)
    for take in judged.takes["raw"]:
        (again,) = judge([take.heard], judged.rules[take.heard.clip.corpus])
        assert again.verdict == take.verdict
        np.testing.assert_array_equal(again.log_odds, take.log_odds)


def some(label: int, corpus: str, groups: int, each: int = 2) -> list[Clip]:
    return [
        made.clip(f"{corpus}{group}-{n}", label, group=f"{label}{corpus}{group}", corpus=corpus)
        for group in range(groups)
        for n in range(each)
    ]


@given(live=st.integers(2, 30), recorded=st.integers(2, 30), corpora=st.integers(1, 3))
@settings(max_examples=30)
def test_whole_groups_are_left_out_and_no_rest_lacks_a_class(
    live: int, recorded: int, corpora: int
) -> None:
    every = some(0, "own", live)
    for n in range(corpora):
        every += some(1, f"made{n}", recorded)
    part_of = parts_of(every)
    assert part_of.keys() == {clip.name for clip in every}
    parts = set(part_of.values())
    assert 2 <= len(parts) <= N_PARTS
    for group in {clip.group for clip in every}:
        assert len({part_of[clip.name] for clip in every if clip.group == group}) == 1
    for part in parts:
        assert {clip.label for clip in every if part_of[clip.name] != part} == {0, 1}


def test_answers_to_too_few_groups_are_refused() -> None:
    takes = corpus("calls", 0, -2.0, n=1) + corpus("prompts", 1, 2.0)
    with pytest.raises(UsageError, match="live has 1"):
        cross_fit(Answers(takes, []), SETTINGS)
