import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audio_model.detector import ScoreOptions
from audio_model.scoring import score_entry
from audio_model.sources.manifests import is_manifest, read_manifest
from audio_model.tables.rows import Columns, Entry, Row
from audio_model.tables.writers import open_output
from tests import clips, sounds
from tests.fake_detector import FakeDetector


def entries(path: Path) -> list[Entry]:
    return list(read_manifest(str(path)))


def test_csv_rows_carry_their_other_columns(tmp_path: Path) -> None:
    manifest = tmp_path / "m.csv"
    manifest.write_text('\ufefflabel,path,note\n1,a.wav,"x, 中"\n\n0,/abs/b.wav,\n', "utf-8")
    assert entries(manifest) == [
        Entry(str(tmp_path / "a.wav"), {"label": "1", "note": "x, 中"}),
        Entry("/abs/b.wav", {"label": "0", "note": ""}),
    ]


def test_json_lines_keep_their_types(tmp_path: Path) -> None:
    manifest = tmp_path / "m.jsonl"
    manifest.write_text('{"path": "a.wav", "label": 1}\n\n{"path": "b.wav", "tags": ["x"]}\n')
    assert entries(manifest) == [
        Entry(str(tmp_path / "a.wav"), {"label": 1}),
        Entry(str(tmp_path / "b.wav"), {"tags": ["x"]}),
    ]


def test_parquet_rows_come_from_every_row_group(tmp_path: Path) -> None:
    manifest = tmp_path / "m.parquet"
    table = pa.table({"path": ["a.wav", "b.wav", "c.wav"], "label": [1, None, 0]})
    pq.write_table(table, manifest, row_group_size=2)
    assert entries(manifest) == [
        Entry(str(tmp_path / f"{name}.wav"), {"label": label})
        for name, label in (("a", 1), ("b", None), ("c", 0))
    ]


def test_a_bad_row_is_reported_by_its_place_and_the_others_are_read(tmp_path: Path) -> None:
    manifest = tmp_path / "m.csv"
    manifest.write_text('path,label\na.wav\nb.wav,1\n,1\n"c"x,1\nd.wav,1\n')
    found = entries(manifest)
    assert [Path(entry.path).name for entry in found if not entry.problem] == ["b.wav", "d.wav"]
    problems = [entry.problem for entry in found if entry.problem]
    assert problems[0] == "line 2: 1 fields, where the header has 2"
    assert problems[1] == 'line 4: path is ""'
    assert problems[2].startswith("line 5: ")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("nonsense", "line 2: not JSON: "),
        ("[1]", "line 2: not a JSON object"),
        ('{"label": 1}', "line 2: path is null"),
        ('{"path": 5}', "line 2: path is 5"),
        ("[" * 100_000, "line 2: not JSON: "),
    ],
)
def test_a_bad_json_line_is_reported_by_its_number(tmp_path: Path, line: str, problem: str) -> None:
    manifest = tmp_path / "m.jsonl"
    manifest.write_text(f'{{"path": "a.wav"}}\n{line}\n{{"path": "b.wav"}}\n')
    first, bad, last = entries(manifest)
    assert (first.problem, last.problem) == ("", "")
    assert bad.path == str(manifest)
    assert bad.problem.startswith(problem)


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        (
            "m.csv",
            b"file;label\n",
            'the manifest has no column named "path", but ["file", "label"]',
        ),
        ("m.csv", b"path,x,x\na,1,2\n", "the manifest has two columns of one name: 'x'"),
        ("m.csv", b"", 'the manifest has no column named "path", but []'),
        ("m.csv", b"path\n", "the manifest holds no rows"),
        ("m.jsonl", b"", "the manifest holds no rows"),
        ("m.parquet", b"", "the manifest is not Parquet, or is cut off"),
        ("m.parquet", b"path\n", "the manifest is not Parquet, or is cut off"),
        ("m.parquet", b"PAR1\xff\xff\xff\x7fPAR1", "the manifest is damaged Parquet"),
    ],
)
def test_a_file_that_is_no_manifest_says_why_and_nothing_else(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str, content: bytes, problem: str
) -> None:
    manifest = tmp_path / name
    manifest.write_bytes(content)
    assert entries(manifest) == [Entry(str(manifest), problem=problem)]
    assert capfd.readouterr() == ("", "")


def test_bytes_that_are_not_utf8_name_their_file(tmp_path: Path) -> None:
    manifest = tmp_path / "m.csv"
    manifest.write_bytes(b"path\na\xff.wav\n")
    assert [os.fsencode(Path(entry.path).name) for entry in entries(manifest)] == [b"a\xff.wav"]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_a_result_table_is_a_manifest(tmp_path: Path, suffix: str) -> None:
    recording = tmp_path / os.fsdecode(b"n\nl \xff \\x41.wav")
    recording.touch()
    result = tmp_path / f"r{suffix}"
    writer = open_output(str(result), Columns(each_channel=False))
    writer.write(Row(Entry(str(recording))))
    writer.finish()
    (entry,) = entries(result)
    assert entry.path == str(recording)
    assert entry.carried["verdict"] == "unknown"


def test_a_backslash_in_an_existing_path_is_no_escape(tmp_path: Path) -> None:
    recording = tmp_path / r"a\x41.wav"
    recording.touch()
    manifest = tmp_path / "m.jsonl"
    manifest.write_text(json.dumps({"path": recording.name}) + "\n")
    assert [entry.path for entry in entries(manifest)] == [str(recording)]


def test_only_existing_files_of_known_endings_are_manifests(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "m.CSV").touch()
    assert is_manifest(str(tmp_path / "m.CSV"))
    assert not is_manifest(str(tmp_path / "folder.csv"))
    assert not is_manifest(str(tmp_path / "missing.csv"))
    assert not is_manifest("x" * 5000 + ".csv")


def test_a_summary_of_campaigns_names_their_exemplars(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "calls").mkdir()
    (tmp_path / "calls" / "a.wav").touch()
    (tmp_path / "out" / "beside.wav").touch()
    summary = tmp_path / "out" / "campaigns.summary.csv"
    summary.write_text("campaign,calls,exemplar\n1,9,calls/a.wav\n2,3,beside.wav\n")
    monkeypatch.chdir(tmp_path)
    assert entries(summary) == [
        Entry("calls/a.wav", {"campaign": "1", "calls": "9"}),
        Entry(str(tmp_path / "out" / "beside.wav"), {"campaign": "2", "calls": "3"}),
    ]


def test_a_row_of_a_url_is_one_error_and_the_rest_is_scored(tmp_path: Path) -> None:
    clips.write(tmp_path / "a.wav", sounds.tone(1.0))
    local = (tmp_path / "a.wav").as_uri()
    rows = ("http://127.0.0.1:9/x.wav", "a.wav", local, "ftp2://h/x.wav", "file://other/x.wav")
    (tmp_path / "m.csv").write_text("Path;caller\n" + "".join(f"{row};1\n" for row in rows))
    scored = [
        row
        for entry in entries(tmp_path / "m.csv")
        for row in score_entry(entry, FakeDetector(), ScoreOptions())
    ]
    assert [bool(row.error) for row in scored] == [True, False, False, True, True]


def test_paths_in_gbk_are_found_by_their_names_or_their_bytes(tmp_path: Path) -> None:
    for name in ("\u5f55\u97f3.wav", os.fsdecode("\u6d4b\u8bd5.wav".encode("gbk"))):
        (tmp_path / name).touch()
    table = "path,caller\n\u5f55\u97f3.wav,1\n\u6d4b\u8bd5.wav,2\n"
    (tmp_path / "m.csv").write_bytes(table.encode("gbk"))
    assert all(os.path.lexists(entry.path) for entry in entries(tmp_path / "m.csv"))


def test_columns_may_have_other_names(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    file = tmp_path / "m.csv"
    file.write_text("录音文件;主叫号码\na.wav;95588\n", encoding="gb18030")
    names = {"path": "录音文件", "caller": "主叫号码"}
    (entry,) = read_manifest(str(file), names)
    assert (entry.path, dict(entry.carried)) == (str(tmp_path / "a.wav"), {"caller": "95588"})
    (entry,) = read_manifest(str(file), {"path": "文件"})
    assert 'has no column named "文件"' in entry.problem
