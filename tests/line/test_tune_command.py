"""``audio-model tune``, from marked files to a model that scores them."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from audio_model import cli
from audio_model.detector import Detector
from audio_model.line.learnt import TUNED, untuned_rule
from audio_model.model import Model
from tests.line.lines import write_calls, write_table

pytestmark = pytest.mark.usefixtures("few_draws", "guard_holds")

BUDGET = ["--max-false-alarm", "0.1"]

Rows = list[dict[str, str]]
Said = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    return write_calls(tmp_path_factory.mktemp("calls"), 12)


def tune(model: Path, marks: str, output: Path, *more: str) -> int:
    return cli.main(["tune", marks, "--model", str(model), "--output", str(output), *BUDGET, *more])


def test_marks_to_a_model_that_scores(
    calls: Rows, model_path: Path, tmp_path: Path, capsys: Said
) -> None:
    marks, output, report = (tmp_path / name for name in ("m.csv", "mine.onnx", "mine.json"))
    write_table(marks, calls)
    assert tune(model_path, str(marks), output, "--report", str(report)) == 0
    said = capsys.readouterr().out
    for text in (
        "6 live calls of 6 callers",
        "log loss",
        "before",
        "after",
        "The guard",
        "16.67%",
    ):
        assert text in said
    values = json.loads(report.read_text())
    assert values["marks"]["live"] == values["marks"]["recorded"] == 6
    assert set(values["figures"]["log_loss"]) == {"before", "after", "change"}
    detector = Detector.load(output, max_false_alarm=0.1)
    assert detector.rule != Model.load(model_path).rule
    old = Detector.load(model_path, max_false_alarm=0.1).score(calls[0]["path"])
    new = detector.score(calls[0]["path"])
    assert new.logit == old.logit and new.score != old.score


def test_a_tuned_model_is_tuned_from_the_rule_before(
    calls: Rows, model_path: Path, tmp_path: Path
) -> None:
    marks = write_table(tmp_path / "m.csv", calls)
    once, twice = tmp_path / "once.onnx", tmp_path / "twice.onnx"
    assert tune(model_path, marks, once, "--prevalence", "0.2") == 0
    assert tune(once, marks, twice) == 0
    assert Model.load(twice).rule == Model.load(once).rule
    assert Model.load(twice).rule.prevalence == 0.2
    assert untuned_rule(Model.load(twice)) == Model.load(model_path).rule
    assert Model.load(twice).about[TUNED]["marks"]["live"] == 6


def test_unlabelled_results_set_the_prevalence(
    calls: Rows, model_path: Path, tmp_path: Path
) -> None:
    marks, results = write_table(tmp_path / "m.csv", calls), tmp_path / "results.csv"
    paths = [row["path"] for row in calls if row["label"] == "live"] + [calls[1]["path"]]
    cli.main(["score", *paths, "--output", str(results), "--model", str(model_path), *BUDGET])
    assert tune(model_path, marks, tmp_path / "o.onnx", "--unlabelled", str(results)) == 0
    assert 0 < Model.load(tmp_path / "o.onnx").rule.prevalence < 0.5


def test_rows_of_no_use_are_told_and_the_rest_counts(
    calls: Rows, model_path: Path, tmp_path: Path, capsys: Said
) -> None:
    gone = {"path": "gone.wav", "label": "live", "source": "x"}
    marks = write_table(tmp_path / "m.csv", [*calls, gone])
    assert tune(model_path, marks, tmp_path / "o.onnx") == 0
    captured = capsys.readouterr()
    assert "gone.wav: no such file" in captured.err
    assert "1 of no use" in captured.out


def test_a_guard_that_does_not_hold_is_told_to_a_script(
    calls: Rows, model_path: Path, tmp_path: Path, capsys: Said, guard_fails: None
) -> None:
    marks = write_table(tmp_path / "m.csv", calls)
    assert tune(model_path, marks, tmp_path / "o.onnx") == 1
    assert "The guard does not hold" in capsys.readouterr().out
    assert Model.load(tmp_path / "o.onnx").about[TUNED]


def test_tables_of_others_lie_beside_ours(
    calls: Rows, model_path: Path, tmp_path: Path, capsys: Said
) -> None:
    ours = write_table(tmp_path / "certain.csv", calls[:6])
    theirs = [{"FILE": r["path"], "HUMAN": r["label"], "A": r["source"]} for r in calls[6:]]
    marks = write_table(tmp_path / "m.csv", theirs)
    names = ["--columns", "path=FILE,label=HUMAN,source=A"]
    output = ["--output", str(tmp_path / "o.onnx")]
    given = ["tune", ours, marks, "--model", str(model_path), *output, *BUDGET]
    assert cli.main([*given, *names]) == 0
    assert "6 live calls of 6 callers, 6 recordings" in capsys.readouterr().out
    assert cli.main([*given, *names[:1], names[1] + "B"]) == 2
    assert 'has no column named "AB"' in capsys.readouterr().err


def test_names_that_are_no_text_stand_in_the_report(
    calls: Rows, model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audio_model.line.tune.SUSPICIOUS", -np.inf)
    path = tmp_path / os.fsdecode(b"caf\xe9.wav")
    shutil.copy(calls[0]["path"], path)
    marks = write_table(tmp_path / "m.csv", calls[1:])
    with (tmp_path / "m.csv").open("ab") as file:
        file.write(os.fsencode(path) + b",live,caf\xe9\n")
    report = tmp_path / "mine.json"
    assert tune(model_path, marks, tmp_path / "o.onnx", "--report", str(report)) == 0
    suspicious = json.loads(report.read_text(encoding="utf-8"))["suspicious"]
    assert str(tmp_path / r"caf\xe9.wav") in [each["path"] for each in suspicious]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: [r for r in rows if r["label"] == "live"], "no call is marked recorded"),
        (lambda rows: [{**r, "source": r["label"]} for r in rows], "come from one source"),
        (lambda rows: [*rows, {**rows[0], "label": "recorded"}], "marks contradict"),
        (
            lambda rows: [{"path": r["path"], "label": r["label"]} for r in rows],
            "no call is marked",
        ),
    ],
)
def test_refusals_leave_no_file(
    change: object, said: str, calls: Rows, model_path: Path, tmp_path: Path, capsys: Said
) -> None:
    assert callable(change)
    marks = write_table(tmp_path / "m.csv", change(calls))
    assert tune(model_path, marks, tmp_path / "o.onnx") == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "o.onnx").exists()


def test_a_number_that_calls_with_recordings_and_with_people_is_named_and_taken(
    calls: Rows, model_path: Path, tmp_path: Path, capsys: Said
) -> None:
    rows = [{**r, "source": "95588"} if n < 4 else r for n, r in enumerate(calls)]
    marks = write_table(tmp_path / "m.csv", rows)
    assert tune(model_path, marks, tmp_path / "o.onnx") == 0
    said = capsys.readouterr().out
    assert "6 live calls of 5 callers, 6 recordings of 5 sources" in said
    assert "Of 1 sources there are live calls and recordings (95588)" in said


def test_a_refusal_says_which_rows_were_of_no_use(
    calls: Rows, model_path: Path, tmp_path: Path, capsys: Said
) -> None:
    rows = [{**r, "path": r["path"] + ("" if r["label"] == "live" else ".gone")} for r in calls]
    marks = write_table(tmp_path / "m.csv", rows)
    assert tune(model_path, marks, tmp_path / "o.onnx") == 2
    said = capsys.readouterr().err
    assert "no call is marked recorded" in said
    assert f"{rows[1]['path']}: no such file" in said
    assert "and 3 more" in said


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--prevalence", "1"], "--prevalence"),
        (["--prevalence", "0.1", "--unlabelled", "x.csv"], "not both"),
        (["--max-false-alarm", "0.0001"], "no operating point"),
        (["--report", "x.txt"], ".json"),
    ],
)
def test_wrong_options_are_named(
    more: list[str], said: str, calls: Rows, model_path: Path, tmp_path: Path, capsys: Said
) -> None:
    marks = write_table(tmp_path / "m.csv", calls)
    assert tune(model_path, marks, tmp_path / "o.onnx", *more) == 2
    assert said in capsys.readouterr().err
