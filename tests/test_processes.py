import os
from pathlib import Path

import pytest

from audio_model import processes
from audio_model.processes import map_on_all_cpus, usable_cpus


@pytest.mark.parametrize(
    ("quota", "expected"),
    [("max 100000", 64), ("150000 100000", 2), ("20000 100000", 1), ("9900000 100000", 64)],
)
def test_a_containers_quota_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str, expected: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
    monkeypatch.setattr(processes, "_CPU_QUOTA", tmp_path / "cpu.max")
    assert usable_cpus() == 64
    (tmp_path / "cpu.max").write_text(quota)
    assert usable_cpus() == expected


@pytest.mark.parametrize("cpus", [1, 2])
@pytest.mark.parametrize("count", [0, 3, 40])
def test_answers_come_in_order_from_however_many_processes(
    monkeypatch: pytest.MonkeyPatch, cpus: int, count: int
) -> None:
    monkeypatch.setattr(processes, "usable_cpus", lambda: cpus)
    assert list(map_on_all_cpus(abs, range(-count, 0))) == list(range(count, 0, -1))
