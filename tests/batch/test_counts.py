from pathlib import Path

import pytest

from audio_model.batch.counts import CountsFile, count_rows
from audio_model.batch.tally import RunTally
from audio_model.errors import OutputError
from audio_model.tables.rows import Columns, Entry, Row
from audio_model.tables.writers import OutputFormat, open_output
from tests.fake_detector import VERDICT


def tally(recordings: int) -> RunTally:
    counted = RunTally(recordings=recordings)
    for _ in range(recordings):
        counted.add(Row(Entry("a"), VERDICT))
    return counted


def test_what_was_appended_is_read_and_the_later_line_is_right(tmp_path: Path) -> None:
    counts = CountsFile(tmp_path / "counts.jsonl")
    assert counts.read() == {}
    counts.append("a", tally(1))
    counts.append("b", tally(2))
    counts.append("a", tally(3))
    assert {part: each.counts for part, each in counts.read().items()} == {
        "a": tally(3).counts,
        "b": tally(2).counts,
    }


def test_a_line_that_was_cut_off_anywhere_is_as_if_it_were_not_there(tmp_path: Path) -> None:
    path = tmp_path / "counts.jsonl"
    counts = CountsFile(path)
    counts.append("a", tally(1))
    one = path.stat().st_size
    counts.append("b", tally(2))
    whole = path.read_bytes()
    for length in range(one, len(whole)):
        path.write_bytes(whole[:length])
        counts.append("c", tally(3))
        assert counts.read().keys() == {"a", "c"}


@pytest.mark.parametrize("kind", list(OutputFormat))
def test_rows_are_counted_as_they_were_when_they_were_written(
    tmp_path: Path, kind: OutputFormat
) -> None:
    counted = RunTally(recordings=3)
    path = tmp_path / f"part{kind}"
    writer = open_output(str(path), Columns(each_channel=False))
    for row in [Row(Entry("a"), VERDICT), Row(Entry("b"), error="no"), Row(Entry("c"), VERDICT)]:
        writer.write(row)
        counted.add(row)
    writer.finish()
    writer.close()
    assert count_rows(path, 3).counts == counted.counts


def test_a_damaged_part_is_named(tmp_path: Path) -> None:
    (tmp_path / "part.parquet").write_bytes(b"PAR1")
    with pytest.raises(OutputError, match=r"part\.parquet"):
        count_rows(tmp_path / "part.parquet", 1)
