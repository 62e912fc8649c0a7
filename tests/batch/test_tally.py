from audio_model.batch.tally import RunTally
from audio_model.decision import VerdictKind
from audio_model.tables.rows import Entry, Row
from tests.fake_detector import VERDICT


def test_a_tally_counts_rows_and_recordings() -> None:
    tally = RunTally()
    tally.add(Row(Entry("a"), VERDICT))
    tally.add(Row(Entry("b"), error="no such file"))
    tally.recordings = 2
    assert (tally.verdicts[VerdictKind.RECORDED], tally.errors) == (1, 1)
    assert str(tally).startswith(
        "2 recordings: 1 recorded, 0 live, 0 unknown, 1 error; 0.001 hours"
    )
