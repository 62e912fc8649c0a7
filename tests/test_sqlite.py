"""What the two stores have in common; each one's own is tested with it."""

import gc
import json
import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from audio_model.errors import RangeStoreError, StoreError
from audio_model.known.store import Store
from audio_model.ranges.store import RangeStore
from audio_model.sqlite import _obstacle

Kind = type[Store] | type[RangeStore]

STORES = pytest.mark.parametrize("kind", [Store, RangeStore])


@STORES
def test_a_store_of_the_other_kind_is_refused_and_left_as_it_is(tmp_path: Path, kind: Kind) -> None:
    other = RangeStore if kind is Store else Store
    other(tmp_path / "a.db").close()
    before = (tmp_path / "a.db").read_bytes()
    with pytest.raises(kind.error, match=f"not a {kind.format.kind}, but another program's"):
        kind(tmp_path / "a.db")
    assert (tmp_path / "a.db").read_bytes() == before


@STORES
def test_a_store_that_is_forgotten_is_closed(tmp_path: Path, kind: Kind) -> None:
    """Python 3.13 warns of a connection that is not, and then all tests there fail."""
    store = kind(tmp_path / "a.db")
    db = store._db
    del store
    gc.collect()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        db.execute("SELECT 1")


@STORES
def test_another_version_is_refused(tmp_path: Path, kind: Kind) -> None:
    kind(tmp_path / "a.db").close()
    with closing(sqlite3.connect(tmp_path / "a.db")) as db:
        db.execute("PRAGMA user_version = 1")
    with pytest.raises(kind.error, match=r"another version .*\(of format 1, not \d+\)"):
        kind(tmp_path / "a.db")


@STORES
def test_whether_it_may_be_over_soon_is_told(tmp_path: Path, kind: Kind) -> None:
    with kind(tmp_path / "a.db", busy_seconds=0.01) as store:
        with closing(sqlite3.connect(tmp_path / "a.db")) as db:
            db.execute("BEGIN IMMEDIATE")
            with (
                pytest.raises(StoreError, match="locked") as locked,
                store._transaction("BEGIN IMMEDIATE"),
            ):
                pass
        assert locked.value.passing
        with (
            pytest.raises(StoreError, match="no such table") as damaged,
            store._transaction("BEGIN"),
        ):
            store._db.execute("SELECT * FROM missing")
        assert not damaged.value.passing
    assert isinstance(locked.value, RangeStoreError) == (kind is RangeStore)


@STORES
def test_what_keeps_a_store_from_being_written_is_told(tmp_path: Path, kind: Kind) -> None:
    with pytest.raises(kind.error, match="is a folder"):
        kind(tmp_path)
    with pytest.raises(kind.error, match="its folder is missing"):
        kind(tmp_path / "missing" / "a.db")
    (tmp_path / "file").touch()
    with pytest.raises(kind.error, match="its folder is a file"):
        kind(tmp_path / "file" / "a.db")
    with pytest.raises(kind.error, match="File name too long"):
        kind(tmp_path / ("x" * 300))


def test_a_store_that_can_only_be_read_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Store(tmp_path / "a.db").close()
    # As on a disk that is mounted to be read, where root may not write either.
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    with (
        Store(tmp_path / "a.db", create=False) as store,
        pytest.raises(StoreError, match="its folder can't be written to"),
    ):
        store.take("a", np.ones(9, np.uint64))
    monkeypatch.setattr(os, "access", lambda path, mode: path == tmp_path)
    assert _obstacle(str(tmp_path / "a.db")) == "the file can't be written to"


@STORES
def test_who_may_read_a_new_file(tmp_path: Path, kind: Kind) -> None:
    kind(tmp_path / "a.db").close()
    private = stat.S_IMODE((tmp_path / "a.db").stat().st_mode) & 0o077 == 0
    assert private or not kind.private


@STORES
def test_a_transaction_within_another_is_part_of_it(tmp_path: Path, kind: Kind) -> None:
    with kind(tmp_path / "a.db") as store:
        with pytest.raises(KeyError), store._transaction("BEGIN IMMEDIATE"):
            with store._transaction("BEGIN IMMEDIATE"):
                store._db.execute("CREATE TABLE more (x)")
            raise KeyError
        with pytest.raises(StoreError), store._transaction("BEGIN"):
            store._db.execute("SELECT * FROM more")


@STORES
def test_who_opens_a_store_twice_loses_nothing_to_another_process(
    tmp_path: Path, kind: Kind
) -> None:
    # As a server does, which writes in one thread and reads in another.
    path = tmp_path / "a.db"
    with kind(path) as writer, kind(path):
        with writer._transaction("BEGIN IMMEDIATE"):
            writer._db.execute("CREATE TABLE more (x)")
        # Whoever leaves last takes the log away, and must not think that it is the last.
        assert _in_another_process(path, "INSERT INTO more VALUES (1)") == []
        with writer._transaction("BEGIN IMMEDIATE"):
            writer._db.execute("INSERT INTO more VALUES (2)")
        assert _in_another_process(path, "SELECT x FROM more") == [[1], [2]]


def _in_another_process(path: Path, statement: str) -> object:
    code = (
        "import json, sqlite3, sys; db = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "print(json.dumps(db.execute(sys.argv[2]).fetchall())); db.close()"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, path, statement], capture_output=True, text=True, check=True
    )
    return json.loads(told.stdout)
