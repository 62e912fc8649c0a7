"""A plain small CNN: what one would do first, and what this project began with.

Log-mel of the first three seconds, padded with zeros; four strided convolutions with batch
normalisation, a global average, one output; Adam, classes drawn alike, clips as recorded, no
augmentation. As large as our own network, by the same front end.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from audio_model.frontend import Samples, log_mel
from training.evaluation.infer import Take
from training.rivals.rival import N_SAMPLES, balanced_weights, heard

CHANNELS = (1, 16, 32, 64, 96)
DRAWS = 12_800
"""Clips drawn in all: four times the shared corpora, and a minute of one core."""
BATCH_SIZE = 64
LEARNING_RATE = 1e-3


def network() -> nn.Sequential:
    """Return a network of 79 thousand parameters.

    [shape=(batch, 1, N_MELS, n_frames)] → [shape=(batch, 1)]
    """
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(CHANNELS):
        conv = nn.Conv2d(n_in, n_out, 3, stride=2, padding=1, bias=False)
        layers += [conv, nn.BatchNorm2d(n_out), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(CHANNELS[-1], 1))


def features(clips: Sequence[Samples]) -> Tensor:
    """Return log-mels of one length. [shape=(n_clips, 1, N_MELS, n_frames)]"""
    padded = [np.pad(heard(samples), (0, N_SAMPLES))[:N_SAMPLES] for samples in clips]
    return torch.from_numpy(np.stack([log_mel(samples) for samples in padded])).unsqueeze(1)


class PlainCnn:
    """Learns from the takes as recorded, whatever else it is given."""

    name = "plain CNN"
    thresholds = None

    def fit(self, takes: Sequence[Take], seed: int) -> None:
        """Train on the clips as recorded."""
        takes = [take for take in takes if take.condition == "raw"]
        weights = balanced_weights(takes)
        rng = np.random.default_rng(seed)
        torch.manual_seed(seed)
        self._network = network().train()
        optimizer = torch.optim.Adam(self._network.parameters(), LEARNING_RATE)
        for _ in range(DRAWS // BATCH_SIZE):
            drawn = rng.choice(len(takes), BATCH_SIZE, p=weights / weights.sum())
            batch = [takes[n] for n in drawn]
            labels = torch.tensor([float(take.clip.label == 1) for take in batch])
            logit = self._network(features([take.samples for take in batch])).squeeze(1)
            optimizer.zero_grad()
            loss = F.binary_cross_entropy_with_logits(logit, labels)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()

    @torch.no_grad()
    def scores(self, clips: Sequence[Samples]) -> NDArray[np.float64]:
        """Return the logits. [shape=(n_clips,)]"""
        self._network.eval()
        batches = [clips[n : n + BATCH_SIZE] for n in range(0, len(clips), BATCH_SIZE)]
        logits = [self._network(features(batch)).squeeze(1) for batch in batches]
        return torch.cat(logits).double().numpy()
