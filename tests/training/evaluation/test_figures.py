"""Figures of judged takes whose figures are known."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_model.decision import VerdictKind
from audio_model.rule import Calibration, DecisionRule, OperatingPoint
from audio_model.steps import Heard
from tests.training import heard
from training.evaluation import figures
from training.evaluation.crossfit import Judgement
from training.evaluation.figures import (
    EVERY_METRIC,
    Figures,
    after,
    by_corpus,
    by_group,
    by_language,
    by_prefix,
    by_voice,
    decisions,
    weights,
)
from training.evaluation.infer import HeardTake
from training.evaluation.judge import JudgedTake, judge

POINT = OperatingPoint(0.01, recorded_at=0.8, live_at=0.2, false_alarm=0, miss=0, passed=0.05)
RULE = DecisionRule(Calibration((0.4,), (1.0,), (0.0,)), (POINT,))
N = 40


def takes(live: float, recorded: float, n: int = N, steps: int = 80) -> list[HeardTake]:
    return [
        heard.take(
            [logit] * steps,
            label,
            f"{label}{k}",
            corpus=f"corpus{k % 2}",
            language="" if k % 4 else "sw",
        )
        for label, logit in ((0, live), (1, recorded))
        for k in range(n)
    ]


def noise(apart: float, seed: int = 0, n: int = 1000) -> list[HeardTake]:
    rng = np.random.default_rng(seed)
    return [
        heard.take([float(rng.normal(apart * (2 * label - 1)))] * 10, label, f"{label}{k}")
        for label in (0, 1)
        for k in range(n)
    ]


def figures_at(takes: list[HeardTake], seconds: float, draws: int) -> Figures:
    made = after(judge(takes, RULE), seconds, draws, EVERY_METRIC)
    assert made is not None
    return made


def test_perfect_scores() -> None:
    figures = figures_at(takes(-12, 12), 1.0, draws=20)
    assert figures["auc"] == {"value": 1, "low": 1, "high": 1}
    for name in ("eer", "miss_at_1", "miss_at_5"):
        assert figures[name] == {"value": 0, "low": 0, "high": 0}
    for name in ("ece", "brier"):
        assert figures[name]["value"] < 1e-4


def test_scores_that_are_all_the_same() -> None:
    figures = figures_at(takes(0, 0), 1.0, draws=20)
    assert figures["auc"]["value"] == figures["eer"]["value"] == 0.5
    assert figures["miss_at_5"]["value"] == 1
    assert figures["ece"]["value"] == pytest.approx(0, abs=1e-12)
    assert figures["brier"]["value"] == 0.25


def test_scores_the_wrong_way_round() -> None:
    figures = figures_at(takes(12, -12), 1.0, draws=20)
    assert figures["auc"]["value"] == 0
    assert figures["eer"]["value"] == 1
    assert figures["brier"]["value"] > 0.99


def test_scores_that_know_nothing() -> None:
    figures = figures_at(noise(0), 1.0, draws=50)
    for name in ("auc", "eer"):
        assert figures[name]["value"] == pytest.approx(0.5, abs=0.04)
        assert figures[name]["low"] < 0.5 < figures[name]["high"]


def test_overlapping_normal_scores() -> None:
    """Classes a distance of 2 apart: EER is the normal tail at 1, AUC at the root of 2."""
    figures = figures_at(noise(1.0), 1.0, draws=50)
    assert figures["eer"]["value"] == pytest.approx(0.1587, abs=0.025)
    assert figures["auc"]["value"] == pytest.approx(0.9214, abs=0.015)
    assert figures["eer"]["low"] < figures["eer"]["value"] < figures["eer"]["high"]


def test_a_prefix_is_judged_by_what_was_heard_in_it() -> None:
    """Wrong in the first second, right after it; a clip that ends before counts by its end."""
    mixed = [
        heard.take([-sign * 9] * 12 + [sign * 9] * 30, label, f"{label}{k}")
        for label, sign in ((0, -1), (1, 1))
        for k in range(20)
    ]
    assert figures_at(mixed, 0.96, draws=5)["auc"]["value"] == 0
    assert figures_at(mixed, 1.04, draws=5)["auc"]["value"] == 1
    assert figures_at(mixed, 60.0, draws=5)["auc"]["value"] == 1


def test_a_take_shorter_than_a_step_has_no_score() -> None:
    nothing = [heard.take([], label, f"empty{label}") for label in (0, 1)]
    assert figures_at(takes(-9, 9) + nothing, 1.0, draws=5)["eer"]["value"] == 0


def test_sources_weigh_alike() -> None:
    good = [heard.take([9.0] * 10, 1, f"good{k}", source="good") for k in range(10)]
    bad = [heard.take([-9.0] * 10, 1, "bad")]
    live = [heard.take([0.0] * 10, 0, f"live{k}") for k in range(200)]
    figures = figures_at(good + bad + live, 1.0, draws=5)
    assert figures["miss_at_5"]["value"] == pytest.approx(0.5)


def test_a_class_of_one_voice_has_no_error_rates() -> None:
    alone = [heard.take([9.0] * 10, 1, f"r{k}", source="one") for k in range(5)]
    live = [heard.take([-9.0] * 10, 0, f"l{k}") for k in range(5)]
    assert after(judge(alone + live, RULE), 1.0, 5) is None
    assert after(judge(live, RULE), 1.0, 5) is None


def test_classes_count_alike_in_what_depends_on_their_shares() -> None:
    """Scores of a half for all are calibrated, however many live takes there are."""
    more = [heard.take([0.0] * 10, 0, f"more{k}") for k in range(500)]
    assert figures_at(takes(0, 0) + more, 1.0, 5)["ece"]["value"] < 1e-9


def test_where_lengths_are_matched_short_takes_are_left_out() -> None:
    short = takes(-9, 9, n=5, steps=20)
    long = takes(9, -9, n=5, steps=50)
    judged = judge([replace(h, clip=replace(h.clip, source=f"{k}")) for k, h in
                    enumerate(short + long)], RULE)  # fmt: skip
    rows = {row["seconds"]: row for row in by_prefix(judged, 5, whole=True)}
    assert list(rows) == [0.5, 1.0, 1.5, 2.0, 3.0, 4.0]
    assert rows[1.0]["takes"] == {"live": 10, "recorded": 10}
    assert rows[2.0]["takes"] == {"live": 5, "recorded": 5}
    assert rows[2.0]["auc"]["value"] == 0
    ends = {row["seconds"]: row for row in by_prefix(judged, 5, whole=False)}
    assert ends[6.0]["takes"] == {"live": 10, "recorded": 10}


def test_verdicts_are_counted_by_class() -> None:
    made = decisions(judge(takes(-3, 3) + takes(0, 0), RULE))
    for name, other in (("live", "recorded"), ("recorded", "live")):
        assert made[name][name] == pytest.approx(0.5)
        assert made[name]["unknown"] == made[name]["unknown_of_enough_voice"] == pytest.approx(0.5)
        assert made[name][other] == made[name]["changed_later"] == 0
        assert made[name]["first_at"] == pytest.approx({"p10": 0.4, "median": 0.4, "p90": 0.4})
        assert set(made[name]["first_by"]) == {"1", "1.5", "2", "3", "4"}
        assert made[name]["first_by"]["1"] == pytest.approx(0.5)
    assert made["live"]["said_recorded"] == 0
    assert made["recorded"]["said_recorded"] == pytest.approx(0.5)


def test_a_false_alarm_counts_whatever_the_end_says() -> None:
    """``recorded`` at a moment and taken back: an alarm; a recording flagged late is no miss."""
    taken_back = [heard.take([9.0] * 8 + [-9.0] * 8, 0, f"live{k}") for k in range(4)]
    late = [heard.take([-9.0] * 8 + [9.0] * 8, 1, f"recorded{k}") for k in range(4)]
    made = decisions(judge(taken_back + late + takes(-3, -3, n=4), RULE))
    # Each half is a corpus of its own: "own", and corpus0 with corpus1.
    for name in ("live", "recorded"):
        assert made[name]["said_recorded"] == pytest.approx(1 / 3)
        assert made[name]["changed_later"] == pytest.approx(1 / 3)
    assert made["live"]["recorded"] == 0


def test_nobody_decided() -> None:
    made = decisions(judge(takes(0, 0), RULE))
    assert made["live"]["first_at"] is None
    assert made["live"]["unknown"] == pytest.approx(1)
    assert made["live"]["first_by"]["4"] == 0


def test_without_enough_voice_no_verdict_is_missed() -> None:
    made = decisions(judge(takes(0, 0, steps=20), RULE))
    assert made["live"]["unknown_of_enough_voice"] is None


def test_one_class_alone_is_counted() -> None:
    only = [h for h in takes(-3, 3) if h.label == 0]
    assert decisions(judge(only, RULE)).keys() == {"live"}


def test_corpora_weigh_alike_and_then_their_sources() -> None:
    small = [heard.take([0.0] * 10, 0, "s", corpus="small")]
    one = [heard.take([0.0] * 10, 0, f"a{k}", corpus="large", source="a") for k in range(9)]
    other = [heard.take([0.0] * 10, 0, "b", corpus="large", source="b")]
    weight = weights(judge(small + one + other, RULE))
    assert weight[0] == pytest.approx(0.5)
    assert weight[1:10].sum() == pytest.approx(weight[10]) == pytest.approx(0.25)


@given(
    of=st.lists(
        st.tuples(st.sampled_from([0, 1]), st.sampled_from("abc"), st.sampled_from("xy")),
        min_size=1,
        max_size=20,
    ),
    logits=st.lists(st.sampled_from([-3.0, 0.0, 3.0]), min_size=20, max_size=20),
    copies=st.integers(1, 4),
)
@settings(max_examples=30)
def test_more_clips_of_a_source_change_no_share(
    of: list[tuple[int, str, str]], logits: list[float], copies: int
) -> None:
    """However often a voice was cut, it is one voice of its corpus, and its corpus one of many."""

    def judged(n_of_the_first: int) -> list[JudgedTake]:
        made = []
        for (label, corpus, source), logit in zip(of, logits, strict=False):
            n = n_of_the_first if (label, corpus, source) == of[0] else 1
            named: dict[str, Any] = {"corpus": corpus, "source": source}
            made += [heard.take([logit] * 40, label, "clip", **named) for _ in range(n)]
        return judge(made, RULE)

    once, often = judged(1), judged(copies)
    for takes_of in (once, often):
        weight, label = weights(takes_of), np.array([take.heard.label for take in takes_of])
        for each in set(label.tolist()):
            assert weight[label == each].sum() == pytest.approx(1)
            corpora = {t.heard.clip.corpus for t in takes_of if t.heard.label == each}
            for corpus in corpora:
                mine = [(t.heard.label, t.heard.clip.corpus) == (each, corpus) for t in takes_of]
                assert weight[mine].sum() == pytest.approx(1 / len(corpora))
    before, after_it = decisions(once), decisions(often)
    assert before.keys() == after_it.keys()
    for name, shares in before.items():
        for key in ("recorded", "live", "unknown", "said_recorded", "said_live", "changed_later"):
            assert after_it[name][key] == pytest.approx(shares[key])


def test_a_corpus_is_measured_against_all_of_the_other_class() -> None:
    rows = by_corpus(judge(takes(-3, 3) + takes(3, 3, n=2), RULE), 5)
    assert [(row["label"], row["slice"], row["takes"]) for row in rows] == [
        (0, "corpus0", 21), (0, "corpus1", 21), (1, "corpus0", 21), (1, "corpus1", 21),
    ]  # fmt: skip
    for row in rows:
        name, other = ("recorded", "live") if row["label"] else ("live", "recorded")
        said = row["decision"][name]
        assert sum(said[kind.value] for kind in VerdictKind) == pytest.approx(1)
        assert row["errors"]["takes"] == {name: 21, other: 42}


def test_a_group_of_one_class_is_measured_against_all_of_the_other() -> None:
    judged = judge(takes(-3, 3), RULE)
    live = [t for t in judged if t.heard.label == 0]
    (row, both) = by_group(
        [*live, *(t for t in judged if t.heard.label == 1 and t.heard.clip.corpus == "corpus1")],
        {"zeros": ["corpus0"], "none": ["nowhere"], "ones": ["corpus1"]},
        5,
    )
    assert (row["slice"], row["takes"]) == ("zeros", N // 2)
    assert row["errors"]["takes"] == {"live": N // 2, "recorded": N // 2}
    assert both["errors"]["takes"] == {"live": N // 2, "recorded": N // 2}


def test_a_language_is_measured_within_itself() -> None:
    judged = judge(takes(-3, 3), RULE)
    rows = by_language(judged, 5)
    assert [(row["slice"], row["takes"]) for row in rows] == [("", 60), ("sw", 20)]
    assert rows[1]["errors"]["takes"] == {"live": 10, "recorded": 10}
    only_live = [t for t in judged if t.heard.label == 0 or t.heard.clip.language == ""]
    assert by_language(only_live, 5)[-1]["errors"] is None


def test_regions_and_scripts_are_one_language() -> None:
    names = ("zh", "zh-TW", "zh/en", "en-IN")
    spoken = [figures.spoken(heard.take([], 0, "a", language=name).clip) for name in names]
    assert spoken == ["zh", "zh", "zh", "en"]


def test_voice_is_counted_and_not_audio() -> None:
    quiet = [Heard.BACKGROUND] * 25 + [Heard.VOICE] * 25
    given = [
        heard.take([9 - 18.0 * (label == 0)] * 50, label, f"{label}{k}", kinds=quiet)
        for label in (0, 1)
        for k in range(4)
    ]
    rows = by_voice(judge(given, RULE), 5)
    assert [row["seconds"] for row in rows] == [0.5, 1.0, 2.0]


@pytest.fixture(scope="module")
def measured() -> Figures:
    judged = {c: judge(takes(-3, 3), RULE) for c in ("raw", "matched", "line", "codec gsm")}
    tones = [VerdictKind.UNKNOWN] * 3 + [VerdictKind.RECORDED]
    judgement = Judgement(judged, tones, {}, RULE)
    return figures.of_judgement(judgement, {"zeros": ["corpus0"]}, 5)


def test_figures_are_plain_data(measured: Figures) -> None:
    assert json.loads(json.dumps(measured, allow_nan=False)) == measured
    assert measured["conditions"].keys() == {"raw", "matched", "line"}
    raw = measured["conditions"]["raw"]
    assert raw["takes"] == raw["groups"] == {"live": N, "recorded": N}
    assert raw["corpora"] == {"live": 2, "recorded": 2}
    assert measured["slices"].keys() == {"codec gsm"}
    assert measured["tones"] == {"takes": 4, "recorded": 0.25, "live": 0, "unknown": 0.75}


def test_a_model_file_tells_some_of_them(measured: Figures) -> None:
    told = figures.summary(measured)
    assert told.keys() == {"raw", "matched", "line"}
    assert told["matched"]["errors"]["eer"]["value"] == 0
    assert len(json.dumps(told)) < len(json.dumps(measured)) / 5
