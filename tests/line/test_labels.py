"""Labels that are certain, and conflicts; never the network's opinion."""

import csv
from pathlib import Path

import pytest

from audio_model import cli
from audio_model.line.labels import CAMPAIGN_CONFIDENCE, KNOWN_CONFIDENCE, label
from audio_model.line.marks import Marks
from tests.line.lines import write_table

LEG = {"seconds": 80.0, "verdict": "recorded", "score": 0.99}


def legs(path: str, left: float, right: float, seconds: float = 80.0) -> list[dict[str, object]]:
    return [
        {"path": path, "channel": c, **LEG, "seconds": seconds, "speech_seconds": s}
        for c, s in (("left", left), ("right", right))
    ]


def test_repetition_proves_recordings(tmp_path: Path) -> None:
    scored = write_table(
        tmp_path / "r.csv",
        [
            {"path": "/a.wav", "known": "7", "known_name": "bank.wav", "known_repeated": ""},
            {"path": "/b.wav", "known": "8", "known_name": "", "known_repeated": "3 calls since T"},
            {"path": "/c.wav", "verdict": "recorded", "score": 1.0},
        ],
    )
    grouped = write_table(
        tmp_path / "g.csv",
        [
            {"path": "/a.wav", "campaign": 1, "matched_seconds": 9.0},
            {"path": "/d.wav", "campaign": 1, "matched_seconds": 9.0},
            {"path": "/e.wav", "campaign": 2, "matched_seconds": 1.2},
            {"path": "/f.wav", "campaign": "", "matched_seconds": ""},
        ],
    )
    found = {path: of for (path, _), of, _ in label([scored, grouped]).agreed()}
    assert set(found) == {"/a.wav", "/b.wav", "/d.wav"}
    assert {of.label for of in found.values()} == {1}
    assert (found["/a.wav"].source, found["/a.wav"].confidence) == (
        "recorded bank.wav",
        KNOWN_CONFIDENCE,
    )
    assert found["/b.wav"].why == "3 calls since T"
    assert found["/d.wav"].confidence == CAMPAIGN_CONFIDENCE


@pytest.mark.parametrize(
    ("left", "right", "seconds", "live"),
    [(20, 15, 80, True), (60, 2, 80, False), (20, 15, 50, False)],
)
def test_long_talk_on_both_legs_proves_two_people(
    left: float, right: float, seconds: float, live: bool, tmp_path: Path
) -> None:
    table = write_table(tmp_path / "r.csv", legs("/a.wav", left, right, seconds))
    found = {call: of for call, of, _ in label([table]).agreed()}
    assert set(found) == ({("/a.wav", "left"), ("/a.wav", "right")} if live else set())
    assert all(of.label == 0 for of in found.values())


def test_marks_of_handsets_count_and_others_do_not(tmp_path: Path) -> None:
    rows = [
        {"path": "/a.wav", "mark": "真人", "caller": "139", "trust": ""},
        {"path": "/b.wav", "mark": "recorded", "caller": "", "trust": "0.8"},
        {"path": "/c.wav", "mark": "unsure", "caller": "", "trust": ""},
    ]
    found = {
        path: of for (path, _), of, _ in label([write_table(tmp_path / "m.csv", rows)]).agreed()
    }
    assert (found["/a.wav"].label, found["/a.wav"].source) == (0, "live 139")
    assert (found["/b.wav"].label, found["/b.wav"].confidence) == (1, 0.8)
    assert "/c.wav" not in found


def test_conflicts_are_listed_and_not_labelled(tmp_path: Path) -> None:
    rows = [
        {"path": "/a.wav", "known": "1", "mark": "live"},
        {"path": "/b.wav", "known": "1", "mark": ""},
    ]
    table, output = write_table(tmp_path / "r.csv", rows), tmp_path / "certain.csv"
    assert cli.main(["label", table, "--output", str(output)]) == 0
    assert [Path(mark.path).name for mark in Marks().read([str(output)]).marks] == ["b.wav"]
    with (tmp_path / "certain.conflicts.csv").open() as file:
        (conflict,) = csv.DictReader(file)
    assert conflict["path"] == "/a.wav"
    assert "known recording" in conflict["recorded"]
    assert conflict["live"] == "marked live"


def test_damaged_rows_are_told_and_the_rest_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"path": "/a.wav", "known": "1", "channel": "", "trust": "", "mark": ""},
        {"path": "", "known": "1", "channel": "", "trust": "", "mark": ""},
        {"path": "/c.wav", "known": "", "channel": "both", "trust": "", "mark": ""},
        {"path": "/d.wav", "known": "", "channel": "", "trust": "7", "mark": "live"},
    ]
    table, output = write_table(tmp_path / "r.csv", rows), tmp_path / "certain.csv"
    assert cli.main(["label", table, "--output", str(output)]) == 1
    said = capsys.readouterr().err
    for text in ("1 recordings", "line 3: it has no path", "'both'", "trust is 7"):
        assert text in said


def test_paths_are_those_of_the_run(tmp_path: Path) -> None:
    run = tmp_path / "run"
    write_table(run / "part-00000.csv", [{"path": "a.wav", "known": "1"}])
    (run / "run.json").write_text(f'{{"folder": "{tmp_path}"}}')
    assert [path for (path, _), _, _ in label([str(run)]).agreed()] == [str(tmp_path / "a.wav")]


def test_a_recording_that_is_known_and_a_campaign_are_one_group(tmp_path: Path) -> None:
    scored = write_table(
        tmp_path / "r.csv",
        [
            {"path": path, "known": known}
            for path, known in [("both.wav", "7"), ("known.wav", "7"), ("alone.wav", "8")]
        ],
    )
    grouped = write_table(
        tmp_path / "c.csv",
        [
            {"path": path, "campaign": "3", "matched_seconds": "5"}
            for path in ("both.wav", "campaign.wav")
        ],
    )
    groups = {Path(path).name: of for (path, _), _, of in label([scored, grouped]).agreed()}
    assert groups["both.wav"] == groups["known.wav"] == groups["campaign.wav"] == "recorded 7"
    assert groups["alone.wav"] == "recorded 8"


def test_columns_of_another_table_have_their_names_beside_our_results(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scored = write_table(tmp_path / "r.csv", [{"path": "/a.wav", "known": "1"}])
    marked = write_table(tmp_path / "m.csv", [{"文件": "/b.wav", "标注": "真人", "主叫": "139"}])
    output = str(tmp_path / "certain.csv")
    names = "path=文件,mark=标注,caller=主叫"
    command = ["label", scored, marked, "--output", output, "--columns"]
    assert cli.main([*command, names]) == 0
    found = {mark.path: mark.source for mark in Marks().read([output]).marks}
    assert found == {"/a.wav": "recorded 1", "/b.wav": "live 139"}
    capsys.readouterr()
    assert cli.main([*command, names.replace("标注", "标主")]) == 2
    assert 'has no column named "标主", but' in capsys.readouterr().err


def test_a_column_that_no_table_has_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    marked = write_table(tmp_path / "m.csv", [{"path": "/b.wav", "mark": "live"}])
    output = tmp_path / "certain.csv"
    command = ["label", marked, "--output", str(output), "--columns", "mark=LABLE"]
    assert cli.main(command) == 2
    assert 'has no column named "LABLE"' in capsys.readouterr().err
    assert not output.exists()
