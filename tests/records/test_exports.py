import csv
from pathlib import Path

from audio_model.records import exports, marks
from audio_model.records.marks import Said
from tests.records.made import call, number_of, store_of
from training.data import manifest


def test_what_was_settled_is_a_manifest_that_training_reads(tmp_path: Path) -> None:
    for name in ("a", "b", "c", "d"):
        (tmp_path / f"{name}.wav").write_bytes(b"RIFF")
    store = store_of(
        call("a", path=str(tmp_path / "a.wav"), campaign="loan"),
        call("b", path=str(tmp_path / "b.wav"), campaign="loan"),
        call("c", path=str(tmp_path / "c.wav"), time=None),
        call("d", path=str(tmp_path / "d.wav")),
        call("gone", path=str(tmp_path / "gone.wav")),
    )
    for id, said in (("a", Said.RECORDED), ("c", Said.WRONG_NUMBER), ("gone", Said.LIVE)):
        marks.give(store, number_of(store, id), "wang", said)
    path = tmp_path / "m.csv"
    assert exports.export(store, path) == (3, 1)
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert [(row["call"], row["label"], row["source"]) for row in rows] == [
        ("a", "recorded", "recorded loan"),
        ("b", "recorded", "recorded loan"),
        ("c", "live", "live 95213742"),
    ]
    assert [clip.label for clip in manifest.load(path).clips] == [1, 1, 0]
