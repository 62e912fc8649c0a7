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
A layer that computes such a column anew must not add its bias there. So each frame carries rows
that are 1 once it was heard and 0 in the state at rest: biases come through these rows.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from audio_model import frontend
from audio_model.frontend import N_MELS
from training.network import CausalConv, Network

MEL_STRIDE = 2
"""Mels that the first layer moves on by; behind so many comes a row that tells "heard"."""

N_ROWS = N_MELS + N_MELS // MEL_STRIDE
ROW_OF_MEL = np.arange(N_MELS) // MEL_STRIDE * (MEL_STRIDE + 1) + np.arange(N_MELS) % MEL_STRIDE
HEARD_ROWS = slice(MEL_STRIDE, None, MEL_STRIDE + 1)

PAST_FRAMES = 7
"""Frames that the next column of the layers over mel still sees.

The third layer sees a column of the second before its own two, that one two columns of the first
before its own, and those three are 2 * 3 + 1 frames.
"""


class StreamingLogMel(nn.Module):
    """:func:`audio_model.frontend.log_mel` for chunks of whole hops, as matrix products.

    The even bins of a Fourier transform are those of the sum of a frame's halves, the odd ones of
    their difference, which halves the cost. Source: Gentleman and Sande, "Fast Fourier transforms:
    for fun and profit", 1966.
    """

    def __init__(self) -> None:
        super().__init__()
        # Added before the logarithm, the offset is a factor of the power.
        gain = np.exp(frontend.LOG_OFFSET)
        floor = np.full(N_ROWS, np.e)
        floor[ROW_OF_MEL] = gain * frontend.POWER_FLOOR
        self.floor = _constant(floor)
        self.window = _constant(frontend.hann_window())
        self.even, self.mel_of_even = _transform(gain, parity=0)
        self.odd, self.mel_of_odd = _transform(gain, parity=1)

    def forward(self, samples: Tensor) -> Tensor:
        """Compute the log-mel rows of samples.

        [shape=(batch, HISTORY_SAMPLES + n)] → [shape=(batch, n // HOP_LENGTH, N_ROWS)].
        ``ROW_OF_MEL``
        are ``LOG_SCALE`` times the log-mel, ``HEARD_ROWS`` are 1.
        """
        hops = samples.reshape(samples.shape[0], -1, frontend.HOP_LENGTH)
        last = frontend.BLOCKS_PER_WINDOW - 1
        # Ends that count from the back are constants of the graph; others would be computed in it.
        frames = torch.cat([hops[:, n : (n - last) or None] for n in range(last + 1)], dim=-1)
        windowed = frames * self.window
        half = frontend.WIN_LENGTH // 2
        earlier, later = windowed[..., :half], windowed[..., half:]
        even, odd = (earlier + later) @ self.even, (earlier - later) @ self.odd
        power = even.square() @ self.mel_of_even + odd.square() @ self.mel_of_odd
        return torch.log(power + self.floor)


def _transform(gain: float, parity: int) -> tuple[nn.Buffer, nn.Buffer]:
    """Return the transform of the folded halves for bins of one parity, and their filterbank.

    Real parts are in the first half of the columns, imaginary ones in the second.
    """
    filterbank = frontend.mel_filterbank()
    bins = np.flatnonzero(filterbank.any(axis=1))
    bins = bins[bins % 2 == parity]
    n = np.arange(frontend.WIN_LENGTH // 2)
    angle = 2 * np.pi * np.outer(n, bins) / frontend.N_FFT
    rows = np.zeros((len(bins), N_ROWS))
    rows[:, ROW_OF_MEL] = gain * filterbank[bins]
    return (
        _constant(np.concatenate([np.cos(angle), np.sin(angle)], axis=1)),
        _constant(np.concatenate([rows, rows])),
    )


def _constant(values: NDArray[np.float64] | Tensor) -> nn.Buffer:
    return nn.Buffer(torch.as_tensor(values).detach().to(torch.float32).contiguous())


def front_end_flops() -> int:
    """Return the multiplications and additions of the front end's products for one frame."""
    front_end = StreamingLogMel()
    matrices = [matrix for matrix in front_end.buffers() if matrix.dim() == 2]
    return 2 * sum(matrix.numel() for matrix in matrices)


class MelLayers(nn.Module):
    """The layers over mel and time, from rows of the log-mel to columns of one vector each."""

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
        self.second, self.second_bias = _constant(second), _constant(second_bias)
        self.third, self.third_bias = _constant(third), _constant(third_bias)
        # Before a call the second layer should be 0, and computed anew is what its bias leaves.
        # The third sees one such column, through its first tap, and takes off what that adds.
        too_much = torch.einsum("oim,i->om", third[..., 0], F.relu(second_bias))
        correction = first.new_zeros(len(third), 1, third.shape[2], 3)
        correction[:, 0, :, 1] = too_much
        correction[:, 0, :, 2] = -too_much
        self.correction = _constant(correction)

    def forward(self, rows: Tensor) -> Tensor:
        """Run the layers over rows.

        [shape=(batch, PAST_FRAMES + 8 n, N_ROWS)] → [shape=(batch, channel, mel, 2 n)]
        """
        x = rows.transpose(1, 2).unsqueeze(1)
        y = F.relu(F.conv2d(x, self.first, stride=(3, 2), padding=(3, 0)))
        y = F.relu(F.conv2d(y, self.second, self.second_bias, stride=(2, 1), padding=(1, 0)))
        y = F.conv2d(y, self.third, self.third_bias, stride=(2, 2), padding=(1, 0))
        # The last tap is in a frame that was always heard, the one before in a frame that was heard
        # if the second layer's column lies in the call: they cancel, but at the beginning.
        return F.relu(
            y + F.conv2d(x, self.correction, stride=(12, 4), padding=(4, 0), dilation=(6, 5))
        )


class CallGraph(nn.Module):
    """A chunk of samples and the state in, answers and the state out.

    The flat state is the samples that the next frames still need, the last frames, the last row
    of each layer's input over time, oldest first, and the sums of the pooling.
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
        self.sizes = [frontend.HISTORY_SAMPLES, PAST_FRAMES * N_ROWS, self.n_features]
        self.sizes += [2 * dilation * self.width for dilation in self.dilations]
        self.sizes += [2 * self.width, 1]
        self.state_size = sum(self.sizes)

    def forward(self, samples: Tensor, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Run the network over the next samples of each call.

        Samples are [shape=(batch, STEP_SAMPLES * n)], the state is [shape=(batch, state_size)].
        """
        past_samples, past_rows, past_features, *pasts, sums, weight = torch.split(
            state, self.sizes, dim=1
        )
        samples = torch.cat([past_samples, samples], dim=1)
        rows = self.log_mel(samples)
        rows = torch.cat([past_rows.reshape(-1, PAST_FRAMES, N_ROWS), rows], dim=1)
        y, features = self._strided(self.mel_layers(rows), past_features)
        nexts = [samples[:, -frontend.HISTORY_SAMPLES :], rows[:, -PAST_FRAMES:].flatten(1)]
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
        logit, sums, weight = self._pooled(y, weights, sums, weight)
        return logit, heard, torch.cat([*nexts, sums, weight], dim=1)

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

    def _pooled(
        self, x: Tensor, weight: Tensor, past_sums: Tensor, past_weight: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Run :class:`training.network.RunningPooling` and the head over (batch, time, channel).

        Returns the logit [shape=(batch, n)], and the sums and the weight up to the last step.
        """
        terms = torch.cat([x, x.square()], dim=-1) * weight
        sums = past_sums.unsqueeze(1) + torch.cumsum(terms, dim=1)
        total = past_weight.unsqueeze(1) + torch.cumsum(weight, dim=1)
        means = sums / (total + 1e-3)
        mean, mean_square = means[..., : self.width], means[..., self.width :]
        deviation = torch.sqrt(F.relu(mean_square - mean.square()) + 1e-4)
        pooled = torch.cat([mean, deviation], dim=-1)
        hidden = F.relu(pooled @ self.hidden + self.hidden_bias)
        logit = (hidden @ self.logit + self.logit_bias).squeeze(-1)
        return logit, sums[:, -1], total[:, -1]


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
