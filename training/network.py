"""The network: a causal CNN with running attentive pooling, its doubts, and its state.

Shapes are (batch, channel, mel, time) in the 2-D layers and (batch, channel, time) after them.
Every layer looks backwards only and keeps the last columns of its input as state, so a call fed
in chunks of any whole number of steps gives the numbers of the whole clip. One step is
``FRAMES_PER_STEP`` frames; the network answers once a step.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audio_model.frontend import FRAMES_PER_SECOND, N_MELS
from audio_model.steps import FRAMES_PER_STEP, Heard

TEXTURE_SHARE = 0.75
"""Share of a texture's logit in a network's, beside half of the rest's.

Textures are less sure, so theirs is the larger one (training/EXPERIMENTS.md, 117).
"""


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes that rebuild the network; stored in the checkpoint."""

    conv_channels: tuple[int, int, int] = (16, 32, 32)
    temporal_channels: int = 64
    dilations: tuple[int, ...] = (1, 2, 4)
    head_channels: int = 32
    dropout: float = 0.2
    texture_channels: int = 0
    """Channels of each layer of the :class:`Texture`; 0: the network has none."""


class CausalConv(nn.Module):
    """Convolution over time (and mel), normalisation and ReLU, with its past as state.

    Output column ``j`` sees the input up to column ``stride * (j + 1) - 1``, never later.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        mels: int | None = None,
        mel_kernel: int = 3,
        stride: int = 1,
        dilation: int = 1,
    ) -> None:
        super().__init__()
        time_kernel = 3
        self.history = (time_kernel - 1) * dilation + 1 - stride
        self.conv: nn.Conv1d | nn.Conv2d
        self.norm: nn.BatchNorm1d | nn.BatchNorm2d
        if mels is None:
            self.state_shape: tuple[int, ...] = (in_channels, self.history)
            self.conv = nn.Conv1d(
                in_channels, out_channels, time_kernel, stride, dilation=dilation, bias=False
            )
            self.norm = nn.BatchNorm1d(out_channels)
        else:
            self.state_shape = (in_channels, mels, self.history)
            self.conv = nn.Conv2d(
                in_channels,
                out_channels,
                (mel_kernel, time_kernel),
                (2, stride),
                padding=(mel_kernel // 2, 0),
                bias=False,
            )
            self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """Run the convolution over a chunk.

        ``x`` is [shape=(batch, in_channels, ..., time)], ``past`` [shape=(batch, *state_shape)].
        """
        x = torch.cat([past, x], dim=-1)
        return F.relu(self.norm(self.conv(x))), x[..., -self.history :]


def running_statistics(x: Tensor, weight: Tensor, sums: Tensor) -> tuple[Tensor, Tensor]:
    """Return the weighted mean and deviation of everything heard so far.

    The sums are those of weight, weighted value and weighted square, so the result after ``t``
    columns depends on those ``t`` alone and costs the same at every one.

    Args:
        x: [shape=(batch, channels, time)]
        weight: [shape=(batch, 1, time)]
        sums: zeros at the start of a call. [shape=(batch, 1 + 2 * channels)]

    Returns:
        [shape=(batch, 2 * channels, time)], and the next sums.
    """
    terms = torch.cat([weight, weight * x, weight * x.square()], dim=1)
    sums_over_time = sums.unsqueeze(-1) + torch.cumsum(terms, dim=-1)
    total, of_value, of_square = torch.split(sums_over_time, [1, x.shape[1], x.shape[1]], dim=1)
    mean, mean_square = of_value / (total + 1e-3), of_square / (total + 1e-3)
    deviation = torch.sqrt(F.relu(mean_square - mean.square()) + 1e-4)
    return torch.cat([mean, deviation], dim=1), sums_over_time[..., -1]


class RunningPooling(nn.Module):
    """Attention-weighted mean and deviation of everything heard so far."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.attention = nn.Conv1d(channels, 1, 1)
        self.state_shape = (1 + 2 * channels,)

    def forward(self, x: Tensor, sums: Tensor) -> tuple[Tensor, Tensor]:
        """Pool everything heard so far, as :func:`running_statistics` does."""
        return running_statistics(x, torch.sigmoid(self.attention(x)), sums)


class Texture(nn.Module):
    """A logit from patterns of 70 ms: their mean and deviation, and nothing of their order.

    What is learnt from a longer context of one corpus may not hold in the next; these statistics do
    (training/EXPERIMENTS.md, 115). All that was heard counts alike.
    """

    def __init__(self, channels: int, dropout: float) -> None:
        super().__init__()
        layers = [CausalConv(N_MELS, channels), CausalConv(channels, channels, stride=2)]
        self.layers = nn.ModuleList(layers)
        self.state_shapes = [layer.state_shape for layer in layers] + [(1 + 2 * channels,)]
        self.head = nn.Sequential(
            nn.BatchNorm1d(2 * channels), nn.Dropout(dropout), nn.Conv1d(2 * channels, 1, 1)
        )

    def forward(self, log_mel: Tensor, state: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Run one chunk.

        Args:
            log_mel: [shape=(batch, N_MELS, FRAMES_PER_STEP * n_steps)]
            state: as ``state_shapes`` tells, for each call.

        Returns:
            logit [shape=(batch, n_steps)], high = recorded, of everything heard so far;
            the next state.
        """
        *pasts, sums = state
        x, nexts = log_mel, []
        for layer, past in zip(self.layers, pasts, strict=True):
            x, kept = layer(x, past)
            nexts.append(kept)
        pooled, sums = running_statistics(x, torch.ones_like(x[:, :1]), sums)
        columns = x.shape[-1] * FRAMES_PER_STEP // log_mel.shape[-1]
        logit: Tensor = self.head(pooled[..., columns - 1 :: columns]).squeeze(1)
        return logit, [*nexts, sums]

    def whole(self, log_mel: Tensor) -> Tensor:
        """Run clips from their start: :meth:`forward` with the state at rest, its logit."""
        rest = [log_mel.new_zeros(len(log_mel), *shape) for shape in self.state_shapes]
        logit: Tensor = self(log_mel, rest)[0]
        return logit


def doubted(logit: Tensor, texture: Tensor) -> Tensor:
    """Return a network's logit, drawn towards its texture's where it sounds live.

    The texture alone never makes a recording of a call: it lifts no logit above 0.
    """
    return torch.where(logit > 0, logit, (0.5 * logit + TEXTURE_SHARE * texture).clamp(max=0))


class Network(nn.Module):
    """Log-mel and state in; running logit, what each step holds, and state out."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        first, second, third = config.conv_channels
        width = config.temporal_channels
        layers = [
            CausalConv(1, first, mels=N_MELS, mel_kernel=5, stride=2),
            CausalConv(first, second, mels=N_MELS // 2),
            CausalConv(second, third, mels=N_MELS // 4, stride=2),
        ]
        self.first_temporal = len(layers)
        layers.append(CausalConv(third * N_MELS // 8, width, stride=2))
        layers.extend(CausalConv(width, width, dilation=d) for d in config.dilations)
        self.layers = nn.ModuleList(layers)
        self.heard = nn.Conv1d(width, len(Heard), 1)
        self.pooling = RunningPooling(width)
        self.state_shapes = [layer.state_shape for layer in layers] + [self.pooling.state_shape]
        """Shapes for one call, layer by layer, in the order in which the flat state holds them."""
        self.texture: Texture | None = None
        if config.texture_channels:
            self.texture = Texture(config.texture_channels, config.dropout)
            self.state_shapes += self.texture.state_shapes
        self.head = nn.Sequential(
            nn.Dropout(config.dropout),
            nn.Conv1d(2 * width, config.head_channels, 1),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Conv1d(config.head_channels, 1, 1),
        )

    @property
    def state_size(self) -> int:
        """Return how many numbers the state has."""
        return sum(prod(shape) for shape in self.state_shapes)

    def forward(self, log_mel: Tensor, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Run one chunk.

        Args:
            log_mel: [shape=(batch, N_MELS, FRAMES_PER_STEP * n_steps)]
            state: zeros at the start of a call. [shape=(batch, state_size)]

        Returns:
            logit [shape=(batch, n_steps)], high = recorded, of everything heard so far;
            heard [shape=(batch, len(Heard), n_steps)], logits of each step's class;
            the next state [shape=(batch, state_size)].
        """
        parts = self._unpack(state)
        pasts, sums = parts[: len(self.layers)], parts[len(self.layers)]
        x = log_mel.unsqueeze(1)
        nexts = []
        for index, (layer, past) in enumerate(zip(self.layers, pasts, strict=True)):
            if index == self.first_temporal:
                x = x.flatten(1, 2)
            x, kept = layer(x, past)
            nexts.append(kept.flatten(1))
        pooled, sums = self.pooling(x, sums)
        logit = self.head(pooled).squeeze(1)
        nexts.append(sums)
        if self.texture is not None:
            texture, kept = self.texture(log_mel, parts[len(self.layers) + 1 :])
            logit = doubted(logit, texture)
            nexts += [part.flatten(1) for part in kept]
        return logit, self.heard(x), torch.cat(nexts, dim=1)

    def _unpack(self, state: Tensor) -> list[Tensor]:
        sizes = [prod(shape) for shape in self.state_shapes]
        ends = [sum(sizes[:n]) for n in range(len(sizes) + 1)]
        return [
            state[:, start:end].reshape(-1, *shape)
            for (start, end), shape in zip(pairwise(ends), self.state_shapes, strict=True)
        ]

    def whole(self, log_mel: Tensor) -> tuple[Tensor, Tensor]:
        """Run clips from their start: :meth:`forward` with the state at rest."""
        rest = log_mel.new_zeros(log_mel.shape[0], self.state_size)
        logit, heard, _ = self(log_mel, rest)
        return logit, heard


def count_flops(config: NetworkConfig, seconds: float) -> int:
    """Count multiplications and additions of the convolutions for one clip, without front end."""
    network = Network(config).eval()
    flops = 0

    def add(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal flops
        assert isinstance(module, nn.Conv1d | nn.Conv2d)
        flops += 2 * module.weight[0].numel() * output[0].numel()

    for module in network.modules():
        if isinstance(module, nn.Conv1d | nn.Conv2d):
            module.register_forward_hook(add)
    n_frames = round(seconds * FRAMES_PER_SECOND) // FRAMES_PER_STEP * FRAMES_PER_STEP
    with torch.no_grad():
        network.whole(torch.zeros(1, N_MELS, n_frames))
    return flops
