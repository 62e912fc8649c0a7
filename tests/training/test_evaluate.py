"""One command fits the decision and measures a run; what comes of it is written."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from tests import clips, sounds
from tests.training import made, readout, runs
from training import checkpoint, config, evaluate
from training.checkpoint import CHECKPOINT
from training.data.corpus import Corpus
from training.evaluate import judgement_of, quick_check
from training.evaluation import figures
from training.evaluation.infer import raw


def test_a_quick_check_of_a_network_that_can() -> None:
    voices = [
        made.sound(sounds.voice(3, seed, played=bool(label)), made.clip(f"{label}{seed}", label))
        for seed in range(100, 108)
        for label in (0, 1)
    ]
    rates = quick_check(readout.network(), raw(voices))
    assert rates.keys() == {"dev_eer_1s", "dev_eer_3s"}
    assert rates["dev_eer_3s"] < 0.2
    assert all(math.isfinite(rate) for rate in rates.values())


@pytest.mark.slow
def test_a_run_gets_its_rule_and_its_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, file = runs.write(tmp_path)
    settings = config.load(file)
    trained = checkpoint.load(run / CHECKPOINT)
    measured = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    assert trained.decision == judgement_of(settings, run).final
    assert trained.metrics == figures.summary(measured)
    assert measured["conditions"]["raw"]["takes"] == {"live": 10, "recorded": 10}
    assert [row["slice"] for row in measured["conditions"]["raw"]["by_group"]] == [
        "lines", "prompts",
    ]  # fmt: skip
    assert (run / "report.md").read_text(encoding="utf-8") in capsys.readouterr().err
    # The network was fitted to voices of these kinds: played ones and live ones.
    assert trained.metrics["raw"]["errors"]["eer"]["value"] < 0.25


@pytest.mark.slow
def test_measured_again_it_says_the_same(tmp_path: Path) -> None:
    run, file = runs.write(tmp_path, voices=3, seconds=1.5)
    before = {path.name: path.read_bytes() for path in run.iterdir() if path.suffix != ".png"}
    evaluate.evaluate_run(config.load(file), run, draws=10)
    assert {name: (run / name).read_bytes() for name in before} == before


def test_unmet_clips_judge_a_network_of_another_manifest_and_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run, file = runs.unevaluated(tmp_path, voices=3, seconds=1.5)
    monkeypatch.setattr(evaluate, "answers_of", lambda *_: None)
    monkeypatch.setattr(evaluate, "cross_fit", lambda *_: None)
    judgement_of(config.load(file), run)
    assert "another manifest" not in capsys.readouterr().err
    trained = checkpoint.load(run / CHECKPOINT)
    replace(trained, manifest_hash="other").save(run / CHECKPOINT)
    judgement_of(config.load(file), run)
    assert "learnt from another manifest" in capsys.readouterr().err


def test_a_checkpoint_of_other_data_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clips.write_corpus(tmp_path, voices=6, seconds=0.2, n_tones=0)
    file = tmp_path / "c.toml"
    file.write_text(
        "[data]\nmanifests = ['manifest.csv']\n[split]\ndev = 0.3\ntest = 0.3", encoding="utf-8"
    )
    replace(readout.checkpoint(), decision=None).save(tmp_path / CHECKPOINT)
    assert evaluate.main([str(tmp_path), "--config", str(file)]) == 2
    assert "not the manifest" in capsys.readouterr().err


def test_a_missing_run_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "c.toml"
    file.write_text("[data]\nmanifests = ['m.csv']", encoding="utf-8")
    assert evaluate.main([str(tmp_path / "run"), "--config", str(file)]) == 2
    assert CHECKPOINT in capsys.readouterr().err


def test_a_quick_check_without_both_classes_has_no_rates() -> None:
    """Such as that of a run which deals nobody to dev."""
    network = readout.network()
    live = made.sound(sounds.voice(1, 1), made.clip("live", 0))
    assert quick_check(network, []) == {}
    assert quick_check(network, raw([live])) == {}


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
