"""The audit of a toy run: every question is answered and told."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests import runs
from training.audit import __main__ as command
from training.audit.changes import CHANGES
from training.data.nuisance import NAMES


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made, config = runs.write(tmp_path_factory.mktemp("audit"))
    assert command.main([str(made), "--config", str(config)]) == 0
    return made


@pytest.fixture
def report(run: Path) -> dict[str, Any]:
    figures: dict[str, Any] = json.loads((run / "audit.json").read_text(encoding="utf-8"))
    return figures


@pytest.mark.slow
def test_every_question_is_answered(report: dict[str, Any]) -> None:
    assert {c: list(of) for c, of in report["separability"].items()} == {
        "raw": ["group", "corpus"], "matched": ["group", "corpus"],
    }  # fmt: skip
    for of in report["separability"].values():
        assert set(of["corpus"]) == {*NAMES, "language", "all"}
    assert list(report["changes"]) == list(CHANGES)
    assert all(of["takes"] == 20 for of in report["changes"].values())
    assert report["playback"]["live"]["takes"] == 10
    for part in ("subsets", "pitch", "language", "correlations"):
        assert set(report[part]) == {"raw", "matched"}


@pytest.mark.slow
def test_the_report_tells_them_all(run: Path, report: dict[str, Any]) -> None:
    text = (run / "audit.md").read_text(encoding="utf-8")
    assert text.count("\n### ") == 7
    for name in (*NAMES, *CHANGES):
        assert f"| {name} |" in text
    for problem in report["exceeded"]:
        assert f"- {problem}" in text
    tables = [block for block in text.split("\n\n") if block.startswith("|")]
    assert len(tables) == 7
    for table in tables:
        assert len({line.count("|") for line in table.splitlines()}) == 1
