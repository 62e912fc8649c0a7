from subprocess import CalledProcessError

import pytest

from benchmarks.startup import fresh_processes


def test_memory_and_time_are_the_programs_own() -> None:
    starts = fresh_processes(
        {"idle": "", "busy": "held = bytearray(200_000_000)\nsum(range(3_000_000))"}, rounds=1
    )
    idle, busy = starts["idle"], starts["busy"]
    assert idle.runs == 1
    assert 5 < idle.peak_rss_mb < 60
    assert busy.peak_rss_mb - idle.peak_rss_mb == pytest.approx(191, abs=10)
    assert busy.cpu_s > idle.cpu_s > 0
    assert busy.wall_s > 0


def test_a_program_that_fails_is_no_measurement() -> None:
    with pytest.raises(CalledProcessError):
        fresh_processes({"broken": "raise SystemExit(3)"}, rounds=1)
