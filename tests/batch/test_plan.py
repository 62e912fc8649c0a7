import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_model.batch.plan import Plan, make_plan, read_entries
from audio_model.errors import OutputError
from audio_model.tables.rows import Columns, Entry, Row

# Any file name of POSIX as Python holds it: undecodable bytes are lone surrogates.
PATHS = st.binary(min_size=1, max_size=20).map(os.fsdecode)
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | PATHS
CARRIED = st.dictionaries(PATHS, VALUES | st.lists(VALUES, max_size=3), max_size=3)
ENTRIES = st.lists(st.builds(Entry, PATHS, CARRIED, st.just("") | PATHS), max_size=12)


def planned(plan: Plan) -> list[list[Entry]]:
    return [list(read_entries(plan.part(shard))) for shard in range(len(plan.sizes))]


def as_result(entry: Entry) -> tuple[object, ...]:
    """What of an entry can be seen in a result; NaN is not equal to itself."""
    columns = Columns(each_channel=False, carried=sorted(entry.carried))
    return entry.path, entry.problem, columns.carried_values(Row(entry))


@given(entries=ENTRIES, shard_size=st.integers(1, 5))
def test_a_plan_holds_what_was_listed(
    tmp_path_factory: pytest.TempPathFactory, entries: list[Entry], shard_size: int
) -> None:
    folder = tmp_path_factory.mktemp("plan") / "plan"
    plan = make_plan(folder, entries, shard_size)
    shards = planned(plan)
    assert [as_result(e) for shard in shards for e in shard] == [as_result(e) for e in entries]
    assert [len(shard) for shard in shards] == list(plan.sizes)
    assert all(size == shard_size for size in plan.sizes[:-1])
    assert set(plan.carried) == {name for entry in entries for name in entry.carried}
    assert Plan.read(folder) == plan
    assert plan.recordings == len(entries)


def test_a_compressed_tar_is_a_shard_of_its_own(tmp_path: Path) -> None:
    names = ["a.wav", *(f"tar://{n}.wav::x.tgz" for n in range(5)), "tar://0.wav::y.tar.gz"]
    names += [f"tar://{n}.wav::z.tar" for n in range(3)]
    plan = make_plan(tmp_path / "plan", map(Entry, names), 2)
    assert plan.sizes == (1, 5, 1, 2, 1)


def test_a_plan_is_not_there_before_it_is_whole(tmp_path: Path) -> None:
    def listing() -> Iterator[Entry]:
        for number in range(5):
            yield Entry(f"{number}.wav")
            assert not (tmp_path / "plan").exists()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_plan(tmp_path / "plan", listing(), 2)
    assert not (tmp_path / "plan").exists()
    make_plan(tmp_path / "plan", [Entry("x.wav")], 2)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["part-000000.jsonl", "plan", "plan.json"]


def test_values_that_json_lacks_are_kept_as_their_text(tmp_path: Path) -> None:
    from datetime import date

    entry = Entry("a.wav", {"day": date(2026, 5, 1)})
    plan = make_plan(tmp_path / "plan", [entry], 1)
    assert as_result(planned(plan)[0][0]) == as_result(entry)


@pytest.mark.parametrize("text", ["", "[]", '{"shards": [1]}', "{half"])
def test_a_damaged_plan_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(OutputError, match="is damaged"):
        Plan.read(tmp_path)


@pytest.mark.parametrize("line", ["{half", "[]", json.dumps({"file": "a.wav"})])
def test_a_damaged_part_is_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "part").write_text(line)
    with pytest.raises(OutputError, match="is damaged"):
        list(read_entries(tmp_path / "part"))


@pytest.mark.slow
def test_a_folder_of_a_million_names_is_planned_in_little_memory(tmp_path: Path) -> None:
    program = """
import resource, sys
from pathlib import Path
from audio_model.sources.inputs import expand
from audio_model.batch.plan import make_plan
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
plan = make_plan(Path(sys.argv[2]), expand([sys.argv[1]]), 2000)
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(plan.recordings, (after - before) // 1024)
"""
    calls = tmp_path / "calls"
    calls.mkdir()
    used: dict[int, int] = {}
    for count in (200_000, 1_000_000):
        for number in range(len(used) * 200_000, count):
            os.close(os.open(f"{calls}/{number}.wav", os.O_CREAT))
        done = subprocess.run(
            [sys.executable, "-c", program, calls, tmp_path / f"plan-{count}"],
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=True,
        )
        planned, megabytes = map(int, done.stdout.split())
        assert planned == count
        used[count] = megabytes
    assert used[1_000_000] < used[200_000] + 10
    assert used[1_000_000] < 100
    names = {
        entry.path
        for part in (tmp_path / "plan-1000000").glob("part-*")
        for entry in read_entries(part)
    }
    assert len(names) == 1_000_000
