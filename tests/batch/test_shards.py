import os
from pathlib import Path

import pytest

from audio_model.batch.plan import make_plan
from audio_model.batch.shards import Job, Shard, score_shard
from audio_model.batch.tally import RunTally
from audio_model.decision import VerdictKind
from audio_model.detector import ScoreOptions
from audio_model.errors import OutputError, WorkerError
from audio_model.tables.rows import Columns, Entry
from tests.fake_detector import FakeDetector

NAMES = ("a.wav", "b.wav", "c.wav")
COLUMNS = Columns(each_channel=False)


@pytest.fixture
def shard(tmp_path: Path) -> Shard:
    for name in NAMES:
        (tmp_path / name).touch()
    plan = make_plan(tmp_path / "plan", [Entry(str(tmp_path / name)) for name in NAMES], 10)
    return Shard(3, plan.part(0), tmp_path / "part.csv", tmp_path / "attempts")


def score(shard: Shard) -> RunTally:
    return score_shard(shard, FakeDetector(), ScoreOptions(), COLUMNS)


def lines(shard: Shard) -> list[str]:
    return shard.output.read_text().splitlines()[1:]


def die_at(shard: Shard, position: bytes, times: int) -> None:
    """Leave behind what so many processes do that were killed there."""
    for _ in range(times):
        folder = shard.attempts / os.urandom(4).hex()
        folder.mkdir(parents=True)
        (folder / "position").write_bytes(position)
        (folder / "part.csv.partial").write_text("path,verdict\nhalf")


def test_a_shard_is_written_whole_and_nothing_is_left_beside_it(shard: Shard) -> None:
    tally = score(shard)
    assert (tally.recordings, tally.verdicts[VerdictKind.RECORDED]) == (3, 3)
    assert [Path(line.split(",")[0]).name for line in lines(shard)] == list(NAMES)
    assert not shard.attempts.exists()


@pytest.mark.parametrize("times", [0, 1])
def test_one_death_blames_no_recording(shard: Shard, times: int) -> None:
    die_at(shard, b"1", times)
    assert score(shard).errors == 0


def test_the_recording_at_which_two_processes_died_is_an_error(shard: Shard) -> None:
    die_at(shard, b"1", 2)
    die_at(shard, b"2", 1)
    tally = score(shard)
    assert (tally.recordings, tally.errors) == (3, 1)
    assert ["died of it, twice" in line for line in lines(shard)] == [False, True, False]


@pytest.mark.parametrize("position", [b"", b"3"])
def test_deaths_at_no_recording_end_the_run(shard: Shard, position: bytes) -> None:
    die_at(shard, position, 2)
    assert score(shard).errors == 0
    shard.output.unlink()
    die_at(shard, position, 3)
    with pytest.raises(WorkerError, match=r"3 processes died over part\.csv"):
        score(shard)
    assert not shard.output.exists()


def test_two_that_score_one_shard_do_not_meet(shard: Shard) -> None:
    class Interrupted(FakeDetector):
        """Scores the whole shard a second time in the middle of the first."""

        def score(self, *args, **options):  # type: ignore[no-untyped-def]
            if not shard.output.exists():
                score(shard)
                assert len(lines(shard)) == 3
            return super().score(*args, **options)

    # The first finds its unfinished file gone, and the shard done.
    with pytest.raises(OutputError):
        score_shard(shard, Interrupted(), ScoreOptions(), COLUMNS)
    assert len(lines(shard)) == 3


def test_where_nothing_can_be_written_is_said(shard: Shard) -> None:
    shard.attempts.touch()
    with pytest.raises(
        OutputError,
        match=r"cannot write .*part\.csv: File exists; mend that and give the same command again",
    ):
        score(shard)


def test_a_job_begins_where_the_paths_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    job = Job(FakeDetector.load, ScoreOptions(), COLUMNS, tmp_path)
    job.begin()
    assert Path.cwd() == tmp_path
    with pytest.raises(WorkerError, match="cannot be entered"):
        Job(FakeDetector.load, ScoreOptions(), COLUMNS, tmp_path / "gone").begin()
