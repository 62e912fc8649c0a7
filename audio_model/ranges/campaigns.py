"""Campaigns that run: one recording, from many numbers, to many people, within minutes.

A range says where calls come from, and a campaign that hops over a whole block, or calls from
numbers that are not its own, has no range of its own. What it plays gives it away: calls of one
known recording are one campaign, wherever they come from. It is told of once when it runs and once
when it is over. While it runs its calls count as recorded in their ranges, whatever was said of
each: the recording is the proof. No range is blocked for it that is too wide for a breaker; such a
range is named as what it is.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum

from audio_model.ranges import sketch
from audio_model.ranges.numbers import Number, normalise
from audio_model.ranges.rates import CallAnswer
from audio_model.ranges.tree import RangeCall
from audio_model.times import DAY_SECONDS

CAMPAIGNS_SCHEMA = """
CREATE TABLE campaigns (name TEXT PRIMARY KEY, last, running, state) WITHOUT ROWID
"""

WINDOW_SECONDS = 600.0
LEAST_PEOPLE, LEAST_NUMBERS = 10, 3
"""How many people a recording must reach within so many seconds, and from how many numbers, to be
told of as a campaign. A greeting is heard by callers of one number; a menu comes from one."""
QUIET_SECONDS = 1800.0
"""Without a call: a campaign is over."""
FORGOTTEN_SECONDS = 30 * DAY_SECONDS
MAX_NUMBERS = 500
"""Numbers that are remembered of a campaign, the first ones."""
MAX_PEOPLE = 1000
"""Numbers called that are counted exactly; beyond, their number is estimated."""
MAX_RECENT = 300
"""Calls of the window that are remembered, the last ones."""
MOST_RANGES = 5


class Run(StrEnum):
    """A campaign that runs, as it is reported."""

    RUNNING = "running"
    OVER = "over"


@dataclass(frozen=True)
class Part:
    """A range from which a campaign calls, as small as explains its numbers."""

    range: str
    numbers: int
    too_wide: bool
    """Whether it is of many owners, and never blocked: a warning at such a width is no more."""


@dataclass(frozen=True)
class Alarm:
    """A campaign began or ended."""

    state: Run
    campaign: str
    """The known recording's number, or what the call records call it."""
    calls: int
    people: int
    """Different numbers called."""
    numbers: int
    """Different numbers that called: exact up to MAX_NUMBERS, and an estimate beyond."""
    calls_a_minute: float
    """In the last ten minutes of it."""
    ranges: tuple[Part, ...]
    """The largest first; numbers beyond them are not in any."""
    first: float
    last: float
    exemplar: str
    """Id of the first call."""

    def as_dict(self) -> dict[str, object]:
        """Return the alarm for JSON: what webhooks carry."""
        return {"event": "campaign", **asdict(self)}


@dataclass
class _Campaign:
    name: str
    first: float
    last: float
    exemplar: str
    calls: int = 0
    people: list[int] = field(default_factory=list)
    """The numbers called, hashed: the first MAX_PEOPLE."""
    sketch: str = ""
    """A sketch of all of them, in hexadecimal."""
    numbers: dict[str, str] = field(default_factory=dict)
    """The numbers that called, as each was written: the first MAX_NUMBERS."""
    callers: str = ""
    """A sketch of all of them, in hexadecimal."""
    recent: list[tuple[float, int, str]] = field(default_factory=list)
    """Time, number called (hashed) and caller of the calls in the window."""
    running: bool = False
    ran: bool = False


class Campaigns:
    """The table of one store's database. Raises sqlite3.Error; changes need a transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._cache: dict[str, _Campaign] = {}
        self._alarms: list[Alarm] = []

    def forget(self) -> None:
        """Forget what is remembered: others have written, or a change was taken back."""
        self._cache.clear()
        self._alarms.clear()

    def take_alarms(self) -> list[Alarm]:
        """Return the campaigns that began or ended since the last time."""
        taken, self._alarms = self._alarms, []
        return taken

    def weigh(self, call: RangeCall) -> RangeCall:
        """Return a call as it counts in its ranges."""
        one = self._get(call.campaign) if call.campaign else None
        runs = one is not None and one.running
        return replace(call, outcome=CallAnswer.RECORDED) if runs else call

    def count(self, call: RangeCall) -> None:
        """Count a call that was not heard before."""
        if not call.campaign:
            return
        one = self._get(call.campaign) or _Campaign(call.campaign, call.time, call.time, call.id)
        self._cache[one.name] = one
        one.calls += 1
        one.first, one.last = min(one.first, call.time), max(one.last, call.time)
        caller = call.number.key
        if len(one.numbers) < MAX_NUMBERS:
            one.numbers[caller] = call.caller
        one.callers = _sketched(one.callers, sketch.fingerprint(caller))
        person = sketch.fingerprint(call.called or call.id)
        if person not in one.people and len(one.people) < MAX_PEOPLE:
            one.people.append(person)
        one.sketch = _sketched(one.sketch, person)
        one.recent = [each for each in one.recent if each[0] > call.time - WINDOW_SECONDS]
        del one.recent[: 1 - MAX_RECENT]
        one.recent.append((call.time, person, caller))
        if not one.running and _runs(one):
            one.running = one.ran = True
            self._alarms.append(_alarm(one, Run.RUNNING))

    def tick(self, now: float) -> None:
        """End campaigns that are quiet, and forget old ones."""
        self.flush()
        rows = self._db.execute(
            "SELECT name FROM campaigns WHERE running AND last < ?", [now - QUIET_SECONDS]
        )
        for (name,) in rows.fetchall():
            one = self._get(name)
            assert one is not None
            one.running = False
            self._cache[name] = one
            self._alarms.append(_alarm(one, Run.OVER))
        self.flush()
        self._db.execute("DELETE FROM campaigns WHERE last < ?", [now - FORGOTTEN_SECONDS])

    def flush(self) -> None:
        """Write what was counted."""
        self._db.executemany(
            "INSERT OR REPLACE INTO campaigns VALUES (?, ?, ?, ?)",
            (
                (one.name, one.last, one.running, json.dumps(asdict(one)))
                for one in self._cache.values()
            ),
        )
        self._cache.clear()

    def all(self, *, running: bool) -> Iterator[Alarm]:
        """Yield campaigns, those that called last first.

        Args:
            running: whether to yield only those that run now.
        """
        rows = self._db.execute("SELECT state FROM campaigns ORDER BY last DESC, name").fetchall()
        for (state,) in rows:
            one = _read(state)
            if one.running:
                yield _alarm(one, Run.RUNNING)
            elif one.ran and not running:
                yield _alarm(one, Run.OVER)

    def _get(self, name: str) -> _Campaign | None:
        if name not in self._cache:
            row = self._db.execute("SELECT state FROM campaigns WHERE name = ?", [name]).fetchone()
            if row is None:
                return None
            self._cache[name] = _read(row[0])
        return self._cache[name]


def smallest_parts(numbers: Iterable[Number]) -> tuple[Part, ...]:
    """Return the smallest ranges, no more than MOST_RANGES, that hold the most of some numbers."""
    groups = _grouped(numbers, 0)
    while len(groups) <= MOST_RANGES:
        narrower = None
        for prefix in sorted(groups, key=lambda prefix: -len(groups[prefix])):
            members = groups[prefix]
            depth = members[0].prefixes.index(prefix) + 1
            if all(depth < len(number.prefixes) for number in members):
                parts = _grouped(members, depth)
                # A part of one number explains nothing, unless it is all there is.
                kept = {name: part for name, part in parts.items() if len(part) > 1}
                if len(parts) == 1 or (
                    len(kept) == len(parts) and len(groups) - 1 + len(parts) <= MOST_RANGES
                ):
                    narrower = (prefix, parts)
                    break
        if narrower is None:
            break
        del groups[narrower[0]]
        groups |= narrower[1]
    largest = sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))[:MOST_RANGES]
    return tuple(
        Part(prefix, len(members), members[0].prefixes.index(prefix) < members[0].too_wide)
        for prefix, members in largest
    )


def _grouped(numbers: Iterable[Number], depth: int) -> dict[str, list[Number]]:
    groups: dict[str, list[Number]] = {}
    for number in numbers:
        groups.setdefault(number.prefixes[depth], []).append(number)
    return groups


def _runs(one: _Campaign) -> bool:
    people = {person for _, person, _ in one.recent}
    callers = {caller for _, _, caller in one.recent}
    return len(people) >= LEAST_PEOPLE and len(callers) >= LEAST_NUMBERS


def _sketched(counter: str, value: int) -> str:
    values = bytearray.fromhex(counter)
    sketch.add(values, value)
    return values.hex()


def _counted(few: int, most: int, counter: str) -> int:
    """Return how many there are: exactly while they are fewer than most, or else an estimate."""
    return few if few < most else max(few, sketch.estimate(bytes.fromhex(counter)))


def _alarm(one: _Campaign, state: Run) -> Alarm:
    minutes = max(one.recent[-1][0] - one.recent[0][0], 60.0) / 60
    return Alarm(
        state=state,
        campaign=one.name,
        calls=one.calls,
        people=_counted(len(one.people), MAX_PEOPLE, one.sketch),
        numbers=_counted(len(one.numbers), MAX_NUMBERS, one.callers),
        calls_a_minute=round(len(one.recent) / minutes, 1),
        ranges=smallest_parts(map(normalise, one.numbers.values())),
        first=one.first,
        last=one.last,
        exemplar=one.exemplar,
    )


def _read(state: str) -> _Campaign:
    values = json.loads(state)
    values["recent"] = [tuple(each) for each in values["recent"]]
    return _Campaign(**values)
