"""Ranges on disk: one SQLite file that several processes share and a crash cannot harm.

What a method was given is on the disk when it returns: each batch of calls is one transaction with
a full sync. A call is known by its id: a batch that is given again counts once. Nodes are kept in
memory until another process writes. Numbers stand in it; the file is its owner's alone to read.
"""

import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, replace

from audio_model.errors import RangeStoreError, UnknownCallError, printable
from audio_model.ranges.breaker import Change, Policy
from audio_model.ranges.campaigns import Alarm, Campaigns
from audio_model.ranges.monitor import Advice, Monitor
from audio_model.ranges.numbers import normalise
from audio_model.ranges.rates import MarkedAs
from audio_model.ranges.rows import (
    CALL_COLUMNS,
    CHANGE_COLUMNS,
    Allowed,
    MarkedCall,
    PastChange,
    call_of,
    call_row,
    change_of,
    change_row,
    marked_of,
    node_of,
    policy_of,
    policy_row,
)
from audio_model.ranges.schema import FORMAT
from audio_model.ranges.stored_nodes import StoredNodes
from audio_model.ranges.tree import (
    FORGOTTEN_SECONDS,
    IDLE_SECONDS,
    WIDE_LENGTH,
    Node,
    RangeCall,
    State,
)
from audio_model.sqlite import MEMORY, Durability, SqliteStore, storable

MAX_CALLS = 1_000_000
"""Calls that are remembered one by one, for marks and against counting twice."""
TIDY_SECONDS = 3600.0
BUSY_SECONDS = 30.0
"""How long a process waits until another has written."""


class RangeStore(SqliteStore):
    """An open store. It is for one thread at a time."""

    format = FORMAT
    error = RangeStoreError
    durability = Durability.NOTHING
    private = True

    def __init__(
        self,
        path: str | os.PathLike[str] | None,
        policy: Policy | None = None,
        *,
        busy_seconds: float = BUSY_SECONDS,
    ) -> None:
        """Open or make a store.

        Args:
            path: the file's; None keeps the store in memory.
            policy: when breakers move, from now on; None: as before. All who share a store must use
                the same, so the last policy that was given is kept in it.
            busy_seconds: how long to wait until another process has written.

        Raises RangeStoreError.
        """
        super().__init__(MEMORY if path is None else path, busy_seconds=busy_seconds)
        try:
            with self._errors():
                self.policy = self._agree(policy)
        except RangeStoreError:
            self.close()
            raise
        self._monitor = Monitor(self._nodes, self.policy)
        self._tidy_at = 0.0

    def hear(self, calls: Sequence[RangeCall]) -> list[Change]:
        """Count calls in their order.

        A call whose id is known counts by its surest verdict, and one that a person has marked
        stays as it was marked.
        """
        changes: list[Change] = []
        with self._writing():
            for call in map(self.campaigns.weigh, calls):
                if self._remember(call):
                    self.campaigns.count(call)
                    changes += self._monitor.hear(call)
                elif (before := self._less_sure(call)) is not None:
                    changes += self._monitor.hear(call, before)
            self._record(changes)
        return changes

    def mark(self, call_id: str, mark: MarkedAs, now: float | None = None) -> list[Change]:
        """Count a person's mark on a call. A second mark takes the place of the first.

        Raises UnknownCallError.
        """
        with self._writing():
            marked = self._marked(call_id)
            return self.mark_calls([marked.call if marked else self.call(call_id)], mark, now)

    def mark_calls(
        self, calls: Sequence[RangeCall], mark: MarkedAs | None, now: float | None = None
    ) -> list[Change]:
        """Count one mark on many calls; None takes their marks back.

        A call that was never heard here is heard now, if it has a mark. Marks on calls of long ago
        are counted, and move no breaker; see :meth:`Monitor.mark`.
        """
        now = time.time() if now is None else now
        changes: list[Change] = []
        with self._writing():
            for call in calls:
                marked = self._marked(call.id)
                before = marked.mark if marked else None
                if mark is None and marked is None:
                    continue
                if marked is None and self._remember(call):
                    changes += self._monitor.hear(call, now=now)
                counted = marked.call if marked else self.call(call.id)
                if before is not mark:
                    at = marked.time if marked else None
                    changes += self._monitor.mark(counted, mark, before, now, at)
                self._db.execute("DELETE FROM marks WHERE id = ?", [call.id])
                if mark is not None:
                    values = call_row(counted)
                    self._insert("marks", (call.id, mark.value, now, *values[1:]))
            self._record(changes)
        return changes

    def put(
        self, prefix: str, state: State, note: str, now: float | None = None, *, who: str = ""
    ) -> list[Change]:
        """Move a range's breaker because a person says so, and keep why.

        Nothing changes where it is in that state already, or on the allow-list.
        """
        now = time.time() if now is None else now
        with self._writing():
            moved = self._monitor.put(prefix, state, now)
            changes = [replace(change, who=who, note=note) for change in moved]
            self._record(changes)
        return changes

    def tick(self, now: float) -> list[Change]:
        """Let states end when their time is over, and forget nodes that are not needed any more."""
        with self._writing():
            changes = self._monitor.tick(now, self._held())
            self.campaigns.tick(now)
            self._record(changes)
            if now >= self._tidy_at:
                self._tidy(now)
                self._tidy_at = now + TIDY_SECONDS
        return changes

    def allow(
        self, prefix: str, note: str, now: float | None = None, *, who: str = ""
    ) -> list[Change]:
        """Let a range never warn or open, and close what is held in it."""
        now = time.time() if now is None else now
        return self.allow_all([Allowed(prefix, note, now, who)])

    def allow_all(self, entries: Sequence[Allowed]) -> list[Change]:
        """Put entries on the allow-list, all of them or none; see :meth:`allow`."""
        changes: list[Change] = []
        with self._writing():
            for entry in entries:
                self._insert("allowed", tuple(map(storable, astuple(entry))), replace=True)
                inside = [held for held in self._held() if held.startswith(entry.prefix)]
                changes += (
                    replace(change, who=entry.who, note=entry.note)
                    for change in self._monitor.allow(entry.prefix, inside, entry.time)
                )
                self._nodes.flush()
            self._read_allowed()
            self._record(changes)
        return changes

    def disallow(
        self, prefix: str, note: str = "", now: float | None = None, *, who: str = ""
    ) -> bool:
        """Take a range off the allow-list and return whether it was there."""
        now = time.time() if now is None else now
        with self._writing():
            rows = self.do("DELETE FROM allowed WHERE prefix = ?", [prefix]).rowcount
            self._read_allowed()
            if rows:
                change = self._monitor.disallow(prefix, now)
                self._record([replace(change, who=who, note=note)])
            return rows > 0

    def advise(self, number: str, now: float) -> Advice:
        """Return the advice on a number now."""
        with self._reading():
            return self._monitor.advise(number, now)

    def chain(self, number: str) -> list[Node]:
        """Return the nodes of a number, the widest first. Do not change them."""
        with self._reading():
            found = map(self._nodes.get, normalise(number).prefixes)
            return [node for node in found if node is not None]

    def ranges(self, min_calls: int = 0) -> Iterator[Node]:
        """Yield all nodes in the order of their prefixes.

        Args:
            min_calls: the fewest calls of a range whose breaker never moved.
        """
        with self._errors():
            rows = self._db.execute(
                "SELECT * FROM ranges WHERE recorded + live + unsure + unheard >= ? "
                "OR prefix IN (SELECT prefix FROM changes) ORDER BY prefix",
                [min_calls],
            )
            yield from map(node_of, rows)

    def changes(self, *, prefix: str = "", limit: int = 1000) -> list[Change]:
        """Return the latest changes of breakers, the last first; of one range, if it is given."""
        where, values = ("WHERE prefix = ?", [prefix]) if prefix else ("", [])
        columns = ", ".join(CHANGE_COLUMNS)
        rows = self.rows(
            f"SELECT {columns} FROM changes {where} ORDER BY time DESC, n DESC LIMIT ?",
            [*values, limit],
        )
        return list(map(change_of, rows))

    def history(self, latest: int | None = None) -> Iterator[PastChange]:
        """Yield all changes of breakers in the order of their times; or only the latest ones."""
        columns = ", ".join(CHANGE_COLUMNS)
        with self._errors():
            rows = self._db.execute(
                f"""
                SELECT * FROM (
                    SELECT n, {columns}, coalesce(
                        lead(json_extract(evidence, '$.blocked')) OVER by_range,
                        (SELECT blocked FROM ranges WHERE ranges.prefix = changes.prefix)
                    ) - json_extract(evidence, '$.blocked')
                    FROM changes WINDOW by_range AS (PARTITION BY prefix ORDER BY n)
                    ORDER BY time DESC, n DESC LIMIT ?
                ) ORDER BY time, n
                """,
                [-1 if latest is None else latest],
            )
            for _, *row, blocked in rows:
                yield PastChange(change_of(row), blocked)

    def moves(self) -> dict[str, Counter[State]]:
        """Return how often each range's breaker entered each state, for those that moved."""
        moves: dict[str, Counter[State]] = {}
        for prefix, after, n in self.rows(
            "SELECT prefix, after, count(*) FROM changes WHERE before != after GROUP BY 1, 2"
        ):
            moves.setdefault(prefix, Counter())[State(after)] = n
        return moves

    def n_changes(self) -> int:
        """Return how many changes there were."""
        return int(self.one("SELECT count(*) FROM changes")[0])

    def n_calls(self) -> int:
        """Return how many calls were counted, each once."""
        return int(self.one("SELECT coalesce(max(n), 0) FROM calls")[0])

    def last_time(self) -> float:
        """Return when the last call came that was counted; 0 without any."""
        return float(self.one("SELECT coalesce(max(last), 0) FROM ranges")[0])

    def allowed(self) -> list[Allowed]:
        """Return the allow-list in the order of its prefixes."""
        return [Allowed(*row) for row in self.rows("SELECT * FROM allowed")]

    def campaigns_heard(self, *, running: bool) -> list[Alarm]:  # see Campaigns.all
        """Return the campaigns, or only those that run. Raises RangeStoreError."""
        with self._errors():
            return list(self.campaigns.all(running=running))

    def marks(self) -> Iterator[MarkedCall]:
        """Yield all calls that were marked, in the order of their ids."""
        with self._errors():
            for row in self._db.execute("SELECT * FROM marks ORDER BY id"):
                yield marked_of(row)

    def call(self, call_id: str) -> RangeCall:
        """Return a call that was heard. Raises UnknownCallError."""
        row = self.one(f"SELECT {', '.join(CALL_COLUMNS)} FROM calls WHERE id = ?", [call_id])
        if row is None:
            raise UnknownCallError(f"no call is known by the id {printable(call_id)}")
        return call_of(row)

    def _prepare(self, busy_seconds: float | None) -> None:
        self._nodes, self.campaigns = StoredNodes(self._db), Campaigns(self._db)
        super()._prepare(busy_seconds)

    def _agree(self, policy: Policy | None) -> Policy:
        if policy is None:
            row = self.one("SELECT policy FROM settings")
            return Policy() if row is None else policy_of(row[0])
        values = (0, policy_row(policy))
        self._db.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", values)
        return policy

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Run one transaction: everything in it is on the disk at its end, or nothing."""
        with self.writing():
            self._refresh()
            yield
            self._nodes.flush()
            self.campaigns.flush()

    def _rolled_back(self) -> None:
        self._nodes.forget()
        self.campaigns.forget()

    @contextmanager
    def _reading(self) -> Iterator[None]:
        with self._errors():
            self._refresh()
            yield
            self._nodes.used()

    def _refresh(self) -> None:
        """Read what other processes have written."""
        if self._nodes.refresh():
            self._read_allowed()

    def _read_allowed(self) -> None:
        rows = self.rows("SELECT prefix FROM allowed")
        self._monitor.allowed = frozenset(prefix for (prefix,) in rows)

    def _insert(self, table: str, values: Sequence[object], *, replace: bool = False) -> int:
        places = ", ".join("?" * len(values))
        how = "REPLACE" if replace else "IGNORE"
        return self._db.execute(f"INSERT OR {how} INTO {table} VALUES ({places})", values).rowcount

    def _remember(self, call: RangeCall) -> bool:
        return self._insert("calls", (None, *call_row(call))) > 0

    def _less_sure(self, call: RangeCall) -> RangeCall | None:
        """Replace a call's less sure verdict, and return that; None if there is none."""
        before = self.call(call.id)
        if not call.surer_than(before) or self._marked(call.id) is not None:
            return None
        columns = ", ".join(f"{name} = ?" for name in CALL_COLUMNS[1:])
        id, *values = call_row(call)
        self._db.execute(f"UPDATE calls SET {columns} WHERE id = ?", [*values, id])
        return before

    def _record(self, changes: Sequence[Change]) -> None:
        for change in changes:
            self._insert("changes", (None, *change_row(change)))

    def _held(self) -> list[str]:
        rows = self.rows("SELECT prefix FROM ranges WHERE state != 'closed'")
        return [prefix for (prefix,) in rows]

    def _marked(self, call_id: str) -> MarkedCall | None:
        row = self.one("SELECT * FROM marks WHERE id = ?", [call_id])
        return None if row is None else marked_of(row)

    def _tidy(self, now: float) -> None:
        self._nodes.flush()
        # The widest prefixes stay; a narrow one at zero is as if it had never called.
        self._db.execute(
            "DELETE FROM ranges WHERE state = 'closed' AND length(prefix) > ? "
            "AND (last < ? AND evidence = 0 OR last < ?)",
            [WIDE_LENGTH, now - IDLE_SECONDS, now - FORGOTTEN_SECONDS],
        )
        self._db.execute("DELETE FROM calls WHERE n <= (SELECT max(n) FROM calls) - ?", [MAX_CALLS])
        self._nodes.forget()
