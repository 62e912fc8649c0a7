import math
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from audio_model.errors import StoreError
from audio_model.known import index
from audio_model.known.counts import counted
from audio_model.known.fingerprint import KEY_MASK, Codes, fingerprint
from audio_model.known.recording import CODES_PER_POSITION, LearntBy, RecordingMark
from audio_model.known.store import Store
from tests.known.calls import cut, played, spoken

EVERY = CODES_PER_POSITION
ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "known.db"


@pytest.fixture
def small_index(monkeypatch: pytest.MonkeyPatch) -> None:
    """Levels so small that a few recordings go through three of them."""
    monkeypatch.setattr(index, "_WAITING_POSTINGS", 64)
    monkeypatch.setattr(index, "_LEVEL_FACTOR", 2)


def codes(seed: int, n: int = 40) -> Codes:
    """Codes as a fingerprint has them, one a hop; ``n`` of them are kept by a store."""
    rng = np.random.default_rng(seed)
    return np.repeat(rng.integers(1, 1 << 64, size=n, dtype=np.uint64), EVERY)


def places(store: Store, asked: Codes) -> set[tuple[int, int]]:
    """Number in ``asked``, number of the recording; each code is looked up by itself."""
    found = set()
    with store.reading():
        for n in range(len(asked)):
            for position in store.search(asked[n : n + 1], 0).positions.tolist():
                known = store.at(position)
                assert known is not None
                recording, kept = known
                assert kept[position - recording.first_position] == asked[n]
                found.add((n, recording.id))
    return found


def test_every_code_is_found_at_its_position_whatever_its_level(
    path: Path, small_index: None
) -> None:
    with Store(path) as store:
        ids = [store.add(f"recording {seed}", codes(seed)) for seed in range(40)]
        for seed, id in enumerate(ids):
            asked = codes(seed)[::EVERY]
            assert places(store, asked) == {(n, id) for n in range(len(asked))}
    database = sqlite3.connect(path)
    levels = database.execute("SELECT DISTINCT id >> 16 FROM level_postings").fetchall()
    database.close()
    assert len(levels) > 1


def test_a_search_of_many_codes_tells_which_was_found(path: Path) -> None:
    with Store(path) as store:
        store.add("one", codes(1))
        asked = np.concatenate([codes(2)[::EVERY], codes(1)[::EVERY]])
        hits = store.search(asked, 0)
    assert sorted(hits.asked.tolist()) == list(range(40, 80))
    assert sorted(hits.positions.tolist()) == list(range(40))
    np.testing.assert_array_equal(hits.asked - 40, hits.positions)


def test_a_hit_may_differ_in_further_bits_but_not_in_the_key(path: Path) -> None:
    with Store(path) as store:
        store.add("one", codes(1))
        asked = codes(1)[::EVERY]
        three_bits = np.uint64(0b111 << 20)
        assert len(store.search(asked ^ three_bits, 2).positions) == 0
        assert len(store.search(asked ^ three_bits, 3).positions) == 40
        assert len(store.search(asked ^ np.uint64(1), 32).positions) == 0


def test_a_key_that_very_many_codes_have_is_left_out(
    path: Path, small_index: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "_MOST_POSTINGS", 8)
    common, rare = np.array([0x10001], np.uint64), np.array([0x10002], np.uint64)
    with Store(path) as store:
        store.add("first", np.repeat(np.concatenate([common, rare]), EVERY))
        for seed in range(8):
            store.add(f"recording {seed}", np.concatenate([codes(seed), np.repeat(common, EVERY)]))
            assert len(store.search(rare, 0).asked) == 1
        assert len(store.search(common, 0).asked) < 8


def test_what_came_since_a_moment_is_found_and_nothing_before_it(
    path: Path, small_index: None
) -> None:
    with Store(path) as store:
        ends = []
        for seed in range(12):
            ends.append(store.end())
            store.add(f"recording {seed}", codes(seed))
        for seed in range(12):
            asked = codes(seed)[::EVERY]
            assert len(np.unique(asked & KEY_MASK)) == 40
            for since, end in enumerate(ends):
                found = store.search(asked, 0, end).asked
                assert sorted(found) == (list(range(40)) if seed >= since else [])
            assert not len(store.search(asked[:1], 0, store.end()).asked)


def test_what_others_add_and_remove_is_seen_at_once(path: Path, small_index: None) -> None:
    with Store(path) as reader, Store(path) as writer:
        asked = codes(3)[::EVERY]
        assert places(reader, asked) == set()
        id = writer.add("three", codes(3))
        assert places(reader, asked) == {(n, id) for n in range(40)}
        for seed in range(10, 20):  # now it is in the index
            writer.add("other", codes(seed))
        assert places(reader, asked) == {(n, id) for n in range(40)}
        writer.remove(id)
        assert places(reader, asked) == places(writer, asked) == set()
        assert reader.recording(id) is None
        assert len(reader) == 10


def test_heard_counts_and_widens_the_times(path: Path) -> None:
    with Store(path) as store:
        id = store.add("one", codes(1), heard_at=100.0)
        store.heard(id, 300.0)
        store.heard(id, 50.0)
        recording = store.recording(id)
    assert recording is not None
    assert (recording.first_heard, recording.last_heard) == (50.0, 300.0)
    assert recording.times_heard == 3
    assert recording.seconds == pytest.approx(40 * 0.08)


def test_a_time_that_nobody_knows_stays_unknown_until_one_is_known(tmp_path: Path) -> None:
    with Store(tmp_path / "a.db") as store, Store(tmp_path / "b.db") as other:
        id = store.add("one", codes(1))
        store.heard(id)
        untimed = store.recording(id)
        assert untimed is not None and untimed.times_heard == 2
        assert math.isnan(untimed.first_heard) and math.isnan(untimed.last_heard)
        other.merge(store)
        (merged,) = other.recordings()
        assert math.isnan(merged.first_heard) and math.isnan(merged.last_heard)
        other.heard(merged.id, 300.0)
        store.merge(other)
        for one in (store, other):
            (recording,) = one.recordings()
            assert (recording.first_heard, recording.last_heard) == (300.0, 300.0)


def test_a_recording_of_no_known_time_has_no_age_but_counts(path: Path) -> None:
    with Store(path) as store:
        for n in range(30):
            store.add(f"untimed {n}", codes(n), learnt=LearntBy.NETWORK)
        store.add("old", codes(40), 100.0, learnt=LearntBy.NETWORK)
        store.add("new", codes(41), 1000.0, learnt=LearntBy.NETWORK)
        assert store.expire(500.0, 100) == 1
        assert not store.named("old") and len(store) == 31
        while store.expire(500.0, 2):
            pass
        assert [recording.name for recording in store.recordings()] == ["untimed 29", "new"]


def test_what_was_learnt_stays_so_when_it_is_merged(tmp_path: Path) -> None:
    with Store(tmp_path / "a.db") as one, Store(tmp_path / "b.db") as two:
        for name, learnt in (("call", LearntBy.NETWORK), ("prompt", LearntBy.NOBODY)):
            two.add(name, codes(len(name)), learnt=learnt)
        one.merge(two)
        assert [(r.name, r.learnt) for r in one.recordings()] == [
            ("call", LearntBy.NETWORK),
            ("prompt", LearntBy.NOBODY),
        ]


def test_a_call_is_counted_once_however_often_it_is_scored(path: Path) -> None:
    with Store(path) as store:
        id = store.add("learnt", codes(1), 1.0, learnt=LearntBy.NETWORK)
        for at, call in enumerate(["a.wav", "b.wav", "a.wav", "learnt", "", ""], start=10):
            store.heard(id, float(at), counted(call, "", at) if call else None)
        recording = store.recording(id)
        assert recording is not None
        # The one that was learnt, two with a name, and two that nobody can tell apart.
        assert (recording.times_heard, recording.last_heard) == (5, 15.0)
        assert len(store.calls(id)) == 3


def test_merging_again_changes_nothing(tmp_path: Path) -> None:
    with Store(tmp_path / "a.db") as one, Store(tmp_path / "b.db") as two:
        for store, calls in ((one, ("x", "y")), (two, ("y", "z"))):
            id = store.add("prompt", codes(1), 5.0)
            for call in calls:
                store.heard(id, 9.0, counted(call, "", 9.0) if call else None)
        two.add("other", codes(2), 1.0)
        assert one.merge(two) == 1
        merged = list(one.recordings())
        assert [(r.name, r.times_heard) for r in merged] == [("prompt", 4), ("other", 1)]
        assert one.merge(two) == 0
        assert two.merge(one) == 0
        assert list(one.recordings()) == merged
        assert [r.times_heard for r in two.recordings()] == [4, 1]


@pytest.mark.parametrize("learnt", [LearntBy.NETWORK, LearntBy.NOBODY])
def test_what_two_stores_learnt_apart_is_one_recording(tmp_path: Path, learnt: LearntBy) -> None:
    prompt, more = spoken(8, seed=1), spoken(8, seed=2)
    with Store(tmp_path / "a.db") as one, Store(tmp_path / "b.db") as two:
        heard = [played(prompt, seed=3), played(cut(prompt, 0.65, 7), seed=4)]
        for store, call in zip((one, two), heard, strict=True):
            at = 5.0 + len(call)
            id = store.add(str(at), fingerprint(call).codes, at, learnt=learnt)
            store.heard(id, at + 1, counted(f"again {at}", "", at))
        # A jingle in both, and then something else, is no such recording.
        jingle = np.concatenate([cut(prompt, 1, 2), more])
        two.add("jingle", fingerprint(played(jingle, seed=5)).codes, 9.0)
        assert one.merge(two) == 1
        merged = list(one.recordings())
        assert [r.name for r in merged] == [merged[0].name, "jingle"]
        assert (merged[0].first_heard, merged[0].last_heard) == (5 + 7 * 8000, 6 + 8 * 8000)
        assert merged[0].times_heard == (4 if learnt else 3)
        assert one.merge(two) == 0
        assert list(one.recordings()) == merged


def test_a_mark_stays_and_goes_along(tmp_path: Path) -> None:
    with Store(tmp_path / "a.db") as one, Store(tmp_path / "b.db") as two:
        two.mark(two.add("ringback", codes(1)), RecordingMark.ALLOWED)
        one.merge(two)
        assert [recording.mark for recording in one.recordings()] == [RecordingMark.ALLOWED]
        with pytest.raises(StoreError, match="no recording 7"):
            one.mark(7, RecordingMark.CAMPAIGN)


def test_merge_takes_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store(tmp_path / "one.db") as one, Store(tmp_path / "two.db") as two:
        one.add("mine", codes(1), 1.0)
        for seed in (2, 3):
            two.heard(two.add(f"theirs {seed}", codes(seed), 5.0), 9.0)
        assert one.merge(two) == 2
        theirs = [recording for recording in one.recordings() if recording.name == "theirs 3"]
        assert [(r.first_heard, r.last_heard, r.times_heard) for r in theirs] == [(5.0, 9.0, 2)]
        assert len(places(one, codes(3)[::EVERY])) == 40

        read = two.codes
        monkeypatch.setattr(two, "codes", lambda id: read(id if id == 1 else 99))
        with pytest.raises(StoreError, match="no recording 99"):
            one.merge(two)
        assert len(one) == 3
        # The ids of what was taken back are given anew, and mean the new recording.
        id = one.add("four", codes(4))
        assert places(one, codes(4)[::EVERY]) == {(n, id) for n in range(40)}


def test_a_killed_writer_leaves_what_it_committed(path: Path) -> None:
    program = """
import sys, numpy as np
from audio_model.known import index, store
index._WAITING_POSTINGS, index._LEVEL_FACTOR = 64, 2
known = store.Store(sys.argv[1])
for seed in range(100_000):
    rng = np.random.default_rng(seed)
    codes = np.repeat(rng.integers(1, 1 << 64, size=40, dtype=np.uint64), 5)
    known.add(str(seed), codes)
    print(seed, flush=True)
"""
    writer = subprocess.Popen(
        [sys.executable, "-c", program, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    for line in writer.stdout:
        if int(line) == 60:
            break
    os.kill(writer.pid, signal.SIGKILL)
    rest = writer.stdout.read().split()
    writer.wait()
    writer.stdout.close()
    n_told = int(rest[-1]) + 1 if rest else 61
    with Store(path) as store:
        recordings = list(store.recordings())
        assert n_told <= len(recordings) <= n_told + 1
        assert [recording.name for recording in recordings] == [*map(str, range(len(recordings)))]
        for recording in recordings:
            asked = codes(int(recording.name))[::EVERY]
            assert len(places(store, asked)) == 40
        store.add("goes on", codes(1_000_000))
    database = sqlite3.connect(path)
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()


def test_several_writers_lose_nothing(path: Path, small_index: None) -> None:
    def write(first: int) -> None:
        with Store(path) as store:
            for seed in range(first, first + 15):
                store.add(str(seed), codes(seed))

    threads = [threading.Thread(target=write, args=(first,)) for first in (0, 100, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Store(path) as store:
        assert len(store) == 45
        for recording in store.recordings():
            asked = codes(int(recording.name))[::EVERY]
            assert places(store, asked) == {(n, recording.id) for n in range(40)}


def test_a_full_disk_takes_nothing_back_that_was_stored(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(path) as store:
        id = store.add("before", codes(1))
        pages = store._db.execute("PRAGMA page_count").fetchone()[0]
        store._db.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StoreError, match=r"known\.db: database or disk is full"):
            store.add("too large", codes(2, n=20_000))
        # As if no disk had room.
        monkeypatch.setattr("audio_model.sqlite._LEAST_ROOM", math.inf)
        with pytest.raises(StoreError, match=r"known\.db: the disk at /\S* is full") as told:
            store.add("too large", codes(2, n=20_000))
        assert told.value.passing
        assert [recording.id for recording in store.recordings()] == [id]
        assert places(store, codes(1)[::EVERY]) == {(n, id) for n in range(40)}


def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    missing, text, other = tmp_path / "no.db", tmp_path / "text.db", tmp_path / "other.db"
    with pytest.raises(StoreError, match=r"no\.db: no such store"):
        Store(missing, create=False)
    assert not missing.exists()
    text.write_bytes(b"not a database, though long enough to be looked at " * 40)
    with pytest.raises(StoreError, match=r"text\.db: file is not a database"):
        Store(text)
    database = sqlite3.connect(other)
    database.execute("CREATE TABLE recordings (id)")
    database.close()
    with pytest.raises(StoreError, match=r"other\.db: not a store of known recordings"):
        Store(other)
    assert other.read_bytes().startswith(b"SQLite")


def test_a_store_of_another_version_is_refused(path: Path) -> None:
    Store(path).close()
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 1")
    database.close()
    with pytest.raises(StoreError, match="another version"):
        Store(path)


AS_IT_WAS = """
DROP INDEX recordings_waiting; DROP INDEX recordings_learnt; DROP TABLE waiting;
CREATE TABLE postings (id INTEGER PRIMARY KEY, positions BLOB NOT NULL);
INSERT INTO postings SELECT ((id & 65535) << 8) | (id >> 16), positions FROM level_postings;
DROP TABLE level_postings;
CREATE INDEX waiting ON recordings (id) WHERE waiting;
PRAGMA user_version = 4;
"""
"""What makes a store one of the format before, whose rows of a key lay together."""


def test_a_store_of_the_format_before_is_taken_over(path: Path, small_index: None) -> None:
    with Store(path) as store:
        ids = {seed: store.add(str(seed), codes(seed)) for seed in range(12)}
    database = sqlite3.connect(path)
    database.executescript(AS_IT_WAS)
    assert len(database.execute("SELECT DISTINCT id & 255 FROM postings").fetchall()) > 1
    database.close()
    with Store(path) as store:
        ids |= {seed: store.add(str(seed), codes(seed)) for seed in range(12, 24)}
        store.remove(ids.pop(3))
        for seed, id in ids.items():
            asked = codes(seed)[::EVERY]
            assert places(store, asked) == {(n, id) for n in range(len(asked))}
        assert not places(store, codes(3)[::EVERY])


def test_what_is_not_heard_any_more_is_forgotten(path: Path) -> None:
    day = 86_400.0
    with Store(path) as store:
        old = {
            name: store.add(name, codes(seed), 10 * day, learnt=learnt)
            for seed, (name, learnt) in enumerate(
                {
                    "by hand": LearntBy.NOBODY,
                    "learnt": LearntBy.REPETITION,
                    "marked": LearntBy.REPETITION,
                    "heard": LearntBy.NETWORK,
                }.items()
            )
        }
        store.mark(old["marked"], RecordingMark.CAMPAIGN)
        assert store.expire(3 * day, 10) == 0
        store.heard(old["heard"], 14 * day)
        assert store.expire(3 * day, 10) == 1
        assert [known.name for known in store.recordings()] == ["by hand", "marked", "heard"]
        assert not places(store, codes(1)[::EVERY])
        # A call whose time is wrong makes nothing old.
        store.add("from the future", codes(9), 1e12, learnt=LearntBy.NETWORK)
        store.heard(old["heard"], time.time())
        assert store.expire(3 * day, 10) == 0


def test_of_too_many_those_heard_last_stay(path: Path) -> None:
    with Store(path) as store:
        for seed in range(50):
            store.add(str(seed), codes(seed), 1000.0 + seed, learnt=LearntBy.REPETITION)
        n = 0
        while forgotten := store.expire(1e9, 8):
            n += forgotten
        assert n == 42
        assert [known.name for known in store.recordings()] == [str(n) for n in range(42, 50)]


def test_nothing_to_know_it_by_is_refused(path: Path) -> None:
    with Store(path) as store:
        with pytest.raises(StoreError, match=r"beep\.wav: too little to find it again"):
            store.add("beep.wav", np.zeros(100, np.uint64))
        with pytest.raises(StoreError, match="no recording 5"):
            store.remove(5)
        assert len(store) == 0


def test_a_locked_store_says_so(path: Path) -> None:
    with Store(path) as one, Store(path, busy_seconds=0.05) as two, one.writing():
        took = []
        for _ in range(5):
            started = time.monotonic()
            with pytest.raises(StoreError, match="locked"):
                two.add("two", codes(2))
            took.append(time.monotonic() - started)
        # The least of some: what else the machine does isn't ours.
        assert min(took) < 1.5
        assert len(two) == 0


def test_a_store_that_is_replaced_is_not_there(path: Path) -> None:
    with Store(path) as store:
        assert store.is_there()
        path.rename(path.with_name("away.db"))
        assert not store.is_there()
        path.touch()
        assert not store.is_there()


def test_reading_needs_no_room_on_the_disk(path: Path) -> None:
    """A limit on the size of files stands for a full disk: nothing can be written anywhere."""
    with Store(path) as store:
        store.add("one", codes(1))
    program = """
import resource, sys
from audio_model.known.store import Store
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
with Store(sys.argv[1], create=False, busy_seconds=1) as store:
    print(store.recordings().__next__().name)
"""
    reader = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        cwd=ROOT,
        check=True,
        timeout=120,
        capture_output=True,
        text=True,
    )
    assert reader.stdout == "one\n"
