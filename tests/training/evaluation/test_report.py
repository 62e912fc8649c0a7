"""Tables and plots of figures that are known."""

from pathlib import Path

import pytest

from audio_model.decision import VerdictKind
from tests.training.test_figures import RULE, N, takes
from training.evaluation import figures, report
from training.evaluation.figures import Figures
from training.evaluation.judge import JudgedTake, judge

CONDITIONS = ("raw", "matched", "line", "codec gsm")


@pytest.fixture(scope="module")
def judged() -> dict[str, list[JudgedTake]]:
    return {condition: judge(takes(-3, 3), RULE) for condition in CONDITIONS}


@pytest.fixture(scope="module")
def measured(judged: dict[str, list[JudgedTake]]) -> dict[str, Figures]:
    part = figures.of_part(judged, [VerdictKind.UNKNOWN], 5)
    return {"telephone": part, "all": part}


def test_the_report_tells_them_all(measured: dict[str, Figures]) -> None:
    text = report.as_markdown(measured)
    for part in ("telephone", "all"):
        for title in report.CONDITIONS.values():
            assert f"### {part}, {title}" in text
            assert f"| {part} | {title} | {N} | {N} | 0.0%" in text
    assert text.count("| codec gsm |") == 2
    assert "1 takes): 100.0% unknown" in text
    for block in text.split("\n\n"):
        widths = {line.count("|") for line in block.splitlines() if line.startswith("|")}
        assert len(widths) <= 1, block


def test_some_parts_may_do(measured: dict[str, Figures]) -> None:
    text = report.as_markdown(measured, parts=["all"])
    assert "| telephone | as recorded |" in text
    assert "### telephone" not in text
    assert "### all, matched channel" in text


def test_a_slice_without_figures_has_dashes(measured: dict[str, Figures]) -> None:
    part = measured["all"]
    rows = [row | {"errors": None} for row in part["raw"]["by_corpus"]]
    text = report.as_markdown({"all": part | {"raw": part["raw"] | {"by_corpus": rows}}})
    assert "| live | corpus0 | 20 | 0.0% | 100.0% | 0.0% | - | - |" in text


def test_plots_are_drawn(
    judged: dict[str, list[JudgedTake]], measured: dict[str, Figures], tmp_path: Path
) -> None:
    report.draw(judged, measured, tmp_path)
    drawn = {path.name for path in tmp_path.iterdir()}
    assert drawn == {
        "det.png", "error_by_prefix.png",
        *(f"{plot}_{c}.png" for plot in ("reliability", "scores") for c in report.CONDITIONS),
    }  # fmt: skip
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in tmp_path.iterdir())
