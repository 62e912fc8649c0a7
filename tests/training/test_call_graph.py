"""The graph for a runtime gives the numbers of the front end and the network, from the first on."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from audio_model import frontend
from audio_model.steps import STEP_SAMPLES, Heard
from tests import sounds
from training.call_graph import (
    HEARD,
    CallGraph,
    StreamingLogMel,
    front_end_flops,
)
from training.network import Network, NetworkConfig

N_STEPS = 30
CALLS = sounds.unlike_calls(2.4)[:, : N_STEPS * STEP_SAMPLES]


def features() -> Tensor:
    return torch.from_numpy(np.stack([frontend.log_mel(call) for call in CALLS]))


@torch.no_grad()
def restless_network(seed: int) -> Network:
    """Return a network that answers even silence: its biases are as large as what it hears."""
    torch.manual_seed(seed)
    config = NetworkConfig(
        conv_channels=(16, 24, 40), temporal_channels=48, dilations=(1, 3, 8), texture_channels=20
    )
    network = Network(config)
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    for norm in norms:
        norm.bias.normal_()
        norm.weight.uniform_(-1.5, 1.5)
        norm.momentum = None
    network.train().whole(features())
    assert network.texture is not None
    for module in [*network.head, *network.texture.head]:
        if isinstance(module, nn.Conv1d):
            module.weight.normal_()
    return network.eval()


@pytest.fixture(scope="module")
def network() -> Network:
    return restless_network(0)


@torch.no_grad()
def own(network: Network) -> tuple[Tensor, Tensor]:
    logit, heard = network.whole(features())
    return logit, torch.softmax(heard, 1).transpose(1, 2)


@pytest.mark.parametrize("row", range(len(CALLS)))
def test_the_log_mel_is_the_front_end_s(row: int) -> None:
    samples = np.concatenate([np.zeros(frontend.HISTORY_SAMPLES, np.float32), CALLS[row]])
    values = StreamingLogMel()(torch.from_numpy(samples)[None])[0].numpy()
    log_mel = values[:HEARD] / frontend.LOG_SCALE
    np.testing.assert_allclose(log_mel, frontend.log_mel(CALLS[row]), rtol=0, atol=1e-4)
    np.testing.assert_allclose(values[HEARD], 1, rtol=0, atol=1e-6)


@given(sizes=st.lists(st.integers(1, N_STEPS), max_size=8))
@example(sizes=[1] * N_STEPS)
@settings(max_examples=15)
@torch.no_grad()
def test_chunks_of_any_size_give_the_network_s_answers(network: Network, sizes: list[int]) -> None:
    graph = CallGraph(network).eval()
    calls, state = torch.from_numpy(CALLS), torch.zeros(len(CALLS), graph.state_size)
    cuts = [0, *np.minimum(np.cumsum(sizes, dtype=int), N_STEPS).tolist(), N_STEPS]
    logits, heards = [], []
    for start, end in pairwise(cuts):
        if start < end:
            samples = calls[:, start * STEP_SAMPLES : end * STEP_SAMPLES]
            logit, heard, state = graph(samples, state)
            logits.append(logit)
            heards.append(heard)
    logit, heard = own(network)
    assert logit.std() > 1
    torch.testing.assert_close(torch.cat(logits, 1), logit, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(torch.cat(heards, 1), heard, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("seed", range(1, 4))
@torch.no_grad()
def test_a_call_s_first_step_is_the_network_s(seed: int) -> None:
    """Columns before the call are zero in every layer, however large its bias is."""
    network = restless_network(seed)
    graph = CallGraph(network).eval()
    first = torch.from_numpy(CALLS[:, :STEP_SAMPLES])
    logit, heard, state = graph(first, torch.zeros(len(CALLS), graph.state_size))
    assert logit.shape == (len(CALLS), 1)
    assert heard.shape == (len(CALLS), 1, len(Heard))
    assert state.shape == (len(CALLS), graph.state_size)
    torch.testing.assert_close(logit, own(network)[0][:, :1], rtol=1e-4, atol=1e-4)


def test_the_folded_transform_costs_half_of_a_whole_one() -> None:
    bins = int(frontend.mel_filterbank().any(axis=1).sum())
    whole = 2 * (frontend.WIN_LENGTH * 2 * bins + bins * frontend.N_MELS)
    assert front_end_flops() < 0.75 * whole
