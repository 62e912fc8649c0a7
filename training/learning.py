"""How one network learns from a pool of scenes: losses, augmentation, steps and the average."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from audio_model.steps import FRAMES_PER_STEP, Heard
from training.config import Config, TrainConfig
from training.data.pool import Pool
from training.data.scenes import IGNORED
from training.network import Network, Texture
from training.perturb import SILENCE, perturb


def loss_of(
    logit: Tensor,
    heard: Tensor,
    label: Tensor,
    held: Tensor,
    class_weights: Tensor,
    settings: TrainConfig,
    taught: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the loss of the logit, scenes of a class weighing alike, and of each step's class.

    ``heard`` is [shape=(batch, len(Heard), n_steps)]. The rest is as in :func:`logit_loss`.
    """
    of_logit = logit_loss(logit, label, held, class_weights, settings, taught)
    return of_logit, F.cross_entropy(heard, held, ignore_index=IGNORED)


def logit_loss(
    logit: Tensor,
    label: Tensor,
    held: Tensor,
    class_weights: Tensor,
    settings: TrainConfig,
    taught: Tensor | None = None,
) -> Tensor:
    """Return the loss of the logit, scenes of a class weighing alike.

    The logit counts at every step from ``min_voice_steps`` of voice on, which trains all prefixes
    of the scene at once.

    Args:
        logit: [shape=(batch, n_steps)]
        label: how much of it is recorded, 0 to 1, or IGNORED. [shape=(batch,)]
        held: class of each step or IGNORED. [shape=(batch, n_steps)]
        class_weights: of a live and of a recorded scene. [shape=(2,)]
        taught: target of each step's logit, in place of the label. [shape=(batch, n_steps)]
    """
    voice_steps = torch.cumsum(held == Heard.VOICE, dim=1)
    asked = (voice_steps >= settings.min_voice_steps) & (held != IGNORED)
    asked &= (label != IGNORED)[:, None]
    recorded = label.clamp(min=0)
    target = smoothed(recorded, settings)[:, None].expand_as(logit) if taught is None else taught
    each = F.binary_cross_entropy_with_logits(logit, target, reduction="none") * asked
    n_asked = asked.sum(dim=1)
    of_scene = each.sum(dim=1) / n_asked.clamp(min=1)
    weight = torch.lerp(class_weights[0], class_weights[1], recorded) * (n_asked > 0)
    return (of_scene * weight).sum() / weight.sum().clamp(min=1e-6)


def smoothed(label: Tensor, settings: TrainConfig) -> Tensor:
    """Return labels of 0 to 1, drawn towards the middle by ``label_smoothing``."""
    return label * (1 - 2 * settings.label_smoothing) + settings.label_smoothing


def steady_logit(network: Network, log_mel: Tensor, beginnings: int) -> Tensor:
    """Return the mean of a network's logits over calls that begin at several places of a step.

    Each of the ``beginnings`` comes one part of a step later than the one before, behind silence.
    So many parts make a step: the number must divide FRAMES_PER_STEP. [shape=(batch, n_steps)]
    """
    apart = FRAMES_PER_STEP // beginnings
    later = [
        F.pad(log_mel, (apart * number, 0), value=SILENCE)[..., : log_mel.shape[2]]
        for number in range(beginnings)
    ]
    logit, _ = network.whole(torch.cat(later))
    return logit.reshape(beginnings, len(log_mel), -1).mean(dim=0)


def moving_average(decay: float) -> Callable[[Any, Any, Tensor | int], None]:
    """Return an exponential average of weights whose decay grows with the steps taken.

    A constant decay would keep the random weights of the start for thousands of steps.
    """

    @torch.no_grad()
    def update(averages: list[Tensor], values: list[Tensor], n_averaged: Tensor | int) -> None:
        n = int(n_averaged)
        weight = 1 - min(decay, (1 + n) / (10 + n))
        for average, value in zip(averages, values, strict=True):
            if average.is_floating_point():
                average.lerp_(value, weight)
            else:
                average.copy_(value)

    return update


class Trainer:
    """The state of a run that an interruption must not lose, and one epoch of it.

    ``teachers`` are networks whose mean answer the network learns beside the label. With a
    ``former`` network it begins at its weights instead, and is steadied by its answers. Where the
    former one has no texture and the network has one, the texture alone learns.
    """

    def __init__(
        self,
        settings: Config,
        pool: Pool,
        teachers: Sequence[Network] = (),
        former: Network | None = None,
    ) -> None:
        self.settings = settings.train
        self._teachers, self._teaching = teachers, settings.teaching
        self._former, self._steadying = former, settings.steadying
        torch.manual_seed(self.settings.seed)
        self.network = Network(settings.network)
        self.epochs, rate = self.settings.epochs, self.settings.learning_rate
        decay, learns = self.settings.weight_decay, self.network.parameters()
        self._texture: Texture | None = None
        if former is not None and former.texture is None and self.network.texture is not None:
            self._texture = self.network.texture
            self.network.load_state_dict(former.state_dict(), strict=False)
            self.epochs, rate = settings.texture.epochs, settings.texture.learning_rate
            decay, learns = settings.texture.weight_decay, self._texture.parameters()
        elif former is not None:
            self.network.load_state_dict(former.state_dict())
            self.epochs, rate = self._steadying.epochs, self._steadying.learning_rate
        self.average = AveragedModel(
            self.network, multi_avg_fn=moving_average(self.settings.average), use_buffers=True
        )
        self.optimizer = torch.optim.AdamW(
            learns,
            lr=rate,
            weight_decay=decay,
        )
        self.epoch = 0
        self._perturbation = settings.perturbation
        self._pool, self._class_weights = pool, pool.class_weights()
        steps_per_epoch = len(pool) // self.settings.batch_size
        total = steps_per_epoch * self.epochs
        rising = max(1.0, self.settings.warmup * total)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer,
            lambda step: min(1.0, (step + 1) / rising) * (1 + math.cos(math.pi * step / total)) / 2,
        )

    def run_epoch(self) -> dict[str, float]:
        """Train on the epoch's scenes once and return mean losses and accuracy."""
        # Seeded by the epoch, not by what ran before it, so that a resumed run is the same run.
        torch.manual_seed(self.settings.seed * 1_000_003 + self.epoch)
        generator = torch.Generator().manual_seed(torch.initial_seed())
        # What does not learn keeps its normalisation, too.
        self.network.train(self._texture is None)
        if self._texture is not None:
            self._texture.train()
        losses = []
        batches = self._pool.batches(self.settings.batch_size, generator)
        total = len(self._pool) // self.settings.batch_size
        for log_mel, label, held in tqdm(batches, total=total, leave=False, disable=None):
            log_mel, label, held = perturb(log_mel, label, held, self._perturbation, generator)
            # A texture sums up hundreds of columns, which wants single precision.
            short = self.settings.bfloat16 and self._texture is None
            with torch.autocast("cpu", torch.bfloat16, enabled=short):
                logit, of_logit, of_heard = self._answered(log_mel, label, held)
            loss = of_logit + self.settings.heard_weight * of_heard
            self.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
            self.optimizer.step()
            self.schedule.step()
            self.average.update_parameters(self.network)
            known = label != IGNORED
            right = ((logit[:, -1] > 0) == (label > 0.5))[known].float().mean()
            losses.append([of_logit.item(), of_heard.item(), right.item()])
        self.epoch += 1
        loss_logit, loss_heard, accuracy = np.mean(losses, axis=0).tolist()
        return {"loss": loss_logit, "loss_heard": loss_heard, "accuracy": accuracy}

    def _answered(
        self, log_mel: Tensor, label: Tensor, held: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the logit of a batch, and the losses of the logit and of what the steps hold."""
        if self._texture is not None:
            logit = self._texture.whole(log_mel).float()
            of_logit = logit_loss(logit, label, held, self._class_weights, self.settings)
            return logit, of_logit, torch.zeros(())
        taught = self._taught(log_mel, label)
        logit, heard = self.network.whole(log_mel)
        logit = logit.float()
        of_logit, of_heard = loss_of(
            logit, heard.float(), label, held, self._class_weights, self.settings, taught
        )
        return logit, of_logit, of_heard

    @torch.no_grad()
    def _taught(self, log_mel: Tensor, label: Tensor) -> Tensor | None:
        """Return what others say of a batch, drawn towards its labels; None if nobody teaches."""
        if self._former is not None:
            beginnings, weight = self._steadying.beginnings, self._steadying.weight
            answer = steady_logit(self._former, log_mel, beginnings).float().sigmoid()
        elif self._teachers:
            answers = [teacher.whole(log_mel)[0].float().sigmoid() for teacher in self._teachers]
            answer, weight = torch.stack(answers).mean(dim=0), self._teaching.weight
        else:
            return None
        target = smoothed(label.clamp(min=0), self.settings)[:, None]
        return torch.lerp(target, answer, weight)

    def averaged(self) -> Network:
        """Return the network with averaged weights."""
        network = self.average.module
        assert isinstance(network, Network)
        return network.eval()

    def state(self) -> dict[str, Any]:
        """Return all that a resumed training needs."""
        return {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "epoch": self.epoch,
        }

    def resume(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.epoch = state["epoch"]
