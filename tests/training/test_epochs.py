"""What a run that was interrupted goes on from."""

from pathlib import Path

from training.epochs import RunLog


def test_the_log_goes_on_as_if_never_interrupted(tmp_path: Path) -> None:
    rows = [{"epoch": 1.0, "loss": 1 / 3}, {"epoch": 2.0, "loss": 0.25, "eer": 1e-5}]
    straight = RunLog(tmp_path / "a.csv")
    for row in rows:
        straight.add(row)
    before = RunLog(tmp_path / "b.csv")
    before.add(rows[0])
    before.add({"epoch": 2.0, "loss": 9.0})
    after = RunLog(tmp_path / "b.csv")
    after.resume(1)
    after.add(rows[1])
    assert (tmp_path / "b.csv").read_bytes() == (tmp_path / "a.csv").read_bytes()
