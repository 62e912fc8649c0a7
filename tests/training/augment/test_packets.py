"""Lost packets and slips are whole packets."""

import numpy as np
from numpy.random import default_rng

from tests import sounds
from training.augment import packets
from training.augment.packets import PACKET_SAMPLES


def test_lost_packets_are_whole_and_rare() -> None:
    x = sounds.noise(10)
    shares = []
    for seed in range(20):
        result = packets.lose_packets(x, default_rng(seed))
        changed = (result != x).reshape(-1, PACKET_SAMPLES)
        assert set(changed.mean(axis=1)) <= {0.0, 1.0}
        assert not changed[0].any()
        shares.append(changed[:, 0].mean())
    assert 0 < np.mean(shares) < 0.15


def test_lost_packets_are_silent_or_repeat_with_a_fade() -> None:
    x = np.repeat(np.arange(1, 501), PACKET_SAMPLES).astype(np.float32)
    kinds = set()
    for seed in range(10):
        result = packets.lose_packets(x, default_rng(seed))[::PACKET_SAMPLES]
        for at in np.flatnonzero(result != x[::PACKET_SAMPLES]):
            faded = result[at] == np.float32(0.7) * result[at - 1] != 0
            assert faded or result[at] == 0
            kinds.add(bool(faded))
    assert kinds == {True, False}


def test_a_slip_drops_or_repeats_whole_packets() -> None:
    x = np.arange(16_000, dtype=np.float32)
    jumps = set()
    for seed in range(20):
        result = packets.slip(x, default_rng(seed))
        steps = np.diff(result)
        jumps |= set(steps[steps != 1].tolist())
        assert 0 < (steps != 1).sum() <= 7
        assert result[0] == 0
    assert {1 - PACKET_SAMPLES, 1 + PACKET_SAMPLES} <= jumps
