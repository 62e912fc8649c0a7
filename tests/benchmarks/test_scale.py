from pathlib import Path

import pytest

from benchmarks.scale import Rates, Scale, as_markdown, check_once, estimate
from benchmarks.watched import Watched, make_recordings, watch

RATES = Rates(one_cpu=500, efficiency=0.8, listing=50_000, first_shard_s=30)


def watched(rates: list[float]) -> Watched:
    """A run in shards of a thousand, each at a rate of its own."""
    finished, seconds = [(0.0, 0)], 0.0
    for number, rate in enumerate(rates, start=1):
        seconds += 1000 / rate
        finished.append((seconds, 1000 * number))
    recordings = finished[-1][1] + 1000
    return Watched(recordings, seconds + 3, seconds, 3.0, finished, [(0.0, 100.0), (1.0, 300.0)])


def test_a_steady_run_has_no_slope_and_a_slower_end_has() -> None:
    steady, slower = watched([500.0] * 16), watched([500.0] * 12 + [250.0] * 4)
    assert (steady.rate, steady.slope) == (pytest.approx(500), pytest.approx(0))
    assert slower.rate == pytest.approx(400)
    assert slower.slope == pytest.approx(-250 / 400)


def test_the_estimate_is_the_sum_of_its_parts() -> None:
    of = estimate(RATES, 1_000_000, cpus=10, price=0.05, shard_size=2000)
    # Listing, start, 500 × 0.8 on each of ten, and the last shard of one.
    assert of.hours == pytest.approx((20 + 30 + 250 + 5) / 3600)
    assert of.price == pytest.approx(of.hours * 10 * 0.05)


def test_the_table_says_what_was_measured_and_no_more() -> None:
    nothing = as_markdown(Scale(load=0.5), planned=1000, price=1)
    assert "Ray" not in nothing and "hours" not in nothing
    one, two = watched([500] * 8), watched([950] * 8)
    scale = Scale(
        load=0.5,
        names_a_second=50_000,
        workers={"1": [one], "2": [two]},
        ray={"local": [two], "ray": [watched([760] * 8)]},
    )
    shown = as_markdown(scale, planned=1_000_000, price=0.05)
    assert "| two workers over one | 1.90 × |" in shown
    assert "| Ray over local processes | 80 % |" in shown
    assert "hours for 1,000,000" in shown


@pytest.mark.slow
def test_a_run_is_watched_and_its_results_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So few recordings are scored within a second.
    monkeypatch.setattr("benchmarks.watched._SAMPLE_SECONDS", 0.02)
    make_recordings(tmp_path / "calls", 60)
    run = watch(tmp_path / "calls", tmp_path / "results", "--shard-size", "10", "--workers", "1")
    check_once(tmp_path / "results", 60)
    assert (run.recordings, run.finished[-1][1]) == (60, 50)
    assert run.rate > 0
    assert 0 < run.cpu_s < 10 * run.wall_s
    assert max(mib for _, mib in run.memory) > 50
    with pytest.raises(ValueError, match="60 rows of 60 paths for 61 files"):
        check_once(tmp_path / "results", 61)
    with pytest.raises(RuntimeError, match="ended with status 2"):
        watch(tmp_path / "calls", tmp_path / "results", "--shard-size", "11")
