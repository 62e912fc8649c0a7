"""A toy from manifest to model file, interrupted and not; and the parts of a training step."""

import csv
import json
import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from audio_model.decision import VerdictKind
from audio_model.detector import Detector
from audio_model.frontend import N_MELS
from audio_model.steps import Heard
from tests import clips, sounds
from training import card, checkpoint, evaluate, train
from training.config import Config, DataConfig, TrainConfig
from training.dataset import IGNORED
from training.network import NetworkConfig
from training.pool import Pool
from training.train import RunLog, Trainer, loss_of, mask_mels, moving_average, recolour

TOY = """
[data]
manifest = "manifest.csv"
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
mel_mask = 2
threads = 1
workers = 0
[calibration]
voice_seconds = [0.4, 1.0]
budgets = [0.2, 0.5]
lines = 1
"""
BACKGROUND, TONE, VOICE = (int(kind) for kind in Heard)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Sixteen callers, sixteen recordings, a config, and a quick bootstrap."""
    path = tmp_path_factory.mktemp("toy")
    clips.write_corpus(path, voices=16)
    (path / "toy.toml").write_text(TOY, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate, "evaluate_run", partial(evaluate.evaluate_run, draws=10))
        yield path


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
    assert trained.metrics == metrics
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
    assert (run / "report.md").read_text(encoding="utf-8") in text
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
        played: [detector.score(sounds.voice(3, s, played=played), 8000) for s in range(50, 58)]
        for played in (False, True)
    }
    mean = {played: np.mean([v.logit for v in verdicts]) for played, verdicts in said.items()}
    assert mean[True] > mean[False] + 1
    right = [v.verdict is VerdictKind.RECORDED for v in said[True]]
    wrong = [v.verdict is VerdictKind.RECORDED for v in said[False]]
    assert sum(right) > sum(wrong)


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
        ("[data]\nmanifest = 'none.csv'", "none.csv"),
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


def pool(n: int = 32, seed: int = 0) -> Pool:
    """Two classes that differ in their level."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, n)
    log_mel = rng.standard_normal((n, N_MELS, 80)) + 2 * label[:, None, None]
    return Pool(log_mel.astype(np.float16), label, np.full((n, 10), VOICE))


def trainer(**settings: object) -> Trainer:
    small = TrainConfig(scenes=32, epochs=3, batch_size=8, threads=1, **settings)
    network = NetworkConfig((4, 8, 8), 16, (1,), 8)
    return Trainer(Config(DataConfig(Path("m.csv")), network=network, train=small), pool())


def weights(of: Trainer) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in of.averaged().state_dict().values()])


def test_the_same_seed_gives_the_same_weights() -> None:
    one, same, other = trainer(), trainer(), trainer(seed=2)
    logs = [[t.run_epoch() for _ in range(2)] for t in (one, same, other)]
    assert logs[0] == logs[1] != logs[2]
    assert torch.equal(weights(one), weights(same))
    assert not torch.equal(weights(one), weights(other))


def test_a_resumed_trainer_goes_on_where_it_was() -> None:
    straight, before, after = trainer(), trainer(), trainer(seed=1)
    for _ in range(3):
        straight.run_epoch()
    before.run_epoch()
    after.resume(before.state())
    torch.manual_seed(99)
    for _ in range(2):
        after.run_epoch()
    assert after.epoch == 3
    assert torch.equal(weights(after), weights(straight))


def test_the_rate_rises_and_falls_to_zero() -> None:
    learner = trainer(warmup=0.25)
    rates = [learner.schedule.get_last_lr()[0]]
    for _ in range(12):
        learner.optimizer.step()
        learner.schedule.step()
        rates.append(learner.schedule.get_last_lr()[0])
    top = int(np.argmax(rates))
    assert 1 <= top <= 3
    assert rates == sorted(rates[:top]) + sorted(rates[top:], reverse=True)
    assert rates[-1] == pytest.approx(0, abs=1e-9)
    assert max(rates) <= 2e-3


def losses(
    logit: list[float], label: int, held: list[int], **settings: object
) -> tuple[float, float]:
    of_logit, of_heard = loss_of(
        torch.tensor([logit]),
        torch.zeros(1, len(Heard), len(held)),
        torch.tensor([label]),
        torch.tensor([held]),
        replace(TrainConfig(label_smoothing=0, min_voice_steps=2), **settings),
    )
    return of_logit.item(), of_heard.item()


def test_the_logit_is_asked_for_once_there_is_voice() -> None:
    held = [VOICE, BACKGROUND, VOICE, VOICE, IGNORED]
    expected = (math.log1p(math.exp(-2.0)) + math.log1p(math.exp(3.0))) / 2
    assert losses([9.0, 9.0, 2.0, -3.0, 9.0], 1, held)[0] == pytest.approx(expected, rel=1e-6)
    mirrored = losses([-9.0, -9.0, -2.0, 3.0, -9.0], 0, held)[0]
    assert mirrored == pytest.approx(expected, rel=1e-6)


def test_what_is_heard_is_asked_for_until_the_end() -> None:
    assert losses([0.0] * 3, 1, [TONE, VOICE, IGNORED])[1] == pytest.approx(math.log(3))


@pytest.mark.parametrize(
    ("label", "held"), [(IGNORED, [VOICE] * 4), (1, [VOICE] + [TONE] * 3), (0, [BACKGROUND] * 4)]
)
def test_a_scene_without_class_or_voice_has_no_loss_of_the_logit(
    label: int, held: list[int]
) -> None:
    assert losses([5.0] * 4, label, held)[0] == 0


def test_scenes_weigh_alike_whatever_their_length() -> None:
    logit = torch.tensor([[1.0] * 6, [-1.0] * 6])
    held = torch.tensor([[VOICE] * 6, [VOICE] * 2 + [IGNORED] * 4])
    settings = TrainConfig(label_smoothing=0, min_voice_steps=1)
    of_logit, _ = loss_of(logit, torch.zeros(2, 3, 6), torch.tensor([1, 1]), held, settings)
    expected = (math.log1p(math.exp(-1)) + math.log1p(math.exp(1))) / 2
    assert of_logit.item() == pytest.approx(expected, rel=1e-6)


def test_smoothing_asks_for_less_than_certainty() -> None:
    best = min(np.arange(0, 8, 0.01), key=lambda x: losses(
        [0.0, float(x)], 1, [VOICE] * 2, label_smoothing=0.05)[0])  # fmt: skip
    assert 1 / (1 + math.exp(-best)) == pytest.approx(0.95, abs=1e-3)


def test_a_hidden_band_is_one_band() -> None:
    generator = torch.Generator().manual_seed(0)
    masked = mask_mels(torch.ones(200, N_MELS, 3), 6, generator)
    widths = set()
    for scene in masked:
        assert (scene == scene[:, :1]).all()
        edges = torch.diff(scene[:, 0], prepend=torch.ones(1), append=torch.ones(1)).abs().sum()
        assert edges in (0, 2)
        widths.add(int((scene[:, 0] == 0).sum()))
    assert widths == set(range(7))


def test_recolouring_is_a_straight_line_over_the_mels_and_constant_in_time() -> None:
    log_mel = torch.randn(300, N_MELS, 5)
    offset = recolour(log_mel, 2.0, torch.Generator().manual_seed(0)) - log_mel
    torch.testing.assert_close(offset, offset[..., :1].expand_as(offset), atol=1e-5, rtol=0)
    bend = torch.diff(offset[..., 0], n=2, dim=1)
    assert bend.abs().max() < 1e-5
    # ln of power over LOG_SCALE: 2 dB are 0.115.
    assert offset[:, 0, 0].std() == pytest.approx(2 * math.log(10) / 10 / 4, rel=0.15)
    assert torch.equal(recolour(log_mel, 0.0, torch.Generator()), log_mel)


def test_the_average_forgets_its_start() -> None:
    update = moving_average(0.99)
    average = [torch.zeros(1), torch.zeros(1, dtype=torch.int64)]
    for n in range(1, 30):
        update(average, [torch.ones(1), torch.tensor([n])], n)
    assert average[0].item() > 0.99
    assert average[1].item() == 29
    for n in range(30, 100_000, 1000):
        update(average, [torch.zeros(1), torch.tensor([n])], 10**6)
    assert average[0].item() == pytest.approx(0.99**100, rel=0.02)


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
