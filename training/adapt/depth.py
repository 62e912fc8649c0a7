"""How much of the network learns, and the output of the frozen layers below."""

from enum import StrEnum

import torch
from torch import Tensor, nn

from training.network import CausalConv, Network

BATCH_SIZE = 64


class Depth(StrEnum):
    """The layers that learn. The layers below them stay as they are."""

    HEAD = "head"
    """The layers after the pooling."""
    LAST = "last"
    """The dilated layers over time, the pooling and the head."""
    ALL = "all"

    def first_layer(self, network: Network) -> int:
        """Return the number of the lowest layer that learns; one past the last for the head."""
        return {
            Depth.HEAD: len(network.layers),
            Depth.LAST: network.first_temporal + 1,
            Depth.ALL: 0,
        }[self]

    def parameters(self, network: Network) -> list[nn.Parameter]:
        """Return the parameters that learn."""
        if self is Depth.HEAD:
            return list(network.head.parameters())
        layers = network.layers[self.first_layer(network) :]
        parts = [*layers, network.pooling, network.heard, network.head]
        return [parameter for part in parts for parameter in part.parameters()]


@torch.no_grad()
def frozen(network: Network, log_mel: Tensor, depth: Depth) -> Tensor:
    """Run the layers that do not learn over clips from their start.

    Their output never changes, so it is computed once. log_mel [shape=(batch, N_MELS, n_frames)].
    """
    parts = []
    for clips in torch.split(log_mel, BATCH_SIZE):
        x = _through(network, clips.float().unsqueeze(1), 0, depth.first_layer(network))
        parts.append(_pooled(network, x) if depth is Depth.HEAD else x)
    return torch.cat(parts)


def learnt(network: Network, features: Tensor, depth: Depth) -> tuple[Tensor, Tensor | None]:
    """Run the layers that learn on what :func:`frozen` gave.

    Returns logit [shape=(batch, n_steps)] and what each step holds [shape=(batch, len(Heard),
    n_steps)]; None in its place where only the head learns, which does not touch it.
    """
    if depth is Depth.HEAD:
        return network.head(features).squeeze(1), None
    x = _through(network, features, depth.first_layer(network), len(network.layers))
    return network.head(_pooled(network, x)).squeeze(1), network.heard(x)


def _through(network: Network, x: Tensor, start: int, stop: int) -> Tensor:
    for number in range(start, stop):
        layer = network.layers[number]
        assert isinstance(layer, CausalConv)
        if number == network.first_temporal:
            x = x.flatten(1, 2)
        x, _ = layer(x, x.new_zeros(len(x), *layer.state_shape))
    return x


def _pooled(network: Network, x: Tensor) -> Tensor:
    pooling = network.pooling
    pooled: Tensor = pooling(x, x.new_zeros(len(x), *pooling.state_shape))[0]
    return pooled
