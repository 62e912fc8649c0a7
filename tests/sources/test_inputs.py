import os
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from audio_model.sources.inputs import expand, read_list, walk
from audio_model.tables.rows import Entry
from tests.touched import touch


def paths(entries: Iterable[Entry]) -> list[str]:
    return [entry.path for entry in entries]


def listed(content: bytes) -> list[Entry]:
    reader, writer = os.pipe()
    os.write(writer, content)
    os.close(writer)
    try:
        return list(read_list(reader))
    finally:
        os.close(reader)


def test_a_folder_gives_its_recordings_sorted_by_path(here: Path) -> None:
    touch(
        "d/b.wav", "d/a/z.FLAC", "d/a.ulaw", "d/a-b/y.mp3", "d/notes.txt", "d/m.csv", "d/中/x.amr"
    )
    found = paths(walk("d"))
    assert found == ["d/a-b/y.mp3", "d/a.ulaw", "d/a/z.FLAC", "d/b.wav", "d/中/x.amr"]
    assert found == sorted(found)


def test_links_are_followed_once(here: Path) -> None:
    touch("d/a/x.wav", "elsewhere/y.wav")
    Path("d/a/up").symlink_to("..")
    Path("d/itself").symlink_to("itself")
    Path("d/other").symlink_to("../elsewhere")
    Path("d/other2").symlink_to("../elsewhere")
    Path("d/gone.wav").symlink_to("nowhere.wav")
    assert paths(walk("d")) == ["d/a/x.wav", "d/gone.wav", "d/other/y.wav"]


def test_a_folder_that_cannot_be_listed_is_named_in_its_place(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch("d/a.wav", "d/closed/x.wav", "d/z.wav")
    scandir = os.scandir

    def refuse(path: Path) -> "os._ScandirIterator[str]":
        if path.name == "closed":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert list(walk("d")) == [
        Entry("d/a.wav"),
        Entry("d/closed", problem="the folder cannot be listed: Permission denied"),
        Entry("d/z.wav"),
    ]


def test_a_folder_without_audio_says_so(here: Path) -> None:
    touch("d/notes.txt")
    assert list(walk("d")) == [Entry("d", problem="the folder holds no audio files")]


def test_a_very_deep_folder_is_walked(here: Path) -> None:
    deep = Path("d", *["x"] * 1100)
    parents = [*reversed(deep.parents), deep][1:]
    for parent in parents:
        parent.mkdir()
    recording = deep / "a.wav"
    recording.touch()
    try:
        assert paths(walk("d")) == [str(recording)]
    finally:
        # Deeper than what cleans up behind the tests can reach.
        recording.unlink()
        for parent in reversed(parents):
            parent.rmdir()


def test_what_is_named_keeps_its_order_and_its_spelling(here: Path) -> None:
    touch("b.wav", "d/x.wav", "a.txt")
    Path("m.csv").write_text("path\nd/x.wav\n")
    named = ["./b.wav", "d", "missing.wav", "m.csv", "a.txt", "b.wav", "x" * 5000]
    assert paths(expand(named)) == [
        "./b.wav",
        "d/x.wav",
        "missing.wav",
        "d/x.wav",
        "a.txt",
        "b.wav",
        "x" * 5000,
    ]


def test_patterns_match_as_in_a_shell(here: Path) -> None:
    touch(
        "d/b.wav", "d/a.wav", "d/a.mp3", "d/.hidden.wav", "d/e/c.wav", "d/e/f/d.wav", "d/.g/h.wav"
    )
    assert paths(expand(["d/*.wav"])) == ["d/a.wav", "d/b.wav"]
    assert paths(expand(["d/.*.wav"])) == ["d/.hidden.wav"]
    assert paths(expand(["?/[ab].wav"])) == ["d/a.wav", "d/b.wav"]
    assert paths(expand(["d/*/c.wav"])) == ["d/e/c.wav"]
    assert paths(expand([f"{here}/d/b.w*"])) == [f"{here}/d/b.wav"]
    assert paths(expand(["d/e*"])) == ["d/e/c.wav", "d/e/f/d.wav"]


def test_two_stars_reach_every_level_once(here: Path) -> None:
    touch("a.wav", "d/b.wav", "d/e/c.wav", "d/e/in/x.wav")
    Path("d/e/up").symlink_to("..")
    every = ["a.wav", "d/b.wav", "d/e/c.wav", "d/e/in/x.wav"]
    assert paths(expand(["**/*.wav"])) == every
    assert paths(expand(["**"])) == every
    assert paths(expand(["**/in"])) == ["d/e/in/x.wav"]


def test_a_pattern_without_a_match_says_so(here: Path) -> None:
    (entry,) = expand(["z*.wav"])
    assert entry == Entry("z*.wav", problem="no such file, and no file matches this pattern")


def test_a_file_named_like_a_pattern_is_itself(here: Path) -> None:
    touch("a[1].wav", "a1.wav", "*.wav")
    assert paths(expand(["a[1].wav", "*.wav"])) == ["a[1].wav", "*.wav"]


def test_a_list_is_one_path_a_line() -> None:
    content = "\ufeffa.wav\r\n\n b 中.wav \nlast".encode() + b"\xff"
    assert paths(listed(content)) == ["a.wav", " b 中.wav ", os.fsdecode(b"last\xff")]


@given(st.lists(st.binary(min_size=1).map(lambda name: name.replace(b"\0", b"\n")), min_size=1))
def test_a_list_with_nuls_holds_any_name(names: list[bytes]) -> None:
    content = b"".join(name + b"\0" for name in names)
    assume(not content.startswith((b"RIFF", b"OggS\0\2", b"ID3", b"#!AMR")))
    assert [os.fsencode(path) for path in paths(listed(content))] == names


def test_a_long_list_with_nuls_may_begin_with_newlines(here: Path) -> None:
    names = [b"n\n" * 100 + b"%d" % number for number in range(300)]
    assert [os.fsencode(path) for path in paths(listed(b"\0".join(names)))] == names


def test_a_list_is_read_as_it_comes() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"first.wav\n" * 500)
    assert next(read_list(reader)) == Entry("first.wav")
    os.close(writer)
    os.close(reader)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "the list on standard input is empty"),
        (b"\n\r\n", "the list on standard input is empty"),
        (b"RIFF\0\0\0\0WAVE", "standard input holds audio, not a list of paths"),
        (b"x" * 20_000, "the list holds an item too long for a path"),
    ],
)
def test_what_is_no_list_says_so(content: bytes, problem: str) -> None:
    assert listed(content) == [Entry("-", problem=problem)]


def test_a_closed_standard_input_says_so() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    os.close(writer)
    (entry,) = read_list(reader)
    assert entry.problem.startswith("standard input cannot be read: ")
