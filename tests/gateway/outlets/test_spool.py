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
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    spool = Spool(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        spool.add("a", b"{}", urgent=True)
        spool.add("b", b"{}", urgent=True)
    assert caplog.text.count("No space left") == 1
    spool.add("c", b"{}", urgent=True)
    crash(spool)
    assert [key for key, _, _ in left(Spool(tmp_path))] == ["c"]


def test_a_folder_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"--webhook-spool: .*file"):
        Spool(tmp_path / "file")
