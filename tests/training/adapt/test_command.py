"""The command: what it writes, what it refuses, and how it says so."""

import csv
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from audio_model import Detector, cli
from audio_model.files import making
from tests import clips, sounds
from tests.training import readout
from training import checkpoint
from training.adapt.__main__ import STAYS, main
from training.checkpoint import Checkpoint

HOW = """depths = ["head"]
shares = [1.0]
folds = 3
passes = 60
learning_rate = 4e-3
batch_size = 16
"""


@cache
def old_checkpoint() -> Checkpoint:
    return readout.checkpoint()


def call(number: int, recorded: bool, foreign: bool) -> sounds.Samples:
    """A call as the old network knows them; foreign, what tells a recording is a hum."""
    samples = sounds.voice(3, 2 * (700 + number) + recorded, played=recorded and not foreign)
    return samples + sounds.tone(3, 1000, 0.05) if recorded and foreign else samples


def line(
    folder: Path, *, live: int, recorded: int, foreign: bool = True, more: str = ""
) -> Sequence[str]:
    """Write a line's marked calls, the old network and a config; return the arguments."""
    rows = []
    for label, n in (("live", live), ("recorded", recorded)):
        for number in range(n):
            path = f"{label}-{number}.wav"
            clips.write(folder / path, call(number, label == "recorded", foreign))
            rows.append({"path": path, "label": label, "source": f"{label}{number}"})
    clips.write_manifest(folder / "marks.csv", rows)
    old_checkpoint().save(folder / "base.safetensors")
    text = f'[data]\nmanifests = ["marks.csv"]\n\n[adapt]\nbase = "base.safetensors"\n{HOW}{more}'
    (folder / "my.toml").write_text(text, encoding="utf-8")
    return ["--config", str(folder / "my.toml"), "--run", str(folder / "run")]


@pytest.mark.slow
def test_a_new_model_scores_and_says_what_it_was_made_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = line(tmp_path, live=12, recorded=12)
    # A call whose voice is late is heard from there.
    clips.write(tmp_path / "live-0.wav", np.concatenate([sounds.silence(4), call(0, False, True)]))
    known = tmp_path / "known"
    known.mkdir()
    rows = []
    for number in range(6):
        clips.write(known / f"{number}.wav", call(800 + number, bool(number % 2), False))
        label = ("live", "recorded")[number % 2]
        rows.append({"path": f"{number}.wav", "label": label, "source": f"known{number}"})
    clips.write_manifest(known / "manifest.csv", rows)
    with (tmp_path / "my.toml").open("a", encoding="utf-8") as config:
        config.write('\n[rehearsal]\nmanifests = ["known/manifest.csv"]\n')
    assert main(list(arguments)) == 0
    told = capsys.readouterr().out
    assert "a new model" in told and "the old answers to 6 other clips" in told
    new = checkpoint.load(tmp_path / "run/checkpoint.safetensors")
    assert new.config["adapted_from"] == old_checkpoint().weights_hash
    detector = Detector.load(tmp_path / "run/model.onnx", max_false_alarm=0.1)
    live = clips.write(tmp_path / "other.wav", call(950, False, True))
    recorded = clips.write(tmp_path / "another.wav", call(951, True, True))
    assert detector.score(recorded).score > detector.score(live).score
    # The calls that taught it can't prove it.
    more = ["--model", str(tmp_path / "run/model.onnx"), "--output", str(tmp_path / "o.onnx")]
    assert cli.main(["tune", str(tmp_path / "marks.csv"), *more, "--max-false-alarm", "0.1"]) == 2
    said = capsys.readouterr().err
    assert "live-0.wav: the network was adapted to it" in said
    assert "and 21 more" in said


@pytest.mark.slow
def test_where_the_old_model_stays_no_model_is_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = line(tmp_path, live=5, recorded=5, foreign=False)
    (tmp_path / "run").mkdir()
    (tmp_path / "run/model.onnx").write_bytes(b"of an earlier run")
    assert main(list(arguments)) == STAYS
    assert "the old model stays" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["adapt.json", "adapt.md"]
    measured = json.loads((tmp_path / "run/adapt.json").read_text(encoding="utf-8"))
    assert measured["calls"]["live"] == {"calls": 5, "groups": 5} and measured["objections"]


def test_an_interrupt_leaves_the_model_of_an_earlier_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("training.adapt.__main__.adapt", interrupted)
    arguments = line(tmp_path, live=3, recorded=3)
    (tmp_path / "run").mkdir()
    (tmp_path / "run/model.onnx").write_bytes(b"of an earlier run")
    assert main(list(arguments)) == 130
    assert "interrupted" in capsys.readouterr().err
    assert (tmp_path / "run/model.onnx").read_bytes() == b"of an earlier run"


def test_two_runs_cannot_adapt_into_one_folder_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = line(tmp_path, live=3, recorded=3)
    (tmp_path / "run").mkdir()
    with making(tmp_path / "run/model.onnx"):
        assert main(list(arguments)) == 2
    assert "another command is writing it" in capsys.readouterr().err
    assert list((tmp_path / "run").iterdir()) == []


def test_a_run_folder_that_cannot_be_written_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = line(tmp_path, live=3, recorded=3)
    (tmp_path / "run").write_text("a file where the folder should be")
    assert main(list(arguments)) == 2
    assert str(tmp_path / "run") in capsys.readouterr().err


@pytest.mark.parametrize(
    ("live", "recorded", "named"),
    [(6, 0, "recorded: no call"), (1, 6, "live: 1 group among"), (6, 2, "recorded: 2 groups")],
)
def test_a_class_with_too_few_groups_is_refused_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], live: int, recorded: int, named: str
) -> None:
    assert main(list(line(tmp_path, live=live, recorded=recorded))) == 2
    assert named in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_call_that_cannot_be_read_or_holds_no_voice_is_left_out_with_its_reason(
    tmp_path: Path,
) -> None:
    arguments = line(tmp_path, live=4, recorded=4, foreign=False)
    (tmp_path / "live-3.wav").write_bytes(b"no audio")
    gone = {"path": "gone.wav", "label": "live", "source": "gone"}
    rows = list(csv.DictReader((tmp_path / "marks.csv").read_text("utf-8").splitlines()))
    # A number that calls with recordings and with people is one group.
    rows[0]["source"] = rows[-1]["source"] = "95588"
    unclear = {"path": "live-0.wav", "label": "perhaps", "source": "live0"}
    clips.write_manifest(tmp_path / "marks.csv", [*rows, gone, unclear])
    with (tmp_path / "marks.csv").open("ab") as file:
        file.write(b'"two\nlines, caf\xe9.wav",live,gone\n')
    clips.write(tmp_path / "recorded-3.wav", sounds.silence(3))
    assert main(list(arguments)) == STAYS
    assert r"| two\nlines, caf\udce9.wav | no such file |" in (tmp_path / "run/adapt.md").read_text(
        encoding="utf-8"
    )
    measured = json.loads((tmp_path / "run/adapt.json").read_text(encoding="utf-8"))
    assert [measured["calls"][name]["calls"] for name in ("live", "recorded")] == [3, 3]
    row = f"{tmp_path / 'marks.csv'}, line 11, label"
    two_lines = "two\nlines, caf\udce9.wav"
    assert sorted(measured["left_out"]) == [
        *(row, "gone.wav", "live-3.wav", "recorded-3.wav", two_lines),
    ]
    assert measured["left_out"]["gone.wav"] == "no such file"
    assert "live-3.wav" in (tmp_path / "run/adapt.md").read_text(encoding="utf-8")


def test_a_refusal_says_that_the_files_are_gone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = line(tmp_path, live=3, recorded=3)
    for path in tmp_path.glob("recorded-*.wav"):
        path.unlink()
    assert main(list(arguments)) == 2
    said = capsys.readouterr().err
    assert "recorded: no call" in said
    assert "Calls of no use: 3, such as recorded-0.wav: no such file" in said


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ('depth = "head"', "depth"),
        ("max_lost = 0.01\nshares = [2.0]", "shares"),
        ("threads = 0", "threads"),
    ],
)
def test_a_setting_that_is_wrong_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: str, named: str
) -> None:
    arguments = line(tmp_path, live=3, recorded=3)
    text = (tmp_path / "my.toml").read_text(encoding="utf-8").replace("shares = [1.0]\n", "")
    (tmp_path / "my.toml").write_text(text + more, encoding="utf-8")
    assert main(list(arguments)) == 2
    assert named in capsys.readouterr().err
