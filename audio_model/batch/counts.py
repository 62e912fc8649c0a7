"""Counts of finished shards, kept beside them."""

import json
from contextlib import suppress
from pathlib import Path

from audio_model.batch.tally import RunTally
from audio_model.decision import Reason, VerdictKind
from audio_model.errors import OutputError, os_error_as
from audio_model.tables.columns import NotATable, Wanted
from audio_model.tables.readers import read_rows


class CountsFile:
    """A line for each finished shard. If a shard has two lines, the later one counts."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, part: str, tally: RunTally) -> None:
        """Add the counts of a shard. Raises OutputError."""
        named = os_error_as(OutputError, f"cannot write {self._path}")
        with named, self._path.open("ab", buffering=0) as file:
            # The line break comes first: a kill may have cut the line before off.
            file.write(b"\n" + json.dumps({"part": part, **tally.counts}).encode())

    def read(self) -> dict[str, RunTally]:
        """Return the counts by part. A line that was cut off counts as missing.

        Raises OutputError.
        """
        counts: dict[str, RunTally] = {}
        try:
            with self._path.open("rb") as lines:
                for line in lines:
                    with suppress(ValueError, KeyError, TypeError):
                        values = json.loads(line)
                        counts[values["part"]] = RunTally.of_counts(values)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise OutputError(f"cannot read {self._path}: {error.strerror}") from error
        return counts


def count_rows(part: Path, recordings: int) -> RunTally:
    """Count the rows of a finished shard of so many recordings. Raises OutputError."""
    tally = RunTally(recordings=recordings)
    try:
        for where, values in read_rows(str(part), Wanted(("verdict", "seconds", "reason"))):
            if isinstance(values, str):
                raise OutputError(f"{part} is damaged, {where}: {values}")
            if values["reason"] == Reason.ERROR:
                tally.errors += 1
            else:
                tally.verdicts[VerdictKind(str(values["verdict"]))] += 1
                tally.audio_seconds += float(str(values["seconds"]))
    except OSError as error:
        raise OutputError(f"cannot read {part}: {error.strerror}") from error
    except NotATable as error:
        raise OutputError(f"{part} {error}; remove it to have it scored again") from error
    except (ValueError, KeyError) as error:
        raise OutputError(f"{part} is damaged: {error}") from error
    return tally
