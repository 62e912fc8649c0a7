"""A toy from manifest to model file, interrupted and not, with folds and without."""

import csv
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from audio_model.decision import VerdictKind
from audio_model.detector import Detector
from audio_model.model import Model
from tests import clips, sounds
from training import checkpoint, config, evaluate, train
from training import teachers as teachers_module
from training.data.corpus import Corpus
from training.evaluation import card, figures, report
from training.learning import Trainer
from training.network import NetworkConfig

TOY = """
[data]
manifests = ["manifest.csv"]
[split]
dev = 0.3
test = 0.3
[line]
room = 0
noise = 0.2
compress = 0
gate = 0
loss = 0
[scene]
seconds = 1.6
[network]
conv_channels = [4, 8, 8]
temporal_channels = 16
dilations = [1]
head_channels = 8
dropout = 0.1
[train]
scenes = 256
epochs = 4
batch_size = 16
learning_rate = 0.02
average = 0.8
threads = 1
workers = 0
[perturbation]
mel_mask = 2
frame_mask = 4
mix = 0.1
[calibration]
voice_seconds = [0.4, 1.0]
budgets = [0.2, 0.5]
lines = 1
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Sixteen callers, sixteen recordings, a config, and a quick bootstrap."""
    path = tmp_path_factory.mktemp("toy")
    clips.write_corpus(path, voices=16)
    (path / "toy.toml").write_text(TOY, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate, "evaluate_run", partial(evaluate.evaluate_run, draws=10))
        yield path


UNMET = """
[unmet]
manifest = "unmet.csv"
[unmet.groups]
lines = ["live0"]
"""


@pytest.fixture(scope="module")
def met_by_none(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Two corpora of each class, the first of which judge; and a config that says so."""
    path = tmp_path_factory.mktemp("unmet")
    clips.write_corpus(path, voices=12)
    with (path / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        number = int(re.sub(r"\D", "", row["source"]))
        row["corpus"] = f"{row['label'] or 'tone'}{number % 3}"
    for name in ("manifest", "unmet"):
        with (path / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, [*rows[0]])
            writer.writeheader()
            judged = [r["label"] != "" and r["corpus"][-1] != "2" for r in rows]
            writer.writerows(
                row for row, of in zip(rows, judged, strict=True) if of == (name == "unmet")
            )
    toy = TOY.replace("dev = 0.3\ntest = 0.3", "dev = 0.3\ntest = 0.0")
    (path / "toy.toml").write_text(toy + UNMET, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate, "evaluate_run", partial(evaluate.evaluate_run, draws=10))
        yield path


def run_main(folder: Path, run: str, config: str = "toy.toml") -> int:
    return train.main(["--config", str(folder / config), "--run", str(folder / run)])


def test_a_config_without_clips_to_learn_from_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unmet = f"[data]\nmanifests = []\n[unmet]\nmanifest = {str(folder / 'manifest.csv')!r}\n"
    (folder / "judge.toml").write_text(unmet, encoding="utf-8")
    assert run_main(folder, "judge", "judge.toml") == 2
    assert "no clip to learn from" in capsys.readouterr().err


@pytest.fixture(scope="module")
def run(folder: Path) -> Path:
    assert run_main(folder, "run") == 0
    return folder / "run"


@pytest.mark.slow
def test_the_run_folder_holds_everything(run: Path, folder: Path) -> None:
    assert {path.name for path in run.iterdir()} >= {
        "config.toml", "log.csv", "curves.png", "metrics.json", "report.md", "det.png",
        "checkpoint.safetensors", "model.onnx",
    }  # fmt: skip
    assert (run / "config.toml").read_text(encoding="utf-8") == TOY
    assert (run / "curves.png").read_bytes().startswith(b"\x89PNG")
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    trained = checkpoint.load(run / "checkpoint.safetensors")
    assert trained.metrics == figures.summary(metrics)
    assert trained.network == NetworkConfig((4, 8, 8), 16, (1,), 8, 0.1)
    assert trained.config["train"]["epochs"] == 4
    assert str(folder) not in json.dumps(trained.config)
    assert not list(folder.rglob("*.partial"))


@pytest.mark.slow
def test_the_model_card_holds_the_run_s_figures(
    run: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    assert card.main([str(run), "--config", str(folder / "toy.toml")]) == 0
    text = (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= card.MAX_LINES
    shown = report.overview(json.loads((run / "metrics.json").read_text("utf-8"))["conditions"])
    assert "\n".join(shown) in text
    assert checkpoint.load(run / "checkpoint.safetensors").weights_hash in text
    assert "$" not in text
    assert card.main([str(folder / "none"), "--config", str(folder / "toy.toml")]) == 2
    assert "none" in capsys.readouterr().err


@pytest.mark.slow
def test_the_log_has_a_row_an_epoch(run: Path) -> None:
    with (run / "log.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]
    assert float(rows[-1]["loss"]) < 0.8 * float(rows[0]["loss"])
    assert float(rows[-1]["loss_heard"]) < 0.8 * float(rows[0]["loss_heard"])
    assert float(rows[-1]["accuracy"]) > 0.75


@pytest.mark.slow
def test_the_model_file_scores_what_it_learnt(run: Path) -> None:
    detector = Detector.load(run / "model.onnx", max_false_alarm=0.5)
    trained = checkpoint.load(run / "checkpoint.safetensors")
    assert detector.rule == trained.decision
    assert detector.about["manifest_hash"] == trained.manifest_hash
    assert [p.max_false_alarm for p in detector.rule.operating_points] == [0.2, 0.5]
    said = {
        played: [
            detector.score_samples(sounds.voice(3, s, played=played), 8000) for s in range(50, 58)
        ]
        for played in (False, True)
    }
    mean = {played: np.mean([v.logit for v in verdicts]) for played, verdicts in said.items()}
    assert mean[True] > mean[False] + 1
    right = [v.verdict is VerdictKind.RECORDED for v in said[True]]
    wrong = [v.verdict is VerdictKind.RECORDED for v in said[False]]
    assert sum(right) > sum(wrong)


@pytest.mark.slow
def test_corpora_that_nobody_met_judge_the_model(
    met_by_none: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run_main(met_by_none, "run") == 0
    run = met_by_none / "run"
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    raw = metrics["conditions"]["raw"]
    assert raw["takes"] == {"live": 8, "recorded": 8}
    assert {row["slice"] for row in raw["by_corpus"]} == {
        "live0", "live1", "recorded0", "recorded1",
    }  # fmt: skip
    assert [row["slice"] for row in raw["by_group"]] == ["lines"]
    about: dict[str, Any] = dict(Detector.load(run / "model.onnx", max_false_alarm=0.5).about)
    assert about["metrics"]["raw"]
    told = card.make(config.load(met_by_none / "toy.toml"), run)
    assert len(told.splitlines()) <= card.MAX_LINES
    assert "corpora that the network has not met" in told
    # What judges can change without another training.
    toy = (met_by_none / "toy.toml").read_text(encoding="utf-8")
    other = toy.replace("budgets = [0.2, 0.5]", "budgets = [0.5]").replace('["live0"]', '["live1"]')
    (met_by_none / "other.toml").write_text(other, encoding="utf-8")
    monkeypatch.setattr(Trainer, "run_epoch", lambda _: pytest.fail("it was trained again"))
    before = checkpoint.load(run / "checkpoint.safetensors").weights_hash
    assert run_main(met_by_none, "run", "other.toml") == 0
    trained = checkpoint.load(run / "checkpoint.safetensors")
    assert trained.weights_hash == before
    assert trained.decision is not None
    assert [p.max_false_alarm for p in trained.decision.operating_points] == [0.5]


@pytest.mark.slow
def test_nobody_need_be_dealt_to_dev(met_by_none: Path) -> None:
    toy = (met_by_none / "toy.toml").read_text(encoding="utf-8")
    assert "dev = 0.3" in toy
    few = toy.replace("dev = 0.3", "dev = 0").replace("epochs = 4", "epochs = 1")
    (met_by_none / "no_dev.toml").write_text(few, encoding="utf-8")
    assert run_main(met_by_none, "no_dev", "no_dev.toml") == 0
    with (met_by_none / "no_dev" / "log.csv").open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert not any(name.startswith("dev_") for name in row)


@pytest.mark.slow
def test_interrupted_and_resumed_it_is_the_same_run(
    run: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bit for bit; which also says that the same seed gives the same result."""
    run_epoch = Trainer.run_epoch

    def interrupted(self: Trainer) -> dict[str, float]:
        if self.epoch == 1:
            # In the middle: some of the second epoch was learnt already, and is lost.
            run_epoch(self)
            raise KeyboardInterrupt
        return run_epoch(self)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "run_epoch", interrupted)
        assert run_main(folder, "again") == 130
    assert "goes on" in capsys.readouterr().err
    assert not (folder / "again" / "checkpoint.safetensors").exists()
    epochs = []

    def counted(self: Trainer) -> dict[str, float]:
        epochs.append(self.epoch)
        return run_epoch(self)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "run_epoch", counted)
        assert run_main(folder, "again") == 0
    assert epochs == [1, 2, 3]
    for name in ("checkpoint.safetensors", "model.onnx", "metrics.json", "report.md", "log.csv"):
        assert (folder / "again" / name).read_bytes() == (run / name).read_bytes(), name


TEACHING = """
[teaching]
teachers = 2
[teaching.network]
conv_channels = [8, 8, 8]
temporal_channels = 16
dilations = [1]
"""


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_teachers_learn_first_and_only_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    """Aside or one by one they are the same; the network of the run learns from what they say."""
    name = f"taught{workers}"
    toy = TOY.replace("workers = 0", f"workers = {workers}").replace("epochs = 4", "epochs = 2")
    (folder / f"{name}.toml").write_text(toy + TEACHING, encoding="utf-8")
    assert run_main(folder, name, f"{name}.toml") == 0
    run = folder / name
    teachers = [checkpoint.load(run / "teachers" / n / "checkpoint.safetensors") for n in "12"]
    student = checkpoint.load(run / "checkpoint.safetensors")
    assert [t.network.conv_channels for t in teachers] == [(8, 8, 8)] * 2
    assert student.network.conv_channels == (4, 8, 8)
    assert len({t.weights_hash for t in teachers} | {student.weights_hash}) == 3
    assert student.config["teaching"]["teachers"] == 2
    if workers:
        one_by_one = folder / "taught0" / "checkpoint.safetensors"
        assert student.weights_hash == checkpoint.load(one_by_one).weights_hash
    # Interrupted after its teachers, a run does not teach them again.
    (run / "checkpoint.safetensors").unlink()
    monkeypatch.setattr(teachers_module, "_learn", lambda *_: pytest.fail("taught again"))
    assert run_main(folder, name, f"{name}.toml") == 0
    again = checkpoint.load(run / "checkpoint.safetensors")
    assert again.weights_hash == student.weights_hash


@pytest.mark.slow
def test_a_network_is_steadied_at_the_end_of_a_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first network stays beside it, taught by its teachers, and is not learnt again."""
    toy = TOY.replace("epochs = 4", "epochs = 2") + TEACHING + "[steadying]\nepochs = 1\n"
    (folder / "steady.toml").write_text(toy, encoding="utf-8")
    assert run_main(folder, "steady", "steady.toml") == 0
    run = folder / "steady"
    first = checkpoint.load(run / "first" / "checkpoint.safetensors")
    last = checkpoint.load(run / "checkpoint.safetensors")
    assert (run / "first" / "teachers" / "2" / "checkpoint.safetensors").exists()
    assert first.network == last.network
    assert first.weights_hash != last.weights_hash
    assert last.config == first.config
    assert last.config["steadying"]["epochs"] == 1
    (run / "checkpoint.safetensors").unlink()
    (run / "state.pt").unlink()
    monkeypatch.setattr(teachers_module, "_learn", lambda *_: pytest.fail("taught again"))
    assert run_main(folder, "steady", "steady.toml") == 0
    assert checkpoint.load(run / "checkpoint.safetensors").weights_hash == last.weights_hash


@pytest.mark.slow
def test_a_texture_is_learnt_last_and_is_in_the_model_file(folder: Path) -> None:
    """What the network was before it stays beside it."""
    toy = TOY.replace("epochs = 4", "epochs = 1").replace(
        "[network]", "[network]\ntexture_channels = 8"
    )
    assert "texture_channels" in toy
    (folder / "textured.toml").write_text(toy + "[steadying]\nepochs = 1\n", encoding="utf-8")
    assert run_main(folder, "textured", "textured.toml") == 0
    run = folder / "textured"
    steadied = checkpoint.load(run / "steadied" / "checkpoint.safetensors")
    last = checkpoint.load(run / "checkpoint.safetensors")
    assert (run / "first" / "checkpoint.safetensors").exists()
    assert steadied.network == replace(last.network, texture_channels=0)
    for name, value in steadied.weights.items():
        assert torch.equal(value, last.weights[name]), name
    assert any(name.startswith("texture.") for name in last.weights)
    about = Model.load(run / "model.onnx").about
    assert about["network"]["texture_channels"] == 8
    assert about["weights_hash"] == last.weights_hash
    # A checkpoint that is put into a new run's folder needs nothing of what came before it.
    other = folder / "put" / "steadied"
    other.mkdir(parents=True)
    shutil.copy(run / "steadied" / "checkpoint.safetensors", other)
    assert run_main(folder, "put", "textured.toml") == 0
    put = checkpoint.load(folder / "put" / "checkpoint.safetensors")
    assert put.weights_hash == last.weights_hash
    assert not (folder / "put" / "first").exists()


@pytest.mark.slow
def test_what_learnt_by_another_config_is_not_taken_over(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither a teacher nor a first network, although each has learnt all and the last has not."""
    toy = TOY.replace("epochs = 4", "epochs = 1") + TEACHING + "[steadying]\nepochs = 1\n"
    (folder / "taken.toml").write_text(toy, encoding="utf-8")
    assert run_main(folder, "taken", "taken.toml") == 0
    run = folder / "taken"
    (folder / "other.toml").write_text(toy.replace("mix = 0.1", "mix = 0.2"), encoding="utf-8")
    for gone in ("checkpoint.safetensors", "state.pt"):
        (run / gone).unlink()
    assert run_main(folder, "taken", "other.toml") == 2
    assert f"{run / 'first'} holds a run with another config" in capsys.readouterr().err
    for gone in ("checkpoint.safetensors", "state.pt"):
        (run / "first" / gone).unlink()
    assert run_main(folder, "taken", "other.toml") == 2
    assert f"{run / 'first/teachers/1'} holds a run with another" in capsys.readouterr().err


@pytest.mark.slow
def test_a_first_network_of_another_size_is_refused_by_its_name(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    toy = TOY.replace("epochs = 4", "epochs = 1")
    (folder / "small.toml").write_text(toy, encoding="utf-8")
    assert run_main(folder, "small", "small.toml") == 0
    (folder / "sized" / "first").mkdir(parents=True)
    name = "checkpoint.safetensors"
    (folder / "sized" / "first" / name).write_bytes((folder / "small" / name).read_bytes())
    larger = toy.replace("conv_channels = [4, 8, 8]", "conv_channels = [8, 8, 8]")
    assert larger != toy
    (folder / "sized.toml").write_text(larger + "[steadying]\nepochs = 1\n", encoding="utf-8")
    assert run_main(folder, "sized", "sized.toml") == 2
    assert f"first/{name} has another network" in capsys.readouterr().err


@pytest.mark.slow
def test_a_teacher_that_cannot_learn_ends_the_run(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its folder is a file: the process that learns there fails, and the run says where."""
    toy = TOY.replace("workers = 0", "workers = 2").replace("epochs = 4", "epochs = 1")
    (folder / "stuck.toml").write_text(toy + TEACHING, encoding="utf-8")
    (folder / "stuck" / "teachers" / "2" / "log.csv").mkdir(parents=True)
    assert run_main(folder, "stuck", "stuck.toml") == 2
    told = capsys.readouterr().err
    assert "teachers/2" in told
    assert not (folder / "stuck" / "checkpoint.safetensors").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new"),
    [("epochs = 4", "epochs = 5"), ("seconds = 1.6", "seconds = 0.8"), ("dev = 0.3", "dev = 0.35")],
)
def test_another_config_in_the_same_folder_is_refused(
    run: Path, folder: Path, capsys: pytest.CaptureFixture[str], old: str, new: str
) -> None:
    (folder / "other.toml").write_text(TOY.replace(old, new), encoding="utf-8")
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    assert run_main(folder, "run", "other.toml") == 2
    assert "another config" in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ("[data]\nmanifests = ['none.csv']", "none.csv"),
        ("[data]\nmanifset = 'm.csv'", "manifset"),
        (TOY.replace("scenes = 256", "scenes = 15"), "batch_size"),
        (TOY + "[teaching]\nteachers = -1", "teaching.teachers"),
        (TOY + "[teaching]\nweight = 1.5", "teaching.weight"),
        (TOY + "[steadying]\nepochs = -1", "steadying.epochs"),
        (TOY + "[steadying]\nbeginnings = 3", "steadying.beginnings"),
        (TOY + "[steadying]\nweight = 1.5", "steadying.weight"),
    ],
)
def test_what_cannot_work_is_told_in_a_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], config: str, told: str
) -> None:
    (folder / "bad.toml").write_text(config, encoding="utf-8")
    arguments = ["--config", str(folder / "bad.toml"), "--run", str(tmp_path / "run")]
    assert train.main(arguments) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new", "is_another"),
    [
        ("budgets = [0.2, 0.5]", "budgets = [0.5]", False),
        ("lines = 1", "lines = 2\ncautions = [0.0]\nmax_passed = 0.2", False),
        ("workers = 0", "workers = 2", False),
        ("[calibration]", "[unmet.groups]\na = ['own']\n[calibration]", False),
        ("[calibration]", "[unmet]\nmanifest = 'strangers.csv'\n[calibration]", False),
        ("[calibration]", "[unmet]\nmanifest = 'callers.csv'\n[calibration]", True),
        ("dropout = 0.1", "dropout = 0.2", True),
        ("seed = 1", "seed = 2", True),
    ],
)
def test_what_weights_depend_on(folder: Path, old: str, new: str, is_another: bool) -> None:
    """Who judges counts only where it takes clips away from those that are learnt from."""
    clips.write(folder / "stranger.wav", sounds.voice(1.0, 9999))
    for name, row in (("strangers", "stranger.wav,live,s"), ("callers", "live/0-0.wav,live,l")):
        (folder / f"{name}.csv").write_text(f"path,label,source\n{row}\n", encoding="utf-8")

    def identity(text: str) -> str:
        (folder / "changed.toml").write_text(text, encoding="utf-8")
        settings = config.load(folder / "changed.toml")
        return train.identity_of(settings, Corpus.load(settings))

    toy = TOY.replace("[train]", "[train]\nseed = 1")
    assert old in toy
    assert (identity(toy.replace(old, new)) != identity(toy)) is is_another
