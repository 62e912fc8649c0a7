"""A recording of a store, and the facts about it."""

import math
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any

from audio_model.known.fingerprint import CODES_PER_SECOND

CODES_PER_POSITION = 5
"""One code in five is kept: one each 80 ms, a *position*."""

POSITIONS_PER_SECOND = CODES_PER_SECOND / CODES_PER_POSITION

SCHEMA = """
CREATE TABLE recordings (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    first_position INTEGER NOT NULL UNIQUE,
    n_positions INTEGER NOT NULL,
    codes BLOB NOT NULL,
    first_heard REAL NOT NULL,
    last_heard REAL NOT NULL,
    times_heard INTEGER NOT NULL,
    learnt INTEGER NOT NULL,
    mark TEXT NOT NULL,
    common INTEGER NOT NULL DEFAULT 0,
    waiting INTEGER NOT NULL
);
"""
EXPIRY_SCHEMA = """
CREATE INDEX recordings_learnt ON recordings (last_heard) WHERE learnt AND mark = '';
"""
COLUMNS = (
    "id, name, first_position, n_positions, first_heard, last_heard, times_heard, learnt, mark, "
    "common"
)
"""Columns of the table of recordings, in the order of the fields."""


NEVER_FIRST, NEVER_LAST = math.inf, -math.inf
"""What a table has for a recording of which no time is known: any time comes before or behind."""


class RecordingMark(StrEnum):
    """A person's mark on a recording."""

    NONE = ""
    ALLOWED = "allowed"
    """It may recur: an announcement of the network, music on hold. It says nothing of a call."""
    CAMPAIGN = "campaign"


class LearntBy(IntEnum):
    """The source that taught a recording."""

    NOBODY = 0
    """It was added by hand."""
    NETWORK = 1
    """The network was sure of a call, which is all of it."""
    REPETITION = 2
    """Two calls held the same samples, which are all of it."""


@dataclass(frozen=True)
class StoredRecording:
    """The facts that a store has about a recording."""

    id: int
    name: str
    first_position: int
    n_positions: int
    first_heard: float
    last_heard: float
    """Seconds since 1970; nan if it was heard in no call of a known time."""
    times_heard: int
    learnt: LearntBy
    """Unless by nobody, it has the name of the call that it was heard in first."""
    mark: RecordingMark = RecordingMark.NONE
    common: bool = False
    """Whether its calls say that it may recur; see :mod:`audio_model.known.counts`."""

    @property
    def may_recur(self) -> bool:
        """Return whether calls may hold it without meaning. A person's mark counts first."""
        return self.mark is RecordingMark.ALLOWED or (
            self.common and self.mark is RecordingMark.NONE
        )

    @property
    def seconds(self) -> float:
        """Return the seconds of audio, without the half second that the last code looks ahead."""
        return self.n_positions / POSITIONS_PER_SECOND


def recording_of(row: tuple[Any, ...]) -> StoredRecording:
    """Return a row of COLUMNS as a recording."""
    id, name, first_position, n_positions, first, last, times_heard, learnt, mark, common = row
    return StoredRecording(
        id,
        name,
        first_position,
        n_positions,
        math.nan if first == NEVER_FIRST else first,
        math.nan if last == NEVER_LAST else last,
        times_heard,
        LearntBy(learnt),
        RecordingMark(mark),
        bool(common),
    )
