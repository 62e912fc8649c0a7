"""The card of a toy run: its figures, in at most 150 lines, however much there is to tell."""

import copy
import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests import fixture
from tests.training import runs
from training import checkpoint, config
from training.audit.changes import CHANGES
from training.checkpoint import CHECKPOINT
from training.data.learnt import LearntCorpus
from training.evaluation import card, report
from training.evaluation.figures import CLASSES
from training.export import MODEL

RIVAL = {"takes": 20, **{e: {"value": 0.25, "low": 0.1, "high": 0.4} for e in ("eer", "miss_at_1")}}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    run, file_of_config = runs.write(tmp_path_factory.mktemp("card"), voices=3, seconds=0.8)
    # The card tells its size alone, and an export takes seconds.
    shutil.copy(fixture.MODEL, run / MODEL)
    return run, file_of_config


def figures_of(run: Path) -> dict[str, Any]:
    measured: dict[str, Any] = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    return measured


def audited(measured: Mapping[str, Any], *problems: str) -> dict[str, Any]:
    """What the card reads of an audit."""
    halves = {"low": measured["conditions"]["raw"]["all"]} | {
        "high": {"takes": 0, "groups": 0, "decision": {}, "errors": None}
    }
    return {"exceeded": list(problems), "pitch": {"raw": halves, "matched": halves}}


@pytest.mark.slow
def test_main_writes_the_card(
    finished: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run, file_of_config = finished
    monkeypatch.chdir(tmp_path)
    assert card.main([str(run), "--config", str(file_of_config)]) == 0
    text = (tmp_path / "MODEL_CARD.md").read_text(encoding="utf-8")
    measured, trained = figures_of(run), checkpoint.load(run / CHECKPOINT)
    conditions = measured["conditions"]
    for table in (
        report.overview(conditions),
        report.by_group(conditions),
        report.by_prefix(conditions),
    ):
        assert "\n".join(table) in text
    assert trained.weights_hash in text
    assert trained.manifest_hash in text
    assert "6 live clips of 6 callers in 2 corpora" in text
    assert "corpora that the network has not met" in text
    assert "12 clips were learnt from, of 3 live callers and 4 recorded voices." in text
    assert "| prompts | recorded | voice actor | 8 | CC0-1.0 |" in text
    for name in ("training.rivals", "training.audit"):
        assert f"Not measured: run `python -m {name}`." in text
    assert "$" not in text
    assert len(text.splitlines()) <= card.MAX_LINES
    assert card.main([str(tmp_path / "none"), "--config", str(file_of_config)]) == 2
    assert "none" in capsys.readouterr().err


def test_a_run_without_figures_is_refused(
    finished: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, file_of_config = finished
    (tmp_path / CHECKPOINT).write_bytes((run / CHECKPOINT).read_bytes())
    assert card.main([str(tmp_path), "--config", str(file_of_config)]) == 2
    assert "run training.evaluate first" in capsys.readouterr().err


def test_a_checkpoint_that_does_not_say_what_it_learnt_from_is_refused(
    finished: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, file_of_config = finished
    replace(checkpoint.load(run / CHECKPOINT), learnt=None).save(tmp_path / CHECKPOINT)
    (tmp_path / "metrics.json").write_bytes((run / "metrics.json").read_bytes())
    assert card.main([str(tmp_path), "--config", str(file_of_config)]) == 2
    assert "does not say what it learnt from" in capsys.readouterr().err


def test_rivals_and_audit_are_told_shortly(finished: tuple[Path, Path]) -> None:
    run, _ = finished
    groups = {"all": RIVAL, "lines": RIVAL}
    lines = card.rivals({"AMD": {"raw": groups | {"decides": {}}, "matched": {"all": RIVAL}}})
    assert lines[2:] == ["| AMD | 25.0% / 25.0% | 25.0% / - |"]
    assert lines[0].endswith("| all corpora | lines |")
    problems = [f"{name} changes 9.0% of the verdicts" for name in CHANGES]
    told, _, *pitch = card.audit(audited(figures_of(run), *problems))
    assert all(problem in told for problem in problems[: card.MOST_BOUNDS])
    assert problems[card.MOST_BOUNDS] not in told
    assert f"and {len(CHANGES) - card.MOST_BOUNDS} more" in told
    assert len(pitch) == 2 + 4
    assert card.audit(audited(figures_of(run)))[0] == "Bounds exceeded: none."


def crowd() -> list[LearntCorpus]:
    """Ten corpora of a class, more than have a row of their own, and one of neither."""
    spoken = [
        LearntCorpus(f"{name}{n}", name, "a | b", f"licence {n}", clips=20 + n, clips_learnt=n)
        for name in ("live", "recorded")
        for n in range(10)
    ]
    return [*spoken, LearntCorpus("tones", "neither", "", "", clips=3, clips_learnt=3)]


def test_data_names_every_corpus_with_its_clips() -> None:
    head, _, *rows = card.data(crowd())
    assert len(rows) == 2 * card.MOST_CORPORA + 1
    counts = [int(row.split(" | ")[3]) for row in rows]
    assert sum(counts) == sum(corpus.clips_learnt for corpus in crowd())
    for corpus in crowd():
        assert sum(bool(re.search(rf"\b{corpus.name}\b", row)) for row in rows) == 1, corpus
    assert "| 3 smaller ones | live |  | 3 | live0: licence 0; live1: licence 1;" in rows[7]
    assert rows[8] == "| tones | neither | - | 3 | - |"
    assert len({line.count("|") for line in (head, *rows)}) == 1


def test_the_card_stays_short_with_much_to_tell(
    finished: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, file_of_config = finished
    rows = card.data(crowd())
    monkeypatch.setattr(card, "data", lambda _: rows)
    before = figures_of(run)
    measured = copy.deepcopy(before)
    for of in measured["conditions"].values():
        row = of["by_language"][0]
        of["by_language"] = [row | {"slice": f"l{n}"} for n in range(60)]
        of["by_group"] = [of["by_group"][0] | {"slice": f"group{n}"} for n in range(4)]
        length = of["by_prefix"][0]
        of["by_prefix"] = [length | {"seconds": s} for s in (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)]
    groups = {"all": RIVAL} | {f"group{n}": RIVAL for n in range(4)}
    others = {
        "rivals": {f"rival {n}": {"raw": groups, "matched": groups} for n in range(5)},
        "audit": audited(before, *(f"{name} tells the label" for name in CHANGES)),
        "metrics": measured,
    }
    try:
        for name, figures in others.items():
            (run / f"{name}.json").write_text(json.dumps(figures), encoding="utf-8")
        text = card.make(config.load(file_of_config), run)
    finally:
        for name in ("rivals", "audit"):
            (run / f"{name}.json").unlink(missing_ok=True)
        (run / "metrics.json").write_text(json.dumps(before), encoding="utf-8")
    assert len(text.splitlines()) <= card.MAX_LINES == 150
    assert "| rival 4 |" in text
    assert "smaller ones" in text
    for block in text.split("\n\n"):
        assert len({line.count("|") for line in block.splitlines() if line[:1] == "|"}) <= 1, block


def test_no_figure_is_written_by_hand() -> None:
    """The template holds constants of the design and names such as AISHELL-3, and no share."""
    template = card.TEMPLATE.read_text(encoding="utf-8")
    assert "%" not in template
    assert set(re.findall(r"(?<![\w-])\d[\d,.]*\b", template)) <= {"8", "80", "4"}
    assert not any(f"{name}s were" in template for name in CLASSES)
