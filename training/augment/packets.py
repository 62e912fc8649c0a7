"""What a packet network does to a call. Each effect is an ``Effect``."""

import numpy as np
from numpy.random import Generator

from audio_model.frontend import SAMPLE_RATE, Samples

PACKET_SAMPLES = SAMPLE_RATE // 50
"""20 ms."""


def lose_packets(samples: Samples, rng: Generator) -> Samples:
    """Lose 1 to 8 % of the packets in bursts; repeat the last one, fading, or leave silence."""
    out = samples.copy()
    repeat = rng.random() < 0.6
    rate, burst = rng.uniform(0.01, 0.08), rng.uniform(0.1, 0.6)
    lost = False
    for start in range(PACKET_SAMPLES, len(out) - PACKET_SAMPLES + 1, PACKET_SAMPLES):
        lost = rng.random() < (burst if lost else rate)
        if lost:
            previous = out[start - PACKET_SAMPLES : start]
            out[start : start + PACKET_SAMPLES] = previous * 0.7 if repeat else 0
    return out


def slip(samples: Samples, rng: Generator) -> Samples:
    """Let a jitter buffer run over or dry: one to three packets are dropped or played twice.

    The rest is shifted by a packet each time, and the end cut or filled with its last packet.
    """
    index = np.arange(len(samples))
    for _ in range(rng.integers(1, 4)):
        start = int(rng.integers(max(1, len(index) - PACKET_SAMPLES)))
        packet = index[start : start + PACKET_SAMPLES]
        resume = start if rng.random() < 0.5 else start + 2 * PACKET_SAMPLES
        index = np.concatenate([index[: start + PACKET_SAMPLES], index[resume:]])
        missing = len(samples) - len(index)
        if missing > 0:
            index = np.concatenate([index, np.resize(packet, missing)])
        index = index[: len(samples)]
    return samples[index]
