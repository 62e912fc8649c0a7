import contextlib
import io
import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from audio_model import audio
from audio_model.detector import Detector, ScoreOptions
from audio_model.errors import AudioError
from audio_model.scoring import score_entry
from audio_model.sources import open as opening
from audio_model.sources.inputs import expand
from audio_model.sources.manifests import read_manifest
from audio_model.sources.open import (
    MemberPath,
    from_folder,
    is_remote,
    name_of,
    open_source,
    sequential_archive,
)
from audio_model.sources.survey import survey
from audio_model.tables.rows import Entry, Row
from tests import sounds

ARCHIVES = ("calls.zip", "calls.tar", "calls.tar.gz")


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of recordings, and archives of it beside."""
    folder = tmp_path_factory.mktemp("packed")
    calls = folder / "calls"
    calls.mkdir()
    stereo = np.stack([sounds.voice(3, 1), sounds.voice(3, 2, played=True)], axis=1)
    soundfile.write(calls / "a.wav", stereo, 8000)
    soundfile.write(calls / "b.flac", sounds.voice(3, 3), 8000)
    soundfile.write(calls / "c.mp3", sounds.voice(3, 4, played=True), 8000)
    (calls / "d.sln16").write_bytes((sounds.voice(3, 5) * 32000).astype("<i2").tobytes())
    (calls / "e.wav").write_bytes(b"RIFF\0\0\0\0WAVE nothing of use")
    (calls / "f.wav").touch()
    (calls / "notes.txt").write_text("no audio")
    with contextlib.chdir(folder):
        pack(*sorted(Path("calls").iterdir()))
    return folder


@pytest.fixture
def here(packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the folder, to work in."""
    shutil.copytree(packed, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    archives = opening._OpenArchives()
    monkeypatch.setattr(opening, "_open_archives", archives)
    yield tmp_path
    for held in archives._open.values():
        held.archive.close()


def pack(*files: Path) -> None:
    with zipfile.ZipFile("calls.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        for file in files:
            packed.write(file)
    for name, mode in (("calls.tar", "w"), ("calls.tar.gz", "w:gz")):
        with tarfile.open(name, mode) as packed:  # type: ignore[call-overload]
            for file in files:
                packed.add(file)


def n_open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def scored(path: str, detector: Detector, options: ScoreOptions | None = None) -> list[Row]:
    return [
        row
        for entry in expand([path])
        for row in score_entry(entry, detector, options or ScoreOptions())
    ]


@pytest.mark.parametrize("archive", ARCHIVES)
@pytest.mark.parametrize("options", [ScoreOptions(), ScoreOptions(channel=None)])
def test_a_member_scores_as_the_file_does(
    here: Path, detector: Detector, archive: str, options: ScoreOptions
) -> None:
    from_files = scored("calls", detector, options)
    from_members = scored(archive, detector, options)
    kind = archive[6:9]
    assert [row.entry.path for row in from_members] == [
        f"{kind}://{row.entry.path}::{archive}" for row in from_files
    ]
    for file, member in zip(from_files, from_members, strict=True):
        assert (member.verdict, member.error) == (file.verdict, file.error)
        assert member.channel == file.channel
    assert sum(not row.error for row in from_members) == 4 + (options.channel is None)


def test_an_open_file_is_read_from_its_start_and_stays_open(here: Path, detector: Detector) -> None:
    with open("calls/b.flac", "rb") as file:  # noqa: PTH123
        file.seek(1000)
        assert detector.score(file) == detector.score("calls/b.flac")
        assert detector.score(file, name="x.mp3") == detector.score("calls/b.flac")
        assert audio.channel_count(file) == 1
    raw = io.BytesIO(Path("calls/d.sln16").read_bytes())
    assert detector.score(raw, name="any.sln16") == detector.score("calls/d.sln16")
    with pytest.raises(AudioError, match=r"^<file>: not a known audio format"):
        detector.score(raw)
    with pytest.raises(AudioError, match=r"^b\.wav: the file is empty"):
        detector.score(io.BytesIO(), name="b.wav")


@pytest.mark.parametrize("name", ["b.flac", "c.mp3", "a.wav", "d.sln16", "x.caf"])
@pytest.mark.parametrize("after", [0, 1, 6000])
def test_a_source_that_fails_is_an_error_and_no_short_recording(
    here: Path, detector: Detector, name: str, after: int
) -> None:
    class Failing(io.BytesIO):
        def read(self, n_bytes: int | None = -1, /) -> bytes:
            if self.tell() + (n_bytes or 0) > after:
                raise OSError("the store does not answer")
            return super().read(n_bytes)

    soundfile.write("calls/x.caf", sounds.voice(3, 6), 8000)
    file = Failing(Path("calls", name).read_bytes())
    with pytest.raises(AudioError, match=f"^{name}: the store does not answer"):
        detector.score(file, name=name)


def test_archives_are_expanded_where_they_are_named(here: Path) -> None:
    assert [entry.path for entry in expand(["calls.zip", "calls/a.wav"])] == [
        *(f"zip://calls/{name}::calls.zip" for name in ("a.wav", "b.flac", "c.mp3", "d.sln16")),
        *(f"zip://calls/{name}::calls.zip" for name in ("e.wav", "f.wav")),
        "calls/a.wav",
    ]
    by_pattern = [entry.path for entry in expand(["*.tar*"])]
    assert by_pattern == [entry.path for entry in expand(["calls.tar", "calls.tar.gz"])]
    assert list(expand(["zip://any*[::calls.zip"])) == [Entry("zip://any*[::calls.zip")]
    assert {entry.path for entry in expand(["."])} == {
        entry.path.removeprefix("./") for entry in expand(["calls"])
    }


def test_only_what_is_quickly_counted_is(here: Path) -> None:
    assert survey(["calls.zip", "calls.tar", "calls"]).total == 18
    assert survey(["calls.tar.gz", "calls"]).total is None
    assert survey(["s3://bucket/", "calls"]).total is None


def test_archives_with_nothing_to_score_say_why(here: Path) -> None:
    Path("damaged.zip").write_bytes(Path("calls.zip").read_bytes()[:-100])
    Path("a::b.zip").write_bytes(b"")
    Path("calls/inner.tar.gz").write_bytes(b"")
    pack(Path("calls/notes.txt"))
    Path("notes.zip").write_bytes(Path("calls.zip").read_bytes())
    pack(Path("calls/inner.tar.gz"), Path("calls/a.wav"))
    Path("folder.zip").mkdir()
    for path, found in {
        "missing.zip": [("missing.zip", "no such file")],
        "damaged.zip": [("damaged.zip", "the archive is damaged (File is not a zip file)")],
        "a::b.zip": [("a::b.zip", 'has "::" in its name, which parts a member from its archive')],
        "notes.zip": [("notes.zip", "the archive holds no audio files")],
        "folder.zip": [("folder.zip", "the folder holds no audio files")],
        "calls.tar": [
            (
                "tar://calls/inner.tar.gz::calls.tar",
                "is an archive within an archive: unpack it",
            ),
            ("tar://calls/a.wav::calls.tar", ""),
        ],
    }.items():
        assert [(entry.path, entry.problem) for entry in expand([path])] == found


def test_the_damaged_end_of_an_archive_is_a_row_behind_its_members(
    here: Path, detector: Detector
) -> None:
    whole = Path("calls.tar").read_bytes()
    Path("cut.tar").write_bytes(whole[: whole.index(b"calls/c.mp3") + 1500])
    rows = scored("cut.tar", detector)
    assert [row.error for row in rows[:2]] == ["", ""]
    assert rows[2].error == "the archive is damaged (a member is cut off)"
    assert rows[3].entry.path == "cut.tar"
    assert rows[3].error == "the archive is damaged (unexpected end of data)"
    assert len(rows) == 4


def test_a_manifest_names_members(here: Path, detector: Detector) -> None:
    manifest = here / "m.csv"
    manifest.write_text(
        "path,label\n"
        "zip://calls/b.flac::calls.zip,1\n"
        f"tar://calls/b.flac::{here}/calls.tar.gz,1\n"
        "zip://calls/z.flac::calls.zip,1\n"
        "zip://calls/b.flac::z.zip,1\n"
        "s3://bucket/a.wav,1\n"
    )
    entries = list(read_manifest(str(manifest)))
    assert [entry.path for entry in entries] == [
        f"zip://calls/b.flac::{here}/calls.zip",
        f"tar://calls/b.flac::{here}/calls.tar.gz",
        f"zip://calls/z.flac::{here}/calls.zip",
        f"zip://calls/b.flac::{here}/z.zip",
        "s3://bucket/a.wav",
    ]
    rows = [row for entry in entries[:4] for row in score_entry(entry, detector, ScoreOptions())]
    assert [row.error for row in rows] == [
        "",
        "",
        "the archive holds no such member",
        "of its archive: no such file",
    ]
    assert rows[0].verdict == rows[1].verdict == detector.score("calls/b.flac")
    assert all(row.entry.carried == {"label": "1"} for row in rows)


def test_an_archive_that_was_replaced_is_opened_anew(here: Path) -> None:
    path = "zip://calls/a.wav::calls.zip"
    with open_source(path) as file:
        assert file.read(4) == b"RIFF"
    Path("calls/a.wav").write_bytes(b"another")
    Path("calls.zip").rename("old.zip")
    pack(Path("calls/a.wav"))
    with open_source(path) as file:
        assert file.read() == b"another"


def test_a_few_archives_stay_open_and_no_more(here: Path) -> None:
    whole = Path("calls.zip").read_bytes()
    names = [f"{number}.zip" for number in range(20)]
    for name in names:
        Path(name).write_bytes(whole)
    before = n_open_files()
    with open_source(f"zip://calls/a.wav::{names[0]}") as first:
        for name in names[1:]:
            with open_source(f"zip://calls/a.wav::{name}") as file:
                assert file.read(4) == b"RIFF"
        # One that is in use stays, too.
        assert first.read(4) == b"RIFF"
    assert n_open_files() - before <= 4


def test_members_of_a_compressed_tar_are_told_apart() -> None:
    assert sequential_archive("tar://a.wav::x/calls.tar.gz") == "x/calls.tar.gz"
    assert sequential_archive("tar://a.wav::s3://b/calls.tgz") == "s3://b/calls.tgz"
    for path in ("tar://a.wav::calls.tar", "zip://a.tar.gz::calls.zip", "calls.tar.gz", "a.wav"):
        assert sequential_archive(path) is None


@given(st.sampled_from(["zip", "tar"]), st.text(), st.text().filter(lambda path: "::" not in path))
def test_a_members_path_is_taken_apart_as_it_was_put_together(
    kind: str, member: str, archive: str
) -> None:
    at = MemberPath(kind, member, archive)
    path = str(at)
    if member.endswith(":") or archive.startswith(":"):
        return
    assert MemberPath.parse(path) == at
    assert name_of(path) == member
    assert not is_remote(path)


def test_paths_in_a_folder() -> None:
    folder = Path("/data")
    assert from_folder(folder, "a.wav") == "/data/a.wav"
    assert from_folder(folder, "/x/a.wav") == "/x/a.wav"
    assert from_folder(folder, "zip://a.wav::b/c.zip") == "zip://a.wav::/data/b/c.zip"
    assert from_folder(folder, "zip://a.wav::s3://b/c.zip") == "zip://a.wav::s3://b/c.zip"
    assert from_folder(folder, "s3://b/a.wav") == "s3://b/a.wav"


def test_a_file_has_one_name_from_whichever_folder_it_is_reached(tmp_path: Path) -> None:
    for name in ("calls", "marks", "elsewhere/marks", "elsewhere/calls"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "a.wav").write_bytes(b"")
    assert from_folder(tmp_path / "marks", "../calls/a.wav") == str(tmp_path / "calls/a.wav")
    assert from_folder(tmp_path / "marks", "zip://b.wav::../calls/a.wav") == (
        f"zip://b.wav::{tmp_path}/calls/a.wav"
    )
    # What is not there has no better name than its own.
    assert from_folder(tmp_path / "marks", "../no.wav") == f"{tmp_path}/marks/../no.wav"
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere/marks")
    through = from_folder(tmp_path / "link", "../calls/a.wav")
    assert Path(through).samefile(tmp_path / "elsewhere/calls/a.wav")
    assert is_remote("s3://b/a.wav")
    assert not any(map(is_remote, ("a.wav", "a::b", "s3:/a", "zip://a::b", "1s://a", "://a")))
