"""A toy from manifest to model file, interrupted and not, with unmet clips and without."""

import csv
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from audio_model.decision import VerdictKind
from audio_model.detector import Detector
from tests import clips, sounds
from training import checkpoint, config, evaluate, train
from training.data.corpus import Corpus
from training.data.split import SplitName
from training.evaluation import card, figures
from training.evaluation.figures import CLASSES
from training.learning import Trainer
from training.network import NetworkConfig
from training.train import RunLog

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


@pytest.fixture(scope="module")
def with_unmet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Clips that no network learns from, in two corpora a class; one of them shares a voice."""
    path = tmp_path_factory.mktemp("unmet")
    clips.write_corpus(path, voices=14)
    clips.write_corpus(path, voices=8, first=40, corpora=2, n_tones=0, name="unmet.csv")
    with (path / "unmet.csv").open("a", encoding="utf-8") as file:
        file.write(f"{clips.write(path / 'shared.wav', sounds.voice(2, 9))},live,live3,live1,\n")
    toy = TOY.replace("dev = 0.3\ntest = 0.3", "dev = 0.2\ntest = 0")
    (path / "toy.toml").write_text(toy.replace("workers = 0", "workers = 2") + UNMET, "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate, "evaluate_run", partial(evaluate.evaluate_run, draws=10))
        yield path


UNMET = """
[unmet]
manifest = "unmet.csv"
[unmet.groups]
even = ["live0", "recorded0"]
odd = ["live1", "recorded1"]
"""


def run_main(folder: Path, run: str, config: str = "toy.toml") -> int:
    return train.main(["--config", str(folder / config), "--run", str(folder / run)])


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
def test_without_unmet_clips_the_test_split_judges(run: Path, folder: Path) -> None:
    measured = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    test = Corpus.load(config.load(folder / "toy.toml")).clips(SplitName.TEST)
    raw = measured["conditions"]["raw"]
    assert raw["takes"] == {
        name: sum(clip.label == label for clip in test) for label, name in enumerate(CLASSES)
    }
    assert raw["by_group"] == []
    assert "voices held out of training" in card.make(config.load(folder / "toy.toml"), run)


@pytest.mark.slow
def test_unmet_clips_judge_the_model(with_unmet: Path) -> None:
    assert run_main(with_unmet, "run") == 0
    run = with_unmet / "run"
    raw = json.loads((run / "metrics.json").read_text(encoding="utf-8"))["conditions"]["raw"]
    assert raw["takes"] == {"live": 9, "recorded": 8}
    assert raw["corpora"] == {"live": 2, "recorded": 2}
    assert [(row["slice"], row["takes"]) for row in raw["by_group"]] == [("even", 8), ("odd", 9)]
    trained = checkpoint.load(run / "checkpoint.safetensors")
    detector = Detector.load(run / "model.onnx", max_false_alarm=0.5)
    assert detector.rule == trained.decision
    assert detector.about["metrics"].keys() == {"raw", "matched", "line"}
    assert 0 <= detector.score_samples(sounds.voice(3, 1), 8000).score <= 1
    learnt = np.load(run / "scenes" / "sound.npy")
    corpus = Corpus.load(config.load(with_unmet / "toy.toml"))
    train_clips = corpus.clips(SplitName.TRAIN)
    heard = {train_clips[n].source for n in learnt.tolist()}
    assert "live3" not in heard
    assert "live3" not in {clip.source for clip in corpus.manifest.clips}
    before = {path: path.stat().st_mtime_ns for path in run.glob("*.np[yz]")}
    before |= {run / "state.pt": (run / "state.pt").stat().st_mtime_ns}
    assert len(before) == 2
    assert run_main(with_unmet, "run") == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.slow
def test_nobody_need_be_dealt_to_dev(with_unmet: Path) -> None:
    toy = (with_unmet / "toy.toml").read_text(encoding="utf-8")
    few = toy.replace("dev = 0.2", "dev = 0").replace("epochs = 4", "epochs = 1")
    (with_unmet / "no_dev.toml").write_text(few, encoding="utf-8")
    assert run_main(with_unmet, "no_dev", "no_dev.toml") == 0
    with (with_unmet / "no_dev" / "log.csv").open(newline="", encoding="utf-8") as file:
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
    ],
)
def test_what_cannot_work_is_told_in_a_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], config: str, told: str
) -> None:
    (folder / "bad.toml").write_text(config, encoding="utf-8")
    arguments = ["--config", str(folder / "bad.toml"), "--run", str(tmp_path / "run")]
    assert train.main(arguments) == 2
    assert told in capsys.readouterr().err


def test_the_log_goes_on_as_if_never_interrupted(tmp_path: Path) -> None:
    rows = [{"epoch": 1.0, "loss": 1 / 3}, {"epoch": 2.0, "loss": 0.25, "eer": 1e-5}]
    straight = RunLog(tmp_path / "a.csv")
    for row in rows:
        straight.add(row)
    before = RunLog(tmp_path / "b.csv")
    before.add(rows[0])
    before.add({"epoch": 2.0, "loss": 9.0})
    after = RunLog(tmp_path / "b.csv")
    after.resume(1)
    after.add(rows[1])
    assert (tmp_path / "b.csv").read_bytes() == (tmp_path / "a.csv").read_bytes()
