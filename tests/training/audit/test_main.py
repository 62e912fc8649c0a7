"""The audit of a toy run: every question is answered and told."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.training import runs
from training import config
from training.audit import __main__ as command
from training.audit.changes import CHANGES
from training.augment import from_db
from training.data.corpus import Corpus
from training.data.nuisance import NAMES, measure
from training.evaluate import judgement_of


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made, file_of_config = runs.write(tmp_path_factory.mktemp("audit"))
    assert command.main([str(made), "--config", str(file_of_config)]) == 0
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


@pytest.mark.slow
def test_nuisances_stand_beside_the_take_that_they_were_measured_of(run: Path) -> None:
    """The judged takes come corpus by corpus, the clips as the manifest has them."""
    settings = config.load(run.parent / "config.toml")
    corpus = Corpus.load(settings)
    judgement = judgement_of(settings, run, corpus)
    louder_and_louder = []
    for n, sound in enumerate(corpus.judged_sounds()):
        gain = from_db(-60 + 2 * n - measure(sound.samples).level_db)
        louder_and_louder.append(replace(sound, samples=sound.samples * np.float32(gain)))
    place = {sound.clip.name: n for n, sound in enumerate(louder_and_louder)}
    scored = [
        replace(take, log_odds=np.full(len(take.log_odds), place[take.heard.clip.name] / 10))
        for take in judgement.takes["raw"]
    ]
    assert [take.heard.clip.name for take in scored] != list(place)
    followed = replace(judgement, takes=judgement.takes | {"raw": scored})
    figures = command.scores_figures(followed, louder_and_louder, 1, 5)
    for of_class in figures["correlations"]["raw"].values():
        assert of_class["level_db"] == pytest.approx(1)


def test_a_run_that_was_not_evaluated_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, file_of_config = runs.unevaluated(tmp_path, voices=3, seconds=0.5)
    assert command.main([str(run), "--config", str(file_of_config)]) == 2
    assert "run training.evaluate first" in capsys.readouterr().err
