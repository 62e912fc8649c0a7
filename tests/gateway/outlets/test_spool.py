"""Events on disk until they are delivered."""

import json
import os
from pathlib import Path

import pytest

from audio_model.errors import UsageError
from audio_model.gateway.outlets import spool as module
from audio_model.gateway.outlets.spool import Spool


def crash(spool: Spool) -> None:
    """Let go of the file as a process does that is killed."""
    os.close(spool._file)


def full(*_: object) -> int:
    raise OSError(28, "No space left on device")


def left(spool: Spool) -> list[tuple[str, str, bool]]:
    return [(each.key, each.body, each.urgent) for each in spool.left()]


def test_the_next_server_has_what_one_that_was_killed_had_not_delivered(tmp_path: Path) -> None:
    first = Spool(tmp_path / "made")
    first.add("a", b'{"n":1}', urgent=True)
    first.add("b", '{"é":2}'.encode(), urgent=False)
    first.add("c", b"{}", urgent=True)
    first.done("a")
    first.add("b", b'{"n":3}', urgent=False)
    crash(first)
    second = Spool(tmp_path / "made")
    assert left(second) == [("b", '{"n":3}', False), ("c", "{}", True)]
    crash(second)
    third = Spool(tmp_path / "made")
    assert [key for key, _, _ in left(third)] == ["b", "c"]
    third.done("b")
    third.done("c")
    third.close()
    assert list((tmp_path / "made").iterdir()) == []


def test_a_server_that_lives_keeps_its_own(tmp_path: Path) -> None:
    first = Spool(tmp_path)
    first.add("a", b"{}", urgent=True)
    second = Spool(tmp_path)
    assert left(second) == []
    second.close()
    first.close()
    assert left(Spool(tmp_path)) == [("a", "{}", True)]


def test_a_line_that_was_cut_off_costs_no_other(tmp_path: Path) -> None:
    first = Spool(tmp_path)
    first.add("a", b"{}", urgent=True)
    crash(first)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes() + b'{"key": "b", "bo')
    assert [key for key, _, _ in left(Spool(tmp_path))] == ["a"]


def test_the_file_stays_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 4000)
    spool = Spool(tmp_path)
    spool.add("stays", b"{}", urgent=True)
    for n in range(500):
        spool.add(str(n), json.dumps({"n": n}).encode(), urgent=True)
        spool.done(str(n))
    (path,) = tmp_path.iterdir()
    assert path.stat().st_size < 5000
    crash(spool)
    assert [key for key, _, _ in left(Spool(tmp_path))] == ["stays"]


def test_a_disk_that_is_full_is_told_once_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    spool = Spool(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        spool.add("a", b"{}", urgent=True)
        spool.add("b", b"{}", urgent=True)
    assert caplog.text.count("No space left") == 1
    # Once there is room again nothing is missing.
    monkeypatch.setattr(module, "AGAIN_SECONDS", -1)
    spool.add("c", b"{}", urgent=True)
    assert "there is room again" in caplog.text
    crash(spool)
    assert [key for key, _, _ in left(Spool(tmp_path))] == ["a", "b", "c"]


def test_a_full_disk_costs_no_event_of_a_server_that_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Spool(tmp_path)
    first.add("a", b"{}", urgent=True)
    first.add("b", b"{}", urgent=True)
    crash(first)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        second = Spool(tmp_path)
        assert [key for key, _, _ in left(second)] == ["a", "b"]
        # It holds the file of the first, which no other takes.
        assert left(Spool(tmp_path)) == []
    crash(second)
    for _, file in second._taken:
        os.close(file)
    third = Spool(tmp_path)
    assert [key for key, _, _ in left(third)] == ["a", "b"]
    third.done("a")
    third.done("b")
    third.close()
    crash(Spool(tmp_path))
    assert left(Spool(tmp_path)) == []


def test_a_disk_that_fills_while_a_file_is_written_anew_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 1000)
    write, room = os.write, [3]

    def fills(file: int, line: bytes) -> int:
        if not room[0]:
            return full()
        room[0] -= 1
        return write(file, line[: len(line) // 2] if not room[0] else line)

    spool = Spool(tmp_path)
    for n in range(10):
        spool.add(str(n), json.dumps({"n": "x" * 100}).encode(), urgent=True)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", fills)
        spool.done("0")
    crash(spool)
    assert [key for key, _, _ in left(Spool(tmp_path))] == [str(n) for n in range(1, 10)]


def test_a_folder_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"--webhook-spool: .*file"):
        Spool(tmp_path / "file")
