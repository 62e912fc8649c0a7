"""What the frozen layers hand up, and the learnt ones above, are the whole network."""

import pytest
import torch

from audio_model.frontend import N_MELS
from audio_model.steps import FRAMES_PER_STEP
from tests.training import readout
from training.adapt.depth import Depth, frozen, learnt


@pytest.mark.parametrize("depth", Depth)
def test_both_parts_are_the_network(depth: Depth) -> None:
    network = readout.network()
    log_mel = torch.randn(3, N_MELS, 20 * FRAMES_PER_STEP)
    with torch.no_grad():
        logit, held = learnt(network, frozen(network, log_mel, depth), depth)
        expected_logit, expected_held = network.whole(log_mel)
    torch.testing.assert_close(logit, expected_logit)
    if held is not None:
        torch.testing.assert_close(held, expected_held)


def test_the_deeper_the_more_learns() -> None:
    network = readout.network()
    sizes = [sum(p.numel() for p in depth.parameters(network)) for depth in Depth]
    assert sizes[0] < sizes[1] < sizes[2] == sum(p.numel() for p in network.parameters())
