import json
from pathlib import Path

import pytest

from audio_model.audio import Channel
from audio_model.errors import ResultsError
from audio_model.tables.results import Outcome, Results
from audio_model.tables.rows import Columns, Entry, Row
from audio_model.tables.writers import open_output
from tests.fake_detector import VERDICT
from tests.report import made

ROWS = [
    Row(Entry("a.wav", {"caller": "+86 1"}), VERDICT, Channel.LEFT),
    Row(Entry("b\udcff.wav", {"caller": None}), error="no such file"),
]


def write(path: Path, rows: list[Row] = ROWS) -> Path:
    writer = open_output(str(path), Columns(each_channel=True, carried=["caller"]))
    for row in rows:
        writer.write(row)
    writer.finish()
    return path


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_what_score_wrote_is_read_back(tmp_path: Path, suffix: str) -> None:
    first, second = Results.open(str(write(tmp_path / f"r{suffix}")))
    assert (first.path, first.channel, first.outcome) == ("a.wav", "left", Outcome.RECORDED)
    assert (first.score, first.seconds, first.decided_at) == (0.1 + 0.2, 2.0, 0.48)
    assert (first.noise_db, first.snr_db, first.codec) == (-62.5, 31.0, "gsm")
    assert first.carried == {"caller": "+86 1"}
    assert (second.path, second.outcome, second.score) == ("b\\xff.wav", Outcome.ERROR, None)
    assert (second.reason, second.error) == ("error", "no such file")
    assert (first.curve is not None) == (suffix == ".jsonl")


def test_a_run_folder_is_read_in_the_order_of_its_shards(tmp_path: Path) -> None:
    for number in (10, 2, 0):
        row = Row(Entry(f"{number}.wav"), VERDICT)
        write(tmp_path / f"part-{number:06}.parquet", [row])
    (tmp_path / "part-000003.parquet.partial.jsonl").write_text("{}")
    run = {"folder": "/calls", "planned": {"shards": 12}}
    (tmp_path / "run.json").write_text(json.dumps(run))
    results = Results.open(str(tmp_path))
    assert [row.path for row in results] == ["0.wav", "2.wav", "10.wav"]
    assert (len(results.parts), results.planned, results.start) == (3, 12, Path("/calls"))


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ('{"path": "a", "verdict": "maybe", "score": 0}', 'verdict is "maybe"'),
        ('{"path": "", "verdict": "live", "score": 0}', 'path is ""'),
        ('{"path": "a", "verdict": "live", "score": 2}', "score is 2"),
        ('{"path": "a", "verdict": "live", "score": "x"}', 'score is "x"'),
        ('{"path": "a", "verdict": "live", "score": true}', "score is true"),
        ('{"path": "a", "verdict": "live", "score": NaN}', "score is nan"),
        ('{"path": "a", "verdict": "live", "score": 0, "seconds": 1e999}', "seconds is inf"),
    ],
)
def test_a_damaged_row_is_an_error_and_the_rest_is_read(
    tmp_path: Path, line: str, problem: str
) -> None:
    path = made.write_jsonl(tmp_path / "r.jsonl", [made.result("good.wav")])
    path.write_text(line + "\n" + path.read_text())
    damaged, good = Results.open(str(path))
    assert (damaged.path, damaged.outcome) == (str(path), Outcome.ERROR)
    assert damaged.error.startswith("a row of the results is damaged, line 1: ")
    assert problem in damaged.error
    assert good.path == "good.wav"


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("r.csv", b"path,label\na,1\n", 'has no column named "verdict"'),
        ("r.parquet", b"PAR1", "is damaged Parquet"),
        ("r.parquet", b"", "is not Parquet, or is cut off"),
    ],
)
def test_what_holds_no_results_is_refused(
    tmp_path: Path, name: str, content: bytes, problem: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ResultsError, match=f"{name}: {problem}"):
        list(Results.open(str(tmp_path / name)))


@pytest.mark.parametrize("name", ["", "none.csv", "note.txt"])
def test_where_no_results_are_it_is_said(tmp_path: Path, name: str) -> None:
    with pytest.raises(ResultsError, match=r"no results|no such file|results are a run folder"):
        Results.open(str(tmp_path / name))


def test_the_rate_is_that_of_all_sessions() -> None:
    sessions = [
        {"started": "2026-05-01T10:00:00+00:00", "ended": "2026-05-01T10:00:10+00:00"},
        {"started": "2026-05-02T10:00:00+00:00", "ended": "2026-05-02T10:00:30+00:00"},
    ]
    run = {"sessions": sessions, "counts": {"recordings": 8000}}
    assert Results(Path(), (), run).rate == 200
    # One that was killed has no end.
    killed = {"started": sessions[0]["started"], "ended": None}
    assert Results(Path(), (), {**run, "sessions": [killed]}).rate is None
    assert Results(Path(), (), {**run, "sessions": []}).rate is None
    assert Results(Path(), (), {}).rate is None


def test_a_damaged_run_manifest_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "part-000000.csv")
    (tmp_path / "run.json").write_text("[]")
    with pytest.raises(ResultsError, match="not a JSON object"):
        Results.open(str(tmp_path))
