"""Answers are kept as they were given, and given again only for what they were given for."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from audio_model.errors import ModelError
from tests import clips, heard, readout, sounds
from training.augment import Codec, Surroundings
from training.checkpoint import Checkpoint
from training.config import CalibrationConfig, Config, DataConfig, SplitConfig, UnmetConfig
from training.data.corpus import Corpus
from training.evaluation import answers
from training.evaluation.answers import Answers, answers_of, conditions, spread, thinned

SETTINGS = Config(DataConfig((Path("m.csv"),)), calibration=CalibrationConfig(lines=2))


def some_answers(*names: str) -> Answers:
    takes = [
        heard.take(np.arange(3.0 + n), n % 2, name, condition=condition, weight=0.5)
        for n, name in enumerate(names)
        for condition in ("raw", "codec gsm")
    ]
    return Answers(takes, [heard.take([1.0] * 4, 0, "tone").steps], "asked once")


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


def test_every_condition_comes_with_the_same_clips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "CLIPS_OF_A_CORPUS", 3)
    voices = [
        clips.sound(sounds.voice(1.0, n), clips.clip(f"{n}", n % 2, corpus=f"c{n % 2}"))
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
    assert set(slices.values()) == {2 * 3}
    without = Surroundings([], [], [])
    assert not any(
        takes[0].condition.startswith("snr") for takes in conditions(voices, without, SETTINGS, 0)
    )


def test_thinning_spreads_over_a_corpus() -> None:
    x = np.zeros(640, np.float32)
    many = [clips.sound(x, clips.clip(f"{n:02}", 1, corpus="many")) for n in range(48)]
    few = [clips.sound(x, clips.clip(f"f{n}", 0, corpus="few")) for n in range(3)]
    kept = [sound.clip.name for sound in thinned([*many, *few])]
    assert kept == [*(f"{n:02}" for n in range(0, 48, 3)), "f0", "f1", "f2"]
    assert spread("abcdef", 3) == ["a", "c", "e"]
    assert spread("abc", 9) == ["a", "b", "c"]


@pytest.fixture
def settings(tmp_path: Path) -> Config:
    """Twelve voices to learn from, and four of each class, in two corpora, to be judged by."""
    manifest = clips.write_corpus(tmp_path, voices=6, seconds=0.5)
    unmet = clips.write_corpus(
        tmp_path, voices=4, seconds=0.5, corpora=2, first=50, n_tones=1, name="unmet.csv"
    )
    return Config(
        DataConfig((manifest,)),
        SplitConfig(dev=0.3, test=0.0),
        UnmetConfig(unmet),
        calibration=CalibrationConfig(lines=1),
    )


def test_a_run_answers_for_clips_that_it_has_not_met(settings: Config, tmp_path: Path) -> None:
    corpus = Corpus.load(settings)
    given = answers_of(readout.checkpoint(), corpus, settings, tmp_path)
    for condition in answers.MAIN_CONDITIONS:
        assert [take.clip for take in given.of(condition)] == list(corpus.judged)
    assert len(given.tones) == sum(clip.label is None for clip in corpus.split.dev)
    assert corpus.unmet is not None
    assert {take.clip.name for take in given.heard} == {
        clip.name for clip in corpus.unmet.clips if clip.label is not None
    }


Changed = Callable[[Config, Checkpoint], tuple[Config, Checkpoint]]


def other_weights(settings: Config, trained: Checkpoint) -> tuple[Config, Checkpoint]:
    return settings, readout.checkpoint(seed=1)


def more_lines(settings: Config, trained: Checkpoint) -> tuple[Config, Checkpoint]:
    return replace(settings, calibration=CalibrationConfig(lines=2)), trained


def other_lines(settings: Config, trained: Checkpoint) -> tuple[Config, Checkpoint]:
    return replace(settings, line=replace(settings.line, loss=0.9)), trained


def other_seed(settings: Config, trained: Checkpoint) -> tuple[Config, Checkpoint]:
    return replace(settings, train=replace(settings.train, seed=2)), trained


def less_heard(settings: Config, trained: Checkpoint) -> tuple[Config, Checkpoint]:
    return replace(settings, data=replace(settings.data, max_seconds=0.3)), trained


def other_tones(settings: Config, trained: Checkpoint) -> tuple[Config, Checkpoint]:
    return replace(settings, split=SplitConfig(dev=0.5, test=0.0)), trained


def fewer_clips(settings: Config, trained: Checkpoint) -> tuple[Config, Checkpoint]:
    """Some clips, which the kept answers name, are judged by no more."""
    path = settings.unmet.manifest
    assert path is not None
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[:-2]), encoding="utf-8")
    return settings, trained


def other_audio(settings: Config, trained: Checkpoint) -> tuple[Config, Checkpoint]:
    assert settings.unmet.manifest is not None
    clips.write(settings.unmet.manifest.parent / "live" / "50-0.wav", sounds.voice(0.5, 77))
    return settings, trained


@pytest.mark.parametrize(
    "change",
    [
        other_weights, more_lines, other_lines, other_seed, less_heard, other_tones, fewer_clips,
        other_audio,
    ],
)  # fmt: skip
def test_kept_answers_are_for_the_same_question_alone(
    settings: Config, tmp_path: Path, change: Changed, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def listen_to(network: object, corpus: Corpus, settings: Config, identity: str) -> Answers:
        asked.append(identity)
        return Answers([heard.take([1.0], 0, corpus.judged[0].name)], [], identity)

    monkeypatch.setattr(answers, "listen_to", listen_to)
    trained = readout.checkpoint()
    for _ in range(2):
        answers_of(trained, Corpus.load(settings), settings, tmp_path)
    # What the decision is fitted with, and where the files lie, is no other question.
    fitted = replace(settings, calibration=replace(settings.calibration, cautions=(0.0,)))
    answers_of(trained, Corpus.load(fitted), fitted, tmp_path)
    assert len(asked) == 1
    changed, trained = change(settings, trained)
    for _ in range(2):
        answers_of(trained, Corpus.load(changed), changed, tmp_path)
    assert len(asked) == 2


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no archive"])
def test_what_keeps_no_answers_is_listened_to_anew(
    settings: Config, tmp_path: Path, content: bytes
) -> None:
    corpus = Corpus.load(settings)
    (tmp_path / answers.FILE_NAME).write_bytes(content)
    given = answers_of(readout.checkpoint(), corpus, settings, tmp_path)
    assert given.heard
    assert equal(answers.load(tmp_path / answers.FILE_NAME, corpus.judged), given)
