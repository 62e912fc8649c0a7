"""Import results into the store, a batch at a time."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from audio_model.records import call_columns, queue, statistics
from audio_model.records.batches import batches
from audio_model.records.calls import CallRecord, read_archive
from audio_model.records.damaged import DamagedRows
from audio_model.records.priority import Thresholds
from audio_model.records.store import CallStore
from audio_model.sources.open import is_there
from audio_model.tables.readers import DamagedRow
from audio_model.tables.results import Results
from audio_model.tables.rows import unescape

MAX_LOOKED_FOR = 1000


@dataclass
class Imported(DamagedRows):
    """The result of an import."""

    new: int = 0
    known: int = 0
    """Calls that the store had already."""
    untimed: int = 0
    """Calls of which nobody knows when they were: they are in the queue, and in no statistics."""
    drifted: int = 0
    """Calls put forward because scores like theirs have become more frequent."""
    looked_for: int = 0
    """Recordings that were looked for, MAX_LOOKED_FOR at most."""
    missing: int = 0
    """Recordings that were looked for and are not there."""
    missing_path: str = ""
    """The first of those."""


def import_archive(
    store: CallStore,
    path: str,
    thresholds: Thresholds,
    columns: Mapping[str, str] | None = None,
) -> Imported:
    """Take the calls of results into a store. A row that can't be read is reported.

    The same results again change nothing but the detector's verdicts. Raises ResultsError and
    StoreError.
    """
    archive = store.archive(path, json.dumps(dict(Results.open(path).run.get("asked") or {})))
    done = Imported()
    first = math.inf
    rows = _good(read_archive(path, columns), done)
    for batch in batches(rows):
        new, known = store.add(batch, archive, thresholds)
        done.new, done.known = done.new + new, done.known + known
        times = [call.time for call in batch if call.time is not None]
        _look_for(batch, done)
        done.untimed += len(batch) - len(times)
        first = min([first, *times])
    done.drifted = keep_up(store, first if math.isfinite(first) else math.nan)
    return done


def keep_up(store: CallStore, since: float = math.nan) -> int:
    """Make the figures of new calls, and put calls forward whose scores have drifted.

    Returns how many calls were put forward. Raises StoreError.

    Args:
        store: the store of calls.
        since: when the first of them was; nan for the latest day of the store, where calls come
            while they are made.
    """
    call_columns.refresh(store)
    span = statistics.span(store)
    if span is None:
        return 0
    return queue.find_drift(store, span.last if math.isnan(since) else since)


def _look_for(calls: Sequence[CallRecord], done: Imported) -> None:
    """Check whether recordings are where the results say. A missing one can't be heard."""
    for call in calls[: MAX_LOOKED_FOR - done.looked_for]:
        path = unescape(call.path)
        done.looked_for += 1
        if not is_there(path):
            done.missing += 1
            done.missing_path = done.missing_path or path


def _good(rows: Iterator[CallRecord | DamagedRow], done: Imported) -> Iterator[CallRecord]:
    for row in rows:
        if isinstance(row, CallRecord):
            yield row
        else:
            done.leave_out(row)
