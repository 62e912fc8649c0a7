"""``audio-model renew``: replaces nothing unless the guard holds, and rolls back."""

import json
import os
from pathlib import Path

import pytest

from audio_model import cli
from audio_model.line import renew_command
from audio_model.line.folder import LineFolder
from audio_model.model import DEFAULT_PATH, Model
from tests.line.lines import write_calls, write_table

pytestmark = pytest.mark.usefixtures("few_draws")

Rows = list[dict[str, str]]
Said = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    return write_calls(tmp_path_factory.mktemp("calls"), 12)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a line."""
    return tmp_path / "line"


@pytest.fixture
def marks(tmp_path: Path, rows: Rows) -> str:
    """A manifest of the line's marked calls."""
    return write_table(tmp_path / "m.csv", rows)


def renew(folder: Path, model: Path, *more: str) -> int:
    """Renew a line that begins with a model in use."""
    if not (folder / "model.onnx").exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.onnx").write_bytes(model.read_bytes())
    base = ["--model", str(model), "--max-false-alarm", "0.1"]
    return cli.main(["renew", str(folder), *base, *more])


def test_it_replaces_logs_and_rolls_back(
    folder: Path, marks: str, model_path: Path, guard_holds: None, capsys: Said
) -> None:
    assert renew(folder, model_path, "--marks", marks) == renew_command.EXIT_REPLACED
    shipped, new = model_path.read_bytes(), (folder / "model.onnx").read_bytes()
    assert new == (folder / "candidate.onnx").read_bytes() != shipped
    assert (folder / "previous" / "0001.onnx").read_bytes() == shipped
    assert "Replaced" in (folder / "report.txt").read_text()
    assert json.loads((folder / "report.json").read_text())["replaced"] is True
    assert renew(folder, model_path, "--roll-back") == 0
    assert (folder / "model.onnx").read_bytes() == shipped
    assert (folder / "rolled-back.onnx").read_bytes() == new
    whats = [json.loads(line)["what"] for line in (folder / "log.jsonl").read_text().splitlines()]
    assert whats == ["replaced", "rolled back"]
    capsys.readouterr()
    assert renew(folder, model_path, "--roll-back") == 2
    assert "no model to roll back to" in capsys.readouterr().err


@pytest.mark.usefixtures("guard_fails")
def test_a_guard_that_does_not_hold_leaves_the_model(
    folder: Path, marks: str, model_path: Path
) -> None:
    assert renew(folder, model_path, "--marks", marks) == renew_command.EXIT_KEPT
    assert (folder / "model.onnx").read_bytes() == model_path.read_bytes()
    assert not list((folder / "previous").iterdir())
    assert json.loads((folder / "log.jsonl").read_text())["failed"] == ["told"]


@pytest.mark.usefixtures("guard_fails")
def test_another_network_is_not_in_use_before_the_guard_lets_it_through(
    folder: Path, marks: str, model_path: Path
) -> None:
    more = ["--marks", marks, "--model", str(model_path), "--max-false-alarm", "0.1"]
    assert cli.main(["renew", str(folder), *more]) == renew_command.EXIT_KEPT
    assert (folder / "model.onnx").read_bytes() == DEFAULT_PATH.read_bytes()


def test_ten_marks_replace_nothing(rows: Rows, model_path: Path, tmp_path: Path) -> None:
    marks = write_table(tmp_path / "m.csv", rows[:10])
    assert renew(tmp_path / "line", model_path, "--marks", marks) == renew_command.EXIT_KEPT


def test_a_line_of_the_log_that_was_cut_off_costs_no_other(folder: Path) -> None:
    line = LineFolder(str(folder))
    with line.alone():
        line.log("kept")
        with (folder / "log.jsonl").open("a") as file:
            file.write('{"time": "2026-')
        line.log("refused", why="\udce9.csv: no such file")
    first, _, last = (folder / "log.jsonl").read_bytes().splitlines()
    assert json.loads(first)["what"] == "kept"
    assert json.loads(last)["why"] == r"\xe9.csv: no such file"


def test_marks_that_are_refused_leave_the_model(
    rows: Rows, model_path: Path, tmp_path: Path
) -> None:
    marks = write_table(tmp_path / "m.csv", [r for r in rows if r["label"] == "live"])
    folder = tmp_path / "line"
    assert renew(folder, model_path, "--marks", marks) == 2
    assert (folder / "model.onnx").read_bytes() == model_path.read_bytes()
    logged = json.loads((folder / "log.jsonl").read_text())
    assert logged["what"] == "refused"
    assert "no call is marked recorded" in logged["why"]


def test_while_one_renewal_is_at_work_no_other_begins(
    rows: Rows, model_path: Path, tmp_path: Path, capsys: Said
) -> None:
    folder, marks = tmp_path / "line", write_table(tmp_path / "m.csv", rows[:10])
    with LineFolder(str(folder)).alone():
        assert renew(folder, model_path, "--marks", marks) == 2
        assert renew(folder, model_path, "--roll-back") == 2
    assert "another renewal is at work" in capsys.readouterr().err
    assert not (folder / "candidate.onnx").exists()
    assert renew(folder, model_path, "--marks", marks) == renew_command.EXIT_KEPT


def test_what_is_no_folder_of_a_line_is_not_made_one_by_a_roll_back(
    tmp_path: Path, capsys: Said
) -> None:
    assert cli.main(["renew", str(tmp_path / "typo"), "--roll-back"]) == 2
    assert "holds no model" in capsys.readouterr().err
    assert not (tmp_path / "typo").exists()


def test_an_interrupt_leaves_the_model_and_says_so_without_a_traceback(
    folder: Path, marks: str, model_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("audio_model.line.tune_command.tune", interrupted)
    assert renew(folder, model_path, "--marks", marks) == 130
    assert capsys.readouterr().err == "audio-model: interrupted\n"
    assert (folder / "model.onnx").read_bytes() == model_path.read_bytes()
    assert not (folder / "candidate.onnx").exists()


def test_labels_join_the_marks_and_the_shadow_is_heard(
    rows: Rows, model_path: Path, tmp_path: Path, guard_holds: None
) -> None:
    folder = tmp_path / "line"
    marks = write_table(tmp_path / "m.csv", [r for r in rows if r["label"] == "live"])
    results = write_table(
        tmp_path / "r.csv", [{"path": r["path"], "known": r["path"]} for r in rows[1::2]]
    )
    shadow = [row["path"] for row in rows[:3]]
    more = ["--label", results, "--shadow", *shadow, "--max-flips", "1"]
    assert renew(folder, model_path, "--marks", marks, *more) == 0
    report = json.loads((folder / "report.json").read_text())
    assert report["marks"]["recorded"] == report["marks"]["live"] == 6
    assert report["shadow"]["joined"] == 3
    assert (folder / "certain.conflicts.csv").is_file()
    assert "verdicts that flip" in (folder / "report.txt").read_text()


def test_columns_are_named_in_every_table_that_is_read(
    rows: Rows, folder: Path, model_path: Path, guard_holds: None, capsys: Said
) -> None:
    at = folder.parent
    live = [r for r in rows if r["label"] == "live"]
    marks = write_table(
        at / "m.csv", [{"F": r["path"], "HUMAN": "0", "A": r["source"]} for r in live]
    )
    scored = write_table(
        at / "r.csv", [{"path": r["path"], "known": r["path"]} for r in rows[1::4]]
    )
    handsets = write_table(
        at / "h.csv", [{"F": r["path"], "SAID": "recorded", "A": r["source"]} for r in rows[3::4]]
    )
    shadow = write_table(at / "s.csv", [{"F": r["path"]} for r in rows[:3]])
    given = ["--marks", marks, "--label", scored, handsets, "--shadow", shadow, "--columns"]
    names = "path=F,label=HUMAN,source=A,caller=A,mark=SAID"
    assert renew(folder, model_path, *given, names) == renew_command.EXIT_REPLACED
    report = json.loads((folder / "report.json").read_text())
    assert (report["marks"]["live"], report["marks"]["recorded"]) == (6, 6)
    assert report["shadow"]["joined"] == 3
    assert renew(folder, model_path, *given, names.replace("SAID", "SIAD")) == 2
    assert 'h.csv: has no column named "SIAD"' in capsys.readouterr().err


@pytest.mark.usefixtures("guard_fails")
def test_a_mark_that_a_label_contradicts_is_a_conflict_and_costs_no_other(
    rows: Rows, model_path: Path, tmp_path: Path, capsys: Said
) -> None:
    folder, wrong = tmp_path / "line", rows[1]["path"]
    marked = [{**r, "label": "live"} if r["path"] == wrong else r for r in rows]
    marks = write_table(tmp_path / "m.csv", marked)
    proved = [{"path": r["path"], "known": r["path"]} for r in rows[1:8:2]]
    results = write_table(tmp_path / "r.csv", [*proved, {"path": "", "known": "7"}])
    more = ["--marks", marks, "--label", results]
    assert renew(folder, model_path, *more) == renew_command.EXIT_KEPT
    said = capsys.readouterr()
    assert f"{wrong}: its mark is disputed" in said.err
    assert "it has no path" in said.err
    assert "1 conflicts are in" in said.out
    assert "6 live calls of 6 callers, 5 recordings of 5 sources" in said.out
    conflicts = (folder / "certain.conflicts.csv").read_text(encoding="utf-8")
    assert wrong in conflicts and "marked live" in conflicts
    assert wrong not in (folder / "certain.csv").read_text(encoding="utf-8")


def test_tables_that_prove_nothing_are_no_problem(
    rows: Rows, marks: str, model_path: Path, tmp_path: Path, capsys: Said
) -> None:
    results = write_table(tmp_path / "r.csv", [{"path": rows[0]["path"], "known": ""}])
    assert renew(tmp_path / "line", model_path, "--marks", marks, "--label", results) in (0, 1)
    said = capsys.readouterr()
    assert "0 recordings and 0 live calls are certain, of 1 rows" in said.out
    assert not said.err


@pytest.mark.usefixtures("guard_fails")
def test_a_mark_and_a_result_of_one_call_meet_whatever_folder_their_tables_are_in(
    rows: Rows, model_path: Path, tmp_path: Path, capsys: Said
) -> None:
    (tmp_path / "desk").mkdir()
    marked = [{**r, "path": os.path.relpath(r["path"], tmp_path / "desk")} for r in rows]
    marked[1]["label"] = "live"
    marks = write_table(tmp_path / "desk/m.csv", marked)
    results = write_table(tmp_path / "r.csv", [{"path": rows[1]["path"], "known": "7"}])
    renew(tmp_path / "line", model_path, "--marks", marks, "--label", results)
    assert f"{rows[1]['path']}: its mark is disputed" in capsys.readouterr().err


def test_the_model_in_use_is_what_is_measured_against(
    folder: Path, marks: str, model_path: Path, guard_holds: None
) -> None:
    renew(folder, model_path, "--marks", marks)
    first = json.loads((folder / "report.json").read_text())["figures"]["log_loss"]
    renew(folder, model_path, "--marks", marks)
    second = json.loads((folder / "report.json").read_text())["figures"]["log_loss"]
    assert second["after"] == first["after"]
    assert second["before"]["value"] < first["before"]["value"]
    # Neither side is judged by marks that it was tuned to, so the same marks again gain nothing.
    assert second["before"] == second["after"]
    assert second["change"]["value"] == 0
    assert Model.load(folder / "model.onnx").about["tuned"]["before"]


@pytest.mark.parametrize(
    "more", [[], ["--marks", "m.csv", "--max-flips", "0.1"], ["--roll-back", "--marks", "m.csv"]]
)
def test_wrong_usage(more: list[str], model_path: Path, tmp_path: Path) -> None:
    assert renew(tmp_path / "line", model_path, *more) == 2


def test_what_was_rolled_back_returns_with_other_marks_alone(
    folder: Path, marks: str, rows: Rows, model_path: Path, guard_holds: None
) -> None:
    assert renew(folder, model_path, "--marks", marks) == renew_command.EXIT_REPLACED
    assert renew(folder, model_path, "--roll-back") == 0
    # The next night, by cron.
    assert renew(folder, model_path, "--marks", marks) == renew_command.EXIT_KEPT
    assert (folder / "model.onnx").read_bytes() == model_path.read_bytes()
    last = json.loads((folder / "log.jsonl").read_text().splitlines()[-1])
    assert "rolled back" in last["failed"][0]
    # The same marks in another order, and one of no use.
    gone = {"path": "gone.wav", "label": "live", "source": "gone"}
    again = write_table(folder.parent / "again.csv", [*rows[::-1], gone])
    assert renew(folder, model_path, "--marks", again) == renew_command.EXIT_KEPT
    more = write_table(folder.parent / "more.csv", rows[:-2])
    assert renew(folder, model_path, "--marks", more) == renew_command.EXIT_REPLACED


def test_a_renewal_that_was_killed_before_it_replaced_leaves_nothing_to_roll_back_to(
    folder: Path, marks: str, model_path: Path, guard_holds: None
) -> None:
    renew(folder, model_path, "--marks", marks)
    # What it does first: the present model is kept.
    (folder / "previous" / "0002.onnx").write_bytes((folder / "model.onnx").read_bytes())
    assert renew(folder, model_path, "--roll-back") == 0
    assert (folder / "model.onnx").read_bytes() == model_path.read_bytes()
    assert renew(folder, model_path, "--roll-back") == 2
