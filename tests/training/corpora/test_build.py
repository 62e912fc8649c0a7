from pathlib import Path

import pytest

from tests.training.corpora.whistle import Whistle
from training.corpora import build
from training.corpora.errors import CorpusError
from training.corpora.write import Folder
from training.data import manifest


def contents(folder: Path) -> dict[str, bytes]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


def test_two_builds_are_the_same_to_the_byte(tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert build.build(Whistle(), Folder(tmp_path / name), 9) == 9
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_a_second_run_makes_only_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        build.build(Whistle(breath=4), Folder(tmp_path / "cut"), 9)
    assert len(manifest.load(tmp_path / "cut" / "manifest.csv").clips) == 4
    assert build.build(Whistle(), Folder(tmp_path / "cut"), 9) == 5
    build.build(Whistle(), Folder(tmp_path / "whole"), 9)
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")
    assert build.build(Whistle(), Folder(tmp_path / "cut"), 9) == 0


def test_a_file_whose_row_was_never_written_is_made_again(tmp_path: Path) -> None:
    build.build(Whistle(), Folder(tmp_path), 9)
    file = tmp_path / "manifest.csv"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:-1]))
    assert build.build(Whistle(), Folder(tmp_path), 9) == 1
    assert file.read_text() == "".join(lines)


@pytest.fixture
def only_whistle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        build, "BUILDERS", {"whistle": build.Builder(lambda _: Whistle(), n_clips=5)}
    )


@pytest.mark.usefixtures("only_whistle")
def test_the_command_makes_a_folder_of_clips(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build.main(["--output", str(tmp_path)]) == 0
    assert len(manifest.load(tmp_path / "manifest.csv").clips) == 5
    assert build.main(["--output", str(tmp_path), "--engine", "whistle", "--clips", "8"]) == 0
    assert capsys.readouterr().out == "whistle: 5 clips made\nwhistle: 3 clips made\n"


@pytest.mark.usefixtures("only_whistle")
@pytest.mark.parametrize(
    "wrong", [["--engine", "trumpet"], ["--clips", "many"], ["--clips", "0"], ["--clips", "-3"]]
)
def test_a_wrong_option_is_refused(
    tmp_path: Path, wrong: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        build.main(["--output", str(tmp_path), *wrong])
    assert caught.value.code == 2
    assert wrong[1] in capsys.readouterr().err


def test_an_engine_that_cannot_be_loaded_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(_: build.Resources) -> Whistle:
        raise CorpusError("whistle is not installed")

    monkeypatch.setattr(build, "BUILDERS", {"whistle": build.Builder(missing, n_clips=5)})
    assert build.main(["--output", str(tmp_path)]) == 2
    assert capsys.readouterr().err == "error: whistle is not installed\n"


@pytest.mark.usefixtures("only_whistle")
def test_known_clips_come_from_a_manifest_that_is_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = tmp_path / "known.csv"
    known.write_text("path,label,source\nnowhere.wav,1,anna\n")
    assert build.main(["--output", str(tmp_path), "--known", str(known)]) == 2
    assert "nowhere.wav" in capsys.readouterr().err
