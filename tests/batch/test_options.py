"""Which options make a run folder, and which do not fit together."""

import csv
import importlib.util
from pathlib import Path

import pytest

from audio_model import cli, scoring
from tests import clips, sounds
from tests.fake_detector import FakeDetector


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(scoring, "Detector", FakeDetector)
    Path("a.wav").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--workers", "2"], "--workers is for many recordings, into a folder: give --output"),
        (["--workers", "2", "--output", "o.csv"], "--workers is for many recordings"),
        (["--shard-size", "5"], "--shard-size is for many recordings"),
        (["--engine", "local"], "--engine is for many recordings"),
        (["--format", "csv"], "--format is for many recordings"),
        (["--format", "csv", "--output", "o.parquet"], "--format is for many recordings"),
        (["--output", "o"], "must end in one of .csv, .jsonl, .parquet, or in / for a folder"),
        (["--output", "o/", "--workers", "0"], "--workers must be at least 1, not 0"),
        (["--output", "o/", "--shard-size", "-1"], "--shard-size must be at least 1, not -1"),
        (["--output", "o/", "--ray-address", "auto"], "--ray-address needs --engine ray"),
    ],
)
def test_options_that_do_not_fit_are_told_before_any_work(
    here: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    assert cli.main(["score", "a.wav", *options]) == 2
    error = capsys.readouterr().err
    assert error.startswith("audio-model: ") and error.count("\n") == 1
    assert message in error
    assert [path.name for path in here.iterdir()] == ["a.wav"]


def test_ray_that_is_not_installed_is_told_with_the_way_to_it(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        "audio_model.batch.options.find_spec", lambda name: None if name == "ray" else found(name)
    )
    assert cli.main(["score", "a.wav", "--output", "o/", "--engine", "ray"]) == 2
    assert 'pip install "audio-model[cluster]"' in capsys.readouterr().err


def test_a_folder_with_other_files_is_left_alone(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["score", "a.wav", "--output", "."]) == 2
    assert "holds a.wav but no run.json" in capsys.readouterr().err
    assert [path.name for path in here.iterdir()] == ["a.wav"]


@pytest.mark.parametrize("output", ["o/", "there", "o --format csv"])
def test_a_folder_is_one_by_its_slash_its_being_there_or_a_format(
    here: Path, output: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("there").mkdir()
    # The shipped model hears an empty file as an error.
    assert cli.main(["score", "a.wav", "--workers", "1", "--output", *output.split()]) == 1
    folder = Path(output.split()[0])
    assert (folder / "run.json").exists()
    assert len(list(folder.glob("part-*"))) == 1
    assert capsys.readouterr().out == ""


def test_a_manifests_columns_may_have_other_names(here: Path) -> None:
    for name in "ab":
        clips.write(here / f"{name}.wav", sounds.voice(1))
    (here / "m.csv").write_text("FILE;A_NUMBER\na.wav;95588\nb.wav;95213\n")
    names = ["--columns", "path=FILE,caller=A_NUMBER"]
    assert cli.main(["score", "m.csv", "--output", "v.csv", *names]) == 0
    with Path("v.csv").open(newline="") as file:
        assert [row["caller"] for row in csv.DictReader(file)] == ["95588", "95213"]
    folder = ["score", "*.csv", "--output", "r/", "--workers", "1", "--format", "csv"]
    Path("v.csv").unlink()
    assert cli.main([*folder, *names]) == 0
    with Path("r/part-000000.csv").open(newline="") as file:
        assert [row["caller"] for row in csv.DictReader(file)] == ["95588", "95213"]
    assert cli.main([*folder, *names]) == 0
    assert cli.main(folder) == 2
