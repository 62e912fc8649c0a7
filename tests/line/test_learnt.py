"""What a model has learnt from does not judge it."""

from pathlib import Path

import pytest

from audio_model import audio
from audio_model.fitting.own import tune_rule
from audio_model.line.hear import HeardMarks, digest, hear_marks
from audio_model.line.judge import cross_judge, judge, judge_tuned
from audio_model.line.learnt import (
    ADAPTED_TO,
    TUNED,
    TUNED_TO,
    InUse,
    untuned_rule,
    without_adapted_to,
)
from audio_model.line.marks import LabelledCall
from audio_model.model import Model
from tests.line.lines import write_calls


@pytest.fixture(scope="module")
def marks(tmp_path_factory: pytest.TempPathFactory) -> list[LabelledCall]:
    rows = write_calls(tmp_path_factory.mktemp("calls"), 12)
    return [
        LabelledCall(row["path"], int(row["label"] == "recorded"), row["source"], row["source"])
        for row in rows
    ]


@pytest.fixture
def model(model_path: Path) -> Model:
    return Model.load(model_path)


@pytest.fixture
def heard(marks: list[LabelledCall], model: Model) -> HeardMarks:
    return hear_marks(model, marks)


def test_a_call_is_known_by_what_is_heard_of_it(
    marks: list[LabelledCall], model: Model, heard: HeardMarks
) -> None:
    samples = audio.read(marks[0].path, max_seconds=model.rule.max_seconds)
    assert digest(samples) == heard.audio[0]


def test_a_rule_is_judged_as_if_it_had_not_been_tuned_to_the_calls(
    model: Model, heard: HeardMarks
) -> None:
    before, answers = untuned_rule(model), heard.answers
    tuned = tune_rule(answers, before)
    everything = {answer.group for answer in answers}
    as_if_not = judge_tuned(answers, tuned, before, everything, 0.1)
    held_out = cross_judge(answers, before, 0.1)
    assert as_if_not.log_odds.tolist() == held_out.log_odds.tolist()
    # Of what it was not tuned to it is the judge itself.
    first = {answer.group for answer in answers[:8]}
    half = judge_tuned(answers, tuned, before, first, 0.1).log_odds
    plain = judge(answers, tuned, 0.1).log_odds
    assert half[8:].tolist() == plain[8:].tolist()
    assert (half[:8] != plain[:8]).all()


def test_what_a_rule_in_use_was_tuned_to_is_found_among_the_calls(
    model: Model, heard: HeardMarks
) -> None:
    assert InUse.of(model, heard) == InUse(heard.answers, untuned_rule(model), untuned_rule(model))
    tuned = {"before": model.about["decision"], TUNED_TO: heard.audio[:6]}
    model.about = model.about | {TUNED: tuned}
    in_use = InUse.of(model, heard)
    assert in_use.tuned_to == {mark.group for mark in heard.marks[:6]}
    assert not in_use.favoured


@pytest.mark.parametrize(
    ("n_these", "others", "favoured"),
    [(0, [], True), (12, ["gone", "gone too"], True), (12, ["gone"], False), (0, ["gone"], False)],
)
def test_a_rule_that_cannot_be_fitted_anew_is_said_to_be_favoured(
    n_these: int, others: list[str], favoured: bool, model: Model, heard: HeardMarks
) -> None:
    tuned = {"before": model.about["decision"], TUNED_TO: [*heard.audio[:n_these], *others]}
    model.about = model.about | {TUNED: tuned}
    in_use = InUse.of(model, heard)
    assert in_use.favoured is favoured
    assert bool(in_use.tuned_to) is (n_these > 0 and not favoured)


def test_a_call_that_a_network_was_adapted_to_judges_nothing(
    model: Model, heard: HeardMarks
) -> None:
    assert without_adapted_to(heard, [model]) is heard
    model.about = model.about | {ADAPTED_TO: [heard.audio[2]]}
    left = without_adapted_to(heard, [model])
    assert left.audio == [each for each in heard.audio if each != heard.audio[2]]
    assert len(left.marks) == len(left.answers) == 11
    assert left.problems == [
        f"{heard.marks[2].name}: the network was adapted to it, so it can't judge the network"
    ]
