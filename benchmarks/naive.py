"""The same work by the libraries that one would reach for first: librosa and eager torch."""

from pathlib import Path

import librosa
import numpy as np
import torch

from audio_model import frontend
from audio_model.steps import FRAMES_PER_STEP
from training.network import Network, NetworkConfig


class NaivePipeline:
    """librosa reads, resamples and makes the log-mel; torch runs the network.

    The weights are random: they cost what trained ones cost.
    """

    def __init__(self, config: NetworkConfig) -> None:
        self._network = Network(config).eval()

    @torch.no_grad()
    def logit(self, path: Path, seconds: float) -> float:
        """The answer after ``seconds`` of a recording."""
        samples, _ = librosa.load(path, sr=frontend.SAMPLE_RATE, duration=seconds)
        power = librosa.feature.melspectrogram(
            y=samples,
            sr=frontend.SAMPLE_RATE,
            n_fft=frontend.N_FFT,
            hop_length=frontend.HOP_LENGTH,
            n_mels=frontend.N_MELS,
            fmin=frontend.F_MIN,
            fmax=frontend.F_MAX,
            htk=True,
            norm=None,
        )
        log_mel = (np.log(power + frontend.POWER_FLOOR) + frontend.LOG_OFFSET) / frontend.LOG_SCALE
        whole = log_mel.shape[1] // FRAMES_PER_STEP * FRAMES_PER_STEP
        logit, _ = self._network.whole(torch.from_numpy(log_mel[None, :, :whole]))
        return float(logit[0, -1])
