"""Answers are kept as they were given, and shared out so that no part is fitted on itself."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from audio_model.errors import ModelError
from tests import clips, heard, readout, sounds
from training.augment import Codec, Surroundings
from training.checkpoint import network_folder
from training.config import CalibrationConfig, Config, DataConfig, SplitConfig
from training.data.corpus import Corpus
from training.data.manifest import Manifest
from training.data.split import Split, SplitName
from training.evaluation import answers
from training.evaluation.answers import Answers, conditions, fitted_on, parts_of, thinned

SETTINGS = Config(DataConfig((Path("m.csv"),)), calibration=CalibrationConfig(lines=2))


def some_answers(*names: str) -> Answers:
    takes = [
        heard.take(np.arange(3.0 + n), n % 2, name, condition=condition, weight=0.5)
        for n, name in enumerate(names)
        for condition in ("raw", "codec gsm")
    ]
    return Answers(takes, [heard.take([1.0] * 4, 0, "tone").steps])


def equal(one: Answers, other: Answers) -> bool:
    def plain(of: Answers) -> list[object]:
        rows = [[t.clip.name, t.condition, t.seconds, t.weight] for t in of.heard]
        steps = [*(t.steps for t in of.heard), *of.tones]
        return [rows, [[s.logit.tolist(), s.heard.tolist(), s.level_db.tolist()] for s in steps]]

    return plain(one) == plain(other)


def test_they_are_read_as_they_were_kept(tmp_path: Path) -> None:
    given = some_answers("a", "b", "c")
    answers.save(given, tmp_path / "a.npz")
    assert equal(answers.load(tmp_path / "a.npz", [t.clip for t in given.heard]), given)
    nothing = Answers([], [])
    answers.save(nothing, tmp_path / "none.npz")
    assert equal(answers.load(tmp_path / "none.npz", []), nothing)


@pytest.mark.parametrize("damage", ["missing", "truncated", "other clips"])
def test_what_cannot_be_read_is_named(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "a.npz"
    given = some_answers("a", "b")
    if damage != "missing":
        answers.save(given, path)
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:-40])
    known = [] if damage == "other clips" else [t.clip for t in given.heard]
    with pytest.raises(ModelError, match=r"a\.npz"):
        answers.load(path, known)


def test_every_condition_comes_with_the_same_clips() -> None:
    voices = [
        clips.sound(sounds.voice(1.0, n), clips.clip(f"{n}", n % 2, source=f"s{n % 2}"))
        for n in range(8)
    ]
    bed = np.random.default_rng(0).standard_normal(8000).astype(np.float32)
    around = Surroundings([bed], [], [])
    made = {takes[0].condition: takes for takes in conditions(voices, around, SETTINGS, 0)}
    assert [len(made[name]) for name in answers.MAIN_CONDITIONS] == [8, 8, 16]
    slices = {name: len(takes) for name, takes in made.items()}
    for name in answers.MAIN_CONDITIONS:
        del slices[name]
    assert slices.keys() >= {"codec gsm", "codec amr_nb+mulaw", "snr 5"}
    assert len(slices) == len(Codec) + len(answers.SNRS_DB)
    assert set(slices.values()) == {2 * answers.CLIPS_OF_A_SOURCE}
    without = Surroundings([], [], [])
    assert not any(
        takes[0].condition.startswith("snr") for takes in conditions(voices, without, SETTINGS, 0)
    )


def test_thinning_spreads_over_a_source() -> None:
    x = np.zeros(640, np.float32)
    many = [clips.sound(x, clips.clip(f"{n:02}", 1, source="a")) for n in range(30)]
    few = [clips.sound(x, clips.clip("b0", 0, source="b"))]
    assert [s.clip.name for s in thinned(many + few)] == ["00", "10", "20", "b0"]
    crowd = [clips.sound(x, clips.clip(f"{n:03}", n % 2)) for n in range(400)]
    chosen = [s.clip for s in thinned(crowd)]
    assert [sum(clip.label == label for clip in chosen) for label in (0, 1)] == [120, 120]
    assert chosen[0].name == "000"
    assert chosen[119].name > "390"


def corpus_of(given: dict[str, Answers], settings: Config) -> Corpus:
    of = [t.clip for answered in given.values() for t in answered.heard]
    manifest = Manifest(Path("m.csv"), tuple(dict.fromkeys(of)))
    return Corpus(settings, manifest, Split((), (), (), ()))


def test_a_fold_is_fitted_on_the_others(tmp_path: Path) -> None:
    given = {name: some_answers(f"{name}1", f"{name}2") for name in "abc"}
    folds = {name: (f"corpus {name}",) for name in given}
    settings = replace(SETTINGS, split=SplitConfig(folds=folds))
    for name, answered in given.items():
        folder = network_folder(tmp_path, name)
        folder.mkdir(parents=True)
        answers.save(answered, folder / answers.file_name(SplitName.TEST))
    parts = parts_of(settings, tmp_path, corpus_of(given, settings))
    assert [part.name for part in parts] == ["a", "b", "c"]
    for part in parts:
        assert equal(part.tested, given[part.name])
        fitted = {take.clip.name[0] for take in part.fitted_on}
        assert fitted == {"a", "b", "c"} - {part.name}
        assert {take.condition for take in part.fitted_on} == {"raw"}
    assert {take.clip.name[0] for take in fitted_on(settings, parts)} == {"a", "b", "c"}


def test_without_folds_test_is_fitted_on_dev(tmp_path: Path) -> None:
    given = {"dev": some_answers("dev"), "test": some_answers("test")}
    for name, answered in given.items():
        answers.save(answered, tmp_path / answers.file_name(SplitName(name)))
    parts = parts_of(SETTINGS, tmp_path, corpus_of(given, SETTINGS))
    assert [part.name for part in parts] == ["test"]
    assert [take.clip.name for take in parts[0].fitted_on] == ["dev"]
    assert fitted_on(SETTINGS, parts) == parts[0].fitted_on


def test_a_run_answers_for_itself(tmp_path: Path) -> None:
    clips.write_corpus(tmp_path, voices=12, seconds=1.0)
    config = tmp_path / "c.toml"
    config.write_text(
        "[data]\nmanifests = ['manifest.csv']\n[split]\ndev = 0.3\ntest = 0.3\n"
        "[calibration]\nlines = 1\n[train]\nworkers = 0",
        encoding="utf-8",
    )
    from training import config as configs

    settings = configs.load(config)
    corpus = Corpus.load(settings)
    trained = replace(readout.checkpoint(), manifest_hash=corpus.manifest.hash)
    trained.save(tmp_path / "checkpoint.safetensors")
    assert answers.main([str(tmp_path), "--config", str(config)]) == 0
    (part,) = parts_of(settings, tmp_path, corpus)
    assert {t.clip for t in part.tested.of("raw")} == set(corpus.clips(SplitName.TEST)) - {
        c for c in corpus.clips(SplitName.TEST) if c.label is None
    }
    assert len(part.tested.tones) == sum(c.label is None for c in corpus.clips(SplitName.DEV))
