from pathlib import Path

import numpy as np
import pytest
import soundfile

from audio_model.frontend import SAMPLE_RATE, Samples
from tests.training.corpora.whistle import voice
from training.corpora import prompts
from training.corpora.errors import CorpusError
from training.corpora.prompts import Package, Prompts, read_prompt, similarity, spectrum
from training.data.manifest import Clip

PACKAGE = Package("sounds-en", "en_anna", voice("anna"), n_clips=9)


def speech(seed: int, seconds: float = 3) -> Samples:
    """Noise in bursts, as syllables come."""
    rng = np.random.default_rng(seed)
    loudness = np.repeat(rng.uniform(0, 0.3, int(seconds * 8)), SAMPLE_RATE // 8)
    return np.asarray(loudness * rng.standard_normal(len(loudness)), np.float32)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package's prompts: five that can be used, and three that can't."""
    sounds = tmp_path / "unpacked" / prompts.SOUNDS / PACKAGE.folder
    (sounds / "dictate").mkdir(parents=True)
    for seed, name in enumerate(["hello", "menu", "goodbye", "dictate/help"]):
        soundfile.write(sounds / f"{name}.wav", speech(seed), SAMPLE_RATE)
    gsm = {"format": "RAW", "subtype": "GSM610"}
    soundfile.write(sounds / "wait.gsm", speech(5), SAMPLE_RATE, **gsm)
    soundfile.write(sounds / "one.wav", speech(6, seconds=1), SAMPLE_RATE)
    soundfile.write(sounds / "silence.wav", np.zeros(3 * SAMPLE_RATE), SAMPLE_RATE)
    soundfile.write(sounds / "welcome.wav", speech(0), SAMPLE_RATE)
    archive = tmp_path / "sounds-en_1%3a1.6-2_all.deb"
    archive.write_bytes(b"archive")
    monkeypatch.setattr(prompts, "debian", lambda name, _: (archive, tmp_path / "unpacked"))
    return tmp_path


def names(engine: Prompts) -> list[str]:
    return [script.id for script in engine.scripts(PACKAGE.voice)]


def known(path: Path, *, text: str = "", group: str = PACKAGE.voice.group) -> Clip:
    return Clip(path, path.name, 1, PACKAGE.voice.source, group, "asterisk_en", text=text)


def test_prompts_are_those_that_speak_long_enough_each_once(folder: Path) -> None:
    assert names(Prompts(PACKAGE, folder)) == [
        *("dictate__help", "goodbye", "hello", "menu", "wait"),
    ]


def test_a_prompt_that_is_known_by_name_or_by_sound_is_not_taken_again(folder: Path) -> None:
    menu = folder / "a.flac"
    soundfile.write(menu, np.concatenate([np.zeros(840), speech(1)]), SAMPLE_RATE)
    other = folder / "b.flac"
    soundfile.write(other, speech(77), SAMPLE_RATE)
    clips = [known(menu, text="hello"), known(other, text="goodbye", group="someone else")]
    assert names(Prompts(PACKAGE, folder, clips)) == ["dictate__help", "goodbye", "wait", "welcome"]


def test_a_prompt_is_read_as_it_is(folder: Path) -> None:
    engine = Prompts(PACKAGE, folder)
    spoken = {script.id: script.text for script in engine.scripts(PACKAGE.voice)}
    samples, sample_rate = engine.speak(PACKAGE.voice, spoken["dictate__help"], 1.0)
    assert sample_rate == SAMPLE_RATE
    assert np.allclose(samples, speech(3), atol=1 / 32768)
    decoded, _ = engine.speak(PACKAGE.voice, spoken["wait"], 1.0)
    assert similarity(spectrum(decoded), spectrum(speech(5))) > prompts.SAME


def test_the_origin_is_the_archive(folder: Path) -> None:
    (origin,) = Prompts(PACKAGE, folder).origins
    assert (origin.package, origin.version) == ("Debian sounds-en", "1:1.6-2")
    assert origin.sha256[0][0] == "sounds-en_1%3a1.6-2_all.deb"


def test_the_same_words_are_alike_wherever_they_begin_and_others_are_not() -> None:
    shifted = np.concatenate([np.zeros(4040, np.float32), speech(1)])
    assert similarity(spectrum(speech(1)), spectrum(shifted)) > prompts.SAME
    assert similarity(spectrum(speech(1)), spectrum(0.1 * speech(1))) == pytest.approx(1)
    assert similarity(spectrum(speech(1)), spectrum(speech(2))) < 0.6


def test_audio_that_cannot_be_read_names_the_file(tmp_path: Path) -> None:
    file = tmp_path / "broken.wav"
    file.write_bytes(b"RIFF")
    with pytest.raises(CorpusError, match=r"broken\.wav"):
        read_prompt(file)


def test_every_package_is_a_corpus_of_its_own() -> None:
    corpora = [package.voice.corpus for package in prompts.PACKAGES]
    assert len(set(corpora)) == len(corpora)
    assert all(corpus.startswith("debian_asterisk_") for corpus in corpora)


def test_one_actor_is_one_group() -> None:
    groups = {package.voice.corpus: package.voice.group for package in prompts.PACKAGES}
    assert groups["debian_asterisk_en"] == groups["debian_asterisk_es"] == "allison"
    assert groups["debian_asterisk_fr"] == "june"
