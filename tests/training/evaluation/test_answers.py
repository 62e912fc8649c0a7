"""Answers are kept as they were given, and given anew when they depend on something else."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audio_model.errors import ModelError
from tests import clips, sounds
from tests.training import heard, made, readout
from training import config as configs
from training.augment import Codec, Surroundings
from training.checkpoint import Checkpoint
from training.config import CalibrationConfig, Config, DataConfig
from training.data.corpus import Corpus
from training.data.split import SplitName
from training.evaluation import answers
from training.evaluation.answers import Answers, answers_of, at_beginnings, conditions, thinned
from training.evaluation.infer import Take

SETTINGS = Config(DataConfig((Path("m.csv"),)), calibration=CalibrationConfig(lines=2))


def some_answers(*names: str) -> Answers:
    takes = [
        heard.take(np.arange(3.0 + n).tolist(), n % 2, name, condition=condition, weight=0.5)
        for n, name in enumerate(names)
        for condition in ("raw", "codec gsm")
    ]
    return Answers(takes, [heard.take([1.0] * 4, 0, "tone").steps], "their identity")


def equal(one: Answers, other: Answers) -> bool:
    def plain(of: Answers) -> list[object]:
        rows = [[t.clip.name, t.condition, t.seconds, t.weight] for t in of.heard]
        steps = [*(t.steps for t in of.heard), *of.tones]
        return [
            of.identity,
            rows,
            [[s.logit.tolist(), s.heard.tolist(), s.level_db.tolist()] for s in steps],
        ]

    return plain(one) == plain(other)


def test_they_are_read_as_they_were_kept(tmp_path: Path) -> None:
    given = some_answers("a", "b", "c")
    answers.save(given, tmp_path / "a.npz")
    assert equal(answers.load(tmp_path / "a.npz", [t.clip for t in given.heard]), given)
    nothing = Answers([], [])
    answers.save(nothing, tmp_path / "none.npz")
    assert equal(answers.load(tmp_path / "none.npz", []), nothing)


@pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "damaged", "other clips"])
def test_what_cannot_be_read_is_named(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "a.npz"
    given = some_answers("a", "b")
    if damage != "missing":
        answers.save(given, path)
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:-40])
    if damage == "empty":
        path.write_bytes(b"")
    if damage == "damaged":
        content = bytearray(path.read_bytes())
        # Behind the first array's name and the header of its file.
        for at in range(120, len(content) - 400):
            content[at] ^= 0x55
        path.write_bytes(content)
    known = [] if damage == "other clips" else [t.clip for t in given.heard]
    with pytest.raises(ModelError, match=r"a\.npz"):
        answers.load(path, known)


def test_every_condition_comes_with_the_same_clips() -> None:
    voices = [
        made.sound(sounds.voice(1.0, n), made.clip(f"{n}", n % 2, source=f"s{n % 2}"))
        for n in range(8)
    ]
    bed = np.random.default_rng(0).standard_normal(8000).astype(np.float32)
    around = Surroundings([bed], [], [])
    by_condition = {takes[0].condition: takes for takes in conditions(voices, around, SETTINGS, 0)}
    assert [len(by_condition[name]) for name in answers.MAIN_CONDITIONS] == [8, 8, 16]
    slices = {name: len(takes) for name, takes in by_condition.items()}
    for name in answers.MAIN_CONDITIONS:
        del slices[name]
    assert slices.keys() >= {"codec gsm", "codec amr_nb+mulaw", "snr 5"}
    assert len(slices) == len(Codec) + len(answers.SNRS_DB)
    assert set(slices.values()) == {len(voices)}
    without = Surroundings([], [], [])
    assert not any(
        takes[0].condition.startswith("snr") for takes in conditions(voices, without, SETTINGS, 0)
    )


def test_a_take_that_chooses_thresholds_is_heard_wherever_in_a_step_it_begins() -> None:
    clip, voice = made.clip("a", 0), sounds.voice(1.0, 1)
    begun = at_beginnings([Take(clip, voice, "raw"), Take(clip, voice, "codec gsm")])
    *main, one_of_many = begun
    assert [len(take.samples) - len(voice) for take in main] == [0, 160, 320, 480]
    assert {(take.clip.name, take.condition) for take in main} == {("a", "raw")}
    for take in main:
        silence = len(take.samples) - len(voice)
        assert not take.samples[:silence].any()
        np.testing.assert_array_equal(take.samples[silence:], voice)
    assert one_of_many.condition == "codec gsm" and len(one_of_many.samples) == len(voice)


def test_thinning_spreads_over_a_corpus() -> None:
    x = np.zeros(640, np.float32)
    many = [made.sound(x, made.clip(f"{n:03}", 1, corpus="many")) for n in range(160)]
    few = [made.sound(x, made.clip("b0", 0, corpus="few"))]
    chosen = [sound.clip.name for sound in thinned(many + few)]
    assert chosen == [*(f"{n:03}" for n in range(0, 160, 10)), "b0"]


Judged = tuple[Config, Corpus, Checkpoint]


@pytest.fixture(scope="module")
def judged_run(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    """A run whose test split judges it, and its network."""
    folder = tmp_path_factory.mktemp("run")
    clips.write_corpus(folder, voices=6, seconds=0.8)
    config = folder / "c.toml"
    config.write_text(
        "[data]\nmanifests = ['manifest.csv']\n[split]\ndev = 0.3\ntest = 0.3\n"
        "[calibration]\nlines = 1",
        encoding="utf-8",
    )
    settings = configs.load(config)
    corpus = Corpus.load(settings)
    return settings, corpus, replace(readout.checkpoint(), manifest_hash=corpus.manifest.hash)


@pytest.fixture(scope="module")
def kept_file(judged_run: Judged, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of the run's answers."""
    settings, corpus, trained = judged_run
    folder = tmp_path_factory.mktemp("answers")
    answers_of(trained, corpus, settings, folder)
    return folder / answers.FILE_NAME


@pytest.fixture
def kept(judged_run: Judged, kept_file: Path, tmp_path: Path) -> Answers:
    """The run's answers, whose file lies in the test's own folder as well."""
    shutil.copy(kept_file, tmp_path)
    return answers.load(kept_file, judged_run[1].judged)


@pytest.fixture
def asked(kept: Answers, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The identities of answers that are asked for anew; they come at once, as the kept ones."""
    identities: list[str] = []

    def listen_to(network: Any, corpus: Any, settings: Any, identity: str) -> Answers:
        identities.append(identity)
        return replace(kept, identity=identity)

    monkeypatch.setattr(answers, "listen_to", listen_to)
    return identities


def test_the_clips_that_judge_are_listened_to_once(
    judged_run: Judged, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, corpus, trained = judged_run
    listened = []
    listen_to = answers.listen_to

    def counted(*given: Any) -> Any:
        listened.append(1)
        return listen_to(*given)

    monkeypatch.setattr(answers, "listen_to", counted)
    first = answers_of(trained, corpus, settings, tmp_path)
    assert {take.clip for take in first.of("raw")} == set(corpus.judged)
    assert len(first.of("raw")) == len(answers.BEGINNINGS) * len(corpus.judged)
    calls = first.calls("raw")
    assert calls == first.of("raw")[:: len(answers.BEGINNINGS)]
    assert [take.seconds for take in calls] == [0.8] * len(corpus.judged)
    assert len(first.tones) == sum(c.label is None for c in corpus.clips(SplitName.DEV))
    assert equal(answers_of(trained, corpus, settings, tmp_path), first)
    assert len(listened) == 1


@pytest.mark.parametrize("damage", ["a column is missing", "a number is damaged"])
def test_damaged_answers_of_the_right_identity_are_given_anew(
    judged_run: Judged, kept: Answers, asked: list[str], tmp_path: Path, damage: str
) -> None:
    settings, corpus, trained = judged_run
    file = tmp_path / answers.FILE_NAME
    with np.load(file) as columns:
        content = {name: columns[name] for name in columns.files}
    if damage == "a column is missing":
        np.savez(file, **{name: of for name, of in content.items() if name != "logit"})
    else:
        np.savez(file, **content)
        at = file.read_bytes().index(content["logit"].tobytes())
        damaged = bytearray(file.read_bytes())
        damaged[at] ^= 1
        file.write_bytes(damaged)
    assert answers.identity_in(file) == kept.identity
    assert equal(answers_of(trained, corpus, settings, tmp_path), kept)
    assert asked == [kept.identity]
    assert equal(answers.load(file, corpus.judged), kept)


@pytest.mark.parametrize("change", ["weights", "line", "seed", "damaged"])
def test_they_are_given_anew_when_they_depend_on_something_else(
    judged_run: Judged, kept: Answers, asked: list[str], tmp_path: Path, change: str
) -> None:
    settings, corpus, trained = judged_run
    file = tmp_path / answers.FILE_NAME
    if change == "weights":
        trained = replace(readout.checkpoint(seed=1), manifest_hash=trained.manifest_hash)
    elif change == "line":
        settings = replace(settings, line=replace(settings.line, room=1.0))
    elif change == "seed":
        settings = replace(settings, train=replace(settings.train, seed=9))
    else:
        file.write_bytes(file.read_bytes()[:-40])
    before = file.read_bytes()
    anew = answers_of(trained, corpus, settings, tmp_path)
    assert file.read_bytes() != before
    assert len(asked) == 1 and (asked[0] == kept.identity) is (change == "damaged")
    assert equal(answers.load(file, corpus.judged), anew)


def test_they_are_given_anew_when_clips_that_they_name_judge_no_more(
    judged_run: Judged, kept: Answers, tmp_path: Path
) -> None:
    settings, corpus, trained = judged_run
    gone = corpus.judged[0]
    fewer = replace(corpus.manifest, clips=tuple(c for c in corpus.manifest.clips if c != gone))
    test = tuple(clip for clip in corpus.split.test if clip != gone)
    other = Corpus(settings, fewer, replace(corpus.split, test=test), None)
    anew = answers_of(trained, other, settings, tmp_path)
    assert {t.clip for t in kept.heard} - {t.clip for t in anew.heard} == {gone}


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no archive"])
def test_what_keeps_no_answers_is_listened_to_anew(
    judged_run: Judged, asked: list[str], tmp_path: Path, content: bytes
) -> None:
    settings, corpus, trained = judged_run
    (tmp_path / answers.FILE_NAME).write_bytes(content)
    given = answers_of(trained, corpus, settings, tmp_path)
    assert given.heard and len(asked) == 1
    assert equal(answers.load(tmp_path / answers.FILE_NAME, corpus.judged), given)


def test_how_the_decision_is_fitted_is_no_other_question(
    judged_run: Judged, kept: Answers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, corpus, trained = judged_run
    fitted = replace(settings, calibration=replace(settings.calibration, cautions=(0.0,)))
    monkeypatch.setattr(answers, "listen_to", None)
    assert equal(answers_of(trained, corpus, fitted, tmp_path), kept)
