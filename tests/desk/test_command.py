import csv
from contextlib import closing
from pathlib import Path

import pytest

from audio_model import cli
from audio_model.desk.server import Options
from audio_model.errors import UsageError
from audio_model.ranges.store import RangeStore
from audio_model.ranges.tree import State
from audio_model.records import people
from audio_model.records.people import Role
from audio_model.records.store import CallStore
from tests.desk.made import SHANGHAI

ROWS = """\
path,verdict,score,caller,called,time
a.wav,recorded,0.97,95213742,13800138000,2026-06-01T01:00:00+08:00
b.wav,live,0.1,13912345678,13800138001,2026-05-31T23:00:00+08:00
c.wav,live,0.1,13912345678,13800138001,10/09/2025
"""


@pytest.fixture
def store(tmp_path: Path) -> str:
    (tmp_path / "r.csv").write_text(ROWS)
    path = str(tmp_path / "desk.db")
    assert cli.main(["desk", "import", path, str(tmp_path / "r.csv")]) == 1
    return path


def test_an_import_tells_what_could_not_be_read(
    store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert cli.main(["desk", "import", store, str(tmp_path / "r.csv")]) == 1
    said = capsys.readouterr().err
    assert "2 calls updated" in said and "line 4" in said and "10/09/2025" in said


def test_calls_under_an_open_range_are_blocked_in_the_figures_too(
    store: str, tmp_path: Path
) -> None:
    folder, ranges = tmp_path / "figures", str(tmp_path / "ranges.db")
    with CallStore(store) as calls:
        (call,) = calls.calls("time IS NOT NULL ORDER BY time DESC LIMIT 1")
    assert call.time is not None
    with closing(RangeStore(ranges)) as opened:
        opened.put(call.number[:5], State.OPEN, "a test", call.time - 60)
    command = ["desk", "statistics", store, "--zone", "Asia/Shanghai", "--output", str(folder)]
    assert cli.main([*command, "--ranges", ranges]) == 0
    rows = csv.DictReader((folder / "by_period.csv").read_text("utf-8-sig").splitlines())
    assert [row["blocked"] for row in rows] == ["0", "1"]
    assert cli.main([*command, "--ranges", str(tmp_path / "none.db")]) == 2


def test_figures_are_written_by_the_zones_months(store: str, tmp_path: Path) -> None:
    folder = tmp_path / "figures"
    command = ["desk", "statistics", store, "--zone", "Asia/Shanghai", "--output", str(folder)]
    assert cli.main(command) == 0
    text = (folder / "by_period.csv").read_text(encoding="utf-8-sig")
    rows = list(csv.DictReader(text.splitlines()))
    assert [(row["period"], row["calls"], row["recorded"]) for row in rows] == [
        ("2026-05", "1", "0"),
        ("2026-06", "1", "1"),
    ]
    assert sorted(path.name for path in folder.iterdir()) == [
        *("by_campaign.csv", "by_mark.csv", "by_period.csv", "by_segment.csv", "by_source.csv")
    ]


def test_a_person_gets_a_token_and_loses_it(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert cli.main(["desk", "person", store, "wang", "--role", "deciding", "--masked"]) == 0
    token = capsys.readouterr().out.strip()
    with CallStore(store) as opened:
        person = people.of_token(opened, token)
        assert person is not None and (person.role, person.masked) == (Role.DECIDING, True)
    assert cli.main(["desk", "person", store, "wang", "--remove"]) == 0
    assert cli.main(["desk", "person", store, "wang", "--remove"]) == 2


def test_marks_come_in_and_go_out(
    store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    marks = tmp_path / "m.csv"
    marks.write_text(
        f"call,mark,who\n{Path('a.wav').absolute()},recorded,phone\nx,nonsense,phone\n"
    )
    assert cli.main(["desk", "marks", store, str(marks), "--source", "app"]) == 1
    assert "1 marks of calls" in capsys.readouterr().err
    assert cli.main(["desk", "export", store, str(tmp_path / "out.csv")]) == 0
    assert (tmp_path / "out.csv").read_text() == "path,label,source,corpus,call\n"


@pytest.mark.parametrize(
    "command",
    [
        ["statistics", "STORE", "--output", "x", "--zone", "Mars/Olympus"],
        ["statistics", "STORE", "--output", "x", "--zone", "../../etc/passwd"],
        ["export", "STORE", "out.txt"],
        ["export", "/nowhere/desk.db", "out.csv"],
        ["serve", "/nowhere/desk.db"],
        ["import", "STORE", "/nowhere.csv"],
        ["marks", "STORE", "/nowhere.csv", "--source", "app"],
    ],
)
def test_wrong_usage_is_told_in_a_line(
    store: str, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert cli.main(["desk", *(store if each == "STORE" else each for each in command)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("host", "origin", "fine"),
    [
        ("127.0.0.1", "", True),
        ("::1", "", True),
        ("localhost", "http://localhost:8950", True),
        ("0.0.0.0", "", False),
        ("0.0.0.0", "http://desk.example", False),
        ("0.0.0.0", "https://desk.example", True),
        ("127.0.0.1", "ftp://desk.example", False),
        ("127.0.0.1", "https://desk.example/path", False),
    ],
)
def test_tokens_cross_no_network_in_the_clear(host: str, origin: str, fine: bool) -> None:
    def make() -> Options:
        return Options("desk.db", None, None, host, 0, origin, SHANGHAI, "Asia/Shanghai")

    if fine:
        make()
    else:
        with pytest.raises(UsageError):
            make()
