"""Files from a repository by commit, and from addresses by SHA-256, of origins on this machine."""

import hashlib
from pathlib import Path

import pytest

from tests.training.corpora.origin import publish, served
from training.corpora import fetch
from training.corpora.errors import CorpusError

FILES = {
    "a/one.wav": b"one",
    "a/two.mp3": b"two",
    "b/one.wav": b"three",
    "b/deep/one.wav": b"four",
    "LICENSE": b"free",
}


def names(files: list[Path], folder: Path) -> list[str]:
    return [file.relative_to(folder).as_posix() for file in files]


def test_files_of_a_commit_come_and_no_others(tmp_path: Path) -> None:
    address, commit = publish(tmp_path / "origin", FILES)
    publish(tmp_path / "origin", {"a/one.wav": b"later"})
    folder = tmp_path / "here"
    files = fetch.repository(address, commit, ["*/one.wav"], folder)
    assert names(files, folder) == ["a/one.wav", "b/one.wav"]
    assert files[0].read_bytes() == b"one"
    assert not (folder / "LICENSE").exists()


def test_patterns_reach_across_folders_and_leave_out(tmp_path: Path) -> None:
    address, commit = publish(tmp_path / "origin", FILES)
    files = fetch.repository(address, commit, ["b/**"], tmp_path / "a")
    assert names(files, tmp_path / "a") == ["b/deep/one.wav", "b/one.wav"]
    files = fetch.repository(address, commit, ["**/*.wav"], tmp_path / "b", ["b/deep/*"])
    assert names(files, tmp_path / "b") == ["a/one.wav", "b/one.wav"]


def test_a_second_run_fetches_nothing_and_another_pattern_takes_its_place(tmp_path: Path) -> None:
    address, commit = publish(tmp_path / "origin", FILES)
    folder = tmp_path / "here"
    fetch.repository(address, commit, ["a/*.wav"], folder)
    (tmp_path / "origin").rename(tmp_path / "gone")
    assert names(fetch.repository(address, commit, ["a/*.wav"], folder), folder) == ["a/one.wav"]
    (tmp_path / "gone").rename(tmp_path / "origin")
    assert names(fetch.repository(address, commit, ["a/*.mp3"], folder), folder) == ["a/two.mp3"]


@pytest.mark.parametrize(
    ("commit", "pattern", "why"),
    [("0" * 40, "a/*", "at 0000000"), ("", "nothing/*", r"nothing/\*")],
    ids=["commit", "pattern"],
)
def test_what_is_not_there_is_named(tmp_path: Path, commit: str, pattern: str, why: str) -> None:
    address, head = publish(tmp_path / "origin", FILES)
    with pytest.raises(CorpusError, match=why):
        fetch.repository(address, commit or head, [pattern], tmp_path / "here")
    assert not (tmp_path / "here" / fetch.COMPLETE).exists()


def test_without_a_network_it_says_so_and_what_to_do(tmp_path: Path) -> None:
    # A port that nobody listens on, as a machine without a network.
    with served(tmp_path) as address:
        pass
    with pytest.raises(CorpusError, match=r"cannot be reached .* needs a network; or clone"):
        fetch.repository(f"{address}/repository", "0" * 40, ["*"], tmp_path / "here")
    with pytest.raises(CorpusError, match=r"cannot be reached .* or put the file at .*a\.wav"):
        fetch.file(f"{address}/a.wav", "0" * 64, tmp_path / "a.wav")


def test_a_file_is_kept_if_its_digest_agrees(tmp_path: Path) -> None:
    (tmp_path / "public").mkdir()
    (tmp_path / "public" / "a.wav").write_bytes(b"audio")
    digest = hashlib.sha256(b"audio").hexdigest()
    path = tmp_path / "kept" / "a.wav"
    with served(tmp_path / "public") as address:
        assert fetch.file(f"{address}/a.wav", digest, path).read_bytes() == b"audio"
        with pytest.raises(CorpusError, match=rf"SHA-256 {digest}, not 0000"):
            fetch.file(f"{address}/a.wav", "0" * 64, tmp_path / "other.wav")
        with pytest.raises(CorpusError, match="404"):
            fetch.file(f"{address}/b.wav", digest, tmp_path / "b.wav")
    assert sorted(file.name for file in tmp_path.rglob("*") if file.is_file()) == ["a.wav", "a.wav"]
    # It is there: nobody is asked again.
    assert fetch.file(f"{address}/a.wav", digest, path) == path
