"""Tables and plots of figures that are known."""

import copy
from pathlib import Path

import pytest

from audio_model.decision import VerdictKind
from tests.training import heard
from tests.training.evaluation.test_judge import RULE
from training.evaluation import figures, report
from training.evaluation.crossfit import Judgement
from training.evaluation.figures import Figures
from training.evaluation.judge import JudgedTake, judge

CONDITIONS = ("raw", "matched", "line", "codec gsm")
N = 40


@pytest.fixture(scope="module")
def judged() -> dict[str, list[JudgedTake]]:
    takes = [
        heard.take(
            [3.0 * (2 * label - 1)] * 80, label, f"{label}{k}",
            corpus=f"corpus{k % 2}", language="" if k % 4 else "sw",
        )
        for label in (0, 1)
        for k in range(N)
    ]  # fmt: skip
    return {condition: judge(takes, RULE) for condition in CONDITIONS}


@pytest.fixture(scope="module")
def measured(judged: dict[str, list[JudgedTake]]) -> Figures:
    judgement = Judgement(judged, [VerdictKind.UNKNOWN], {}, RULE)
    return figures.of_judgement(judgement, {"zeros": ["corpus0"]}, 5)


def test_the_report_tells_them_all(measured: Figures) -> None:
    text = report.as_markdown(measured)
    for title in report.CONDITIONS.values():
        assert f"### Corpora, {title}" in text
        assert f"| {title} | 0.0% (0% to 0%) | 0.0% (0% to 0%)" in text
        assert f"| {title}, live | 0.0% | 100.0% | 0.0% | 0.0% | 100.0% | 0.40, 0.40, 0.40" in text
    assert text.count("| codec gsm |") == 1
    assert "| zeros | 40 |" in text
    assert "| sw | 20 |" in text
    assert "1 takes): 100.0% unknown" in text
    for block in text.split("\n\n"):
        widths = {line.count("|") for line in block.splitlines() if line.startswith("|")}
        assert len(widths) <= 1, block


def test_a_slice_without_figures_has_dashes(measured: Figures) -> None:
    raw = measured["conditions"]["raw"]
    rows = [row | {"errors": None} for row in raw["by_corpus"]]
    lines = report.by_corpus(raw | {"by_corpus": rows})
    assert "| live | corpus0 | 20 | 0.0% | 100.0% | 0.0% | - | - |" in lines


def test_small_slices_are_left_to_the_json(measured: Figures) -> None:
    raw = measured["conditions"]["raw"]
    rows = [row | {"clips": report.MIN_CLIPS - 1} for row in raw["by_corpus"]]
    assert len(report.by_corpus(raw | {"by_corpus": rows})) == 2


def test_plots_are_drawn(
    judged: dict[str, list[JudgedTake]], measured: Figures, tmp_path: Path
) -> None:
    report.draw(judged, measured, tmp_path)
    drawn = {path.name for path in tmp_path.iterdir()}
    assert drawn == {
        "det.png", "error_by_prefix.png",
        *(f"{plot}_{c}.png" for plot in ("reliability", "scores") for c in report.CONDITIONS),
    }  # fmt: skip
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in tmp_path.iterdir())


def test_a_language_that_one_condition_lacks_has_no_row(measured: Figures) -> None:
    changed = copy.deepcopy(measured["conditions"])
    del changed["matched"]["by_language"][1]
    rows = report.by_language(changed)[2:]
    assert [row.split(" | ")[0] for row in rows] == ["| not noted"]


def test_few_languages_are_those_of_most_takes_in_their_order(measured: Figures) -> None:
    changed = copy.deepcopy(measured["conditions"])
    for of in changed.values():
        of["by_language"] = [
            of["by_language"][0] | {"slice": name, "clips": number}
            for name, number in (("de", 30), ("en", 10), ("fr", 40), ("zh", 20))
        ]
    assert [row.split(" | ")[0] for row in report.by_language(changed, 2)[2:]] == ["| de", "| fr"]
    assert len(report.by_language(changed)) == 2 + 4


def test_tones_that_nobody_judged_have_no_shares() -> None:
    judged = {"takes": 3, "unknown": 1.0, "recorded": 0.0, "live": 0.0}
    assert "3 takes): 100.0% unknown" in report.tones(judged)
    assert report.tones(dict.fromkeys(judged, 0)) == "No call-progress tones were judged."
