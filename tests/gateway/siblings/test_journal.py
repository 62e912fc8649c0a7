"""What one process knows of calls outlives it, whatever the moment at which it is killed."""

import os
from pathlib import Path

import pytest

from audio_model.gateway.events import EventKind
from audio_model.gateway.outlets.history import CallHistory, LegHistory
from audio_model.gateway.siblings import journal
from audio_model.gateway.siblings.journal import Journal
from audio_model.gateway.siblings.seats import Seats


def record(name: str, size: int = 10) -> CallHistory:
    return CallHistory("", name, {"caller": LegHistory(EventKind.FINAL, b"x" * size, 1.0)})


def adopted(by: Journal) -> list[str]:
    return [each.id for records in by.adopt() for each in records]


def test_files_of_the_living_are_left_alone_and_those_of_the_dead_adopted_once(
    tmp_path: Path,
) -> None:
    seats = [Seats(tmp_path) for _ in range(3)]
    first, second, third = (Journal(tmp_path, each.number) for each in seats)
    first.write(record("a"))
    first.write(record("b"))
    assert not second.orphans((0, 2)) and adopted(second) == []
    # As the system does, however a process ends.
    seats[0].leave()
    assert second.orphans((2,)) and third.orphans((1,))
    assert adopted(second) == ["a", "b"] and adopted(third) == []
    assert not second.orphans((2,))
    # It passes them on.
    second.write(record("c"))
    seats[1].leave()
    assert sorted(adopted(third)) == ["a", "b", "c"]
    third.close(keep=False)
    assert list(tmp_path.glob("*.calls*")) == []
    seats[2].leave()


def test_who_takes_the_seat_has_its_files(tmp_path: Path) -> None:
    Journal(tmp_path, 0).write(record("a"))
    for _ in range(2):
        again = Journal(tmp_path, 0)
        assert again.orphans(()) and adopted(again) == ["a"] and not again.orphans(())
        again.close(keep=True)


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_what_was_being_written_is_left_out(tmp_path: Path, cut: int) -> None:
    before = Journal(tmp_path, 0)
    before.write(record("a"))
    whole = (tmp_path / "0.calls").stat().st_size
    before.write(record("b"))
    os.truncate(tmp_path / "0.calls", min(whole + cut, 2 * whole - 1))
    assert adopted(Journal(tmp_path, 1)) == ["a"]


def test_files_are_bounded_and_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "FILE_BYTES", 1_000)
    monkeypatch.setattr(journal, "MAX_BYTES", 4_000)
    written = Journal(tmp_path, 0)
    for n in range(40):
        written.write(record(str(n), 300))
    names = sorted(path.name for path in tmp_path.glob("0.calls*"))
    assert sum((tmp_path / name).stat().st_size for name in names) <= 4_000 + 1_000
    for name in names[1:3]:
        os.utime(tmp_path / name, (0, 0))
    for _ in range(5):
        written.write(record("new", 300))
    assert not {*names[1:3]} & {path.name for path in tmp_path.glob("0.calls*")}
    assert "new" in adopted(Journal(tmp_path, 1))


def test_a_disk_that_is_full_costs_no_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    written = Journal(tmp_path, 0)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    for _ in range(3):
        written.write(record("a"))
    assert caplog.text.count("No space left") == 1
