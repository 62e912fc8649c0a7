import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audio_model.frontend import SAMPLE_RATE, Samples
from tests import sounds
from tests.training.corpora.whistle import Whistle, voice
from training.corpora.draw import Reading
from training.corpora.errors import CorpusError
from training.corpora.script import Script
from training.corpora.write import Folder, to_telephone
from training.data import manifest

READING = Reading(voice("anna"), Script("made_en_000", "Hello."), 1.0)


def tone(seconds: float, sample_rate: int, amplitude: float = 0.25) -> Samples:
    return sounds.tone(seconds, 440, amplitude, sample_rate)


TONE = tone(2, 8000)


def test_a_row_has_the_columns_of_the_shared_manifest(tmp_path: Path) -> None:
    Folder(tmp_path).add(READING, tone(2, 24000), 24000)
    with (tmp_path / "manifest.csv").open(encoding="utf-8", newline="") as lines:
        header, row = csv.reader(lines)
    assert ",".join(header) == (
        "path,label,corpus,source,group,text,call,language,duration_s,kind,licence,may_train"
    )
    assert row == [
        *(READING.path, "1", "made_en", "whistle:anna", "whistle:anna", "made_en_000", "", "en"),
        *("2.00", "a whistle", "CC0", "yes"),
    ]


def test_a_voice_may_be_for_tests_alone(tmp_path: Path) -> None:
    Folder(tmp_path).add(
        replace(READING, voice=replace(READING.voice, may_train=False)), TONE, 8000
    )
    (clip,) = manifest.load(tmp_path / "manifest.csv").clips
    assert not clip.may_train


def test_what_was_written_loads_as_recordings(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    other = Reading(voice("chen", "zh"), Script("made_zh_000", "您好。"), 1.0)
    folder.add(READING, tone(2, 16000), 16000)
    folder.add(other, tone(3, 22050), 22050)
    clips = manifest.load(tmp_path / "manifest.csv").clips
    assert [clip.label for clip in clips] == [1, 1]
    assert [clip.language for clip in clips] == ["en", "zh"]
    assert [clip.duration_s for clip in clips] == [2.0, 3.0]


@pytest.mark.parametrize("sample_rate", [8000, 16000, 22050, 24000, 44100])
def test_a_clip_is_telephone_audio_at_the_engines_level(tmp_path: Path, sample_rate: int) -> None:
    Folder(tmp_path).add(READING, tone(9, sample_rate), sample_rate)
    info = soundfile.info(tmp_path / READING.path)
    assert (info.samplerate, info.channels, info.format, info.subtype) == (
        *(SAMPLE_RATE, 1),
        *("FLAC", "PCM_16"),
    )
    assert info.frames == 6.5 * SAMPLE_RATE
    samples, _ = soundfile.read(tmp_path / READING.path)
    assert np.std(samples) == pytest.approx(0.25 / np.sqrt(2), rel=0.01)


def test_resampling_keeps_out_what_a_telephone_cannot_carry() -> None:
    phase = 2 * np.pi * 5000 * np.arange(24000) / 24000
    steady = to_telephone(np.asarray(np.sin(phase), np.float32), 24000)[800:-800]
    assert np.abs(steady).max() < 0.001


@pytest.mark.parametrize(
    ("samples", "why"),
    [(tone(0.4, 16000), "0.40 s"), (tone(3, 16000, 1e-4), "silent"), (tone(0, 16000), "0.00 s")],
)
def test_audio_that_is_no_speech_is_refused(tmp_path: Path, samples: Samples, why: str) -> None:
    folder = Folder(tmp_path)
    with pytest.raises(CorpusError, match=f"whistle:anna speaking made_en_000: .*{why}"):
        folder.add(READING, samples, 16000)
    assert not list(tmp_path.rglob("*.flac"))
    assert not folder.made


def test_anothers_manifest_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "manifest.csv"
    file.write_text("path,label,source\n")
    with pytest.raises(CorpusError, match=r"manifest\.csv"):
        Folder(tmp_path)
    assert file.read_text() == "path,label,source\n"


def test_a_file_where_the_folder_should_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(CorpusError, match="taken: File exists"):
        Folder(tmp_path / "taken")


def test_two_builders_may_fill_one_folder(tmp_path: Path) -> None:
    one, two = Folder(tmp_path), Folder(tmp_path)
    one.add(READING, tone(2, 16000), 16000)
    two.add(Reading(voice("ben"), READING.script, 1.0), tone(2, 16000), 16000)
    assert len(manifest.load(tmp_path / "manifest.csv").clips) == 2
    assert len(Folder(tmp_path).made) == 2


def test_each_corpus_says_where_it_comes_from(tmp_path: Path) -> None:
    Folder(tmp_path).describe(Whistle())
    english = (tmp_path / "made_en" / "SOURCE.md").read_text(encoding="utf-8")
    assert "- PyPI whistle 1.2, CC0\n  - `note.bin` SHA-256 `ab12`\n" in english
    assert "`whistle:anna`: en f" in english
    assert "chen" not in english
    assert "chen" in (tmp_path / "made_zh" / "SOURCE.md").read_text(encoding="utf-8")
