"""``score --known STORE --learn``: in one process, in run folders, and with what fails."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audio_model import cli
from audio_model.audio import read
from audio_model.errors import StoreError
from audio_model.known.fingerprint import fingerprint
from audio_model.known.follow import KnownRecordings
from audio_model.known.recording import StoredRecording
from audio_model.known.store import Store
from audio_model.tables.results import Results
from tests.known.calls import played

SAMPLES = Path(__file__).parents[2] / "samples"
PROMPT = read(SAMPLES / "recorded-prompt-en.wav", max_seconds=6)
LIVE = read(SAMPLES / "live-testing.ulaw", max_seconds=6)
KNOWN = ("known", "known_name", "known_offset", "known_times_heard")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two calls that play a prompt, one of a live voice, and a store that has the voice."""
    monkeypatch.chdir(tmp_path)
    Path("calls").mkdir()
    for name, samples in (("a", PROMPT), ("b", played(PROMPT[12_000:], seed=1)), ("c", LIVE)):
        soundfile.write(f"calls/{name}.wav", samples, 8000, subtype="PCM_16")
    with Store("known.db") as store:
        store.add("a message", fingerprint(played(LIVE, seed=4)).codes, heard_at=100.0)
    return tmp_path


def rows(path: str | Path) -> dict[str, dict[str, str]]:
    with Path(path).open(encoding="utf-8", newline="") as file:
        return {Path(row["path"]).stem: row for row in csv.DictReader(file)}


def recordings() -> list[StoredRecording]:
    with Store("known.db", create=False) as store:
        return list(store.recordings())


def test_rows_tell_what_is_known(here: Path) -> None:
    assert cli.main(["score", "calls", "--known", "known.db", "--output", "o.csv"]) == 0
    found = rows("o.csv")
    assert found["c"]["verdict"] == "recorded"
    assert [found["c"][name] for name in KNOWN[:2]] == ["1", "a message"]
    assert float(found["c"]["known_offset"]) == pytest.approx(0, abs=0.02)
    assert found["c"]["known_first_heard"] == "1970-01-01T00:01:40+00:00"
    assert [found["a"][name] for name in KNOWN] == [""] * 4
    assert recordings()[0].times_heard == 1
    assert [result.carried["known_name"] for result in Results.open("o.csv")] == [
        "",
        "",
        "a message",
    ]


def test_without_a_store_there_are_no_columns_of_it(here: Path) -> None:
    assert cli.main(["score", "calls", "--output", "o.csv"]) == 0
    assert not set(rows("o.csv")["c"]) & set(KNOWN)


def test_what_is_learnt_is_known_to_the_next_call(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["score", "calls", "--known", "known.db", "--learn"]
    for times in (2, 3):
        assert cli.main([*command, "--output", f"{times}.csv"]) == 0
        found = rows(f"{times}.csv")
        assert found["b"]["known_name"] == str(Path("calls/a.wav"))
        assert float(found["b"]["known_offset"]) == pytest.approx(1.5, abs=0.02)
        # It is what was learnt of this very call.
        assert found["a"]["known"] == ""
        message, prompt = recordings()
        # A call that is scored again is not one more.
        assert (message.times_heard, prompt.times_heard) == (2, 2)
    assert cli.main(command) == 0
    assert "known" in capsys.readouterr().out.splitlines()[0]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_run_folder_reads_and_learns(here: Path, workers: str) -> None:
    for n in range(6):
        call = played(PROMPT[2000 * n :], seed=n)
        soundfile.write(f"calls/d{n}.wav", call, 8000, subtype="PCM_16")
    command = ["score", "calls", "--output", "run/", "--format", "csv", "--shard-size", "3"]
    command += ["--known", "known.db", "--learn", "--workers", workers]
    assert cli.main(command) == 0
    found = {name: row for part in Path("run").glob("part-*") for name, row in rows(part).items()}
    assert len(found) == 9
    assert found["c"]["known_name"] == "a message"
    learnt = recordings()[1:]
    assert 1 <= len(learnt) <= 2
    assert sum(recording.times_heard for recording in learnt) <= 8
    asked = json.loads(Path("run/run.json").read_text())["asked"]
    assert (asked["known"], asked["learn"]) == (str(here / "known.db"), True)
    assert cli.main(command) == 0


def test_a_run_goes_on_with_the_same_store_alone(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["score", "calls", "--output", "run/"]
    assert cli.main(command) == 0
    assert cli.main([*command, "--known", "known.db"]) == 2
    assert "--known was not given, now" in capsys.readouterr().err
    # A run that was begun before there were stores.
    manifest = json.loads(Path("run/run.json").read_text())
    del manifest["asked"]["known"], manifest["asked"]["learn"]
    Path("run/run.json").write_text(json.dumps(manifest))
    assert cli.main(command) == 0


@pytest.mark.parametrize("output", [[], ["--output", "o.csv"], ["--output", "run/"]])
@pytest.mark.parametrize("store", ["none.db", "foreign.db"])
def test_a_store_that_cannot_be_read_is_one_error(
    here: Path, store: str, output: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("foreign.db").write_bytes(np.random.default_rng(0).bytes(9999))
    assert cli.main(["score", "calls", "--known", store, *output]) == 2
    out, error = capsys.readouterr()
    assert out == "" and len(error.splitlines()) == 1 and store in error
    assert not Path("run").exists() and not Path("none.db").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--learn"], "--learn needs --known"),
        (
            ["--known", "known.db", "--learn", "--engine", "ray", "--output", "o/"],
            "--learn needs --engine local",
        ),
    ],
)
def test_options_that_do_not_fit(
    here: Path, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["score", "calls", *options]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("output", ["o.csv", "run/"])
def test_a_time_that_cannot_be_read_is_told_and_never_that_of_the_run(
    here: Path, capsys: pytest.CaptureFixture[str], output: str
) -> None:
    for n in range(2):
        soundfile.write(f"calls/d{n}.wav", played(LIVE, seed=9 + n), 8000, subtype="PCM_16")
    times = ["", "1760000500", "next week", "0000-00-00 00:00:00", "yesterday"]
    names = ["a", "b", "c", "d0", "d1"]
    lines = [f"calls/{name}.wav,{time}" for name, time in zip(names, times, strict=True)]
    Path("calls.csv").write_text("\n".join(["path,time", *lines]))
    command = ["score", "calls.csv", "--known", "known.db", "--learn", "--output", output]
    assert cli.main(command) == 0
    assert "the store counts 2 recordings without a time" in capsys.readouterr().err
    message, prompt = recordings()
    # Of the calls with the message none has a time.
    assert (message.first_heard, message.last_heard, message.times_heard) == (100.0, 100.0, 4)
    assert (prompt.first_heard, prompt.last_heard) == (1760000500.0, 1760000500.0)


def test_a_store_that_fails_says_where_the_rows_before_are(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        if Path("o.csv.partial").read_text().count("\n") > 1:
            raise StoreError("known.db: database or disk is full")

    monkeypatch.setattr(KnownRecordings, "conclude", full)
    command = ["score", "calls", "--known", "known.db", "--learn", "--output", "o.csv"]
    assert cli.main(command) == 2
    told = capsys.readouterr().err
    assert "the rows of 1 recordings before are beside o.csv" in told
    assert "database or disk is full" in told
    assert Path("o.csv.partial").read_text().count("\n") == 2
