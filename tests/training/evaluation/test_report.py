"""Tables and plots of figures that are known."""

import copy
from pathlib import Path

import pytest

from audio_model.decision import VerdictKind
from tests.training.evaluation.test_figures import RULE, takes
from training.evaluation import figures, report
from training.evaluation.crossfit import Judgement
from training.evaluation.figures import Figures
from training.evaluation.judge import judge

CONDITIONS = ("raw", "matched", "line", "codec gsm")


@pytest.fixture(scope="module")
def judgement() -> Judgement:
    judged = {condition: judge(takes(-3, 3), RULE) for condition in CONDITIONS}
    return Judgement(judged, [VerdictKind.UNKNOWN], {}, RULE)


@pytest.fixture(scope="module")
def measured(judgement: Judgement) -> Figures:
    return figures.of_judgement(judgement, {"lines": ("corpus0", "corpus1")}, 5)


def test_the_report_tells_them_all(measured: Figures) -> None:
    text = report.as_markdown(measured)
    none = "0.0% (0% to 0%)"
    for title in report.CONDITIONS.values():
        assert f"### Corpora, {title}" in text
        assert f"| {title} | {none} | {none} | " in text
        assert f"| {title}, live | 0.0% | 100.0% | 0.0% | 0.0% | 100.0% | 0.40, " in text
    assert f"| lines | 80 | {none} | {none} | {none} | {none} |" in text
    assert f"| sw | 20 | {none} | {none} | {none} | {none} |" in text
    assert f"| 4 s | {none} | {none} | {none} |" in text
    assert text.count("| codec gsm |") == 1
    assert "1 takes): 100.0% unknown" in text
    for block in text.split("\n\n"):
        widths = {line.count("|") for line in block.splitlines() if line.startswith("|")}
        assert len(widths) <= 1, block


def test_a_slice_without_figures_has_dashes(measured: Figures) -> None:
    changed = copy.deepcopy(measured)
    for of in changed["conditions"].values():
        of["all"]["errors"] = None
        for row in of["by_corpus"]:
            row["errors"] = None
    text = report.as_markdown(changed)
    assert "| live | corpus0 | 20 | 0.0% | 100.0% | 0.0% | - | - |" in text
    assert "| as recorded | - | - | - | 0.0% |" in text


def test_a_language_that_one_condition_lacks_has_no_row(measured: Figures) -> None:
    changed = copy.deepcopy(measured["conditions"])
    del changed["matched"]["by_language"][1]
    rows = report.by_language(changed)[2:]
    assert [row.split(" | ")[0] for row in rows] == ["| not noted"]


def test_few_languages_are_those_of_most_takes_in_their_order(measured: Figures) -> None:
    changed = copy.deepcopy(measured["conditions"])
    for of in changed.values():
        of["by_language"] = [
            of["by_language"][0] | {"slice": name, "takes": number}
            for name, number in (("de", 30), ("en", 10), ("fr", 40), ("zh", 20))
        ]
    assert [row.split(" | ")[0] for row in report.by_language(changed, 2)[2:]] == ["| de", "| fr"]
    assert len(report.by_language(changed)) == 2 + 4


def test_plots_are_drawn(judgement: Judgement, measured: Figures, tmp_path: Path) -> None:
    report.draw(judgement.takes, measured, tmp_path)
    drawn = {path.name for path in tmp_path.iterdir()}
    assert drawn == {
        "det.png", "error_by_prefix.png",
        *(f"{plot}_{c}.png" for plot in ("reliability", "scores") for c in report.CONDITIONS),
    }  # fmt: skip
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in tmp_path.iterdir())
