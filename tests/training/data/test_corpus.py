"""The data of a run: split, decoded once, with surroundings that dev and test do not share."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audio_model.errors import AudioError, UsageError
from tests import clips, sounds
from training.config import Config, DataConfig, SplitConfig, UnmetConfig
from training.data import corpus as corpus_module
from training.data.corpus import Corpus, load_beds
from training.data.manifest import Clip, ManifestError
from training.data.scenes import Sound, load_sound
from training.data.split import SplitName


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    clips.write_corpus(tmp_path, voices=8, seconds=0.5)
    return tmp_path


def write_beds(folder: Path, *lines: str) -> Path:
    path = folder / "beds.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def loaded(folder: Path, beds: Path | None = None, **data: Any) -> Corpus:
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
    read: list[str] = []

    def told(clip: Clip, max_seconds: float) -> Sound:
        read.append(clip.name)
        return load_sound(clip, max_seconds)

    monkeypatch.setattr(corpus_module, "load_sound", told)
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


def test_unmet_clips_judge_where_nothing_is_to_be_learnt(folder: Path) -> None:
    alone = Config(DataConfig(()), unmet=UnmetConfig(folder / "manifest.csv"))
    corpus = Corpus.load(alone)
    assert {clip.label for clip in corpus.judged} == {0, 1}
    assert not any(corpus.clips(name) for name in SplitName)
    with pytest.raises(UsageError, match=r"data\.manifests"):
        Corpus.load(Config(DataConfig(())))


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


def judged_by(folder: Path, unmet: list[str], *, learnt: list[str]) -> Corpus:
    """The corpus of two manifests, their rows given as lines."""
    head = "path,label,source,group,call"
    for name, rows in (("unmet", unmet), ("learnt", learnt)):
        text = "\n".join([head, *rows]) + "\n"
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    return Corpus.load(
        Config(
            DataConfig((folder / "learnt.csv",)),
            split=SplitConfig(dev=0.0, test=0.0),
            unmet=UnmetConfig(folder / "unmet.csv"),
        )
    )


def test_what_shares_anything_with_unmet_is_not_learnt_from(folder: Path) -> None:
    copy = folder / "live" / "copy.wav"
    copy.write_bytes((folder / "live" / "0-0.wav").read_bytes())
    corpus = judged_by(
        folder,
        ["live/0-0.wav,live,l0,g0,c0", "recorded/0-0.wav,recorded,r0,h0,"],
        learnt=[
            "live/1-0.wav,live,l0,other,",  # the same source
            "live/2-0.wav,live,l2,g0,",  # the same group
            "live/3-0.wav,live,l3,g3,c0",  # the same call
            "live/copy.wav,live,l4,g4,",  # the same audio
            "live/5-0.wav,live,l5,g5,",
            "recorded/5-0.wav,recorded,r5,h5,",
        ],
    )
    assert {clip.source for clip in corpus.clips(SplitName.TRAIN)} == {"l5", "r5"}
    assert {clip.source for clip in corpus.judged} == {"l0", "r0"}


def test_calls_without_an_id_are_not_one_call(folder: Path) -> None:
    corpus = judged_by(
        folder,
        ["live/0-0.wav,live,l0,g0,", "recorded/0-0.wav,recorded,r0,h0,"],
        learnt=["live/1-0.wav,live,l1,g1,", "recorded/1-0.wav,recorded,r1,h1,"],
    )
    assert len(corpus.clips(SplitName.TRAIN)) == 2


def test_unmet_that_holds_everything_is_refused(folder: Path) -> None:
    rows = ["live/0-0.wav,live,l0,g0,", "recorded/0-0.wav,recorded,r0,h0,"]
    with pytest.raises(UsageError, match=r"unmet\.csv"):
        judged_by(folder, rows, learnt=rows)


def test_without_unmet_the_test_split_judges(folder: Path) -> None:
    corpus = loaded(folder)
    assert list(corpus.judged) == [c for c in corpus.clips(SplitName.TEST) if c.label is not None]


def test_what_is_left_out_is_nowhere(folder: Path) -> None:
    corpus = loaded(folder, leave_out=("live0", "recorded3"))
    assert not {"live0", "recorded3"} & {clip.source for clip in corpus.manifest.clips}
    with pytest.raises(UsageError, match="'nobody'"):
        loaded(folder, leave_out=("nobody",))


@pytest.mark.parametrize(
    ("row", "gone"),
    [
        ("live/0-0.wav,live,g2,,", "l2"),
        ("live/0-0.wav,live,l0,l2,", "l2"),
        ("live/0-0.wav,,r5,,", "r5"),
    ],
    ids=["a source named as a group", "a group named as a source", "a clip of no class"],
)
def test_sources_and_groups_are_names_of_one_kind(folder: Path, row: str, gone: str) -> None:
    learnt = [
        "live/2-0.wav,live,l2,g2,", "live/3-0.wav,live,l3,g3,", "recorded/5-0.wav,recorded,r5,h5,",
    ]  # fmt: skip
    corpus = judged_by(folder, [row], learnt=learnt)
    assert {clip.source for clip in corpus.manifest.clips} == {"l2", "l3", "r5"} - {gone}


def test_tones_of_unmet_do_not_judge(folder: Path) -> None:
    rows = ["live/0-0.wav,live,l0,g0,", "tones/0.wav,,t0,,"]
    corpus = judged_by(folder, rows, learnt=["live/1-0.wav,live,l1,g1,"])
    assert [clip.name for clip in corpus.judged] == ["live/0-0.wav"]


def test_the_hash_of_what_judges_follows_all_that_is_heard(folder: Path) -> None:
    clips.write(folder / "bed.wav", sounds.noise(0.2))
    beds = write_beds(folder, "path,kind", "bed.wav,bed")

    def digest(dev: float = 0.25, beds: Path | None = None) -> str:
        settings = DataConfig((folder / "manifest.csv",), beds=beds)
        return Corpus.load(Config(settings, split=SplitConfig(dev=dev, test=0.25))).judged_hash

    first = digest()
    assert digest() == first
    others = {digest(dev=0.4), digest(beds=beds)}
    clips.write(folder / "live" / "0-0.wav", sounds.voice(0.5, 77))
    assert len({first, *others, digest()}) == 4
