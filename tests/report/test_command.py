import json
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from audio_model import cli
from audio_model.model import DEFAULT_PATH
from tests import sounds
from tests.report import made


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two recordings, one that is none, and what score says of them."""
    monkeypatch.chdir(tmp_path)
    Path("calls").mkdir()
    soundfile.write("calls/a.wav", sounds.voice(3, played=True), sounds.SAMPLE_RATE)
    soundfile.write("calls/<b>.wav", sounds.voice(3, 1), sounds.SAMPLE_RATE)
    Path("calls/c.wav").write_bytes(b"RIFF")
    assert cli.main(["score", "calls", "--output", "r.csv"]) == 1
    return tmp_path


def test_a_page_is_made_of_what_score_wrote(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["report", "r.csv", "--output", "r.html"]) == 0
    assert capsys.readouterr().err.endswith("r.html: 3 results\n")
    tree = made.parse(Path("r.html").read_text(encoding="utf-8"))
    assert "3 results of r.csv" in made.said(tree)
    assert len(list(tree.iter(f"{made.XHTML}audio"))) == 2
    assert 'class="curve"' in Path("r.html").read_text(encoding="utf-8")


def test_no_sound_leaves_the_recordings_out(here: Path) -> None:
    assert cli.main(["report", "r.csv", "--output", "r.html", "--no-sound"]) == 0
    page = Path("r.html").read_text(encoding="utf-8")
    assert "data:audio" not in page and "data:image" not in page


def test_recordings_that_are_gone_are_said_to_be(here: Path) -> None:
    for path in Path("calls").iterdir():
        path.unlink()
    assert cli.main(["report", "r.csv", "--output", "r.html"]) == 0
    said = made.said(made.parse(Path("r.html").read_text(encoding="utf-8")))
    assert "2 cannot be read here now" in said


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["report", "r.csv", "--output", "r.pdf"], 2, "must end in .html"),
        (["report", "none.csv", "--output", "r.html"], 2, "none.csv: no such file"),
        (["report", "r.csv", "--output", "none/r.html"], 3, "cannot write none/r.html"),
        (["compare", "r.csv", "r.csv", "--output", "r.txt"], 2, "must end in .html or .json"),
        (["compare", "r.csv", "r.csv", "--max-flips", "2"], 2, "a share from 0 to 1"),
        (["compare", "r.csv", "r.csv", "calls"], 2, "none after two results"),
        (["compare", "r.csv", "m.onnx"], 2, "not one of each"),
        (["compare", "a.onnx", "m.onnx"], 2, "give recordings after two models"),
        (["compare", "r.csv", "other.csv", "--max-flips", "1"], 2, "no recording in common"),
        (["compare", "r.csv", "r.csv", "--max-drift", "-1"], 2, "--max-drift is a share from 0"),
        (["compare", "r.csv", "empty.csv"], 2, "empty.csv: there are no rows to compare"),
    ],
)
def test_wrong_usage_is_said(
    here: Path, arguments: list[str], status: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("other.csv").write_text("path,verdict,score\nz.wav,live,0.1\n")
    Path("empty.csv").write_text("path,verdict,score\n")
    assert cli.main(arguments) == status
    assert message in capsys.readouterr().err
    assert not list(here.glob("*.partial")) and not Path("r.html").exists()


def test_results_are_compared(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["compare", "r.csv", "r.csv", "--max-flips", "0", "--output", "c.html"]) == 0
    assert "3 in both: 0 verdicts flipped" in capsys.readouterr().out
    made.parse(Path("c.html").read_text(encoding="utf-8"))

    flipped = (
        Path("r.csv").read_text().replace(",unknown,", ",live,").replace(",recorded,", ",live,")
    )
    Path("new.csv").write_text(flipped)
    arguments = ["compare", "r.csv", "new.csv", "--output", "c.json"]
    assert cli.main([*arguments, "--max-flips", "0.9"]) == 0
    assert cli.main([*arguments, "--max-flips", "0.1"]) == 1
    assert "more than the 10.0000% that are allowed" in capsys.readouterr().err
    values = json.loads(Path("c.json").read_text())
    assert (values["joined"], values["max_flips"]) == (3, 0.1)
    assert values["flips"] == sum(
        count for old, row in values["matrix"].items() for new, count in row.items() if old != new
    )


def test_rows_that_are_missing_are_no_agreement(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    header, *rows = Path("r.csv").read_text().splitlines()
    Path("some.csv").write_text("\n".join([header, *rows[:-1]]) + "\n")
    assert cli.main(["compare", "r.csv", "some.csv"]) == 0
    assert cli.main(["compare", "r.csv", "some.csv", "--max-flips", "0.5"]) == 0
    assert cli.main(["compare", "r.csv", "some.csv", "--max-flips", "0.3"]) == 1
    assert "33.3333% of the recordings are on one side only" in capsys.readouterr().err


def month(name: str, n: int, snr_db: float, codec: str) -> None:
    """Write the results of calls that no other month has."""
    values = [(f"{name}/{k}.wav", snr_db + k % 7) for k in range(n)]
    rows = [f"{path},live,0.{k % 10},{snr},{codec}" for k, (path, snr) in enumerate(values)]
    lines = ["path,verdict,score,snr_db,codec", *rows]
    Path(f"{name}.csv").write_text("\n".join(lines) + "\n")


def test_months_of_other_calls_are_compared_as_a_whole(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    month("may", 100, 30.0, "alaw")
    month("june", 80, 30.0, "alaw")
    month("july", 80, 22.0, "gsm")
    assert cli.main(["compare", "may.csv", "june.csv", "--max-drift", "0.1"]) == 0
    assert "no recording in common (100 and 80 rows)" in capsys.readouterr().out
    arguments = ["compare", "june.csv", "july.csv", "--max-drift", "0.1"]
    assert cli.main([*arguments, "--output", "c.json"]) == 1
    told = capsys.readouterr()
    assert "snr_db drifted from 33 (30 to 36) to 25 (22 to 28), by 100.0 points" in told.err
    assert "codec drifted from alaw 100.0% to alaw 0.0%, by 100.0 points" in told.err
    assert "verdict" not in told.err and "score" not in told.err
    drift = json.loads(Path("c.json").read_text())["drift"]
    assert set(drift) == {"verdict", "score", "snr_db", "codec"}
    assert (drift["codec"]["gap"], drift["codec"]["old"]) == (1.0, {"alaw": 1.0})
    assert (drift["verdict"]["drift"], drift["verdict"]["old_calls"]) == (False, 80)
    assert cli.main([*arguments, "--output", "c.html"]) == 1
    said = made.said(made.parse(Path("c.html").read_text(encoding="utf-8")))
    assert "All 80 old and 80 new rows" in said and "only in the old results: 80" in said
    # A gap that few calls may show by chance is no alarm.
    month("day", 2, 22.0, "alaw")
    assert cli.main(["compare", "june.csv", "day.csv", "--max-drift", "0.1"]) == 0


def test_models_are_compared_on_the_same_recordings(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = str(DEFAULT_PATH)
    assert cli.main(["compare", model, model, "calls", "--max-flips", "0"]) == 0
    shown = capsys.readouterr().out
    assert "3 in both: 0 verdicts flipped" in shown
    assert "mean +0.0000" in shown


def test_the_page_takes_its_name_when_it_is_whole(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("r.html").write_text("former")
    monkeypatch.setattr("os.fsync", fail_of_full_disk)
    assert cli.main(["report", "r.csv", "--output", "r.html"]) == 3
    assert Path("r.html").read_text() == "former"
    assert not list(here.glob("*.partial"))


def fail_of_full_disk(_: int) -> None:
    raise OSError(28, "No space left on device")


def test_neither_imports_what_it_does_not_need() -> None:
    heavy = ("torch", "librosa", "ray", "fsspec", "aiohttp", "jinja2")
    program = f"""
import sys, audio_model.report.command, audio_model.report.compare_command
print([name for name in {heavy!r} if name in sys.modules])
"""
    loaded = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(cli.__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    assert loaded.stdout.strip() == "[]"
