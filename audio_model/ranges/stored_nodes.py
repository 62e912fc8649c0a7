"""The nodes of a store, read on demand and kept for as long as nobody else writes."""

import sqlite3

from audio_model.ranges.rows import NODE_COLUMNS, node_of, node_row
from audio_model.ranges.tree import Node

MAX_CACHED = 50_000


class StoredNodes:
    """The nodes of a database, through a cache; see :class:`audio_model.ranges.tree.Nodes`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._cache: dict[str, Node | None] = {}
        self._used: dict[str, Node] = {}
        """Since the last flush; whoever gets a node may change it."""
        self._version = -1

    def get(self, prefix: str, /) -> Node | None:
        """Return the node of a prefix; None if there is none."""
        try:
            node = self._cache[prefix]
        except KeyError:
            row = self._db.execute("SELECT * FROM ranges WHERE prefix = ?", [prefix]).fetchone()
            node = self._cache[prefix] = None if row is None else node_of(row)
        if node is not None:
            self._used[prefix] = node
        return node

    def __setitem__(self, prefix: str, node: Node, /) -> None:
        self._cache[prefix] = self._used[prefix] = node

    def flush(self) -> None:
        """Write the nodes that may have changed."""
        places = ", ".join("?" * len(NODE_COLUMNS))
        self._db.executemany(
            f"INSERT OR REPLACE INTO ranges VALUES ({places})", map(node_row, self._used.values())
        )
        self.used()

    def used(self) -> None:
        """Forget which nodes were used: they are unchanged or written."""
        self._used.clear()
        if len(self._cache) > MAX_CACHED:
            self._cache.clear()

    def forget(self) -> None:
        """Forget all nodes, to read them anew."""
        self._cache.clear()
        self._used.clear()
        self._version = -1

    def refresh(self) -> bool:
        """Forget all nodes if another process has written, and return whether one has."""
        (version,) = self._db.execute("PRAGMA data_version").fetchone()
        if version == self._version:
            return False
        self.forget()
        self._version = version
        return True
