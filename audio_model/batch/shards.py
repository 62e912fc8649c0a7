"""Shards: the unit of work, of resume, and of the loss when a process dies.

A shard's result is written under a name that no other attempt shares and takes its own name when
it is whole. A result that is there is done, and a missing one is still to do. So it does not matter
who scores a shard, how many processes die over it, or whether one that was given up for dead still
works on it.
"""

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, Self

from audio_model.batch.plan import read_entries
from audio_model.batch.tally import RunTally
from audio_model.detector import Detector, ScoreOptions
from audio_model.errors import OutputError, WorkerError, os_error_as
from audio_model.scoring import TOGETHER, has_unreadable_time, score_entries
from audio_model.tables.rows import Columns, Entry
from audio_model.tables.writers import open_output

DEADLY = "the process that scored it died of it, twice (out of memory, or a crash in a decoder)"

_MOST_DEATHS = 3
"""Processes that may die over a shard before its first recording or behind its last."""

_POSITION = "position"


@dataclass(frozen=True)
class Shard:
    """A part of a plan and where its result goes."""

    size: int
    """Entries in it."""
    plan: Path
    """The file that holds its entries."""
    output: Path
    attempts: Path
    """A folder for what is unfinished, of this shard and this session alone."""


@dataclass(frozen=True)
class Job:
    """The work of a run, as every process that scores shards gets it."""

    load: Callable[[], Detector]
    options: ScoreOptions
    columns: Columns
    folder: Path
    """Where relative paths start."""

    def begin(self) -> Detector:
        """Make a process ready for shards. Raises ModelError, or WorkerError without a folder."""
        where = f"{self.folder}, where the recordings' paths start, cannot be entered"
        with os_error_as(WorkerError, where):
            os.chdir(self.folder)
        return self.load()


class Workers(Protocol):
    """Processes that score shards. They start on entering and end on leaving."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...

    def score(self, shards: Iterator[Shard]) -> Iterator[tuple[Shard, RunTally]]:
        """Yield each shard with its counts as it is finished, in any order.

        A shard is taken from the iterator when a worker is free for it, so that no more are begun
        once the iterator ends. Raises AudioModelError for an error of the whole run.
        """


def score_shard(
    shard: Shard, detector: Detector, options: ScoreOptions, columns: Columns
) -> RunTally:
    """Score the recordings of a shard and write its result, whole or not at all.

    A recording at which two processes of the session have died becomes a row that says so.

    Raises:
        OutputError: the plan cannot be read or the result not be written.
        WorkerError: three processes died over this shard, but at no recording.
    """
    deadly = _deadly(shard)
    # After a death, recordings are read one by one, so that the note names the right one.
    together = 1 if any(shard.attempts.glob(f"*/{_POSITION}")) else TOGETHER
    tally = RunTally()
    with _naming(shard.output), _attempt(shard) as (folder, at):
        unfinished = folder / shard.output.name
        with closing(open_output(str(unfinished), columns)) as writer:
            entries = _noted(read_entries(shard.plan), at, deadly)
            for rows in score_entries(entries, detector, options, together):
                for row in rows:
                    writer.write(row)
                    tally.add(row)
                tally.recordings += 1
                tally.untimed += detector.learns and has_unreadable_time(rows[0].entry)
            at(shard.size)
            writer.finish()
        unfinished.replace(shard.output)
    shutil.rmtree(shard.attempts, ignore_errors=True)
    return tally


def _noted(
    entries: Iterator[Entry], at: Callable[[int], None], deadly: set[int]
) -> Iterator[Entry]:
    """Yield entries and note each as it is drawn. A deadly one becomes one that can't be scored."""
    for number, entry in enumerate(entries):
        at(number)
        yield replace(entry, problem=DEADLY) if number in deadly else entry


@contextmanager
def _attempt(shard: Shard) -> Iterator[tuple[Path, Callable[[int], None]]]:
    """Yield a folder for one attempt, and a function that notes the number of the entry at hand.

    The note is in a file: a process that dies cannot report, and the next one may run on another
    machine.
    """
    shard.attempts.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=shard.attempts))
    note = os.open(folder / _POSITION, os.O_WRONLY | os.O_CREAT)
    try:
        yield folder, lambda number: _write(note, number)
    finally:
        os.close(note)


def _write(note: int, number: int) -> None:
    os.pwrite(note, b"%d" % number, 0)


@contextmanager
def _naming(output: Path) -> Iterator[None]:
    """Turn any error with unfinished files into one that names the missing result."""
    try:
        yield
    except (OutputError, OSError) as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        reason = cause.strerror if isinstance(cause, OSError) else str(cause)
        raise OutputError(
            f"cannot write {output}: {reason}; mend that and give the same command again"
        ) from error


def _deadly(shard: Shard) -> set[int]:
    """Return the numbers of the entries at which more than one earlier attempt has died."""
    ends = Counter(
        int(note.read_bytes() or b"-1") for note in shard.attempts.glob(f"*/{_POSITION}")
    )
    for outside in (-1, shard.size):
        if ends[outside] >= _MOST_DEATHS:
            raise WorkerError(
                f"{ends[outside]} processes died over {shard.output.name} "
                f"{'before its first recording' if outside < 0 else 'while it was written'}"
            )
    return {number for number, deaths in ends.items() if deaths > 1}
