import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_model.errors import OutputError
from audio_model.files import (
    FOR_SPREADSHEETS,
    PartialFile,
    making,
    replacing,
    safe_name,
    write_whole,
)


def test_a_file_takes_its_name_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("former")
    with replacing(path) as file:
        file.write("new\r\n")
        file.flush()
        assert path.read_text() == "former"
    assert path.read_bytes() == b"new\r\n"
    assert list(tmp_path.iterdir()) == [path]


def test_after_an_error_the_former_file_is_there_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("former")
    with pytest.raises(KeyError), replacing(path) as file:
        file.write("half")
        raise KeyError
    assert path.read_text() == "former"
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_written_is_told_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot write .*none/page\.html: No such file"):
        write_whole(tmp_path / "none" / "page.html", "")
    with pytest.raises(OutputError, match="it is a folder"):
        PartialFile(tmp_path)


def test_two_commands_cannot_write_one_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.csv"
    first = PartialFile(path)
    first.append(b"rows")
    with pytest.raises(OutputError, match=r"verdicts\.csv\.partial: another command is writing it"):
        PartialFile(path)
    with pytest.raises(OutputError, match="another command is writing it"):
        write_whole(path, "other")
    first.append(b" of the first")
    first.rename()
    assert path.read_bytes() == b"rows of the first"
    write_whole(path, "next")
    assert path.read_bytes() == b"next"
    assert list(tmp_path.iterdir()) == [path]


def test_two_commands_cannot_make_one_result_at_once(tmp_path: Path) -> None:
    path = tmp_path / "campaigns.csv"
    with making(path):
        with pytest.raises(OutputError, match="another command is writing it"), making(path):
            pass
        write_whole(path, "table")
    assert list(tmp_path.iterdir()) == [path]
    (tmp_path / "campaigns.csv.lock").write_bytes(b"")
    with making(path):
        pass
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_command_left_is_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.csv"
    (tmp_path / "verdicts.csv.partial").write_bytes(b"many rows of a command that was killed")
    with replacing(path, encoding=FOR_SPREADSHEETS) as table:
        table.write("new")
    assert path.read_bytes() == "\ufeffnew".encode()
    (tmp_path / "verdicts.csv.partial").write_bytes(b"many rows of a command that was killed")
    file = PartialFile(path)
    file.append(b"newer")
    file.rename()
    assert path.read_bytes() == b"newer"


@pytest.mark.parametrize("writer", ["whole", "pieces"])
def test_through_a_link_the_file_is_replaced_and_the_link_stays(
    tmp_path: Path, writer: str
) -> None:
    (tmp_path / "disk").mkdir()
    target, link = tmp_path / "disk" / "real.csv", tmp_path / "link.csv"
    target.write_text("former")
    link.symlink_to(target)
    if writer == "whole":
        write_whole(link, "new")
    else:
        file = PartialFile(link)
        file.append(b"n")
        file.append(b"ew")
        assert file.path.parent == target.parent
        file.rename()
    assert link.is_symlink() and target.read_text() == "new"
    assert stat.S_ISREG(target.lstat().st_mode)


@given(st.text(max_size=200))
def test_any_text_has_a_safe_name(text: str) -> None:
    name = safe_name(text)
    assert len(name.encode()) < 100
    assert not set(name) - set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")


def test_safe_names_are_told_apart() -> None:
    names = ["a/b", "a_b", "a.b", "../a", "a" * 100, "a" * 101, "通话", ""]
    assert len({safe_name(name) for name in names}) == len(names)
    assert safe_name("CA123-x_y") == "CA123-x_y"
