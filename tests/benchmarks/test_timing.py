import time

from benchmarks.timing import WARM_UPS, Task, interleaved


def test_every_task_runs_once_a_round_in_changing_order() -> None:
    runs: list[str] = []
    tasks = {name: Task(lambda name=name: runs.append(name)) for name in "abc"}  # type: ignore[misc]
    timings = interleaved(tasks, rounds=20)
    measured = runs[3 * WARM_UPS :]
    rounds = [measured[start : start + 3] for start in range(0, 60, 3)]
    assert all(sorted(each) == ["a", "b", "c"] for each in rounds)
    assert len({"".join(each) for each in rounds}) > 3
    assert {timing.runs for timing in timings.values()} == {20}


def test_sleep_costs_wall_time_and_no_cpu_time() -> None:
    timing = interleaved({"sleep": Task(lambda: time.sleep(0.02))}, rounds=3)["sleep"]
    assert timing.wall_us >= 20_000
    assert timing.cpu_us < 5_000


def test_work_costs_cpu_time() -> None:
    timing = interleaved({"work": Task(lambda: sum(range(300_000)))}, rounds=5)["work"]
    assert timing.cpu_us > 500


def test_figures_are_those_of_one_unit() -> None:
    def sleep() -> None:
        time.sleep(0.01)

    timings = interleaved({"one": Task(sleep), "ten": Task(sleep, units=10)}, rounds=5)
    assert timings["one"].wall_us >= 10_000
    assert 1_000 <= timings["ten"].wall_us < timings["one"].wall_us
