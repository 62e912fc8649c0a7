"""The same work by the libraries that one would reach for first: librosa and eager torch."""

from pathlib import Path

import librosa
import numpy as np
import torch
from numpy.typing import NDArray

from audio_model import frontend
from audio_model.steps import FRAMES_PER_STEP
from training.network import Network, NetworkConfig


class NaivePipeline:
    """librosa reads, resamples and makes the log-mel; torch runs the network.

    The weights are random: they cost what trained ones cost.
    """

    def __init__(self, config: NetworkConfig) -> None:
        self._network = Network(config).eval()

    def logit(self, path: Path, seconds: float) -> float:
        """Return the answer after ``seconds`` of a recording. No more of it is decoded."""
        samples, sample_rate = librosa.load(path, sr=frontend.SAMPLE_RATE, duration=seconds)
        return self._answer(samples, round(sample_rate))

    def logit_by_default(self, path: Path, seconds: float) -> float:
        """Return the answer with librosa's defaults: all is read, at 22,050 Hz."""
        samples, sample_rate = librosa.load(path)
        return self._answer(samples[: round(seconds * sample_rate)], round(sample_rate))

    @torch.no_grad()
    def _answer(self, samples: NDArray[np.float32], sample_rate: int) -> float:
        features = log_mel(samples, sample_rate)
        whole = features.shape[1] // FRAMES_PER_STEP * FRAMES_PER_STEP
        logit, _ = self._network.whole(torch.from_numpy(features[None, :, :whole]))
        return float(logit[0, -1])


def log_mel(samples: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
    """Compute the front end by librosa, without its centred frames. [shape=(N_MELS, n_frames)]"""
    power = librosa.feature.melspectrogram(
        y=samples,
        sr=sample_rate,
        n_fft=frontend.N_FFT * sample_rate // frontend.SAMPLE_RATE,
        hop_length=frontend.HOP_LENGTH * sample_rate // frontend.SAMPLE_RATE,
        n_mels=frontend.N_MELS,
        fmin=frontend.F_MIN,
        fmax=frontend.F_MAX,
        htk=True,
        norm=None,
    )
    features = (np.log(power + frontend.POWER_FLOOR) + frontend.LOG_OFFSET) / frontend.LOG_SCALE
    return np.asarray(features, np.float32)
