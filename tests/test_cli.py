import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audio_model import cli, scoring
from audio_model.audio import Channel
from audio_model.detector import Detector
from audio_model.files import FOR_SPREADSHEETS
from tests.fake_detector import FakeDetector

RUN = (
    "import sys; from audio_model import cli, scoring;"
    "from tests.fake_detector import FakeDetector;"
    "scoring.Detector = FakeDetector; sys.exit(cli.main())"
)
ROOT = Path(__file__).parent.parent


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(scoring, "Detector", FakeDetector)
    for name in ("a.wav", "b.wav", "note.txt"):
        Path(name).touch()
    return tmp_path


def start(folder: Path, *arguments: str | bytes, seconds: float = 0.0) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", RUN, "score", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "FAKE_SECONDS": str(seconds)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_rows(path: Path, count: int) -> None:
    deadline = time.monotonic() + 120
    while not path.exists() or path.read_bytes().count(b"\n") <= count:
        assert time.monotonic() < deadline, "no rows came"
        time.sleep(0.01)


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding=FOR_SPREADSHEETS, newline="") as file:
        return list(csv.DictReader(file))


def test_a_table_and_a_summary_are_shown(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["score", "."]) == 0
    header, first, second, summary = capsys.readouterr().out.splitlines()
    assert header.startswith("path ")
    assert (first.split()[:2], second.split()[:2]) == (["a.wav", "recorded"], ["b.wav", "recorded"])
    assert summary.startswith("2 recordings: 2 recorded, 0 live, 0 unknown, 0 errors; ")


def test_with_an_output_only_the_summary_is_shown(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["score", "b.wav", "missing.wav", "a.wav", "--output", "o.csv"]) == 1
    rows = read_rows(Path("o.csv"))
    assert [(row["path"], row["verdict"], row["error"]) for row in rows] == [
        ("b.wav", "recorded", ""),
        ("missing.wav", "unknown", "no such file"),
        ("a.wav", "recorded", ""),
    ]
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("3 recordings: 2 recorded, 0 live, 0 unknown, 1 error; ")


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_a_second_run_gives_the_same_bytes(here: Path, suffix: str) -> None:
    output = Path(f"o{suffix}")
    arguments = ["score", ".", "missing", "--output", str(output)]
    assert cli.main(arguments) == 1
    first = output.read_bytes()
    assert cli.main(arguments) == 1
    assert output.read_bytes() == first
    assert sorted(path.name for path in here.glob("o*")) == [output.name]


def test_a_manifests_columns_are_kept(here: Path) -> None:
    Path("m.csv").write_text("label,path\n1,a.wav\n0,missing.wav\n")
    assert cli.main(["score", "m.csv", "--output", "o.csv"]) == 1
    assert [row["label"] for row in read_rows(Path("o.csv"))] == ["1", "0"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["score", "a.wav", "--output", "o.txt"], "must end in one of .csv, .jsonl, .parquet"),
        (["score", "a.wav", "--max-seconds", "0"], "max_seconds must be"),
        (["score", "a.wav", "--max-seconds", "1e-9", "--output", "o.csv"], "max_seconds must be"),
        (["score", "a.wav", "--max-seconds", "nan"], "max_seconds must be"),
        (["score", "a.wav", "--raw-rate", "8000"], "--raw-rate and --raw-channels need"),
        (["score", "a.wav", "--raw-encoding", "alaw", "--raw-rate", "3"], "raw sample rate must"),
    ],
)
def test_wrong_usage_is_one_line_before_any_work(
    here: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert cli.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("audio-model: ")
    assert error.count("\n") == 1
    assert message in error
    assert not list(here.glob("o.*"))


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["score"],
        ["score", "a.wav", "--max-seconds", "soon"],
        ["score", "a.wav", "--channel", "top"],
        ["score", "a.wav", "--out", "o.csv"],
    ],
)
def test_the_parser_refuses(here: Path, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2


def test_choices_are_named_as_they_are_typed(capsys: pytest.CaptureFixture[str]) -> None:
    for option, choices in {
        "--channel": ["left", "right", "mix", "each"],
        "--raw-encoding": ["mulaw", "alaw", "s16le"],
    }.items():
        with pytest.raises(SystemExit):
            cli.main(["score", "a.wav", option, "top"])
        last_line = capsys.readouterr().err.splitlines()[-1]
        assert all(name in last_line for name in choices)
        assert "<" not in last_line


def test_an_output_that_cannot_be_written_is_status_3(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["score", "a.wav", "--output", "missing/o.csv"]) == 3
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("number", "suffix"),
    [
        (signal.SIGINT, ".csv"),
        (signal.SIGTERM, ".parquet"),
        # Each starts a program.
        pytest.param(signal.SIGTERM, ".csv", marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, ".parquet", marks=pytest.mark.slow),
    ],
)
def test_a_signal_keeps_what_was_scored(
    tmp_path: Path, number: signal.Signals, suffix: str
) -> None:
    for index in range(800):
        (tmp_path / f"{index:04}.wav").touch()
    partial = ".partial" if suffix == ".csv" else ".partial.jsonl"
    process = start(tmp_path, ".", "--output", f"o{suffix}", seconds=0.01)
    wait_for_rows(tmp_path / f"o{suffix}{partial}", 5)
    process.send_signal(number)
    _, error = process.communicate(timeout=120)
    assert process.returncode == 128 + number
    summary, interrupted = error.splitlines()
    scored = int(summary.split()[0])
    assert 5 <= scored < 800
    assert interrupted == (f"audio-model: interrupted: {scored} of 800 recordings are in o{suffix}")
    if suffix == ".csv":
        rows = read_rows(tmp_path / "o.csv")
        assert [row["path"] for row in rows] == [f"{index:04}.wav" for index in range(scored)]
    assert not list(tmp_path.glob("*.partial*"))


def test_a_signal_ends_the_wait_for_a_list(tmp_path: Path) -> None:
    process = start(tmp_path, "-", "--output", "o.csv")
    wait_for_rows(tmp_path / "o.csv.partial", 0)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=120) == 130
    _, error = process.communicate()
    assert error.splitlines()[-1] == "audio-model: interrupted: 0 recordings are in o.csv"


def test_a_list_with_nuls_comes_through_standard_input(tmp_path: Path) -> None:
    for name in ("n\nl.wav", "中.wav"):
        (tmp_path / name).touch()
    process = start(tmp_path, "-", "--output", "o.csv")
    process.communicate("\0".join(["n\nl.wav", "中.wav"]), timeout=120)
    assert process.returncode == 0
    assert [row["path"] for row in read_rows(tmp_path / "o.csv")] == ["n\nl.wav", "中.wav"]


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    for index in range(2000):
        (tmp_path / f"{index}.wav").touch()
    process = start(tmp_path, ".")
    assert process.stdout is not None
    assert process.stdout.readline().startswith("path")
    process.stdout.close()
    process.stdout = None
    _, error = process.communicate(timeout=120)
    assert (process.returncode, error) == (141, "")


def test_the_shipped_model_scores_from_the_command_line(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(size=(24000, 2)) * 0.1
    soundfile.write(tmp_path / "call.wav", noise, 8000)
    (tmp_path / "text.wav").write_text("no audio")
    options = ["--channel", "each", "--max-seconds", "2.5", "--max-false-alarm", "0.05"]
    # Noise holds no voice, which would be waited for.
    options += ["--wait-seconds", "0"]
    done = subprocess.run(
        [sys.executable, "-m", "audio_model", "score", ".", "--output", "o.csv", *options],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    left, right, text = read_rows(tmp_path / "o.csv")
    detector = Detector.load(max_false_alarm=0.05)
    for row, channel in ((left, Channel.LEFT), (right, Channel.RIGHT)):
        verdict = detector.score(
            tmp_path / "call.wav", max_seconds=2.5, wait_seconds=0, channel=channel
        )
        assert (row["channel"], row["verdict"]) == (channel, verdict.verdict)
        assert float(row["score"]) == verdict.score
        assert float(row["logit"]) == verdict.logit
        assert float(row["seconds"]) == verdict.seconds == 2.5
        assert (row["reason"], row["error"]) == (verdict.reason, "")
    assert (text["channel"], text["verdict"], text["reason"]) == ("", "unknown", "error")


def test_a_foreign_model_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "model.onnx"
    model.write_text("no model")
    assert cli.main(["score", "a.wav", "--model", str(model)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"audio-model: {model}: ")
    assert error.count("\n") == 1


def test_a_terminal_without_chinese_still_shows_the_table(tmp_path: Path) -> None:
    (tmp_path / "中.wav").touch()
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [sys.executable, "-c", RUN, "score", "."],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"\u4e2d.wav" in done.stdout


@pytest.mark.parametrize("ignores", [False, True])
def test_an_interrupt_while_modules_load_ends_without_a_traceback(
    tmp_path: Path, *, ignores: bool
) -> None:
    (tmp_path / "slow.py").write_text("import sys\nprint('loads', flush=True)\nsys.stdin.read()\n")
    program = (
        f"import signal, sys; sys.path.insert(0, {str(ROOT)!r});"
        # Said either way: a shell lets what runs in its background ignore Ctrl-C.
        + f"signal.signal(signal.SIGINT, signal.{'SIG_IGN' if ignores else 'default_int_handler'});"
        + "from audio_model import cli; cli.COMMANDS['slow'] = 'slow', 'about'; cli.main(['slow'])"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "loads\n"
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=120)
    if ignores:
        # It goes on to where it finds that the module is no command.
        assert "DESCRIPTION" in error
    else:
        assert process.returncode == -signal.SIGINT
        assert error == ""
