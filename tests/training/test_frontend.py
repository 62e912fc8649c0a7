"""The log-mel front end against those of torchaudio and librosa."""

import librosa
import numpy as np
import pytest
import torch
import torchaudio

from audio_model.frontend import (
    F_MAX,
    F_MIN,
    HOP_LENGTH,
    N_FFT,
    N_MELS,
    SAMPLE_RATE,
    WIN_LENGTH,
    log_mel,
    mel_filterbank,
)
from tests import sounds
from tests.test_frontend import INPUTS, from_rest, normalised


@pytest.fixture(scope="module")
def torchaudio_mel() -> torchaudio.transforms.MelSpectrogram:
    return torchaudio.transforms.MelSpectrogram(
        SAMPLE_RATE,
        n_fft=N_FFT,
        win_length=WIN_LENGTH,
        hop_length=HOP_LENGTH,
        f_min=F_MIN,
        f_max=F_MAX,
        n_mels=N_MELS,
        power=2,
        center=False,
        norm=None,
        mel_scale="htk",
    )


@pytest.mark.parametrize("samples", INPUTS.values(), ids=INPUTS)
def test_equals_torchaudio(
    samples: sounds.Samples, torchaudio_mel: torchaudio.transforms.MelSpectrogram
) -> None:
    power = torchaudio_mel(torch.from_numpy(from_rest(samples))).numpy()
    np.testing.assert_allclose(log_mel(samples), normalised(power), rtol=0, atol=1e-4)


@pytest.mark.parametrize("samples", INPUTS.values(), ids=INPUTS)
def test_equals_librosa(samples: sounds.Samples) -> None:
    power = librosa.feature.melspectrogram(
        y=from_rest(samples),
        sr=SAMPLE_RATE,
        n_fft=N_FFT,
        hop_length=HOP_LENGTH,
        win_length=WIN_LENGTH,
        window="hann",
        center=False,
        power=2,
        n_mels=N_MELS,
        fmin=F_MIN,
        fmax=F_MAX,
        htk=True,
        norm=None,
    )
    np.testing.assert_allclose(log_mel(samples), normalised(power), rtol=0, atol=1e-4)


def test_filters_equal_librosas() -> None:
    theirs = librosa.filters.mel(
        sr=SAMPLE_RATE, n_fft=N_FFT, n_mels=N_MELS, fmin=F_MIN, fmax=F_MAX, htk=True, norm=None
    )
    np.testing.assert_allclose(mel_filterbank(), theirs.T, atol=1e-6)
