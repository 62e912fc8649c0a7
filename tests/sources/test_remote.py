"""Remote stores: an S3 that runs on this machine."""

import importlib
import socket
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from audio_model.detector import Detector, ScoreOptions
from audio_model.errors import AudioError, UsageError
from audio_model.scoring import score_entry
from audio_model.sources import open as opening
from audio_model.sources import remote
from audio_model.sources.inputs import expand
from audio_model.sources.open import open_source
from audio_model.tables.rows import Entry
from tests import sounds
from tests.fake_detector import FakeDetector

s3fs = pytest.importorskip("s3fs", reason="remote stores are NOT TESTED: s3fs is missing")
moto_server = pytest.importorskip("moto.server", reason="S3 is NOT TESTED: moto is missing")

BUCKET = "calls"


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    """A store without buckets, found by the environment alone."""
    server = moto_server.ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_MAX_ATTEMPTS": "1",
        }.items():
            patch.setenv(name, value)
        s3fs.S3FileSystem.clear_instance_cache()
        yield s3fs.S3FileSystem()
    s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


@pytest.fixture
def store(s3: Any) -> Iterator[Any]:
    s3.mkdir(BUCKET)
    yield s3
    s3.rm(BUCKET, recursive=True)


@pytest.fixture
def recordings(tmp_path: Path) -> dict[str, Path]:
    """Recordings of a minute, by name."""
    minute = np.tile(sounds.voice(6, 1), 10)
    paths = {name: tmp_path / name for name in ("a.wav", "b.flac", "c.mp3", "d.ogg", "e.ulaw")}
    for path in list(paths.values())[:4]:
        soundfile.write(path, minute, 8000)
    paths["e.ulaw"].write_bytes(bytes(range(256)) * 2000)
    return paths


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """The requests that were made: the method and the range."""
    made = []
    call = s3fs.S3FileSystem._call_s3

    async def counting(self: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        made.append((method, kwargs.get("Range", "")))
        return await call(self, method, *args, **kwargs)

    monkeypatch.setattr(s3fs.S3FileSystem, "_call_s3", counting)
    return made


def test_an_object_scores_as_the_file_does(
    store: Any, recordings: dict[str, Path], detector: Detector
) -> None:
    for name, path in recordings.items():
        store.pipe(f"{BUCKET}/2026/{name}", path.read_bytes())
    entries = list(expand([f"s3://{BUCKET}/2026/"]))
    assert entries == [Entry(f"s3://{BUCKET}/2026/{name}") for name in recordings]
    for entry, path in zip(entries, recordings.values(), strict=True):
        for options in (ScoreOptions(), ScoreOptions(channel=None)):
            (from_object,) = score_entry(entry, detector, options)
            (from_file,) = score_entry(Entry(str(path)), detector, options)
            assert from_object.verdict == from_file.verdict is not None


def test_members_of_a_remote_archive_score_as_the_files_do(
    store: Any,
    recordings: dict[str, Path],
    detector: Detector,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    archives = opening._OpenArchives()
    monkeypatch.setattr(opening, "_open_archives", archives)
    packed = tmp_path / "all.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for path in recordings.values():
            archive.write(path, path.name)
    url = f"s3://{BUCKET}/all.zip"
    store.pipe(url, packed.read_bytes())
    entries = list(expand([url]))
    assert [entry.path for entry in entries] == [f"zip://{name}::{url}" for name in recordings]
    for entry, path in zip(entries, recordings.values(), strict=True):
        (from_member,) = score_entry(entry, detector, ScoreOptions())
        (from_file,) = score_entry(Entry(str(path)), detector, ScoreOptions())
        assert from_member.verdict == from_file.verdict is not None
    for held in archives._open.values():
        held.archive.close()


@pytest.mark.parametrize("name", ["a.wav", "b.flac"])
def test_the_beginning_of_a_long_recording_is_all_that_is_fetched(
    store: Any,
    recordings: dict[str, Path],
    detector: Detector,
    requests: list[tuple[str, str]],
    name: str,
) -> None:
    url = f"s3://{BUCKET}/{name}"
    store.pipe(url, recordings[name].read_bytes())
    requests.clear()
    (row,) = score_entry(Entry(url), detector, ScoreOptions(channel=None))
    assert row.verdict is not None
    assert requests == [("head_object", ""), ("get_object", "bytes=0-262143")]


def test_listing_goes_page_by_page_below_the_prefix_alone(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = ["x/1.wav", "x/2.wav", "x/notes.txt", "x/y/::a*b 中.mp3", "x/z.wav"]
    for key in (*keys, "xy/other.wav", "x/"):
        store.pipe(f"{BUCKET}/{key}", b"?")
    pages = []
    call = s3fs.S3FileSystem.call_s3

    def two_a_page(self: Any, method: str, **asked: Any) -> Any:
        pages.append(method)
        return call(self, method, MaxKeys=2, **asked)

    monkeypatch.setattr(s3fs.S3FileSystem, "call_s3", two_a_page)
    listed = remote.list_objects(f"s3://{BUCKET}/x/")
    assert next(listed) == f"s3://{BUCKET}/x/"
    assert len(pages) == 1
    assert list(listed) == [f"s3://{BUCKET}/{key}" for key in keys]
    assert pages == ["list_objects_v2"] * 3
    for bucket in (f"s3://{BUCKET}", f"s3a://{BUCKET}/"):
        found = [entry.path for entry in expand([bucket])]
        audio = [key for key in keys if not key.endswith(".txt")]
        scheme = bucket.split(":")[0]
        assert found == [f"{scheme}://{BUCKET}/{key}" for key in (*audio, "xy/other.wav")]
    with open_source(f"s3://{BUCKET}/{keys[3]}") as file:
        assert file.read() == b"?"


def test_what_is_not_there_is_told_by_its_url(store: Any) -> None:
    store.pipe(f"{BUCKET}/x/a.txt", b"")
    for url, message in {
        f"s3://{BUCKET}/b.wav": "no such object or bucket",
        f"s3://{BUCKET}/x": "is a folder, not a recording (to score all in it, end it in /)",
        "s3://nowhere/a.wav": "no such object or bucket",
        "nothing://x/a.wav": "the store fails: ValueError: Protocol not known: nothing",
    }.items():
        with pytest.raises(AudioError) as raised, open_source(url):
            pass
        assert (raised.value.path, raised.value.message) == (url, message)
        assert list(expand([url])) == [Entry(url)]
    for url, problem in {
        f"s3://{BUCKET}/x/": "the folder holds no audio files",
        f"s3://{BUCKET}/y/": "the folder holds no audio files",
        "s3://nowhere/": "the folder cannot be listed: no such object or bucket",
        f"s3://{BUCKET}/none.tar.gz": "no such object or bucket",
    }.items():
        assert list(expand([url])) == [Entry(url, problem=problem)]


def test_a_store_that_is_not_there_is_an_error_soon(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free.getsockname()[1]}")
        s3fs.S3FileSystem.clear_instance_cache()
        with (
            pytest.raises(AudioError, match=rf"^s3://{BUCKET}/a\.wav: the store fails: "),
            open_source(f"s3://{BUCKET}/a.wav"),
        ):
            pass
    s3fs.S3FileSystem.clear_instance_cache()


def test_a_store_that_fails_while_it_is_read_is_an_error_and_no_short_recording(
    store: Any,
    recordings: dict[str, Path],
    detector: Detector,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(remote, "_BLOCK_BYTES", 20_000)
    fetch = s3fs.core.S3File._fetch_range

    def failing(self: Any, start: int, end: int) -> bytes:
        if start > 0:
            raise TimeoutError("timed out")
        return fetch(self, start, end)

    for name, path in recordings.items():
        store.pipe(f"{BUCKET}/{name}", path.read_bytes())
    monkeypatch.setattr(s3fs.core.S3File, "_fetch_range", failing)
    for name in recordings:
        (row,) = score_entry(Entry(f"s3://{BUCKET}/{name}"), detector, ScoreOptions())
        assert row.error == "the store fails: TimeoutError: timed out", name


@pytest.mark.parametrize("missing", ["fsspec", "s3fs"])
def test_without_the_extra_a_folder_ends_the_run_and_a_row_says_what_to_install(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry: Any = importlib.import_module("fsspec.registry")
    monkeypatch.delitem(registry._registry, "s3", raising=False)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(UsageError, match=r"^s3://bucket/: .*audio-model\[remote\]"):
        list(expand(["s3://bucket/"]))
    (row,) = score_entry(Entry("s3://bucket/a.wav"), FakeDetector(), ScoreOptions())
    assert "audio-model[remote]" in (row.error or "")
