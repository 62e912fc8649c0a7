"""Calls and stores of them for tests."""

from pathlib import Path
from typing import Any

from audio_model.records.calls import CallRecord
from audio_model.records.priority import Thresholds
from audio_model.records.store import CallStore
from audio_model.tables.results import Outcome

THRESHOLDS = Thresholds(recorded_at=0.9, live_at=0.2)
NOON = 1_790_000_000.0


def call(id: str, outcome: str = "unknown", **values: Any) -> CallRecord:
    """A call whose recording lies somewhere, from a number of a call centre."""
    given: dict[str, Any] = {
        "path": f"/calls/{id}.wav",
        "caller": "95213742",
        "called": "13800138000",
        "time": NOON,
        "score": {"recorded": 0.95, "live": 0.1}.get(outcome, 0.5),
        "seconds": 6.0,
        "speech_seconds": 4.0,
    }
    return CallRecord(id=id, outcome=Outcome(outcome), **(given | values))


def store_of(*calls: CallRecord, path: str | Path = ":memory:") -> CallStore:
    """A store of calls."""
    store = CallStore(path)
    store.add(calls, None, THRESHOLDS)
    return store


def number_of(store: CallStore, id: str) -> int:
    """A call's number in the store."""
    return int(store.one("SELECT n FROM calls WHERE id = ?", (id,))[0])


def queue(store: CallStore) -> list[str]:
    """The ids of the calls in the queue, the first first."""
    return [each.id for each in store.calls("queue IS NOT NULL ORDER BY queue DESC, n")]
