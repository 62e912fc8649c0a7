import base64
import io

import av
import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from audio_model.frontend import log_mel
from audio_model.report.page.media import spectrogram_uri, wav_uri
from tests import sounds


def content(uri: str, kind: str) -> io.BytesIO:
    head, body = uri.split(",")
    assert head == f"data:{kind};base64"
    return io.BytesIO(base64.b64decode(body, validate=True))


@given(st.integers(1, 400))
def test_the_wav_holds_the_samples(length: int) -> None:
    samples = sounds.voice(0.05)[:length]
    samples, rate = soundfile.read(content(wav_uri(samples), "audio/wav"))[0:2]
    assert (len(samples), rate) == (min(length, 400), sounds.SAMPLE_RATE)
    np.testing.assert_allclose(samples, sounds.voice(0.05)[:length], atol=0.02)


def pixels(uri: str) -> np.ndarray:
    with av.open(content(uri, "image/png"), "r") as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24").astype(int)


def test_the_picture_shows_where_the_sound_is() -> None:
    tone = np.concatenate([sounds.silence(0.5), sounds.tone(0.5, 3000)])
    picture = pixels(spectrogram_uri(log_mel(tone)))
    assert picture.shape == (40, 100, 3)
    brightness = picture.sum(axis=2)
    assert brightness[:, 60:].max(axis=1).argmax() < 10  # high notes at the top
    assert brightness[:, :45].max() < brightness[:, 60:].max() / 4


@pytest.mark.parametrize("samples", [sounds.silence(1), sounds.noise(1, level=1e-5)])
def test_silence_is_dark(samples: np.ndarray) -> None:
    assert pixels(spectrogram_uri(log_mel(samples))).max() < 60
