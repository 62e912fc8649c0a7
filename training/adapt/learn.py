"""Learn from marked calls, beginning at weights that are there, and go part of the way."""

import copy
import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from audio_model.steps import FRAMES_PER_STEP, STEPS_PER_SECOND
from training.adapt.calls import Calls
from training.adapt.depth import Depth, learnt
from training.adapt.settings import AdaptConfig
from training.config import TrainConfig
from training.data.scenes import IGNORED
from training.learning import logit_loss
from training.network import Network

WARMUP_STEPS = 20


def fine_tune(
    calls: Calls,
    depth: Depth,
    chosen: Sequence[int],
    settings: AdaptConfig,
    rehearsal: Calls | None = None,
) -> Network:
    """Return a network that has learnt from the chosen calls; the old one stays as it is.

    With a rehearsal each batch of calls comes with as many of its clips, on which the network
    learns the old one's answers.

    Batches hold both classes alike. Within a class a group comes by the square root of its calls,
    so that neither a campaign of hundreds nor a caller of one call speaks for all. Statistics of
    the normalisation stay: a few hundred calls of one line are too few, and too alike, to set them.
    """
    network = copy.deepcopy(calls.network).eval()
    network.requires_grad_(False)
    parameters = depth.parameters(network)
    for parameter in parameters:
        parameter.requires_grad_(True)
    for module in network.head:
        if isinstance(module, nn.Dropout):
            module.train()
    optimizer = torch.optim.Adam(parameters, lr=settings.learning_rate)
    half = settings.batch_size // 2
    steps = max(1, settings.passes * len(chosen) // (2 * half))
    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    features = calls.features(depth)
    classes = [_chances(calls, chosen, label) for label in (0, 1)]
    like_training = TrainConfig(label_smoothing=settings.label_smoothing)
    n_steps = min(round(settings.seconds * STEPS_PER_SECOND), calls.held.shape[1])
    for step in range(steps):
        rate = min(1.0, (step + 1) / WARMUP_STEPS) * (1 + math.cos(math.pi * step / steps)) / 2
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * rate
        batch = np.concatenate([_drawn(*of, half, rng) for of in classes])
        held = calls.held[batch, :n_steps]
        logit, heard = learnt(network, _start(features[batch], depth, n_steps), depth)
        label = torch.from_numpy(calls.label[batch]).float()
        loss = logit_loss(logit, label, held, torch.ones(2), like_training)
        if heard is not None and (held != IGNORED).any():
            # What a step holds is not marked: the layers must go on telling what the old one told.
            of_heard = F.cross_entropy(heard, held, ignore_index=IGNORED)
            loss = loss + like_training.heard_weight * of_heard
        if rehearsal is not None:
            loss = loss + _rehearse(network, rehearsal, depth, n_steps, settings.batch_size, rng)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, 5.0)
        optimizer.step()
    return network.requires_grad_(False).eval()


def _start(features: Tensor, depth: Depth, n_steps: int) -> Tensor:
    """Return the start of features, of log-mel frames or of steps: both begin with the call."""
    return features[..., : n_steps * (FRAMES_PER_STEP if depth is Depth.ALL else 1)]


def _rehearse(
    network: Network, rehearsal: Calls, depth: Depth, n_steps: int, size: int, rng: Generator
) -> Tensor:
    batch = rng.choice(len(rehearsal), min(size, len(rehearsal)), replace=False)
    held, taught = rehearsal.held[batch, :n_steps], rehearsal.logit[batch, :n_steps]
    logit, _ = learnt(network, _start(rehearsal.features(depth)[batch], depth, n_steps), depth)
    label = torch.from_numpy(rehearsal.label[batch]).float()
    n = logit.shape[1]
    return logit_loss(
        logit, label, held[:, :n], torch.ones(2), TrainConfig(), torch.sigmoid(taught[:, :n])
    )


def part_of_the_way(old: Network, new: Network, share: float) -> Network:
    """Return the network whose weights lie so far from the old ones towards the new.

    Source: Wortsman et al., "Robust fine-tuning of zero-shot models" (WiSE-FT), 2022.
    """
    between = copy.deepcopy(old)
    weights = new.state_dict()
    with torch.no_grad():
        for name, value in between.state_dict().items():
            if value.is_floating_point():
                value.lerp_(weights[name], share)
    return between.eval()


def _chances(
    calls: Calls, chosen: Sequence[int], label: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    numbers = np.array([number for number in chosen if calls.label[number] == label])
    _, group, count = np.unique(calls.group[numbers], return_inverse=True, return_counts=True)
    chance = (1 / np.sqrt(count))[group]
    return numbers, chance / chance.sum()


def _drawn(
    numbers: NDArray[np.int64], chance: NDArray[np.float64], n: int, rng: Generator
) -> NDArray[np.int64]:
    drawn: NDArray[np.int64] = rng.choice(numbers, n, p=chance)
    return drawn
