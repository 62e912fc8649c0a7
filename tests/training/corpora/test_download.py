import subprocess
from pathlib import Path

import pytest

from training.corpora import download
from training.corpora.engine import module_of, sha256, version_of
from training.corpora.errors import CorpusError


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of programs that come before the real ones."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return folder


def program(folder: Path, name: str, script: str) -> None:
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


def archive(folder: Path) -> Path:
    (folder / "package" / "voices").mkdir(parents=True)
    (folder / "package" / "voices" / "anna.bin").write_bytes(b"anna")
    file = folder / "archive.tgz"
    subprocess.run(["tar", "czf", file, "-C", folder, "package"], check=True)
    return file


def test_an_npm_package_is_fetched_once_and_checked(tmp_path: Path, programs: Path) -> None:
    packed = archive(tmp_path)
    program(programs, "npm", f'echo "$@" >> {tmp_path}/calls; cp {packed} kokoro-js-1.2.1.tgz')
    for _ in range(2):
        folder = download.npm("kokoro-js", "1.2.1", sha256(packed), tmp_path / "downloads")
        assert (folder / "voices" / "anna.bin").read_bytes() == b"anna"
    assert (tmp_path / "calls").read_text() == "pack --silent kokoro-js@1.2.1\n"


def test_another_archive_is_not_unpacked(tmp_path: Path, programs: Path) -> None:
    program(programs, "npm", f"cp {archive(tmp_path)} kokoro-js-1.2.1.tgz")
    with pytest.raises(CorpusError, match=r"kokoro-js-1\.2\.1\.tgz.*SHA-256"):
        download.npm("kokoro-js", "1.2.1", "0" * 64, tmp_path / "downloads")
    assert not (tmp_path / "downloads" / "kokoro-js-1.2.1").exists()


def test_a_debian_package_is_fetched_and_unpacked_once(tmp_path: Path, programs: Path) -> None:
    program(programs, "apt-get", f'echo "$@" >> {tmp_path}/calls; echo deb > "$2_1.6-1_all.deb"')
    program(programs, "dpkg", 'mkdir -p "$3/usr"; cp "$2" "$3/usr/sound"')
    for _ in range(2):
        deb, unpacked = download.debian("sounds", tmp_path / "downloads")
        assert deb.name == "sounds_1.6-1_all.deb"
        assert (unpacked / "usr" / "sound").read_text() == "deb\n"
    assert (tmp_path / "calls").read_text() == "download sounds\n"


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no-such-program is not installed"):
        download.run(["no-such-program"])


def test_a_program_that_fails_says_why(tmp_path: Path, programs: Path) -> None:
    program(programs, "npm", "echo first >&2; echo no such package >&2; exit 1")
    with pytest.raises(CorpusError, match="npm failed: no such package"):
        download.npm("nothing", "1", "", tmp_path)


def test_a_debian_package_that_is_not_installed_is_named(programs: Path) -> None:
    program(programs, "dpkg-query", "echo no packages found >&2; exit 1")
    with pytest.raises(CorpusError, match="apt-get install festvox-nobody"):
        download.debian_version("festvox-nobody")


def test_a_python_package_that_is_not_installed_says_how() -> None:
    with pytest.raises(CorpusError, match=r"no-such-voice is not installed: .*requirements\.txt"):
        version_of("no-such-voice")
    with pytest.raises(CorpusError, match="no-such-voice"):
        module_of("no-such-voice", "json")
