import resource
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from audio_model.errors import RangeStoreError, UnknownCallError
from audio_model.ranges import tree
from audio_model.ranges.breaker import Policy, Why
from audio_model.ranges.change import ChangeTest
from audio_model.ranges.monitor import Monitor
from audio_model.ranges.rates import CallAnswer, DetectorRates, MarkedAs
from audio_model.ranges.rows import Allowed
from audio_model.ranges.store import RangeStore
from audio_model.ranges.tree import Node, RangeCall, State
from tests.ranges_made import calls

ROOT = Path(__file__).parents[2]
NOW = 1_790_000_000.0
BLOCK = [f"952137{n:02d}" for n in range(100)]
CAMPAIGN = list(calls(BLOCK, 120, share=1.0))
MIXED = list(calls([*BLOCK, "13912345678", "95588"], 600, share=0.4))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ranges.db"


@pytest.fixture
def store(path: Path) -> Iterator[RangeStore]:
    opened = RangeStore(path)
    yield opened
    opened.close()


def nodes_of(store: RangeStore) -> dict[str, Node]:
    return {node.prefix: node for node in store.ranges()}


def test_the_store_tells_what_a_monitor_in_memory_does(store: RangeStore) -> None:
    nodes: dict[str, Node] = {}
    monitor = Monitor(nodes, Policy())
    expected = [change for call in MIXED for change in monitor.hear(call)]
    heard = [c for n in range(0, len(MIXED), 7) for c in store.hear(MIXED[n : n + 7])]
    assert heard == expected
    assert nodes_of(store) == nodes
    assert store.changes() == expected[::-1]


def test_a_restart_loses_nothing(path: Path) -> None:
    without = RangeStore(None)
    expected = [change for call in MIXED for change in without.hear([call])]
    changes = []
    for n in range(0, len(MIXED), 50):
        again = RangeStore(path)
        changes += again.hear(MIXED[n : n + 50])
        again.close()
    again = RangeStore(path)
    assert changes == expected == again.changes()[::-1]
    assert nodes_of(again) == nodes_of(without)
    again.close()
    without.close()


def test_a_call_that_is_given_again_counts_once(store: RangeStore) -> None:
    store.hear(CAMPAIGN)
    before = nodes_of(store)
    assert store.hear(CAMPAIGN) == []
    assert nodes_of(store) == before


def test_several_processes_see_each_other(path: Path) -> None:
    one, other = RangeStore(path), RangeStore(path)
    changes = []
    for n, call in enumerate(CAMPAIGN):
        changes += (one if n % 2 else other).hear([call])
    assert changes[-1].after is State.OPEN
    now = CAMPAIGN[-1].time
    assert one.advise(BLOCK[5], now) == other.advise(BLOCK[5], now)
    assert one.advise(BLOCK[5], now).state is State.OPEN
    assert nodes_of(one)["95213"].calls == len(CAMPAIGN)
    one.allow("952137", "a hospital")
    assert other.advise(BLOCK[5], now).allowed == "952137"
    one.close()
    other.close()


WRITER = """
import sys
from audio_model.ranges.store import RangeStore
from tests.ranges_made import calls
path, name, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
store = RangeStore(path)
for call in calls(["95213701", "95588"], n, share=0.3, name=name):
    store.hear([call])
    print(call.id, flush=True)
"""


def writer(path: Path, name: str, n: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), name, str(n)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("poor", [CallAnswer.UNHEARD, CallAnswer.UNSURE, CallAnswer.LIVE])
def test_the_surest_final_of_a_call_counts_once(
    path: Path, poor: CallAnswer, together: bool
) -> None:
    """A stream breaks at 0.4 s, and a second one of the same call id has the rest."""
    sure = CAMPAIGN[:60]
    sure = [replace(call, outcome=CallAnswer.RECORDED, score=0.99) for call in sure]
    broken = [replace(call, outcome=poor, score=0.3, time=call.time - 1) for call in sure]
    with closing(RangeStore(None)) as alone, closing(RangeStore(path)) as store:
        alone.hear(sure)
        for pair in zip(broken, sure, strict=True):
            for batch in [pair] if together else [pair[:1], pair[1:]]:
                store.hear(batch)
        # What comes after is not as sure, and changes nothing.
        assert store.hear(broken) == []
        expected = nodes_of(alone)
        for prefix, node in nodes_of(store).items():
            told = (node.recorded, node.live, node.unsure, node.unheard)
            assert told == (node.recorded, 0, 0, 0)
            if prefix in expected and len(prefix) <= tree.WIDE_LENGTH:
                assert node.recorded == expected[prefix].recorded
        assert store.call(sure[0].id).outcome is CallAnswer.RECORDED
        asked = sure[-1].caller
        states = [each.advise(asked, sure[-1].time).state for each in (store, alone)]
        assert states[0] is states[1] is not State.CLOSED


def test_a_mark_is_surer_than_any_verdict(store: RangeStore) -> None:
    call = replace(CAMPAIGN[0], outcome=CallAnswer.UNHEARD)
    store.hear([call])
    store.mark(call.id, MarkedAs.LIVE)
    store.hear([replace(call, outcome=CallAnswer.RECORDED, score=0.99)])
    assert store.call(call.id).outcome is CallAnswer.UNHEARD


def test_processes_that_write_at_once_lose_no_call(path: Path) -> None:
    processes = [writer(path, f"process-{n}", 150) for n in range(3)]
    for process in processes:
        process.communicate(timeout=120)
        assert process.returncode == 0
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT count(*) FROM calls").fetchone() == (450,)
        wide = db.execute("SELECT sum(recorded + live + unsure) FROM ranges WHERE prefix = '952'")
        narrow = db.execute("SELECT count(*) FROM calls WHERE caller = '95213701'")
        assert wide.fetchone() == narrow.fetchone()
    db.close()


@pytest.mark.slow
@pytest.mark.parametrize("after", [3, 40, 111])
def test_a_process_that_is_killed_loses_no_call_that_it_was_told_is_kept(
    path: Path, after: int
) -> None:
    process = writer(path, "killed", 100_000)
    assert process.stdout is not None
    told = [process.stdout.readline().strip() for _ in range(after)]
    process.send_signal(signal.SIGKILL)
    told += process.stdout.read().split()
    process.wait()
    process.stdout.close()
    again = RangeStore(path)
    assert all(again.call(each).id == each for each in told)
    found = nodes_of(again)
    kept = sum(found[prefix].calls for prefix in ("952", "955") if prefix in found)
    assert len(told) <= kept <= len(told) + 1
    again.close()


def test_a_full_disk_is_told_and_harms_nothing(store: RangeStore, path: Path) -> None:
    store.hear(CAMPAIGN[:20])
    before = nodes_of(store)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size, hard))
    try:
        with pytest.raises(RangeStoreError, match=r"ranges\.db"):
            for n in range(200):
                store.hear(
                    [RangeCall(f"x{n}-{i}", "95588", 2e6, CallAnswer.LIVE) for i in range(50)]
                )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    after = nodes_of(store)
    assert {prefix: after[prefix] for prefix in before} == before
    store.hear(CAMPAIGN)
    assert nodes_of(store)["95213"].calls == len(CAMPAIGN)


@pytest.mark.parametrize("content", [b"not a database at all " * 100, b"SQLite format 3\x00junk"])
def test_another_file_is_refused_by_name(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(RangeStoreError, match=r"ranges\.db"):
        RangeStore(path)
    assert path.read_bytes() == content


def test_another_programs_database_is_refused(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE precious (x)")
    db.close()
    with pytest.raises(RangeStoreError, match="another program"):
        RangeStore(path)


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(RangeStoreError, match="its folder is missing"):
        RangeStore(tmp_path / "nowhere" / "ranges.db")


def test_numbers_are_the_owners_alone_to_read(store: RangeStore, path: Path) -> None:
    store.hear(CAMPAIGN)
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0, file


def test_marks_are_kept_and_count_once(store: RangeStore) -> None:
    store.hear(CAMPAIGN)
    for mark in (MarkedAs.RECORDED, MarkedAs.RECORDED, MarkedAs.LIVE):
        store.mark("call-7", mark, 1e6)
    (marked,) = store.marks()
    assert (marked.call, marked.mark) == (CAMPAIGN[7], MarkedAs.LIVE)
    assert nodes_of(store)["952"].marks() == {MarkedAs.RECORDED: 0, MarkedAs.LIVE: 1}


def test_a_mark_of_an_unknown_call_is_refused(store: RangeStore) -> None:
    with pytest.raises(UnknownCallError, match="nobody"):
        store.mark("nobody", MarkedAs.LIVE)
    assert list(store.marks()) == []


def test_allowing_closes_what_is_held_below_and_is_recorded(store: RangeStore) -> None:
    store.hear(CAMPAIGN)
    itself, change = store.allow("95213", "checked", 2e9, who="Li")
    assert (itself.prefix, itself.before, itself.after) == ("95213", State.CLOSED, State.CLOSED)
    assert (change.prefix, change.after) == ("952137", State.CLOSED)
    assert {(each.why, each.who, each.note) for each in (itself, change)} == {
        (Why.ALLOWED, "Li", "checked")
    }
    assert store.changes(limit=2) == [change, itself]
    assert store.allowed() == [Allowed("95213", "checked", 2e9, "Li")]
    later = list(calls(BLOCK, 120, share=1.0, start=2e6, name="later"))
    assert store.hear(later) == []
    assert store.disallow("95213", "over", 3e9, who="Wu")
    assert not store.disallow("95213")
    (over,) = store.changes(limit=1)
    assert (over.why, over.who, over.note, over.after) == (
        Why.DISALLOWED,
        "Wu",
        "over",
        State.CLOSED,
    )
    again = list(calls(BLOCK, 120, share=1.0, start=3e6, name="again"))
    assert store.hear(again)[-1].after is State.OPEN


def test_ticks_end_states_and_let_go_of_what_is_not_needed(store: RangeStore) -> None:
    store.hear(CAMPAIGN)
    one = RangeCall("one", "13912345678", 1e6, CallAnswer.RECORDED)
    people = [RangeCall(f"p{n}", "13912345678", 1e6, CallAnswer.LIVE) for n in range(20)]
    store.hear([one, *people])
    assert "+86139123456" in nodes_of(store)
    now = CAMPAIGN[-1].time + 2 * tree.IDLE_SECONDS
    assert [change.after for change in store.tick(now)] == [State.HALF_OPEN, State.CLOSED]
    assert "+86139123456" not in nodes_of(store)
    assert {"+8613912", "952137"} <= set(nodes_of(store))
    store.tick(now + tree.FORGOTTEN_SECONDS)
    assert max(map(len, nodes_of(store))) <= tree.WIDE_LENGTH


def test_the_policy_that_was_given_last_is_kept_for_all(path: Path) -> None:
    rates = DetectorRates(recorded_said_recorded=0.6)
    policy = Policy(ChangeTest(rates, honest=0.3), openings=0.001, open_seconds=60.0)
    for given in (None, policy, None):
        opened = RangeStore(path, given)
        opened.close()
    assert opened.policy == policy


def test_history_has_every_change_in_the_order_of_time(store: RangeStore) -> None:
    store.hear(CAMPAIGN)
    opened = next(change for change in store.changes() if change.after is State.OPEN)
    under = [call for call in CAMPAIGN if call.time > opened.time]
    store.allow("952137", "a mistake", opened.until + 7, who="Li")
    past = list(store.history())
    assert [each.change for each in past] == store.changes()[::-1]
    assert sorted(past, key=lambda each: each.change.time) == past
    assert [each.blocked for each in past if each.change.after is State.OPEN] == [len(under)]
    assert (past[-1].change.who, past[-1].blocked) == ("Li", 0)
    assert list(store.history(latest=2)) == past[-2:]
    assert store.moves()["952137"] == {State.WARNED: 1, State.OPEN: 1, State.CLOSED: 1}
    assert store.n_changes() == len(past)


def test_calls_under_a_block_that_lasts_are_counted_but_those_that_are_allowed(
    store: RangeStore,
) -> None:
    store.allow(BLOCK[3], "the one", 1e9)
    store.hear(CAMPAIGN)
    opened = next(each for each in store.history() if each.change.after is State.OPEN)
    stopped = [
        call for call in CAMPAIGN if call.time > opened.change.time and call.caller != BLOCK[3]
    ]
    assert opened.blocked == nodes_of(store)["952137"].blocked == len(stopped)


def test_numbers_are_counted_by_kind_and_by_why_they_are_implausible(store: RangeStore) -> None:
    odd = ["9521370011", "95213700", "95213700", "9521"]
    store.hear([RangeCall(str(n), each, 1e9, CallAnswer.LIVE) for n, each in enumerate(odd)])
    assert nodes_of(store)["95213"].kinds == {"service": 2}
    assert nodes_of(store)["?952"].kinds == {"too_long": 1, "wrong_length": 1}


def test_a_store_of_the_version_before_is_upgraded(path: Path) -> None:
    RangeStore(path).close()
    with closing(sqlite3.connect(path)) as db:
        for table, column in (
            ("ranges", "kinds"),
            ("ranges", "blocked"),
            ("ranges", "marked_since"),
            ("changes", "who"),
            ("changes", "note"),
            ("allowed", "who"),
        ):
            db.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
        db.execute("DROP INDEX timed")
        db.execute("DROP TABLE campaigns")
        db.execute("PRAGMA user_version = 2")
        db.execute("INSERT INTO allowed VALUES ('95588', 'the bank', 1e9)")
        db.execute(
            "INSERT INTO changes VALUES "
            "(1, 1e9, '952', 'closed', 'warned', 'evidence', '', 1e9, '{\"evidence\": 5.1}')"
        )
        db.commit()
    with closing(RangeStore(path)) as store:
        assert store.allowed() == [Allowed("95588", "the bank", 1e9)]
        (past,) = store.history()
        assert (past.change.who, past.blocked) == ("", None)
        store.hear(CAMPAIGN)
        assert nodes_of(store)["952137"].state is State.OPEN


def test_changes_are_found_by_range(store: RangeStore) -> None:
    store.hear(CAMPAIGN)
    assert {change.prefix for change in store.changes(prefix="952137")} == {"952137"}
    assert store.changes(prefix="955") == []


def test_a_thousand_calls_are_written_in_a_moment(path: Path) -> None:
    """Not a measurement: it would fail only if a call cost a hundred times what it should."""
    opened = RangeStore(path)
    begun = time.process_time()
    opened.hear(list(calls(BLOCK, 1000, share=0.1)))
    assert time.process_time() - begun < 10
    opened.close()
    assert path.stat().st_size < 2_000_000


def test_texts_that_are_no_unicode_are_kept_all_the_same(tmp_path: Path) -> None:
    with closing(RangeStore(tmp_path / "r.db")) as store:
        store.hear([RangeCall("\ud800 1", "\ud800", 1.0, CallAnswer.RECORDED, called="\udfff")])
        assert store.call("? 1").caller == "?"
        assert store.chain("\ud800")[0].recorded == 1


def test_a_clock_that_was_set_back_holds_no_range_for_long(tmp_path: Path) -> None:
    with closing(RangeStore(tmp_path / "r.db")) as store:
        store.hear([RangeCall(str(n), "95213700", 2e9 + n, CallAnswer.RECORDED) for n in range(80)])
        assert store.advise("95213700", 2e9 + 80).state is State.OPEN
        assert store.advise("95213700", 1e9).state is State.HALF_OPEN
        (change,) = store.tick(1e9)
        assert (change.after, change.time) == (State.HALF_OPEN, 1e9)
        assert store.advise("95213700", 1e9 + 1).state is State.HALF_OPEN


def test_the_database_of_another_program_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE mine (x)")
    before = path.read_bytes()
    with pytest.raises(RangeStoreError, match="another program"):
        RangeStore(path)
    assert path.read_bytes() == before


def test_marks_of_many_calls_are_counted_and_taken_back(store: RangeStore) -> None:
    heard = list(calls(["95213001"], 5, share=1.0, start=NOW, name="heard"))
    new = list(calls(["95213001"], 5, share=1.0, start=NOW + 9, name="new"))
    store.hear(heard)
    before = store.chain("95213001")[0].evidence
    store.mark_calls([*heard, *new], MarkedAs.LIVE, NOW + 20)
    node = store.chain("95213001")[0]
    assert (node.calls, node.marked_live, len(list(store.marks()))) == (10, 10, 10)
    store.mark_calls([*heard, *new], MarkedAs.LIVE, NOW + 21)
    assert store.chain("95213001")[0].marked_live == 10
    store.mark_calls([*heard, *new], None, NOW + 22)
    node = store.chain("95213001")[0]
    assert (node.marked_live, list(store.marks())) == (0, [])
    assert before >= 0 and node.calls == 10
    never = list(calls(["95213001"], 1, share=1.0, start=NOW, name="never"))
    assert store.mark_calls(never, None, NOW) == []
    assert store.chain("95213001")[0].calls == 10


def test_an_old_archive_that_is_marked_today_moves_no_breaker(store: RangeStore) -> None:
    old = list(calls(["95213001"], 50, share=1.0, start=NOW - 30 * 86_400, name="old"))
    assert store.mark_calls(old, MarkedAs.RECORDED, NOW) == []
    node = store.chain("95213001")[0]
    assert (node.calls, node.marked_recorded, node.evidence) == (50, 50, 0)
    assert store.advise("95213001", NOW).state is State.CLOSED
    new = list(calls(["95213001"], 50, share=1.0, start=NOW - 60, name="new"))
    assert State.OPEN in {change.after for change in store.mark_calls(new, MarkedAs.RECORDED, NOW)}
    store.mark_calls(old, None, NOW + 1)
    assert store.chain("95213001")[0].marked_recorded == 50


def test_a_person_opens_and_closes_a_range_and_says_why(store: RangeStore) -> None:
    (opened,) = store.put("95213", State.OPEN, "loans again", NOW, who="wang")
    assert (opened.after, opened.why, opened.who, opened.note) == (
        *(State.OPEN, Why.PERSON, "wang", "loans again"),
    )
    assert store.advise("95213001", NOW).state is State.OPEN
    assert store.put("95213", State.OPEN, "", NOW) == []
    (closed,) = store.put("95213", State.CLOSED, "a mistake", NOW + 1, who="li")
    assert store.advise("95213001", NOW + 1).state is State.CLOSED
    assert [each.note for each in store.changes()] == ["a mistake", "loans again"]
    store.allow("9521", "ours", NOW + 2)
    assert store.put("95213", State.OPEN, "", NOW + 3) == []
    assert closed.before is State.OPEN


@pytest.mark.parametrize("hours", [3, 25 * 24])
@pytest.mark.parametrize("mark", [MarkedAs.LIVE, MarkedAs.RECORDED])
def test_a_mark_of_a_call_before_an_opening_leaves_the_range_open(
    store: RangeStore, hours: float, mark: MarkedAs
) -> None:
    """The call is of an archive that the store has not heard; the breaker is of now."""
    store.hear(CAMPAIGN)
    (held,) = [node for node in store.ranges() if node.state is State.OPEN]
    now = held.since + 60
    unheard = replace(CAMPAIGN[0], id="archive-1", time=now - 3600 * hours)
    assert store.mark_calls([unheard], mark, now) == []
    assert nodes_of(store)[held.prefix].state is State.OPEN
    assert store.advise(unheard.caller, now).state is State.OPEN
