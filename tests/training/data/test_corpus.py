"""The data of a run: split, decoded once, with surroundings that dev and test do not share."""

from pathlib import Path

import numpy as np
import pytest

from audio_model.errors import AudioError, UsageError
from tests import clips, sounds
from training.data import corpus as corpus_module
from training.config import Config, DataConfig, SplitConfig
from training.data.corpus import Corpus, load_beds
from training.data.manifest import ManifestError
from training.data.split import SplitName


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    clips.write_corpus(tmp_path, voices=8, seconds=0.5)
    return tmp_path


def write_beds(folder: Path, *lines: str) -> Path:
    path = folder / "beds.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def loaded(folder: Path, beds: Path | None = None, **data: object) -> Corpus:
    settings = DataConfig((folder / "manifest.csv",), beds=beds, **data)
    return Corpus.load(Config(settings, split=SplitConfig(dev=0.25, test=0.25)))


def test_every_clip_is_in_one_split(folder: Path) -> None:
    corpus = loaded(folder)
    names = [clip.name for name in SplitName for clip in corpus.clips(name)]
    assert sorted(names) == sorted(clip.name for clip in corpus.manifest.clips)
    for name in SplitName:
        assert {clip.label for clip in corpus.clips(name)} >= {0, 1}


def test_sounds_are_those_of_the_split_and_read_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = loaded(folder)
    read = []
    load_sound = corpus_module.load_sound
    monkeypatch.setattr(
        corpus_module,
        "load_sound",
        lambda clip, s: (read.append(clip.name), load_sound(clip, s))[1],
    )
    dev = corpus.sounds(SplitName.DEV)
    assert [sound.clip for sound in dev] == list(corpus.clips(SplitName.DEV))
    assert corpus.sounds(SplitName.DEV) is dev
    assert read == [clip.name for clip in corpus.clips(SplitName.DEV)]


def test_no_more_is_read_than_told(folder: Path) -> None:
    sounds_read = loaded(folder, max_seconds=0.25).sounds(SplitName.DEV)
    assert {len(sound.samples) for sound in sounds_read} == {2000}


def test_the_same_audio_counts_once(folder: Path) -> None:
    before = len(loaded(folder).manifest.clips)
    copy = folder / "live" / "copy.wav"
    copy.write_bytes((folder / "live" / "0-0.wav").read_bytes())
    with (folder / "manifest.csv").open("a", encoding="utf-8") as file:
        file.write("live/copy.wav,live,live0,\n")
    assert len(loaded(folder).manifest.clips) == before


def test_a_bad_manifest_is_an_error(folder: Path) -> None:
    (folder / "manifest.csv").write_text("path,label\n", encoding="utf-8")
    with pytest.raises(ManifestError, match="source"):
        loaded(folder)


def test_beds_of_train_are_never_heard_in_dev_or_test(folder: Path) -> None:
    names = [f"bed{n}.wav" for n in range(30)]
    for n, name in enumerate(names):
        clips.write(folder / name, sounds.silence(0.1) + np.float32(n / 100))
    rows = [f"{name},{'rir' if n % 2 else 'bed'}" for n, name in enumerate(names)]
    corpus = loaded(folder, write_beds(folder, "path,kind", *rows))

    def values(name: SplitName) -> set[float]:
        around = corpus.around(name)
        assert around.beds
        assert around.rooms
        return {round(float(x[0]), 2) for x in [*around.beds, *around.rooms]}

    train = values(SplitName.TRAIN)
    assert values(SplitName.DEV) == values(SplitName.TEST)
    assert not train & values(SplitName.DEV)
    assert len(train | values(SplitName.DEV)) == 30
    assert len(values(SplitName.DEV)) < 15


def test_cuts_of_one_recording_stay_together(folder: Path) -> None:
    for n in range(10):
        clips.write(folder / f"{n}.wav", sounds.noise(0.1))
    rows = [f"{n}.wav,bed,street" for n in range(10)]
    beds = load_beds(write_beds(folder, "path,kind,recording", *rows))
    assert len({bed.held_out for bed in beds}) == 1


def test_music_plays_under_voices_of_its_own_split(folder: Path) -> None:
    manifest = folder / "manifest.csv"
    rows = manifest.read_text(encoding="utf-8").splitlines()
    rows = [row + "music on hold" if row.startswith("recorded") else row for row in rows]
    manifest.write_text("\n".join(rows), encoding="utf-8")
    corpus = loaded(folder)
    for name in SplitName:
        music = [s.samples for s in corpus.sounds(name) if s.clip.label == 1]
        assert music
        for one, other in zip(corpus.around(name).music, music, strict=True):
            assert one is other


def test_without_beds_there_are_none(folder: Path) -> None:
    around = loaded(folder).around(SplitName.TRAIN)
    assert (around.beds, around.rooms, around.music) == ([], [], [])


@pytest.mark.parametrize("row", ["a.wav,room", "a.wav,", ",bed"])
def test_a_wrong_row_of_beds_is_named(folder: Path, row: str) -> None:
    clips.write(folder / "good.wav", sounds.noise(0.1))
    path = write_beds(folder, "path,kind", "good.wav,bed", row)
    with pytest.raises(UsageError, match=r"beds\.csv: line 3"):
        load_beds(path)


def test_beds_that_are_not_there(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.csv"):
        load_beds(folder / "none.csv")
    with pytest.raises(AudioError, match=r"gone\.wav"):
        load_beds(write_beds(folder, "path,kind", "gone.wav,bed"))


def in_folds(folder: Path) -> Corpus:
    """Two corpora of each class; ``live0`` and ``recorded0`` are one fold."""
    rows = ["path,label,source,corpus,text"]
    for label in ("live", "recorded"):
        for voice in range(8):
            text = f"script{voice}" if label == "recorded" and voice % 4 == 0 else ""
            corpus = f"{label}{voice % 2}"
            rows.append(f"{label}/{voice}-0.wav,{label},{label}{voice},{corpus},{text}")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    split = SplitConfig(dev=0.25, test=0, folds={
        "even": ("live0", "recorded0"), "odd": ("live1", "recorded1"),
    })  # fmt: skip
    return Corpus.load(Config(DataConfig((folder / "manifest.csv",)), split=split))


def test_a_fold_holds_its_corpora_out(folder: Path) -> None:
    corpus = in_folds(folder)
    for fold, number in (("even", "0"), ("odd", "1")):
        of_fold = corpus.in_fold(fold)
        test = of_fold.clips(SplitName.TEST)
        assert {clip.corpus for clip in test} == {f"live{number}", f"recorded{number}"}
        assert len(test) == 8
        for name in (SplitName.TRAIN, SplitName.DEV):
            assert not any(clip.corpus[-1] == number for clip in of_fold.clips(name))
            assert {clip.label for clip in of_fold.clips(name)} == {0, 1}
    assert corpus.clips(SplitName.TEST) == ()
    assert {clip.name for clip in corpus.learnt_from} >= {
        clip.name for clip in corpus.clips(SplitName.TRAIN)
    }
    assert len(corpus.learnt_from) > len(corpus.in_fold("odd").clips(SplitName.TRAIN))


def test_a_fold_of_one_class_is_refused(folder: Path) -> None:
    in_folds(folder)
    split = SplitConfig(
        dev=0.25, test=0, folds={"half": ("live0",), "rest": ("live1", "recorded1")}
    )
    settings = Config(DataConfig((folder / "manifest.csv",)), split=split)
    with pytest.raises(UsageError, match="half holds out no clips of one class"):
        Corpus.load(settings, "half")
