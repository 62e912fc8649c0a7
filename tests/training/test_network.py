"""Causality, chunking, state and size of the network."""

from dataclasses import replace

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from audio_model.frontend import N_MELS
from audio_model.steps import FRAMES_PER_STEP, Heard
from tests.training import readout
from training.network import (
    Network,
    NetworkConfig,
    RunningPooling,
    Texture,
    count_flops,
    doubted,
)

N_STEPS = 30


@pytest.fixture(scope="module", params=["plain", "with a texture"])
def network(request: pytest.FixtureRequest) -> Network:
    plain = readout.network()
    if request.param == "plain":
        return plain
    torch.manual_seed(0)
    network = Network(replace(plain.config, texture_channels=12))
    network.load_state_dict(plain.state_dict(), strict=False)
    return network.eval()


@pytest.fixture(scope="module")
def log_mel() -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(3, N_MELS, N_STEPS * FRAMES_PER_STEP, generator=generator)


def close(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def in_chunks(network: Network, log_mel: Tensor, sizes: list[int]) -> tuple[Tensor, Tensor, Tensor]:
    state = torch.zeros(len(log_mel), network.state_size)
    logits, heards, start = [], [], 0
    for size in [*sizes, N_STEPS]:
        chunk = log_mel[..., start * FRAMES_PER_STEP : (start + size) * FRAMES_PER_STEP]
        if chunk.shape[-1]:
            logit, heard, state = network(chunk, state)
            logits.append(logit)
            heards.append(heard)
        start += size
    return torch.cat(logits, -1), torch.cat(heards, -1), state


@torch.no_grad()
def whole(network: Network, log_mel: Tensor) -> tuple[Tensor, Tensor]:
    logit, heard = network.whole(log_mel)
    return logit, heard


def test_shapes(network: Network, log_mel: Tensor) -> None:
    logit, heard = whole(network, log_mel)
    assert logit.shape == (3, N_STEPS)
    assert heard.shape == (3, len(Heard), N_STEPS)
    assert logit.std() > 0.1


@given(sizes=st.lists(st.integers(1, N_STEPS), max_size=N_STEPS))
@example(sizes=[1] * N_STEPS)
@settings(max_examples=25)
def test_chunks_of_any_size_give_the_whole(
    network: Network, log_mel: Tensor, sizes: list[int]
) -> None:
    logit, heard, state = in_chunks(network, log_mel, sizes)
    whole_logit, whole_heard = whole(network, log_mel)
    close(logit, whole_logit)
    close(heard, whole_heard)
    close(state, in_chunks(network, log_mel, [])[2])


@given(n_steps=st.integers(1, N_STEPS))
@settings(max_examples=N_STEPS)
def test_a_prefix_gives_the_first_answers(network: Network, log_mel: Tensor, n_steps: int) -> None:
    logit, heard = whole(network, log_mel[..., : n_steps * FRAMES_PER_STEP])
    whole_logit, whole_heard = whole(network, log_mel)
    close(logit, whole_logit[:, :n_steps])
    close(heard, whole_heard[..., :n_steps])


@given(n_steps=st.integers(1, N_STEPS - 1), loudness=st.sampled_from([0.0, 1.0, 1e3, torch.inf]))
@settings(max_examples=30)
def test_what_comes_later_changes_no_answer(
    network: Network, log_mel: Tensor, n_steps: int, loudness: float
) -> None:
    other = log_mel.clone()
    other[..., n_steps * FRAMES_PER_STEP :] = loudness
    for one, another in zip(whole(network, log_mel), whole(network, other), strict=True):
        close(one[..., :n_steps], another[..., :n_steps])


def test_every_frame_of_a_step_counts(network: Network, log_mel: Tensor) -> None:
    """The last frame reaches the answer of its own step: none waits for the next."""
    end = 10 * FRAMES_PER_STEP
    for frame in range(end - FRAMES_PER_STEP, end):
        other = log_mel.clone()
        other[..., frame] += 1
        logit, heard = (
            answer - changed
            for answer, changed in zip(whole(network, log_mel), whole(network, other), strict=True)
        )
        assert logit[:, 9].abs().min() > 0
        assert heard[..., 9].abs().max() > 0


def test_rows_of_a_batch_do_not_touch(network: Network, log_mel: Tensor) -> None:
    logit, heard = whole(network, log_mel)
    for row in range(3):
        alone_logit, alone_heard = whole(network, log_mel[row : row + 1])
        # Another batch size is another matrix kernel, which sums in another order.
        torch.testing.assert_close(alone_logit[0], logit[row], rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(alone_heard[0], heard[row], rtol=1e-4, atol=1e-4)


def test_no_history_is_a_history_of_zeros(network: Network, log_mel: Tensor) -> None:
    with torch.no_grad():
        logit, _, _ = network(log_mel, torch.zeros(3, network.state_size))
    torch.testing.assert_close(logit, whole(network, log_mel)[0], rtol=0, atol=0)


def test_the_state_is_made_of_its_parts(network: Network) -> None:
    assert network.state_size == sum(torch.zeros(shape).numel() for shape in network.state_shapes)
    parts = network._unpack(torch.arange(2.0 * network.state_size).reshape(2, -1))
    assert [part.shape[1:] for part in parts] == [torch.Size(s) for s in network.state_shapes]
    flat = torch.cat([part.flatten(1) for part in parts], dim=1)
    torch.testing.assert_close(flat.flatten(), torch.arange(2.0 * network.state_size))


def test_pooling_is_a_weighted_mean_and_deviation() -> None:
    torch.manual_seed(0)
    pooling, x = RunningPooling(4), torch.randn(2, 4, 9)
    pooled, _ = pooling(x, torch.zeros(2, 9))
    weight = torch.sigmoid(pooling.attention(x)).detach().double()
    total = weight.sum(-1)
    mean = (weight * x).sum(-1) / total
    deviation = ((weight * (x - mean[..., None]) ** 2).sum(-1) / total).sqrt()
    expected = torch.cat([mean, deviation], dim=1).float()
    torch.testing.assert_close(pooled[..., -1].detach(), expected, rtol=0.01, atol=0.01)


def test_pooling_of_a_constant_never_becomes_nan() -> None:
    pooling = RunningPooling(4)
    pooled, sums = pooling(torch.full((1, 4, 5000), 37.7), torch.zeros(1, 9))
    assert pooled.isfinite().all()
    assert sums.isfinite().all()


def test_the_default_is_small() -> None:
    assert sum(p.numel() for p in Network(NetworkConfig()).parameters()) < 100_000
    assert count_flops(NetworkConfig(), 4.0) <= 80e6


def test_flops_of_a_network_counted_by_hand() -> None:
    config = NetworkConfig(
        conv_channels=(1, 1, 1), temporal_channels=1, dilations=(), head_channels=1
    )
    multiplications = (
        4 * 20 * 5 * 3  # 4 columns of 20 mels, kernel 5 by 3
        + 4 * 10 * 3 * 3
        + 2 * 5 * 3 * 3
        + 1 * 1 * 5 * 3
        + len(Heard)
        + 1  # attention
        + 2
        + 1
    )
    assert count_flops(config, seconds=0.08) == 2 * multiplications
    assert count_flops(config, seconds=0.81) == 10 * count_flops(config, seconds=0.08)


@pytest.mark.parametrize("config", [NetworkConfig(dilations=()), NetworkConfig((8, 8, 16), 24)])
def test_other_sizes_work_alike(config: NetworkConfig, log_mel: Tensor) -> None:
    torch.manual_seed(0)
    other = Network(config).eval()
    close(in_chunks(other, log_mel, [1, 2, 7])[0], whole(other, log_mel)[0])


LOGITS = st.floats(-20, 20, width=32)


@given(logit=LOGITS, texture=LOGITS)
def test_a_texture_never_makes_a_recording_of_a_call(logit: float, texture: float) -> None:
    said = doubted(torch.tensor(logit), torch.tensor(texture)).item()
    if logit > 0:
        assert said == logit
    else:
        assert said == pytest.approx(min(0, logit / 2 + 0.75 * texture), abs=1e-5)


@given(logits=st.tuples(LOGITS, LOGITS), textures=st.tuples(LOGITS, LOGITS))
def test_more_of_either_is_never_less(
    logits: tuple[float, float], textures: tuple[float, float]
) -> None:
    low = doubted(torch.tensor(min(logits)), torch.tensor(min(textures)))
    high = doubted(torch.tensor(max(logits)), torch.tensor(max(textures)))
    assert low <= high


@torch.no_grad()
def test_a_texture_knows_no_order_of_what_it_heard() -> None:
    """Stretches that change places, far enough apart, leave its answer where it was."""
    torch.manual_seed(0)
    texture = Texture(8, 0.0).eval()
    quiet = torch.zeros(1, N_MELS, 2 * FRAMES_PER_STEP)
    one, other = torch.randn(2, 1, N_MELS, 10 * FRAMES_PER_STEP)
    said = texture.whole(torch.cat([quiet, one, quiet, other, quiet], dim=2))[:, -1]
    changed = texture.whole(torch.cat([quiet, other, quiet, one, quiet], dim=2))[:, -1]
    torch.testing.assert_close(said, changed, rtol=1e-4, atol=1e-5)
    assert (said - texture.whole(torch.cat([quiet, one, quiet], dim=2))[:, -1]).abs() > 1e-3
