"""The parts of a training step: losses, augmentation of a pass, the average, and the state."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from audio_model.frontend import HOP_LENGTH, N_MELS, log_mel
from audio_model.steps import FRAMES_PER_STEP, STEP_SAMPLES, Heard
from training.config import (
    Config,
    DataConfig,
    SteadyingConfig,
    TeachingConfig,
    TextureConfig,
    TrainConfig,
)
from training.data.pool import Pool
from training.data.scenes import IGNORED
from training.learning import (
    Trainer,
    loss_of,
    moving_average,
    steady_logit,
)
from training.network import Network, NetworkConfig

BACKGROUND, TONE, VOICE = (int(kind) for kind in Heard)


def pool(n: int = 32, seed: int = 0) -> Pool:
    """Two classes that differ in their level."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, n)
    log_mel = rng.standard_normal((n, N_MELS, 80)) + 2 * label[:, None, None]
    heard = np.full((n, 10), VOICE)
    return Pool(log_mel.astype(np.float16), label, heard, np.arange(n), np.arange(n), np.ones(n))


SMALL = NetworkConfig((4, 8, 8), 16, (1,), 8)
STEADYING = SteadyingConfig(epochs=2, weight=0.9)


def trainer(
    teachers: Sequence[Network] = (),
    weight: float = 0.7,
    former: Network | None = None,
    texture_channels: int = 0,
    **settings: Any,
) -> Trainer:
    small = TrainConfig(scenes=32, epochs=3, batch_size=8, threads=1, **settings)
    config = Config(
        DataConfig((Path("m.csv"),)),
        network=replace(SMALL, texture_channels=texture_channels),
        train=small,
        teaching=TeachingConfig(weight=weight),
        steadying=STEADYING,
    )
    return Trainer(config, pool(), teachers, former)


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
    top = int(np.argmax([float(rate) for rate in rates]))
    assert 1 <= top <= 3
    assert rates == sorted(rates[:top]) + sorted(rates[top:], reverse=True)
    assert rates[-1] == pytest.approx(0, abs=1e-9)
    assert max(rates) <= 2e-3


def losses(logit: list[float], label: int, held: list[int], **settings: Any) -> tuple[float, float]:
    of_logit, of_heard = loss_of(
        torch.tensor([logit]),
        torch.zeros(1, len(Heard), len(held)),
        torch.tensor([float(label)]),
        torch.tensor([held]),
        torch.ones(2),
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
    of_logit, _ = loss_of(
        logit, torch.zeros(2, 3, 6), torch.tensor([1.0, 1.0]), held, torch.ones(2), settings
    )
    expected = (math.log1p(math.exp(-1)) + math.log1p(math.exp(1))) / 2
    assert of_logit.item() == pytest.approx(expected, rel=1e-6)


def test_smoothing_asks_for_less_than_certainty() -> None:
    best = min(np.arange(0, 8, 0.01), key=lambda x: losses(
        [0.0, float(x)], 1, [VOICE] * 2, label_smoothing=0.05)[0])  # fmt: skip
    assert 1 / (1 + math.exp(-best)) == pytest.approx(0.95, abs=1e-3)


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


def test_both_classes_count_alike() -> None:
    logit = torch.tensor([[1.0], [-1.0], [-1.0]])
    label = torch.tensor([1.0, 1.0, 0.0])
    of_logit, _ = loss_of(
        logit,
        torch.zeros(3, len(Heard), 1),
        label,
        torch.full((3, 1), VOICE),
        torch.tensor([2.0, 1.0]),
        TrainConfig(label_smoothing=0, min_voice_steps=1),
    )
    right, wrong = math.log1p(math.exp(-1)), math.log1p(math.exp(1))
    assert of_logit.item() == pytest.approx((right + wrong + 2 * right) / 4, rel=1e-6)


class Sure(Network):
    """Says that much of everything."""

    def __init__(self, logit: float) -> None:
        super().__init__(SMALL)
        self.said = logit

    def whole(self, log_mel: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        logit, heard = super().whole(log_mel)
        return torch.full_like(logit, self.said), heard


def test_the_target_is_the_mean_answer_of_the_teachers_and_some_of_the_label() -> None:
    """Teachers that say 0.9 and 0.5 mean 0.7; at a weight of 0.7 the label adds 0.3."""
    logits = [math.log(9.0), 0.0]
    learner = trainer([Sure(logit) for logit in logits], label_smoothing=0.0)
    label = torch.tensor([1.0, 0.0, 0.5, float(IGNORED)])
    target = learner._taught(torch.zeros(4, N_MELS, 16), label)
    assert target is not None
    expected = [0.7 * 0.7 + 0.3 * value for value in (1, 0, 0.5, 0)]
    assert target[:, -1].tolist() == pytest.approx(expected, rel=1e-5)


def test_what_is_taught_outweighs_the_label() -> None:
    """Taught that all is live, the network says so of what its labels call recorded."""
    asked = torch.from_numpy(pool().log_mel[pool().label == 1].astype(np.float32))
    said = {}
    for name, weight in (("label", 0.0), ("teacher", 1.0)):
        learner = trainer([Sure(-3.0)], weight, learning_rate=0.02, average=0.5)
        for _ in range(3):
            learner.run_epoch()
        with torch.no_grad():
            said[name] = learner.averaged().whole(asked)[0][:, -1].mean().item()
    assert said["teacher"] < -0.5 < 0 < said["label"]


def test_a_steady_logit_is_the_mean_over_beginnings_of_a_call() -> None:
    """Each beginning is heard as a call behind so much silence is, sample for sample."""
    network = Network(SMALL).eval()
    samples = np.random.default_rng(0).normal(0, 0.1, 8 * STEP_SAMPLES).astype(np.float32)
    apart = FRAMES_PER_STEP // 4 * HOP_LENGTH

    def logit(silence: int) -> torch.Tensor:
        late = np.pad(samples, (silence, 0))[: len(samples)]
        return network.whole(torch.from_numpy(log_mel(late))[None])[0]

    with torch.no_grad():
        expected = torch.stack([logit(n * apart) for n in range(4)]).mean(dim=0)
        features = torch.from_numpy(log_mel(samples))[None]
        steady = steady_logit(network, features, beginnings=4)
        torch.testing.assert_close(steady, expected, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(steady_logit(network, features, beginnings=1), logit(0))


def test_a_steadied_network_begins_at_its_former_weights_and_has_its_own_epochs() -> None:
    former = trainer(seed=3).averaged()
    learner = trainer(former=former)
    assert torch.equal(weights(learner), weights(trainer(seed=3)))
    assert (learner.epochs, trainer().epochs) == (STEADYING.epochs, 3)
    learner.run_epoch()
    assert not torch.equal(weights(learner), weights(trainer(seed=3)))
    assert torch.equal(weights(trainer(former=former)), weights(trainer(seed=3)))


def test_the_target_of_steadying_is_the_former_answer_and_some_of_the_label() -> None:
    learner = trainer(former=Sure(math.log(4.0)), label_smoothing=0.0)
    target = learner._taught(torch.zeros(2, N_MELS, 16), torch.tensor([1.0, 0.0]))
    assert target is not None
    assert target[:, -1].tolist() == pytest.approx([0.9 * 0.8 + 0.1, 0.9 * 0.8], rel=1e-5)


def test_a_texture_learns_beside_a_network_that_stays_as_it_is() -> None:
    former = trainer(seed=3).averaged()
    learner = trainer(former=former, texture_channels=6)
    before = {name: value.clone() for name, value in learner.network.state_dict().items()}
    assert learner.epochs == TextureConfig().epochs
    losses = [learner.run_epoch()["loss"] for _ in range(3)]
    assert losses[-1] < losses[0]
    for learnt in (learner.network, learner.averaged()):
        for name, value in learnt.state_dict().items():
            stays = torch.equal(value, before[name])
            assert stays != name.startswith("texture"), name
    for name, value in former.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_a_texture_learns_in_single_precision() -> None:
    former = trainer(seed=3).averaged()
    plain, short = (
        trainer(former=former, texture_channels=6, bfloat16=bfloat16) for bfloat16 in (False, True)
    )
    assert plain.run_epoch() == short.run_epoch()


def test_bfloat16_learns_the_same() -> None:
    plain, fast = trainer(), trainer(bfloat16=True)
    for _ in range(3):
        of_plain, of_fast = plain.run_epoch(), fast.run_epoch()
    assert of_fast["loss"] == pytest.approx(of_plain["loss"], rel=0.1)
    assert all(p.dtype == torch.float32 for p in fast.network.parameters())
