import zipfile
from collections import Counter
from pathlib import Path

from audio_model.sources.inputs import expand
from audio_model.sources.survey import left_out_text, survey
from tests.touched import touch


def test_a_survey_counts_and_gathers_columns(here: Path) -> None:
    touch("d/a.wav", "d/b.wav")
    Path("m.csv").write_text("path,label\na.wav,1\n")
    Path("n.jsonl").write_text('{"path": "a", "note": 1}\n{"path": "b", "label": 2, "x": 3}\n')
    found = survey(["d", "m.csv", "n.jsonl", "missing"])
    assert (found.total, found.carried) == (6, ("label", "note", "x"))
    assert survey(["m.csv", "-"]).total is None
    assert survey(["m.csv", "-"]).carried == ("label",)


def test_a_survey_has_the_entries_as_they_were_listed(here: Path) -> None:
    touch("d/a.wav", "d/b.wav", "d/\udcff.wav")
    Path("m.csv").write_text("path,label\na.wav,1\n")
    paths = ["m.csv", "d", "missing", "m.csv"]
    before = list(expand(paths))
    found = survey(paths)
    touch("d/c.wav")
    assert list(found) == before


def test_what_cannot_be_listed_quickly_is_listed_in_its_place(here: Path) -> None:
    touch("d/a.wav", "d/b.wav")
    found = survey(["d/a.wav", "none.tar.gz", "d/b.wav"])
    assert found.total is None
    assert [entry.path for entry in found] == ["d/a.wav", "none.tar.gz", "d/b.wav"]


def test_what_was_left_out_is_counted_by_kind(tmp_path: Path) -> None:
    for name in ("a.wav", "b.vox", "c.NMF", "d.nmf", "e.zzz", "README"):
        (tmp_path / name).touch()
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as packed:
        for name in ("a.wav", "b.nmf", "folder/", "__MACOSX/a.wav"):
            packed.writestr(name, b"")
    found = survey([str(tmp_path), str(tmp_path / "z.zip")])
    assert found.total == 3
    assert left_out_text(found.left_out) == (
        "6 other files were left out: 3 .nmf, 1 .zip, 1 .zzz, 1 without an ending"
    )
    assert left_out_text(Counter()) == ""
