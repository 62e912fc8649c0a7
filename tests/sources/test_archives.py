import bz2
import gzip
import io
import lzma
import os
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_model.sources import file_parts
from audio_model.sources.archives import Archive, Member, is_compressed_tar, kind_of, open_archive
from audio_model.sources.file_parts import BufferedStream, FilePart

Content = Mapping[str, bytes]
Packer = Callable[[Content], bytes]

NOISE = os.urandom(300_000)


def stored_zip(content: Content) -> bytes:
    return zip_of(content, zipfile.ZIP_STORED)


def zip_of(content: Content, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return packed.getvalue()


def tar_of(content: Content, format: int = tarfile.PAX_FORMAT) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=format, encoding="utf-8") as archive:
        for name, data in content.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return packed.getvalue()


PACKERS: dict[str, Packer] = {
    "stored.zip": stored_zip,
    "deflated.zip": zip_of,
    "bz2.zip": lambda content: zip_of(content, zipfile.ZIP_BZIP2),
    "lzma.zip": lambda content: zip_of(content, zipfile.ZIP_LZMA),
    "pax.tar": tar_of,
    "gnu.tar": lambda content: tar_of(content, tarfile.GNU_FORMAT),
    "a.tar.gz": lambda content: gzip.compress(tar_of(content), 1),
    "a.tar.bz2": lambda content: bz2.compress(tar_of(content)),
    "a.tar.xz": lambda content: lzma.compress(tar_of(content), preset=0),
    "plain after all.tgz": tar_of,
}


@contextmanager
def opened(packed: bytes | bytearray, name: str) -> Iterator[Archive]:
    kind = kind_of(name)
    assert kind is not None
    file = io.BytesIO(packed)
    archive = open_archive(file, kind, compressed=is_compressed_tar(name))  # type: ignore[arg-type]
    yield archive
    archive.close()
    assert file.closed


def listed(packed: bytes | bytearray, name: str) -> list[Member]:
    """The members, apart from their places."""
    with opened(packed, name) as archive:
        return [replace(member, place=None) for member in archive.members()]


@pytest.mark.parametrize("name", PACKERS)
def test_members_are_listed_in_order_and_read_from_anywhere(name: str) -> None:
    content = {"b.wav": NOISE, "a/c.wav": b"", "中/\udcff\n::.ulaw": b"short"}
    if name.endswith(".zip"):
        content["中/::.ulaw"] = content.pop("中/\udcff\n::.ulaw")
    packed = PACKERS[name](content)
    assert listed(packed, name) == [Member(member) for member in content]
    with opened(packed, name) as archive:
        for member in [*content, *reversed(content)]:
            with archive.open(member) as file:
                data = content[member]
                assert file.seek(0, os.SEEK_END) == len(data)
                assert file.read(1) == b""
                assert file.seek(len(data) // 2) == file.tell()
                assert file.read(1000) == data[len(data) // 2 :][:1000]
                assert file.seek(-file.tell(), os.SEEK_CUR) == 0
                assert file.read() == data
                with pytest.raises(OSError):
                    file.seek(-1)


@pytest.mark.parametrize("name", PACKERS)
def test_a_member_that_is_not_there_is_an_error_however_often_it_is_asked_for(name: str) -> None:
    with opened(PACKERS[name]({"a.wav": NOISE}), name) as archive:
        for _ in range(2):
            with pytest.raises(OSError, match="holds no such member"):
                archive.open("b.wav")
            with archive.open("a.wav") as file:
                assert file.read() == NOISE


@given(names=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), unique=True))
@pytest.mark.parametrize("name", ["pax.tar", "deflated.zip"])
def test_any_name_is_listed_and_found(name: str, names: list[str]) -> None:
    wanted = [member for member in names if member.strip("/")]
    wanted = [member for member in wanted if not member.endswith("/")]
    packed = PACKERS[name]({member: member.encode() for member in wanted})
    assert [member.name for member in listed(packed, name)] == wanted
    with opened(packed, name) as archive:
        for member in archive.members():
            if not member.problem:
                with archive.open(member.name) as file:
                    assert file.read() == member.name.encode()


@pytest.mark.parametrize("name", ["stored.zip", "pax.tar", "a.tar.gz"])
@pytest.mark.parametrize(
    "member",
    ["../a.wav", "a/../../b.wav", "/etc/a.wav", "..\\a.wav", "C:\\a.wav", "\\\\host\\a.wav"],
)
def test_names_that_lead_out_of_the_archive_are_problems(name: str, member: str) -> None:
    packed = PACKERS[name]({member: NOISE, "a..b.wav": NOISE})
    outside, inside = listed(packed, name)
    assert outside == Member(member, "its name leads out of the archive")
    assert not inside.problem
    with opened(packed, name) as archive, pytest.raises(OSError, match="leads out"):
        archive.open(member)


def test_an_encrypted_member_is_a_problem() -> None:
    packed = bytearray(stored_zip({"a.wav": NOISE, "b.wav": NOISE}))
    packed[packed.rindex(b"PK\1\2") + 8] |= 1
    assert listed(packed, "a.zip") == [Member("a.wav"), Member("b.wav", "is encrypted")]
    with opened(packed, "a.zip") as archive, pytest.raises(OSError, match="is encrypted"):
        archive.open("b.wav")


def test_links_and_devices_are_problems() -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE):
            info = tarfile.TarInfo(f"{kind.decode()}.wav")
            info.type = kind
            info.linkname = "/etc/passwd"
            archive.addfile(info)
    device = "is a FIFO or a device, not a file"
    assert [member.problem for member in listed(packed.getvalue(), "a.tar")] == [
        "is a link",
        "is a link",
        device,
    ]


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz"])
def test_of_members_with_one_name_one_is_read(name: str) -> None:
    packed = io.BytesIO()
    if name.endswith(".zip"):
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("a.wav", b"old")
            archive.writestr("a.wav", b"new")
    else:
        packed.write(tar_of({"a.wav": b"old"})[:1024] + tar_of({"a.wav": b"new"}))
    found = listed(packed.getvalue(), name)
    assert [member.name for member in found] == ["a.wav", "a.wav"]
    assert sum(bool(member.problem) for member in found) == 1
    with opened(packed.getvalue(), name) as opened_archive:
        for _ in range(2):
            with opened_archive.open("a.wav") as file:
                assert file.read() == (b"new" if name.endswith(".zip") else b"old")


@pytest.mark.parametrize("name", PACKERS)
def test_what_is_no_archive_is_damaged(name: str) -> None:
    for content in (b"", b"RIFF" + NOISE):
        with pytest.raises(OSError, match="the archive is damaged"):
            listed(content, name)


@pytest.mark.parametrize("name", ["pax.tar", "a.tar.gz"])
@pytest.mark.parametrize("damage", ["cut", "header"])
def test_members_before_the_damage_of_a_tar_are_read(name: str, damage: str) -> None:
    packed = tar_of({"a.wav": b"a" * 512, "b.wav": NOISE, "c.wav": b"c"})
    if damage == "cut":
        packed = packed[:100_000]
    else:
        at = packed.index(b"c.wav")
        packed = packed[:at] + b"?" + packed[at + 1 :]
    if name.endswith(".gz"):
        packed = gzip.compress(packed)
    found: list[object] = []
    with opened(packed, name) as archive:
        with pytest.raises(OSError, match="the archive is damaged"):
            found.extend(member.name for member in archive.members())
        members = archive.members()
        found = [next(members).name, next(members).name]
        for _ in range(2):
            with pytest.raises(OSError, match="the archive is damaged"):
                archive.open("c.wav")
            with archive.open("a.wav") as file:
                assert file.read() == b"a" * 512
    assert found == ["a.wav", "b.wav"]


def test_a_damaged_end_of_a_compressed_member_is_told_by_reading_it() -> None:
    packed = bytearray(zip_of({"a.wav": NOISE + bytes(200_000)}))
    packed[250_000:250_100] = bytes(100)
    with opened(packed, "a.zip") as archive, archive.open("a.wav") as file:
        assert file.read(1000) == NOISE[:1000]
        with pytest.raises(OSError, match="the archive is damaged"):
            file.read()


@pytest.mark.parametrize("compressed", [False, True])
def test_a_header_that_asks_for_gigabytes_is_damage(compressed: bool) -> None:
    info = tarfile.TarInfo("././@LongLink")
    info.type = tarfile.GNUTYPE_LONGNAME
    info.size = 1 << 33
    packed = tar_of({"a.wav": b""})[:512] + info.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 20)
    name = "a.tar"
    if compressed:
        packed, name = gzip.compress(packed), "a.tar.gz"
    with opened(packed, name) as archive:
        members = archive.members()
        assert next(members).name == "a.wav"
        with pytest.raises(OSError, match="a header of more than 1048576 bytes"):
            next(members)


def test_headers_that_nest_without_end_are_damage() -> None:
    info = tarfile.TarInfo("././@LongLink")
    info.type = tarfile.GNUTYPE_LONGNAME
    info.size = 1
    packed = (info.tobuf(tarfile.GNU_FORMAT) + bytes(512)) * 5000
    with pytest.raises(OSError, match="the archive is damaged"):
        listed(packed, "a.tar")


def test_a_member_without_a_name_is_a_member() -> None:
    packed = stored_zip({"a.wav": b"a"}).replace(b"a.wav", b"\0.wav")
    assert listed(packed, "a.zip") == [Member("")]


@given(data=st.data())
@pytest.mark.parametrize("name", PACKERS)
def test_whatever_the_damage_it_is_an_os_error(name: str, data: st.DataObject) -> None:
    packed = bytearray(PACKERS[name]({"a.wav": b"ab" * 300, "x" * 120: b"", "b.wav": b"b"}))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(packed) - 1))
        packed[at] = data.draw(st.integers(0, 255))
    packed = packed[: data.draw(st.integers(0, len(packed)))]
    names = ["a.wav", "b.wav"]
    try:
        with opened(packed, name) as archive:
            for member in archive.members():
                names.append(member.name)
    except OSError:
        pass
    for member_name in names:
        try:
            with opened(packed, name) as archive, archive.open(member_name) as file:
                file.read()
        except OSError:
            pass


@pytest.mark.parametrize("format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_a_member_of_a_tar_is_found_at_its_place_at_once(format: int) -> None:
    content = {f"{number:0150}.wav": b"%d" % number for number in range(100)}
    packed = CountingReads(tar_of(content, format))
    archive = open_archive(packed, "tar", compressed=False)  # type: ignore[arg-type]
    members = list(archive.members())
    for member in reversed(members):
        packed.count = 0
        with archive.open(member.name, member.place) as file:
            assert file.read() == content[member.name]
        assert packed.count < 4000
    for place in (1, members[1].place, 1 << 40):
        with pytest.raises(OSError, match=r"the archive (is|has changed)"):
            archive.open(members[0].name, place)


class CountingReads(io.BytesIO):
    """How many bytes were read."""

    count = 0

    def read(self, n_bytes: int | None = -1, /) -> bytes:
        data = super().read(n_bytes)
        self.count += len(data)
        return data


def test_a_compressed_tar_is_read_once_if_its_members_are_opened_in_order() -> None:
    content = {f"{number}.wav": os.urandom(20_000) for number in range(50)}
    packed = CountingReads(gzip.compress(tar_of(content), 1))
    archive = open_archive(packed, "tar", compressed=True)  # type: ignore[arg-type]
    for name, data in content.items():
        with archive.open(name) as file:
            assert file.read(5000) == data[:5000]
            file.seek(0)
            assert file.read(10) == data[:10]
    size = len(packed.getbuffer())
    assert packed.count < size + 50_000
    archive.open("0.wav").close()
    # From Python 3.12 on gzip reads 128 KiB at a time.
    assert packed.count < size + 200_000


def test_of_a_compressed_member_no_more_is_read_than_what_is_asked_for() -> None:
    packed = CountingReads(zip_of({"a.wav": NOISE * 10}))
    archive = open_archive(packed, "zip", compressed=False)  # type: ignore[arg-type]
    with archive.open("a.wav") as file:
        before = packed.count
        assert file.seek(0, os.SEEK_END) == len(NOISE) * 10
        file.seek(100)
        assert file.read(1000) == NOISE[100:1100]
        assert packed.count - before < 200_000


@given(st.lists(st.tuples(st.integers(0, 120), st.integers(0, 120))), st.binary(max_size=100))
def test_windows_and_held_streams_read_as_files_do(
    reads: list[tuple[int, int]], data: bytes
) -> None:
    files = (
        io.BytesIO(data),
        FilePart(io.BytesIO(b"before" + data + b"behind"), len(b"before"), len(data)),
        BufferedStream(io.BytesIO(data), len(data)),
    )
    for position, n_bytes in reads:
        assert len({(file.seek(position), file.read(n_bytes), file.tell()) for file in files}) == 1


def test_a_held_stream_holds_no_more_than_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_parts, "_MAX_HELD_BYTES", 1000)
    stream = CountingReads(NOISE)
    file = BufferedStream(stream, len(NOISE))
    assert (file.seek(-100, os.SEEK_END), file.read(100)) == (len(NOISE) - 100, b"")
    assert (file.seek(900), file.read(200)) == (900, NOISE[900:1000])
    assert stream.count < 100_000


def test_endings_tell_what_an_archive_is() -> None:
    assert [kind_of(name) for name in ("a.ZIP", "a.tar", "b/a.tar.gz", "a.TGZ", "a.gz", "zip")] == [
        "zip",
        "tar",
        "tar",
        "tar",
        None,
        None,
    ]
    assert not is_compressed_tar("a.tar")
    assert is_compressed_tar("a.tar.XZ")
