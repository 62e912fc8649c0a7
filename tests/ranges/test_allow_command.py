import argparse
import csv
from contextlib import closing
from pathlib import Path

import pytest

from audio_model.errors import ResultsError, UsageError
from audio_model.ranges import allow_command
from audio_model.ranges.breaker import Why
from audio_model.ranges.store import RangeStore
from audio_model.ranges.tree import State
from tests.ranges_made import calls


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    allow_command.add_arguments(parser)
    status: int = allow_command.run(parser.parse_args(arguments))
    return status


@pytest.fixture
def store(tmp_path: Path) -> str:
    path = tmp_path / "ranges.db"
    with closing(RangeStore(path)) as opened:
        opened.hear(list(calls(["95213701"], 60, share=1.0)))
    return str(path)


def allowed(store: str) -> dict[str, tuple[str, str]]:
    with closing(RangeStore(store)) as opened:
        return {each.prefix: (each.note, each.who) for each in opened.allowed()}


def test_what_is_allowed_is_listed_with_who_and_why(
    store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = ("95213", "139-1234-5678", "?952", "0571", "+44", "1391")
    assert run("add", store, *texts, "--note", "known, to us", "--who", "Li") == 0
    assert "open -> closed (allowed)" in capsys.readouterr().out
    assert run("list", store) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [row["prefix"] for row in rows] == [
        *("+44", "+861391", "+8613912345678", "+86571", "95213", "?952")
    ]
    assert {(row["note"], row["who"]) for row in rows} == {("known, to us", "Li")}
    assert all(row["time"] for row in rows)


def test_what_is_removed_stays_in_the_history(store: str) -> None:
    assert run("add", store, "95213", "--note", "a bank", "--who", "Li") == 0
    assert run("remove", store, "95213", "--note", "no bank", "--who", "Wu") == 0
    assert allowed(store) == {}
    with closing(RangeStore(store)) as opened:
        changes = [each.change for each in opened.history()]
    assert [(each.why, each.who, each.note) for each in changes if each.who] == [
        (Why.ALLOWED, "Li", "a bank"),
        (Why.ALLOWED, "Li", "a bank"),
        (Why.DISALLOWED, "Wu", "no bank"),
    ]
    with pytest.raises(UsageError, match="was not allowed"):
        run("remove", store, "95213")


def test_a_list_goes_to_another_store(store: str, tmp_path: Path) -> None:
    file, other = tmp_path / "allowed.csv", tmp_path / "other.db"
    run("add", store, "95213", "+8613912345678", "--note", "\u94f6\u884c", "--who", "Li")
    assert run("export", store, str(file)) == 0
    RangeStore(other).close()
    assert run("import", str(other), str(file), "--who", "Wu") == 0
    assert allowed(str(other)) == allowed(store)
    with pytest.raises(UsageError, match=r"\.csv"):
        run("export", store, str(tmp_path / "allowed.txt"))


def test_a_spreadsheet_is_imported_and_what_is_wrong_in_it_told(
    store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "list.csv"
    rows = "95588;\u94f6\u884c\n'95588.0;again\neverybody;x\n952137;ours\n"
    file.write_bytes(f"\u53f7\u7801;\u5907\u6ce8\n{rows}".encode("gb18030"))
    run("add", store, "952137", "--note", "before", "--who", "Li")
    columns = ("--columns", "prefix=\u53f7\u7801,note=\u5907\u6ce8")
    assert run("import", store, str(file), *columns, "--who", "Wu") == 1
    assert allowed(store) == {"95588": ("\u94f6\u884c", "Wu"), "952137": ("before", "Li")}
    said = capsys.readouterr().err
    assert "line 4: everybody is not a range" in said
    assert "1 entries are new, 2 were there already" in said


@pytest.mark.parametrize("wide", ["95", "952", "9521", "+86139", "+1", "+8613", "1", "?952", "010"])
def test_a_wide_entry_is_warned_of(
    store: str, wide: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("add", store, wide) == 0
    assert "is wide" in capsys.readouterr().err


@pytest.mark.parametrize("narrow", ["95588", "110", "95213", "+861391234", "+4420794", "12345"])
def test_the_range_of_one_owner_is_not(
    store: str, narrow: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("add", store, narrow) == 0
    assert "is wide" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", ["everybody", "", "anonymous", "7", "88886666", "139*", "9 5 a", "9" * 64]
)
def test_what_is_no_range_is_refused(store: str, text: str) -> None:
    with pytest.raises(UsageError, match="is not a range"):
        run("add", store, "95588", text)
    assert allowed(store) == {}


@pytest.mark.parametrize("action", [("list",), ("remove", "95588"), ("export", "allowed.csv")])
def test_a_list_that_is_read_must_be_there(tmp_path: Path, action: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="there is no store"):
        run(action[0], str(tmp_path / "none.db"), *action[1:])
    assert list(tmp_path.iterdir()) == []


def test_a_list_may_come_before_the_first_count(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new, other, file = (str(tmp_path / name) for name in ("new.db", "other.db", "allowed.csv"))
    with pytest.raises(UsageError, match="is not a range"):
        run("add", new, "95588", "everybody")
    assert not Path(new).exists()
    assert run("add", new, "95588", "--note", "the bank", "--who", "Li") == 0
    assert f"made the store {new}" in capsys.readouterr().err
    assert run("add", new, "95213") == 0
    assert "made the store" not in capsys.readouterr().err
    assert run("export", new, file) == 0
    with pytest.raises(ResultsError):
        run("import", other, file, "--columns", "prefix=nothing")
    assert not Path(other).exists()
    assert run("import", other, file) == 0
    assert f"made the store {other}" in capsys.readouterr().err
    assert allowed(other) == allowed(new)


def test_an_allowed_range_closes_and_stays_so(store: str) -> None:
    run("add", store, "95213")
    with closing(RangeStore(store)) as opened:
        assert opened.hear(list(calls(["95213701"], 60, share=1.0, start=2e9, name="b"))) == []
        assert all(node.state is State.CLOSED for node in opened.ranges())
