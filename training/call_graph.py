"""What the model file computes: front end, network and state, laid out for a runtime.

:class:`CallGraph` gives the numbers of :func:`audio_model.frontend.log_mel` and
:class:`training.network.Network` in fewer and cheaper operations:

- Normalisation is folded into the convolutions, and the log-mel's scale into the filterbank.
- The layers over mel keep no state of their own. The last log-mel frames are kept instead, and the
  few columns that hang over are computed again, so nothing is copied between these layers and a
  runtime may keep them in whatever layout it likes.
- The layers over time are matrix products over (batch, time, channel), so that many calls share
  one product, and their state is a copy of whole rows.

A call begins with a state of zeros, and the columns before its beginning are zero in every layer.
A layer that computes such a column anew must not add its bias there. So each frame carries a
value that is 1 once it was heard and 0 in the state at rest: biases come through rows of it.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from audio_model import frontend
from audio_model.frontend import N_MELS
from audio_model.steps import FRAMES_PER_STEP
from training.network import CausalConv, Network, Texture, doubted

MEL_STRIDE = 2
"""Mels that the first layer moves on by; behind so many comes a row that tells "heard"."""

N_ROWS = N_MELS + N_MELS // MEL_STRIDE
ROW_OF_MEL = np.arange(N_MELS) // MEL_STRIDE * (MEL_STRIDE + 1) + np.arange(N_MELS) % MEL_STRIDE

HEARD = N_MELS
"""The value of a frame, behind its mels, that tells "heard"."""

N_VALUES = N_MELS + 1
VALUE_OF_ROW = np.full(N_ROWS, HEARD)
"""The part of a frame in each row of the first layer's input. [shape=(N_ROWS,)]"""
VALUE_OF_ROW[ROW_OF_MEL] = np.arange(N_MELS)

HALF = frontend.WIN_LENGTH // 2
"""Samples from a frame's second to its middle one."""

PAST_FRAMES = 7
"""Frames that the next column of the layers over mel still sees.

The third layer sees a column of the second before its own two, that one two columns of the first
before its own, and those three are 2 * 3 + 1 frames.
"""


class StreamingLogMel(nn.Module):
    """:func:`audio_model.frontend.log_mel` for chunks of whole hops, as matrix products.

    The window is even about a frame's middle, so the real part of the spectrum is that of the
    frame plus its mirror image, and the imaginary part that of their difference, which halves the
    cost. Time is the last axis, as the layers over mel want it: there a mirror image is a copy of
    whole rows.
    """

    def __init__(self) -> None:
        super().__init__()
        # Added before the logarithm, the offset is a factor of the power.
        gain = np.exp(frontend.LOG_OFFSET)
        floor = np.full(N_VALUES, gain * frontend.POWER_FLOOR)
        floor[HEARD] = np.e
        self.floor = _constant(floor[:, None])
        filterbank = frontend.mel_filterbank()
        bins = np.flatnonzero(filterbank.any(axis=1))
        values = np.zeros((N_VALUES, len(bins)))
        values[:N_MELS] = gain * filterbank[bins].T
        self.values = _constant(values)
        # A frame's first sample has no weight, and its middle one is its own mirror image.
        n = np.arange(1, HALF + 1)
        window = frontend.hann_window()[n]
        window[-1] /= 2
        angle = 2 * np.pi * np.outer(bins, n) / frontend.N_FFT
        self.real = _constant(np.cos(angle) * window)
        self.imaginary = _constant(np.sin(angle) * window)
        self.backwards = nn.Buffer(torch.arange(HALF - 1, -1, -1))

    def forward(self, samples: Tensor) -> Tensor:
        """Compute the values of each frame: ``LOG_SCALE`` times its log-mel, and 1 for ``HEARD``.

        [shape=(batch, HISTORY_SAMPLES + n)] → [shape=(batch, N_VALUES, n // HOP_LENGTH)]
        """
        batch = samples.shape[0]
        hops = samples.reshape(batch, -1, frontend.HOP_LENGTH).permute(2, 0, 1)
        # Ends that count from the back are constants of the graph; others would be computed in it.
        first, middle, last = hops[..., :-2], hops[..., 1:-1], hops[..., 2:]
        cut = frontend.HOP_LENGTH // 2
        earlier = torch.cat([first, middle[: cut + 1]])[1:]
        later = torch.cat([middle[cut:], last]).index_select(0, self.backwards)
        real = self.real @ (earlier + later).reshape(HALF, -1)
        imaginary = self.imaginary @ (earlier - later).reshape(HALF, -1)
        power = self.values @ (real.square() + imaginary.square())
        return torch.log(power + self.floor).reshape(N_VALUES, batch, -1).transpose(0, 1)


def _constant(values: NDArray[np.float64] | Tensor) -> nn.Buffer:
    return nn.Buffer(torch.as_tensor(values).detach().to(torch.float32).contiguous())


def front_end_flops() -> int:
    """Return the multiplications and additions of the front end's products for one frame."""
    front_end = StreamingLogMel()
    matrices = [front_end.real, front_end.imaginary, front_end.values]
    return 2 * sum(matrix.numel() for matrix in matrices)


class MelLayers(nn.Module):
    """The layers over mel and time, from frames of the log-mel to columns of one vector each."""

    def __init__(self, layers: list[CausalConv]) -> None:
        super().__init__()
        (first, first_bias), (second, second_bias), (third, third_bias) = map(_folded, layers)
        n_mels, n_frames = first.shape[2:]
        # The rows that a column of the first layer sees begin and end with a mel.
        seen = ROW_OF_MEL[:n_mels]
        kernel = first.new_zeros(len(first), 1, int(seen[-1]) + 1, n_frames)
        kernel[:, :, seen] = first / frontend.LOG_SCALE
        # Of the last frame in sight, the row behind the middle pair of mels.
        kernel[:, 0, int(seen[n_mels // 2]) + MEL_STRIDE, -1] = first_bias
        self.first = _constant(kernel)
        self.value_of_row = nn.Buffer(torch.from_numpy(VALUE_OF_ROW))
        self.second, self.second_bias = _constant(second), _constant(second_bias)
        self.third, self.third_bias = _constant(third), _constant(third_bias)
        # Before a call the second layer should be 0, and computed anew is what its bias leaves.
        # The third sees one such column, through its first tap, and takes off what that adds.
        too_much = torch.einsum("oim,i->om", third[..., 0], F.relu(second_bias))
        correction = first.new_zeros(len(third), 1, third.shape[2], 3)
        correction[:, 0, :, 1] = too_much
        correction[:, 0, :, 2] = -too_much
        self.correction = _constant(correction)

    def forward(self, frames: Tensor) -> Tensor:
        """Run the layers over frames.

        [shape=(batch, N_VALUES, PAST_FRAMES + 8 n)] → [shape=(batch, channel, mel, 2 n)]
        """
        x = frames.index_select(1, self.value_of_row).unsqueeze(1)
        y = F.relu(F.conv2d(x, self.first, stride=(3, 2), padding=(3, 0)))
        y = F.relu(F.conv2d(y, self.second, self.second_bias, stride=(2, 1), padding=(1, 0)))
        y = F.conv2d(y, self.third, self.third_bias, stride=(2, 2), padding=(1, 0))
        # The last tap is in a frame that was always heard, the one before in a frame that was heard
        # if the second layer's column lies in the call: they cancel, but at the beginning.
        return F.relu(
            y + F.conv2d(x, self.correction, stride=(12, 4), padding=(4, 0), dilation=(6, 5))
        )


class TextureGraph(nn.Module):
    """:class:`training.network.Texture` from frames, and its pooling's sums as the only state.

    Columns of the first layer that the second one still sees are computed again. Before a call they
    are zero: a frame that was not heard brings no bias.
    """

    def __init__(self, texture: Texture) -> None:
        super().__init__()
        first, second = (
            _folded(layer) for layer in texture.layers if isinstance(layer, CausalConv)
        )
        weight, bias = first
        kernel = weight.new_zeros(len(weight), N_VALUES, weight.shape[2])
        kernel[:, :N_MELS] = weight / frontend.LOG_SCALE
        kernel[:, HEARD, -1] = bias
        self.first = _constant(kernel)
        self.second, self.second_bias = (_constant(of) for of in second)
        norm, _, logit = texture.head
        assert isinstance(norm, nn.BatchNorm1d) and isinstance(logit, nn.Conv1d)
        assert norm.running_mean is not None and norm.running_var is not None
        scale = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)
        shift = norm.bias.double() - norm.running_mean.double() * scale
        matrix = _matrix(logit).double()
        self.logit = _constant(scale[:, None] * matrix)
        self.logit_bias = _constant(_bias(logit).double() + shift @ matrix)
        (self.state_size,) = texture.state_shapes[-1]

    def forward(self, frames: Tensor, past_sums: Tensor) -> tuple[Tensor, Tensor]:
        """Run the texture over the frames that :class:`CallGraph` keeps and makes.

        [shape=(batch, N_VALUES, PAST_FRAMES + 8 n)] → the logit [shape=(batch, n)], and the sums.
        """
        x = F.relu(F.conv1d(frames[:, :, PAST_FRAMES - 3 :], self.first))
        x = F.relu(F.conv1d(x, self.second, self.second_bias, stride=2)).transpose(1, 2)
        # The sums of each step's columns first: only steps are answered.
        columns, width = FRAMES_PER_STEP // 2, x.shape[2]
        terms = torch.cat([x, x.square(), torch.ones_like(x[..., :1])], dim=-1)
        terms = terms.reshape(frames.shape[0], -1, columns, 2 * width + 1).sum(dim=2)
        pooled, sums = _pooled(terms, past_sums)
        return (pooled @ self.logit + self.logit_bias).squeeze(-1), sums


class CallGraph(nn.Module):
    """A chunk of samples and the state in, answers and the state out.

    The flat state is the samples that the next frames still need, the last frames, the last row
    of each layer's input over time, oldest first, the sums of the pooling, and those of the
    texture's.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        config = network.config
        self.log_mel = StreamingLogMel()
        layers = [layer for layer in network.layers if isinstance(layer, CausalConv)]
        self.mel_layers = MelLayers(layers[: network.first_temporal])
        strided, *dilated = layers[network.first_temporal :]
        weight, bias = _folded(strided)
        self.n_features = weight.shape[1]
        self.strided_past = _constant(weight[..., 0].T)
        self.strided = _constant(torch.cat([weight[..., 1], weight[..., 2]], dim=1).T)
        self.strided_bias = _constant(bias)
        self.width, self.dilations = config.temporal_channels, config.dilations
        self.products, self.biases = nn.ParameterList(), nn.ParameterList()
        for layer in dilated:
            weight, bias = _folded(layer)
            taps = torch.cat(list(weight.unbind(dim=-1)), dim=1).T
            self.products.append(nn.Parameter(_constant(taps), requires_grad=False))
            self.biases.append(nn.Parameter(_constant(bias), requires_grad=False))
        # One product tells what a step holds and how much it weighs.
        answers = [network.heard, network.pooling.attention]
        self.answers = _constant(torch.cat([_matrix(of) for of in answers], dim=1))
        self.answers_bias = _constant(torch.cat([_bias(of) for of in answers]))
        self.n_heard = network.heard.out_channels
        hidden, logit = (m for m in network.head if isinstance(m, nn.Conv1d))
        self.hidden, self.hidden_bias = _constant(_matrix(hidden)), _constant(_bias(hidden))
        self.logit, self.logit_bias = _constant(_matrix(logit)), _constant(_bias(logit))
        self.sizes = [frontend.HISTORY_SAMPLES, PAST_FRAMES * N_VALUES, self.n_features]
        self.sizes += [2 * dilation * self.width for dilation in self.dilations]
        self.sizes += [2 * self.width + 1]
        self.texture = TextureGraph(network.texture) if network.texture is not None else None
        self.sizes += [self.texture.state_size] if self.texture is not None else []
        self.state_size = sum(self.sizes)

    def forward(self, samples: Tensor, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Run the network over the next samples of each call.

        Samples are [shape=(batch, STEP_SAMPLES * n)], the state is [shape=(batch, state_size)].
        """
        past_samples, past_frames, past_features, *rest = torch.split(state, self.sizes, dim=1)
        pasts, (past_sums, *past_texture) = rest[: len(self.dilations)], rest[len(self.dilations) :]
        samples = torch.cat([past_samples, samples], dim=1)
        past_frames = past_frames.reshape(-1, N_VALUES, PAST_FRAMES)
        frames = torch.cat([past_frames, self.log_mel(samples)], dim=2)
        y, features = self._strided(self.mel_layers(frames), past_features)
        nexts = [samples[:, -frontend.HISTORY_SAMPLES :], frames[:, :, -PAST_FRAMES:].flatten(1)]
        nexts.append(features)
        for product, bias, dilation, past in zip(
            self.products, self.biases, self.dilations, pasts, strict=True
        ):
            seen = torch.cat([past.reshape(-1, 2 * dilation, self.width), y], dim=1)
            nexts.append(seen[:, -2 * dilation :].flatten(1))
            taps = torch.cat([seen[:, : -2 * dilation], seen[:, dilation:-dilation], y], dim=-1)
            y = F.relu(taps @ product + bias)
        answers = y @ self.answers + self.answers_bias
        heard = torch.softmax(answers[..., : self.n_heard], dim=-1)
        weights = torch.sigmoid(answers[..., self.n_heard :])
        weighted = y * weights
        pooled, sums = _pooled(torch.cat([weighted, weighted * y, weights], dim=-1), past_sums)
        hidden = F.relu(pooled @ self.hidden + self.hidden_bias)
        logit = (hidden @ self.logit + self.logit_bias).squeeze(-1)
        nexts.append(sums)
        if self.texture is not None:
            texture, sums = self.texture(frames, *past_texture)
            logit = doubted(logit, texture)
            nexts.append(sums)
        return logit, heard, torch.cat(nexts, dim=1)

    def _strided(self, x: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """Make a step of two columns and the one before them: the first layer over time.

        Args:
            x: [shape=(batch, channel, mel, 2 n)]
            past: the last column of the chunk before. [shape=(batch, n_features)]

        Returns:
            [shape=(batch, n, width)], and the last column.
        """
        pairs = x.permute(0, 3, 1, 2).reshape(x.shape[0], -1, 2 * self.n_features)
        before = torch.cat([past.unsqueeze(1), pairs[..., self.n_features :]], dim=1)
        step = pairs @ self.strided + before[:, :-1] @ self.strided_past
        return F.relu(step + self.strided_bias), before[:, -1]


def _pooled(terms: Tensor, past_sums: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and deviation of everything heard, as RunningPooling does.

    Args:
        terms: each step's weighted values, weighted squares and weights.
            [shape=(batch, n, 2 * channels + 1)]
        past_sums: their sums so far. [shape=(batch, 2 * channels + 1)]

    Returns:
        [shape=(batch, n, 2 * channels)], and the sums up to the last step.
    """
    sums = past_sums.unsqueeze(1) + torch.cumsum(terms, dim=1)
    means = sums[..., :-1] / (sums[..., -1:] + 1e-3)
    width = means.shape[-1] // 2
    mean, mean_square = means[..., :width], means[..., width:]
    deviation = torch.sqrt(F.relu(mean_square - mean.square()) + 1e-4)
    return torch.cat([mean, deviation], dim=-1), sums[:, -1]


def _folded(layer: CausalConv) -> tuple[Tensor, Tensor]:
    """Return a layer's weight and bias with its normalisation folded in, in double precision."""
    norm = layer.norm
    mean, variance = norm.running_mean, norm.running_var
    assert mean is not None and variance is not None
    scale = norm.weight.double() / torch.sqrt(variance.double() + norm.eps)
    weight = layer.conv.weight.double()
    bias = norm.bias.double() - mean.double() * scale
    return weight * scale.reshape(-1, *[1] * (weight.dim() - 1)), bias


def _matrix(pointwise: nn.Conv1d) -> Tensor:
    return pointwise.weight[..., 0].T


def _bias(pointwise: nn.Conv1d) -> Tensor:
    assert pointwise.bias is not None
    return pointwise.bias
