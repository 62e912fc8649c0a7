"""A model that can be told from noise in milliseconds: random features, fitted readouts.

Random convolutions stay random, as in an echo state network; only the two linear readouts are
fitted, by ridge regression on sounds from :mod:`tests.sounds`. So the model hears silence, tones
and voices apart and its verdicts differ from call to call, with neither data nor training.

``OMP_NUM_THREADS=1 python -m tests.training.readout`` writes the model file that tests of the
runtime read. Other threads, and other processors, make other bits.
"""

from copy import deepcopy
from functools import cache

import numpy as np
import torch
from torch import Tensor, nn

from audio_model.frontend import log_mel
from audio_model.steps import STEP_SAMPLES, Heard
from tests import fixture, sounds
from training.checkpoint import Checkpoint
from training.data.learnt import LearntCorpus, LearntData
from training.export import export_model
from training.network import CausalConv, Network, NetworkConfig


def network(seed: int = 0) -> Network:
    """Random features whose readouts tell ``Heard`` and played from live voices."""
    return deepcopy(_fitted(seed))


@cache
def _fitted(seed: int) -> Network:
    torch.manual_seed(seed)
    fitted = Network(NetworkConfig())
    calls = {
        Heard.BACKGROUND: [sounds.silence(3), sounds.noise(3, level=1e-4), sounds.silence(3) + 0.3],
        Heard.TONE: [
            sounds.tone(3, hz, level) for hz in range(350, 1500, 75) for level in (0.05, 0.3)
        ],
        Heard.VOICE: [sounds.voice(3, n, played=bool(n % 2)) for n in range(16)],
    }
    n_samples = 3 * sounds.SAMPLE_RATE // STEP_SAMPLES * STEP_SAMPLES
    heard = np.repeat(list(calls), [len(of_kind) for of_kind in calls.values()])
    played = np.array([-1] * (heard != Heard.VOICE).sum() + [n % 2 for n in range(16)])
    features = torch.from_numpy(
        np.stack([log_mel(x[:n_samples]) for of_kind in calls.values() for x in of_kind])
    )
    with torch.no_grad():
        fitted.train().whole(features)
        for layer in fitted.layers:
            assert isinstance(layer, CausalConv)
            layer.norm.momentum = None
            layer.norm.reset_running_stats()
        fitted.whole(features)
        fitted.eval()
        steps, pooled = _inner(fitted, features)
        target = torch.eye(len(Heard))[heard][:, None].expand(-1, steps.shape[1], -1)
        weight, bias = _ridge(steps, target)
        _set(fitted.heard, 12 * weight, 12 * bias)
        voiced = torch.from_numpy(heard == Heard.VOICE)
        labels = torch.from_numpy(played)[voiced, None, None] * 2.0 - 1
        pooled = pooled[voiced, 5:]
        weight, bias = _ridge(pooled, labels.expand(-1, pooled.shape[1], -1))
        _set(fitted.head[4], 3 * weight, 3 * bias)
    return fitted


def checkpoint(seed: int = 0) -> Checkpoint:
    fitted = network(seed)
    return Checkpoint(
        network=fitted.config,
        weights=fitted.state_dict(),
        manifest_hash="0123456789abcdef",
        config={"train": {"seed": seed}},
        decision=fixture.RULE,
        metrics={"raw": {"eer": 0.25}},
        learnt=LearntData(
            12, 3, 4, (LearntCorpus("prompts", "recorded", "voice actor", "CC0-1.0", 9, 8),)
        ),
    )


def _set(readout: nn.Module, weight: Tensor, bias: Tensor) -> None:
    assert isinstance(readout, nn.Conv1d) and readout.bias is not None
    readout.weight[:, :, 0], readout.bias[:] = weight.T, bias


def _inner(fitted: Network, features: Tensor) -> tuple[Tensor, Tensor]:
    """Inputs of the two readouts. [each shape=(batch, n_steps, channels)]"""
    caught: list[Tensor] = []
    hooks = [
        layer.register_forward_pre_hook(lambda _, inputs: caught.append(inputs[0].transpose(1, 2)))
        for layer in (fitted.heard, fitted.head[4])
    ]
    fitted.whole(features)
    for hook in hooks:
        hook.remove()
    pooled, steps = caught
    return steps, pooled


def _ridge(inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Weight [shape=(n_inputs, n_targets)] and bias [shape=(n_targets,)]."""
    x, y = inputs.flatten(0, 1), targets.flatten(0, 1).float()
    mean, aim = x.mean(0), y.mean(0)
    x = x - mean
    weight = torch.linalg.solve(x.T @ x + 1e-2 * len(x) * torch.eye(x.shape[1]), x.T @ (y - aim))
    return weight, aim - mean @ weight


if __name__ == "__main__":
    export_model(checkpoint(), fixture.MODEL)
