import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from training.data.manifest import ManifestError, deduplicate, load, load_all


def write_audio(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(-8000, 8000, 4000, dtype=np.int16)
    with path.open("wb") as file:
        soundfile.write(file, noise, 8000, format="WAV")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for seed, name in enumerate(["ivr/a.wav", "ivr/b.wav", "people/c.wav", "d.wav"]):
        write_audio(tmp_path / name, seed)
    return tmp_path


def write_csv(folder: Path, *lines: str) -> Path:
    path = folder / "manifest.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def problems(path: Path) -> list[str]:
    with pytest.raises(ManifestError) as caught:
        load(path)
    assert str(path) in str(caught.value)
    return list(caught.value.problems)


def test_only_three_columns_are_required(folder: Path) -> None:
    file = write_csv(folder, "path,label,source", "ivr/a.wav,1,anna", "d.wav,live,ben")
    anna, ben = load(file).clips
    assert (anna.path, anna.name) == (folder / "ivr/a.wav", "ivr/a.wav")
    assert (anna.label, anna.source, anna.group, anna.corpus) == (1, "anna", "anna", "ivr")
    assert (anna.text, anna.call, anna.language, anna.duration_s) == ("", "", "", None)
    assert anna.may_train
    assert (ben.label, ben.corpus) == (0, "own")


def test_every_column_is_read_and_others_are_ignored(folder: Path) -> None:
    file = write_csv(
        folder,
        "label,path,source,group,corpus,kind,text,call,language,duration_s,licence,may_train,note",
        'Recorded,ivr/a.wav,s,g,co,"actor, prompts",t,ca,fr,0.5,CC0,No,x',
        ",d.wav,tone,,,,,,,,,,",
    )
    clip, tone = load(file).clips
    assert clip.label == 1
    assert (clip.source, clip.group, clip.corpus, clip.kind) == ("s", "g", "co", "actor, prompts")
    assert (clip.text, clip.call, clip.language, clip.licence) == ("t", "ca", "fr", "CC0")
    assert clip.duration_s == 0.5
    assert not clip.may_train
    assert (tone.label, tone.group, tone.may_train) == (None, "tone", True)


def test_rows_of_no_use_are_left_out_of_marks_that_are_not_read_strictly(folder: Path) -> None:
    rows = ["d.wav,live,ben", "ivr/a.wav,perhaps,anna", "d.wav,live,ben", "ivr/b.wav,1,anna"]
    file = write_csv(folder, "path,label,source", *rows)
    found = load(file, strict=False)
    assert [clip.name for clip in found.clips] == ["d.wav", "ivr/b.wav"]
    assert found.left_out == (
        "line 3, label: recorded, 1, live, 0 or nothing is wanted, not 'perhaps'",
        "line 4, path: 'd.wav' is on line 2 already",
    )
    with pytest.raises(ManifestError, match="marked live and recorded"):
        load(write_csv(folder, "path,label,source", *rows, "d.wav,1,ben"), strict=False)
    with pytest.raises(ManifestError, match="perhaps"):
        load(write_csv(folder, "path,label,source", rows[1]), strict=False)


def test_marks_of_several_tables_are_one_and_a_call_of_both_stays_once(folder: Path) -> None:
    """As the desk's marks and the labels that are certain, which know some of the same calls."""
    (folder / "more").mkdir()
    write_audio(folder / "more/d.wav", 7)
    desk = write_csv(folder, "path,label,source", "d.wav,live,ben", "ivr/a.wav,?,anna")
    certain = folder / "more/certain.csv"
    certain.write_text("path,label,source\n../d.wav,0,x\nd.wav,1,y\n", encoding="utf-8")
    found = load_all([desk, certain], strict=False)
    assert [(clip.path, clip.label) for clip in found.clips] == [
        (folder / "d.wav", 0),
        (folder / "more/d.wav", 1),
    ]
    assert len({clip.name for clip in found.clips}) == 2
    first, second = found.left_out
    assert first.startswith(f"{desk}, line 3, label:")
    assert second.startswith(f"{certain}, ") and "d.wav" in second
    certain.write_text("path,label,source\n../d.wav,1,x\n", encoding="utf-8")
    with pytest.raises(ManifestError, match="marked live and recorded"):
        load_all([desk, certain], strict=False)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "gb18030"])
def test_what_a_spreadsheet_saves_says_the_same(folder: Path, encoding: str) -> None:
    (folder / "d.wav").rename(folder / "录音四.wav")
    rows = ["ivr/a.wav;录音;安娜;1.5", "录音四.wav;0.0;本;"]
    header = "Path;Label;Source;Duration_S"
    file = folder / "manifest.csv"
    # One table behind another, with empty rows between.
    text = "\r\n".join([header, rows[0], ";;;", header, rows[1], ";;;"])
    file.write_bytes(text.encode(encoding))
    anna, ben = load(file).clips
    assert (anna.label, anna.source, anna.duration_s) == (1, "安娜", 1.5)
    assert (ben.label, ben.source, ben.name) == (0, "本", "录音四.wav")


def test_jsonl_says_the_same_as_csv(folder: Path) -> None:
    csv_file = write_csv(
        folder,
        "path,label,source,duration_s,may_train",
        "ivr/a.wav,1,anna,0.5,no",
        "d.wav,,tone,,yes",
    )
    rows = [
        {"path": "ivr/a.wav", "label": 1, "source": "anna", "duration_s": 0.5, "may_train": False},
        {"path": "d.wav", "label": None, "source": "tone"},
    ]
    jsonl_file = folder / "manifest.jsonl"
    jsonl_file.write_text("\n\n".join(map(json.dumps, rows)), encoding="utf-8")
    assert load(jsonl_file).clips == load(csv_file).clips
    assert load(jsonl_file).hash == load(csv_file).hash


def test_relative_paths_start_from_root(folder: Path) -> None:
    (folder / "lists").mkdir()
    file = write_csv(folder / "lists", "path,label,source", "people/../ivr/a.wav,1,anna")
    (clip,) = load(file, root=folder).clips
    assert clip.path == folder / "ivr/a.wav"
    assert clip.name == "ivr/a.wav"


def test_names_with_newlines_chinese_and_bytes_that_are_no_text(folder: Path) -> None:
    write_audio(folder / "录音\nzwei.wav", 9)
    write_audio(folder / "caf\udce9.wav", 10)
    file = folder / "manifest.csv"
    file.write_bytes(
        'path,label,source\n"录音\nzwei.wav",1,s\ncaf'.encode() + b"\xe9.wav,0,t\nmissing.wav,0,u\n"
    )
    assert problems(file) == ["line 5, path: 'missing.wav': No such file or directory"]
    file.write_bytes(file.read_bytes().replace(b"missing.wav,0,u\n", b""))
    assert [clip.name for clip in load(file).clips] == ["录音\nzwei.wav", "caf\udce9.wav"]
    assert load(file).hash


def test_all_problems_are_named_by_line_and_column(folder: Path) -> None:
    file = write_csv(
        folder,
        "path,label,source,group,may_train,duration_s",
        "ivr/a.wav,1,anna,,,",
        "ivr/b.wav,yes,,,maybe,-1",
        "gone.wav,0,ben,,,abc",
        "people/../ivr/a.wav,1,anna,,,",
        "people/c.wav,0,carl,anna,,",
        "d.wav,0",
        "people,0,ben,,,",
    )
    assert problems(file) == [
        "line 3, label: recorded, 1, live, 0 or nothing is wanted, not 'yes'",
        "line 3, source: it is empty",
        "line 3, may_train: yes or no is wanted, not 'maybe'",
        "line 3, duration_s: seconds above 0 are wanted, not '-1'",
        "line 4, path: 'gone.wav': No such file or directory",
        "line 4, duration_s: seconds above 0 are wanted, not 'abc'",
        "line 5, path: 'ivr/a.wav' is on line 2 already",
        "line 6, group: 'anna' has label 0 here and 1 on line 2",
        "line 7: 2 fields, where the header has 6",
        "line 8, path: 'people': it is not a file",
    ]


def test_a_group_may_hold_one_label_and_clips_without(folder: Path) -> None:
    file = write_csv(
        folder, "path,label,source,group", "ivr/a.wav,1,s,g", "d.wav,,t,g", "ivr/b.wav,1,u,g"
    )
    assert [clip.label for clip in load(file).clips] == [1, None, 1]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", 'it has no column named "path", but []'),
        (
            "path;label;voice\na;1;s\n",
            'it has no column named "source", but ["path", "label", "voice"]',
        ),
        ("path,label,source\n", "it has no rows"),
        ('path,label,source\n"a.wav,1,s\n', "line 2: unexpected end of data"),
    ],
)
def test_a_csv_that_is_none(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "manifest.csv"
    file.write_text(text, encoding="utf-8")
    assert problems(file) == [problem]


def test_jsonl_lines_that_are_none(folder: Path) -> None:
    file = folder / "manifest.jsonl"
    file.write_text('{"path": "d.wav"}\n[1]\n{"path"\n', encoding="utf-8")
    assert problems(file) == [
        "line 1: no column label, source",
        "line 2: not a JSON object",
        "line 3: not JSON: Expecting ':' delimiter: line 2 column 1 (char 8)",
    ]


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("manifest.csv", "it can't be read: No such file or directory"),
        (
            "manifest.xlsx",
            "a manifest's name ends in one of .csv, .tsv, .txt, .jsonl, .parquet",
        ),
    ],
)
def test_a_file_that_is_none(tmp_path: Path, name: str, problem: str) -> None:
    assert problems(tmp_path / name) == [problem]


def test_the_message_stops_after_twenty_problems(tmp_path: Path) -> None:
    rows = [f"{n}.wav,1,s" for n in range(23)]
    with pytest.raises(ManifestError) as caught:
        load(write_csv(tmp_path, "path,label,source", *rows))
    lines = str(caught.value).splitlines()
    assert len(lines) == 22
    assert lines[-1].strip() == "and 3 more"
    assert len(caught.value.problems) == 23


def test_the_same_audio_stays_once(folder: Path) -> None:
    samples, rate = soundfile.read(folder / "ivr/b.wav", dtype="int16")
    soundfile.write(folder / "ivr/a copy.flac", samples, rate)
    file = write_csv(
        folder, "path,label,source", "ivr/b.wav,1,s", "d.wav,0,t", "ivr/a copy.flac,1,u"
    )
    result = deduplicate(load(file))
    assert [clip.name for clip in result.manifest.clips] == ["d.wav", "ivr/a copy.flac"]
    (duplicate,) = result.duplicates
    assert (duplicate.kept.name, duplicate.dropped.name) == ("ivr/a copy.flac", "ivr/b.wav")


def test_audio_that_differs_in_one_sample_is_another(folder: Path) -> None:
    samples, rate = soundfile.read(folder / "d.wav", dtype="int16")
    samples[100] += 1
    soundfile.write(folder / "e.wav", samples, rate)
    manifest = load(write_csv(folder, "path,label,source", "d.wav,0,s", "e.wav,0,t"))
    assert deduplicate(manifest).manifest == manifest


def test_the_same_audio_under_two_labels_is_an_error(folder: Path) -> None:
    (folder / "e.wav").write_bytes((folder / "d.wav").read_bytes())
    manifest = load(write_csv(folder, "path,label,source", "d.wav,0,s", "e.wav,1,t"))
    with pytest.raises(ManifestError, match=r"'d.wav' \(live\) and 'e.wav' \(recorded\) hold"):
        deduplicate(manifest)


def test_audio_that_cannot_be_read_is_named(folder: Path) -> None:
    (folder / "e.wav").write_text("no audio")
    manifest = load(write_csv(folder, "path,label,source", "d.wav,0,s", "e.wav,1,t"))
    with pytest.raises(ManifestError) as caught:
        deduplicate(manifest)
    (problem,) = caught.value.problems
    assert str(folder / "e.wav") in problem


ROWS = ("ivr/a.wav,1,s,g,t,en,yes", "d.wav,0,v,v,,,yes")
HEADER = "path,label,source,group,text,language,may_train"


def test_the_hash_keeps_through_order_place_and_columns_that_do_not_matter(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    first = load(write_csv(folder, HEADER, *ROWS)).hash
    moved = tmp_path_factory.mktemp("moved") / "data"
    folder.rename(moved)
    again = load(
        write_csv(moved, HEADER + ",licence", *(f"{row},CC0" for row in reversed(ROWS)))
    ).hash
    assert again == first


@pytest.mark.parametrize(
    "row",
    [
        "ivr/b.wav,1,s,g,t,en,yes",
        "ivr/a.wav,,s,g,t,en,yes",
        "ivr/a.wav,1,s2,g,t,en,yes",
        "ivr/a.wav,1,s,g2,t,en,yes",
        "ivr/a.wav,1,s,g,t2,en,yes",
        "ivr/a.wav,1,s,g,t,fr,yes",
        "ivr/a.wav,1,s,g,t,en,no",
    ],
)
def test_the_hash_follows_what_matters(folder: Path, row: str) -> None:
    first = load(write_csv(folder, HEADER, *ROWS)).hash
    assert load(write_csv(folder, HEADER, row, ROWS[1])).hash != first


def test_the_hash_follows_the_audio(folder: Path) -> None:
    file = write_csv(folder, HEADER, *ROWS)
    first = load(file).hash
    write_audio(folder / "d.wav", 99)
    assert load(file).hash != first


def test_several_manifests_are_one(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder, name in ((one, "a.wav"), (other, "b.wav")):
        folder.mkdir()
        write_audio(folder / name, 0)
        (folder / "m.csv").write_text(f"path,label,source\n{name},live,{name}\n", encoding="utf-8")
    merged = load_all([one / "m.csv", other / "m.csv"])
    assert [clip.name for clip in merged.clips] == ["a.wav", "b.wav"]
    assert merged.path == one / "m.csv"


@pytest.mark.parametrize(
    ("row", "problem"),
    [("a.wav,live,else", "'a.wav' is in"), ("b.wav,recorded,a.wav", "'a.wav' has both labels")],
)
def test_what_several_manifests_hold_twice_is_refused(
    tmp_path: Path, row: str, problem: str
) -> None:
    for folder, line in (("one", "a.wav,live,a.wav"), ("other", row)):
        (tmp_path / folder).mkdir()
        write_audio(tmp_path / folder / line.split(",")[0], 0)
        (tmp_path / folder / "m.csv").write_text(f"path,label,source\n{line}\n", encoding="utf-8")
    with pytest.raises(ManifestError, match=problem):
        load_all([tmp_path / "one" / "m.csv", tmp_path / "other" / "m.csv"])
