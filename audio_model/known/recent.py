"""What every call held, kept for a while: what is heard in two of them is played.

Calls are kept in files of their own beside the store, ``known.db.heard.1764460800``: one for each
half of the time that calls are kept, named by its first second since 1970. A file is removed as a
whole when its first call's time is over, so that each call is kept for at least half of that time
and never beyond it. The size is bounded in the same way.

A file holds codes, the calls' names, and digests of their numbers. Speech can't be made from codes:
each is 64 signs of half a second, of which one in five is kept. Whoever has a recording can tell
whether its call is among them, so the files are their owner's alone to read.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic, time
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from audio_model.errors import StoreError, UsageError
from audio_model.known.counts import digest
from audio_model.known.fingerprint import Codes
from audio_model.known.index import Hits
from audio_model.known.recording import StoredRecording
from audio_model.known.store import UPGRADE_FROM_4, Store
from audio_model.sqlite import Format
from audio_model.stream import PhoneCall

DEFAULT_HOURS, DEFAULT_CALLS = 24.0, 1_000_000
DEFAULT_DAYS, DEFAULT_RECORDINGS = 180.0, 100_000
_LOOK_SECONDS = 1.0
"""The time between two looks for files that other processes have made or removed."""
_SLOT_BITS = 34
"""Positions of a file are told from those of others by the bits above these."""
_SUFFIX = ".heard."
_SQLITE_ENDINGS = ("", "-wal", "-shm")

_FACTS = ("call", "caller", "called", "time", "file")
_SCHEMA = f"""
CREATE TABLE facts (recording INTEGER PRIMARY KEY, {", ".join(_FACTS)});
CREATE INDEX facts_of_call ON facts (call);
"""


@dataclass(frozen=True)
class Retention:
    """How long calls and recordings learnt from them are kept, and how many at most.

    Raises UsageError if nothing would be kept.
    """

    hours: float = DEFAULT_HOURS
    calls: int = DEFAULT_CALLS
    days: float = DEFAULT_DAYS
    """Days after which a recording that was learnt, and is not heard any more, is forgotten."""
    recordings: int = DEFAULT_RECORDINGS
    """Recordings that are learnt; of more, those not heard for the longest time are forgotten."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.hours) and self.hours > 0 and self.calls > 1):
            raise UsageError("calls must be kept for more than 0 hours, and at least two calls")
        if not (math.isfinite(self.days) and self.days > 0 and self.recordings > 0):
            raise UsageError(
                "learnt recordings must be kept for more than 0 days, and at least one"
            )

    @property
    def half_seconds(self) -> int:
        """Return the seconds of calls in one file."""
        return max(1, round(self.hours * 1800))


class CallIdentity(NamedTuple):
    """The identity of a call. All fields but the time are digests, empty if unknown."""

    call: bytes
    caller: bytes
    called: bytes
    time: float | None
    """When its audio began, in seconds since 1970."""
    file: bytes
    """A hash of its recording's name without the folder."""

    @classmethod
    def of(cls, call: PhoneCall) -> "CallIdentity":
        """Return the identity of a call."""
        return cls(
            _digest(call.name),
            _digest(call.caller),
            _digest(call.called),
            None if math.isnan(call.time) else call.time,
            _digest(Path(call.name).name),
        )


def _digest(text: str) -> bytes:
    return digest(text) if text else b""


class _Calls(Store):
    """The calls of one file."""

    format = Format(
        kind="list of calls heard a while ago",
        application_id=0x6B6E6F78,
        version=2,
        schema=Store.format.schema + _SCHEMA,
        upgrades={1: UPGRADE_FROM_4},
    )
    private = True

    def keep(self, call: PhoneCall, codes: Codes, facts: CallIdentity) -> None:
        with self.writing():
            places = ", ".join("?" * (1 + len(_FACTS)))
            id = self.add(call.name, codes, call.time)
            self._db.execute(f"INSERT INTO facts VALUES ({places})", (id, *facts))

    def facts(self, id: int) -> CallIdentity:
        with self._errors():
            row = self._db.execute(
                f"SELECT {', '.join(_FACTS)} FROM facts WHERE recording = ?", (id,)
            ).fetchone()
        return CallIdentity(*row)

    def holds(self, call: bytes) -> bool:
        with self._errors():
            found = self._db.execute("SELECT 1 FROM facts WHERE call = ? LIMIT 1", (call,))
            return found.fetchone() is not None

    def remember_count(self) -> int:
        with self._errors():
            found = self._db.execute("SELECT max(id) FROM recordings").fetchone()
            return int(found[0] or 0)


class RecentCalls:
    """The calls of the last hours, of all processes. For one thread at a time."""

    def __init__(self, store: Path, keep: Retention, *, busy_seconds: float, mapped: bool) -> None:
        """Open the calls beside a store.

        Args:
            store: the store's path. The calls lie beside it.
            keep: how long calls are kept, and how many.
            busy_seconds: how long a method waits for a file that is locked.
            mapped: as for a :class:`Store`.
        """
        self._store, self._keep = store, keep
        self._busy_seconds, self._mapped = busy_seconds, mapped
        self._files: dict[int, _Calls] = {}
        """By their first second, in its order."""
        self._slots: dict[int, int] = {}
        self._counts: dict[int, int] = {}
        self._looked_at = -math.inf

    def __len__(self) -> int:
        """Return the number of calls kept, as of the last look."""
        return sum(self._counts.values())

    def close(self) -> None:
        """Let go of the files."""
        for calls in self._files.values():
            calls.close()
        self._files.clear()
        self._looked_at = -math.inf

    def ends(self) -> dict[int, int]:
        """Return where the calls that are kept end in each file: later ones lie behind it."""
        self._look()
        return {begin: calls.end() for begin, calls in self._files.items()}

    def add(self, call: PhoneCall, codes: Codes) -> None:
        """Keep a call, unless it is there. Raises StoreError."""
        facts = CallIdentity.of(call)
        self._look()
        if facts.call and any(calls.holds(facts.call) for calls in self._files.values()):
            return
        begin, calls = self._current(time())
        calls.keep(call, codes, facts)
        self._counts[begin] = self._counts.get(begin, 0) + 1

    @contextmanager
    def adding(self) -> Iterator[None]:
        """Add several calls as one change: all of them or, after an error, none."""
        self._look()
        with self._current(time())[1].writing():
            yield

    def facts(self, recording: StoredRecording) -> CallIdentity | None:
        """Return the identity of a call that was found; None if it is gone."""
        found = self._of(recording.first_position)
        if found is None:
            return None
        slot, calls = found
        return calls.facts(recording.id - (slot << _SLOT_BITS))

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Keep one state for several look-ups, as a store does."""
        self._look()
        with ExitStack() as stack:
            for calls in self._files.values():
                stack.enter_context(calls.reading())
            yield

    def search(
        self, codes: Codes, max_distance: int, since: Mapping[int, int] = MappingProxyType({})
    ) -> Hits:
        """Look codes up, as in a store. The calls found last are those heard last.

        Args:
            since: where calls ended in each file; what lies before is left out.
        """
        asked, positions = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for begin, calls in self._files.items():
            hits = calls.search(codes, max_distance, since.get(begin, 0))
            asked.append(hits.asked)
            positions.append(hits.positions + (self._slots[begin] << _SLOT_BITS))
        return Hits(np.concatenate(asked), np.concatenate(positions))

    def at(self, position: int) -> tuple[StoredRecording, Codes] | None:
        """Return the call at a position and its codes; None if it is gone."""
        found = self._of(position)
        if found is None:
            return None
        slot, calls = found
        offset = slot << _SLOT_BITS
        held = calls.at(position - offset)
        if held is None:
            return None
        recording, codes = held
        moved = replace(
            recording,
            id=recording.id + offset,
            first_position=recording.first_position + offset,
        )
        return moved, codes

    def _of(self, position: int) -> tuple[int, _Calls] | None:
        slot = position >> _SLOT_BITS
        begin = next((begin for begin, taken in self._slots.items() if taken == slot), None)
        return None if begin not in self._files else (slot, self._files[begin])

    def _current(self, now: float) -> tuple[int, _Calls]:
        """Return the file that takes calls now. A full or old file is followed by another."""
        begin = max([*self._files, self._due(now)])
        if self._counts.get(begin, 0) >= self._keep.calls // 2:
            begin = max(begin + 1, int(now))
        if begin not in self._files:
            self._open(begin, create=True)
            self._remove_old(now)
        return begin, self._files[begin]

    def _due(self, now: float) -> int:
        """Return the first second of the file that all processes begin now.

        The last file may be full before then.
        """
        return int(now) // self._keep.half_seconds * self._keep.half_seconds

    def _look(self) -> None:
        """Find the files that are there, and remove those that are over."""
        due = self._due(time())
        is_new = due not in self._files and Path(f"{self._store}{_SUFFIX}{due}").exists()
        if monotonic() - self._looked_at < _LOOK_SECONDS and not is_new:
            return
        self._looked_at = monotonic()
        there = set(self._found())
        for begin in [begin for begin in self._files if begin not in there]:
            self._forget(begin)
        for begin in sorted(there - self._files.keys()):
            try:
                self._open(begin, create=False)
            except StoreError:
                # It was removed meanwhile, or another process is making it.
                continue
        for begin, calls in self._files.items():
            self._counts[begin] = calls.remember_count()
        self._remove_old(time())

    def _found(self) -> Iterator[int]:
        prefix = f"{self._store.name}{_SUFFIX}"
        for path in self._store.absolute().parent.iterdir():
            digits = path.name.removeprefix(prefix)
            if path.name != digits and digits.isascii() and digits.isdigit():
                yield int(digits)

    def _open(self, begin: int, *, create: bool) -> None:
        path = f"{self._store}{_SUFFIX}{begin}"
        self._files[begin] = _Calls(
            path, create=create, busy_seconds=self._busy_seconds, mapped=self._mapped
        )
        self._files = dict(sorted(self._files.items()))
        if begin not in self._slots:
            taken = set(self._slots.values())
            self._slots[begin] = next(n for n in range(len(taken) + 1) if n not in taken)

    def _remove_old(self, now: float) -> None:
        n_newer = 0
        for begin in sorted(self._files, reverse=True):
            n_newer += self._counts.get(begin, 0)
            over = begin + 2 * self._keep.half_seconds <= now
            if over or (n_newer > self._keep.calls and begin != max(self._files)):
                self._forget(begin)
                for ending in _SQLITE_ENDINGS:
                    Path(f"{self._store}{_SUFFIX}{begin}{ending}").unlink(missing_ok=True)

    def _forget(self, begin: int) -> None:
        """Let go of a file that is gone, or soon will be."""
        self._files.pop(begin).close()
        self._counts.pop(begin, None)
        self._slots.pop(begin, None)


class CallsSince:
    """The calls that were kept since a moment, to be searched like all of them."""

    def __init__(self, calls: RecentCalls, ends: Mapping[int, int]) -> None:
        """Look only at calls that came later.

        Args:
            ends: where the calls ended at that moment; see :meth:`RecentCalls.ends`.
        """
        self._calls, self._ends = calls, ends

    def reading(self) -> AbstractContextManager[None]:
        """Make several searches in one state of the files."""
        return self._calls.reading()

    def search(self, codes: Codes, max_distance: int) -> Hits:
        """Search for codes; see :meth:`RecentCalls.search`."""
        return self._calls.search(codes, max_distance, self._ends)

    def at(self, position: int) -> tuple[StoredRecording, Codes] | None:
        """Return the call at a position and its codes; None if it is gone."""
        return self._calls.at(position)
