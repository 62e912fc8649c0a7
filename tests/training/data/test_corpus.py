"""The data of a run: split, decoded once, with surroundings that dev and test do not share."""

from dataclasses import replace
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest

from audio_model.errors import AudioError, UsageError
from tests import clips, sounds
from training.data import corpus as corpus_module
from training.config import Config, DataConfig, SplitConfig, UnmetConfig
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
        file.write("live/copy.wav,live,live0,,\n")
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


def written(folder: Path, name: str, *rows: str) -> Path:
    """A manifest whose every row has a sound of its own, unless its file is there."""
    for row in rows:
        path = folder / row.split(",")[0]
        if not path.exists():
            clips.write(path, sounds.noise(0.1, crc32(path.name.encode())))
    return write_lines(folder / name, "path,label,source,group,call", *rows)


def write_lines(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


LEARNT = [
    *(f"l{n}.wav,live,speaker{n},caller{n},call{n}" for n in range(8)),
    *(f"r{n}.wav,recorded,engine{n},,"for n in range(8)),
]


def judged_by(folder: Path, *rows: str) -> Corpus:
    """Eight voices of each class to learn from, and the rows to judge by."""
    manifest = written(folder, "manifest.csv", *LEARNT)
    settings = DataConfig((manifest,))
    unmet = UnmetConfig(written(folder, "unmet.csv", *rows))
    return Corpus.load(Config(settings, SplitConfig(dev=0.25, test=0), unmet))


@pytest.mark.parametrize(
    ("row", "gone"),
    [
        ("u.wav,live,speaker3,,", {"l3.wav"}),
        ("u.wav,live,other,caller3,", {"l3.wav"}),
        ("u.wav,live,caller3,,", {"l3.wav"}),
        ("u.wav,live,other,speaker3,", {"l3.wav"}),
        ("u.wav,live,other,,call3", {"l3.wav"}),
        ("u.wav,,engine5,,", {"r5.wav"}),
        ("copy.wav,recorded,other,,", {"r5.wav"}),
        ("u.wav,live,other,,", set()),
    ],
    ids=["source", "group", "source of a group", "group of a source", "call", "tone", "audio", "-"],
)
def test_what_shares_anything_with_unmet_is_never_learnt_from(
    tmp_path: Path, row: str, gone: set[str]
) -> None:
    written(tmp_path, "manifest.csv", *LEARNT)
    (tmp_path / "copy.wav").write_bytes((tmp_path / "r5.wav").read_bytes())
    corpus = judged_by(tmp_path, row)
    left = {clip.name for name in SplitName for clip in corpus.clips(name)}
    assert {clip.name for clip in corpus.manifest.clips} == left
    assert {line.split(",")[0] for line in LEARNT} - left == gone


def test_unmet_clips_judge_and_their_tones_do_not(tmp_path: Path) -> None:
    corpus = judged_by(tmp_path, "a.wav,live,a,,", "b.wav,recorded,b,,", "t.wav,,t,,")
    assert [clip.name for clip in corpus.judged] == ["a.wav", "b.wav"]


def test_without_unmet_clips_the_test_split_judges(folder: Path) -> None:
    corpus = loaded(folder)
    assert corpus.unmet is None
    test = [clip for clip in corpus.clips(SplitName.TEST) if clip.label is not None]
    assert test
    assert list(corpus.judged) == test


def test_an_unmet_manifest_that_leaves_nothing_is_refused(folder: Path) -> None:
    manifest = folder / "manifest.csv"
    settings = Config(DataConfig((manifest,)), unmet=UnmetConfig(manifest))
    with pytest.raises(UsageError, match=r"manifest\.csv.*every clip"):
        Corpus.load(settings)


def test_corpora_and_sources_can_be_left_out(tmp_path: Path) -> None:
    clips.write_corpus(tmp_path, voices=8, seconds=0.2, corpora=2)
    before = {clip.name for clip in loaded(tmp_path).manifest.clips}
    corpus = loaded(tmp_path, leave_out=("live1", "recorded2"))
    left = {clip.name: clip for clip in corpus.manifest.clips}
    assert {f"live/{n}-0.wav" for n in (1, 3, 5, 7)} | {"recorded/2-0.wav"} == before - set(left)
    assert not any(clip.corpus == "live1" or clip.source == "recorded2" for clip in left.values())


def test_a_corpus_to_leave_out_that_is_not_there_is_named(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"leave_out.*'nobody'"):
        loaded(folder, leave_out=("live0", "nobody"))


def test_the_hash_of_what_judges_follows_all_that_is_heard(tmp_path: Path) -> None:
    rows = ["a.wav,live,a,,", "b.wav,recorded,b,,"]

    def digest(**changed: object) -> str:
        corpus = judged_by(tmp_path, *rows)
        settings = replace(corpus._settings, **changed)
        return Corpus.load(settings).judged_hash

    first = digest()
    assert digest() == first
    clips.write(tmp_path / "bed.wav", sounds.noise(0.2))
    beds = write_beds(tmp_path, "path,kind", "bed.wav,bed")
    data = DataConfig((tmp_path / "manifest.csv",), beds=beds)
    others = {digest(data=data), digest(split=SplitConfig(dev=0.5, test=0))}
    rows[0] = "c.wav,live,a,,"
    others.add(digest())
    assert len(others | {first}) == 4
