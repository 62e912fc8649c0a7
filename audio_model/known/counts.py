"""The calls in which each recording was heard, and what they say of the recording itself.

Not all that recurs is a campaign. Behind an announcement, or music on hold, somebody speaks: calls
that hold it *go on* with a voice that the network says is live. Half of live callers are said to be
live, and few recordings are. A recording behind which that is said of many callers is **common**:
it says nothing of a call, as if a person had allowed it.

A sound of the network's own is heard from very many unrelated callers. So is a campaign that calls
from random numbers, and no number tells the two apart. What does is time: a campaign is a burst,
and what the network plays is heard day after day. What is heard from many callers on several days,
with no day that has most of it, is common, too. The error is on the safe side: calls pass on the
network alone until a person marks the recording as a campaign.
"""

import math
import sqlite3
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b

from audio_model.times import DAY_SECONDS

SCHEMA = """
CREATE TABLE calls (
    recording INTEGER NOT NULL,
    call BLOB NOT NULL,
    caller BLOB NOT NULL,
    day INTEGER NOT NULL,
    goes_on INTEGER NOT NULL,
    PRIMARY KEY (recording, call)
) WITHOUT ROWID;
"""

MOST_GO_ON = 0.25
LEAST_CALLERS_GO_ON = 5
"""Share of a recording's calls that go on with a live voice, and how many callers they are of, from
which it is common. Of recordings the network says live in one of eight at worst."""

STEADY_CALLERS, STEADY_DAYS = 50, 3
MOST_ON_ONE_DAY = 0.5
"""How many callers a recording is heard from, on how many days, and the largest share of its calls
on one day, from which it is common."""

NO_DAY = -1
"""The day of a call of which no time is known: it says nothing of days."""

JUDGED_EACH = 64
"""Calls beyond which a recording is judged at every so many of them."""

_DIGEST_BYTES = 8
"""Length of a digest: two of a million names have one with a probability of 3e-8."""


@dataclass(frozen=True)
class Counted:
    """One call in which a recording was heard."""

    call: bytes
    """Digest of its name."""
    caller: bytes
    """Digest of the caller's number, or of the call's name if there is none."""
    day: int
    """Days since 1970, or NO_DAY."""
    goes_on: bool
    """Whether a live voice is heard beside the recording."""


def counted(call: str, caller: str, at: float, *, goes_on: bool = False) -> Counted:
    """Return a call as it is counted. Neither its name nor its number can be read from it.

    ``at`` is in seconds since 1970; nan if nobody knows.
    """
    return Counted(digest(call), digest(caller or call), day_of(at), goes_on)


def day_of(at: float) -> int:
    """Return the day of a moment in seconds since 1970; NO_DAY for nan."""
    return NO_DAY if math.isnan(at) else int(at // DAY_SECONDS)


def digest(content: str | bytes) -> bytes:
    """Return a digest of a name, a number or codes."""
    content = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    return blake2b(content, digest_size=_DIGEST_BYTES).digest()


class CountedCalls:
    """The table of one store's database. Raises sqlite3.Error; changes need a transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def add(self, recording: int, calls: Iterable[Counted]) -> int:
        """Note calls and return how many of them are new."""
        return self._db.executemany(
            "INSERT OR IGNORE INTO calls VALUES (?, ?, ?, ?, ?)",
            ((recording, one.call, one.caller, one.day, one.goes_on) for one in calls),
        ).rowcount

    def of(self, recording: int) -> dict[bytes, Counted]:
        """Return all calls of a recording, by the digests of their names."""
        rows = self._db.execute(
            "SELECT call, caller, day, goes_on FROM calls WHERE recording = ?", (recording,)
        )
        return {
            call: Counted(call, caller, day, bool(goes_on)) for call, caller, day, goes_on in rows
        }

    def remove(self, recording: int) -> None:
        """Forget a recording's calls."""
        self._db.execute("DELETE FROM calls WHERE recording = ?", (recording,))

    def is_common(self, recording: int) -> bool:
        """Return whether a recording's calls show that it may recur and is no campaign."""
        calls = self.of(recording).values()
        going_on = [one for one in calls if one.goes_on]
        if len({one.caller for one in going_on}) >= LEAST_CALLERS_GO_ON and len(
            going_on
        ) >= MOST_GO_ON * len(calls):
            return True
        dated = [one for one in calls if one.day != NO_DAY]
        days = Counter(one.day for one in dated)
        return (
            len(days) >= STEADY_DAYS
            and max(days.values()) <= MOST_ON_ONE_DAY * len(dated)
            and len({one.caller for one in dated}) >= STEADY_CALLERS
        )
