"""A trained run gets a rule, figures and a report; what can't be evaluated is told in a line."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from tests import clips, readout, runs, sounds
from training import checkpoint, config, evaluate
from training.checkpoint import CHECKPOINT
from training.data.corpus import Corpus
from training.evaluate import judgement_of, quick_check
from training.evaluation import answers, figures
from training.evaluation.infer import raw


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return runs.write(tmp_path_factory.mktemp("evaluated"), voices=4, seconds=1.2)


def test_the_rule_and_the_figures_go_into_the_checkpoint(run: tuple[Path, Path]) -> None:
    folder, file_of_config = run
    trained = checkpoint.load(folder / CHECKPOINT)
    judgement = judgement_of(config.load(file_of_config), folder)
    assert trained.decision == judgement.final != readout.RULE
    assert judgement.rules.keys() == {"live0", "live1", "recorded0", "recorded1"}
    measured = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    assert trained.metrics == figures.summary(measured)
    raw_figures = measured["conditions"]["raw"]
    assert raw_figures["takes"] == {"live": 4, "recorded": 4}
    assert [row["slice"] for row in raw_figures["by_group"]] == ["even", "odd"]
    assert "| even | 4 |" in (folder / "report.md").read_text(encoding="utf-8")
    assert {"det.png", "error_by_prefix.png"} <= {path.name for path in folder.iterdir()}


def test_a_second_call_does_not_listen(
    run: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, file_of_config = run
    before = {name: (folder / name).read_bytes() for name in ("metrics.json", CHECKPOINT)}
    monkeypatch.setattr(answers, "listen_to", None)
    settings = config.load(file_of_config)
    evaluate.evaluate_run(settings, folder, draws=5)
    assert {name: (folder / name).read_bytes() for name in before} == before
    corpus = Corpus.load(settings)
    assert judgement_of(settings, folder, corpus).final == judgement_of(settings, folder).final


def test_a_quick_check_of_a_network_that_can() -> None:
    voices = [
        clips.sound(sounds.voice(3, seed, played=bool(label)), clips.clip(f"{label}{seed}", label))
        for seed in range(100, 108)
        for label in (0, 1)
    ]
    rates = quick_check(readout.network(), raw(voices))
    assert rates.keys() == {"dev_eer_1s", "dev_eer_3s"}
    assert rates["dev_eer_3s"] < 0.2
    assert all(math.isfinite(rate) for rate in rates.values())


def test_a_quick_check_without_both_classes_has_no_rates() -> None:
    """Such as that of a run which deals nobody to dev."""
    network = readout.network()
    live = clips.sound(sounds.voice(1, 1), clips.clip("live", 0))
    assert quick_check(network, []) == {}
    assert quick_check(network, raw([live])) == {}


def test_main_tells_of_a_missing_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "c.toml"
    file.write_text("[data]\nmanifests = ['m.csv']", encoding="utf-8")
    assert evaluate.main([str(tmp_path / "run"), "--config", str(file)]) == 2
    assert "checkpoint.safetensors" in capsys.readouterr().err


def test_main_refuses_a_checkpoint_of_other_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clips.write_corpus(tmp_path, voices=6, seconds=0.2, n_tones=0)
    file = tmp_path / "c.toml"
    file.write_text(
        "[data]\nmanifests = ['manifest.csv']\n[split]\ndev = 0.3\ntest = 0.3", encoding="utf-8"
    )
    readout.checkpoint().save(tmp_path / CHECKPOINT)
    assert evaluate.main([str(tmp_path), "--config", str(file)]) == 2
    assert "not the manifest" in capsys.readouterr().err


def test_main_refuses_clips_that_cannot_judge(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without unmet clips and without a test split, nothing is left to choose the decision."""
    clips.write_corpus(tmp_path, voices=6, seconds=0.2, n_tones=0)
    file = tmp_path / "c.toml"
    file.write_text("[data]\nmanifests = ['manifest.csv']\n[split]\ntest = 0.0", encoding="utf-8")
    manifest = Corpus.load(config.load(file)).manifest
    replace(readout.checkpoint(), manifest_hash=manifest.hash).save(tmp_path / CHECKPOINT)
    assert evaluate.main([str(tmp_path), "--config", str(file)]) == 2
    assert "at least two groups of each class" in capsys.readouterr().err
