"""No clip is judged by a rule that it, or its corpus, helped to choose."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_model.decision import VerdictKind
from audio_model.errors import UsageError
from audio_model.steps import Heard
from tests import clips, heard
from training.config import CalibrationConfig
from training.data.manifest import Clip
from training.evaluation.answers import Answers
from training.evaluation.crossfit import N_PARTS, Judgement, cross_fit, parts_of
from training.evaluation.infer import HeardTake
from training.evaluation.judge import judge

SETTINGS = CalibrationConfig(voice_seconds=(0.4,), budgets=(0.05,), cautions=(0.0,))
CORPORA = {"live": ("calls", "rooms", "phones"), "recorded": ("prompts", "engines")}


def takes(centres: Mapping[str, float], n: int = 30) -> list[HeardTake]:
    """Scores around a centre for each corpus: what tells the classes apart depends on it."""
    rng = np.random.default_rng(0)
    return [
        heard.take(
            [centres.get(corpus, 0.0) + float(rng.normal(2 * (2 * label - 1)))] * 40,
            label,
            f"{corpus}{k}",
            corpus=corpus,
            condition=condition,
        )
        for label, corpora in enumerate(CORPORA.values())
        for corpus in corpora
        for k in range(n)
        for condition in ("raw", "matched", "line", "codec gsm")
    ]


def judged(**centres: float) -> Judgement:
    return cross_fit(Answers(takes(centres), []), SETTINGS)


@pytest.fixture(scope="module")
def plain() -> Judgement:
    return judged()


@pytest.mark.parametrize("corpus", ["rooms", "engines"])
def test_a_corpus_s_own_scores_do_not_change_the_rule_that_judges_it(
    plain: Judgement, corpus: str
) -> None:
    moved = judged(**{corpus: 5.0})
    assert plain.rules.keys() == {*CORPORA["live"], *CORPORA["recorded"]}
    assert moved.rules[corpus] == plain.rules[corpus]
    for name in plain.rules.keys() - {corpus}:
        assert moved.rules[name] != plain.rules[name]
    assert moved.final != plain.final


def test_a_corpus_is_judged_by_what_the_others_chose() -> None:
    """Where the others lie higher, the same scores are low."""
    higher = {name: 6.0 for names in CORPORA.values() for name in names if name != "prompts"}
    own, shifted = judged(), judged(**higher)

    def caught(of: Judgement) -> float:
        return float(np.mean([t.flagged for t in of.takes["raw"] if
                              t.heard.clip.corpus == "prompts"]))  # fmt: skip

    assert caught(own) > 0.3
    assert caught(shifted) < 0.05


def test_every_take_is_judged_once_by_the_rule_of_its_corpus(plain: Judgement) -> None:
    assert plain.takes.keys() == {"raw", "matched", "line", "codec gsm"}
    for of_condition in plain.takes.values():
        names = [take.heard.clip.name for take in of_condition]
        assert sorted(names) == sorted({take.clip.name for take in takes({})})
        for take in of_condition:
            (again,) = judge([take.heard], plain.rules[take.heard.clip.corpus])
            assert again.verdict == take.verdict
            np.testing.assert_array_equal(again.log_odds, take.log_odds)


def test_the_rules_come_from_the_main_conditions_alone(plain: Judgement) -> None:
    others = [
        replace(t, steps=replace(t.steps, logit=t.steps.logit + 9)) if "codec" in t.condition else t
        for t in takes({})
    ]
    moved = cross_fit(Answers(others, []), SETTINGS)
    assert (moved.rules, moved.final) == (plain.rules, plain.final)


def test_tones_have_verdicts_of_the_final_rule() -> None:
    tone = heard.take([9.0] * 20, 0, "t", kinds=[Heard.TONE] * 20).steps
    loud = heard.take([99.0] * 20, 0, "m").steps
    made = cross_fit(Answers(takes({}), [tone, loud]), SETTINGS)
    assert made.tones == [VerdictKind.UNKNOWN, VerdictKind.RECORDED]


def some(label: int, corpus: str, groups: int, each: int = 2) -> list[Clip]:
    return [
        clips.clip(f"{corpus}{group}-{n}", label, group=f"{label}{corpus}{group}", corpus=corpus)
        for group in range(groups)
        for n in range(each)
    ]


def test_corpora_are_left_out_where_each_class_has_two() -> None:
    both = [*some(0, "a", 3), *some(0, "b", 1), *some(1, "c", 1), *some(1, "b", 2, each=5)]
    assert parts_of(both) == {clip.name: clip.corpus for clip in both}


@given(live=st.integers(2, 30), recorded=st.integers(2, 30), corpora=st.integers(1, 3))
@settings(max_examples=30)
def test_groups_are_left_out_where_a_class_has_one_corpus(
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


@pytest.mark.parametrize(("live", "recorded", "named"), [(1, 5, "live has 1"), (3, 0, "recorded")])
def test_too_few_groups_to_leave_one_out_are_refused(live: int, recorded: int, named: str) -> None:
    every = [*some(0, "own", live), *some(1, "made", recorded)]
    with pytest.raises(UsageError, match=f"at least two groups of each class.*{named}"):
        parts_of(every)
    answers = Answers(
        [heard.take([0.0] * 20, c.label or 0, c.name, group=c.group) for c in every], []
    )
    with pytest.raises(UsageError, match="at least two groups"):
        cross_fit(answers, SETTINGS)
