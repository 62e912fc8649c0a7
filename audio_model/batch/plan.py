"""The plan of a run: the entries of each shard, all on disk before the first one is scored.

A run that goes on after it was killed reads its plan and lists nothing again, so that files which
came or went in the meantime cannot shift one recording out and another in twice.
"""

import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from audio_model.errors import OutputError, os_error_as
from audio_model.files import PARTIAL, sync
from audio_model.sources.open import sequential_archive
from audio_model.tables.rows import Entry

_SUMMARY = "plan.json"
_JSON = json.JSONEncoder(default=str)


@dataclass(frozen=True)
class Plan:
    """The recordings of a run, shard by shard."""

    folder: Path
    sizes: tuple[int, ...]
    """How many entries each shard holds."""
    carried: tuple[str, ...]
    """The columns that manifests carry through, in the order of their first appearance."""

    @property
    def recordings(self) -> int:
        """Return the number of recordings in all shards."""
        return sum(self.sizes)

    def part(self, shard: int) -> Path:
        """Return the file that holds the entries of a shard, one a line."""
        return self.folder / part_name(shard, ".jsonl")

    @classmethod
    def read(cls, folder: Path) -> "Plan":
        """Read a plan that `make_plan` made. Raises OutputError if it is missing or damaged."""
        try:
            summary = json.loads((folder / _SUMMARY).read_text(encoding="utf-8"))
            return cls(folder, tuple(summary["shards"]), tuple(summary["carried"]))
        except OSError as error:
            raise OutputError(f"cannot read {folder / _SUMMARY}: {error.strerror}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise OutputError(f"{folder / _SUMMARY} is damaged: {error}") from error


def part_name(shard: int, suffix: str) -> str:
    """Return the name of a shard's file, in the plan and among the results."""
    return f"part-{shard:06}{suffix}"


def make_plan(folder: Path, entries: Iterable[Entry], shard_size: int) -> Plan:
    """Write entries to a folder as they come; none of it is there before all of it is.

    Args:
        folder: the plan's own, not there yet. What a killed run left of one is removed.
        entries: in the order of the result.
        shard_size: entries in a shard. The members of a compressed tar make one shard, however
            many, for they can only be read from the start.

    Raises:
        OutputError: the plan cannot be written.
    """
    unfinished = folder.with_name(folder.name + PARTIAL)
    sizes: list[int] = []
    carried: dict[str, None] = {}
    with os_error_as(OutputError, f"cannot write {unfinished}"):
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
    for shard, group in groupby(entries, _ShardNumber(shard_size)):
        sizes.append(_write_part(unfinished / part_name(shard, ".jsonl"), group, carried))
    with os_error_as(OutputError, f"cannot write {folder}"):
        with (unfinished / _SUMMARY).open("wb") as file:
            file.write(json.dumps({"shards": sizes, "carried": list(carried)}).encode())
            sync(file)
        unfinished.rename(folder)
    return Plan(folder, tuple(sizes), tuple(carried))


def read_entries(part: Path) -> Iterator[Entry]:
    """Yield the entries of one shard. Raises OutputError if they cannot be read."""
    try:
        with part.open("rb") as lines:
            for line in lines:
                yield Entry(**json.loads(line))
    except OSError as error:
        raise OutputError(f"cannot read {part}: {error.strerror}") from error
    except (ValueError, TypeError) as error:
        raise OutputError(f"{part} is damaged: {error}") from error


class _ShardNumber:
    """The number of the shard of each entry, asked in their order."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._number, self._held = -1, size
        self._archive: str | None = None

    def __call__(self, entry: Entry) -> int:
        archive = sequential_archive(entry.path)
        if archive != self._archive or (archive is None and self._held == self._size):
            self._number, self._held = self._number + 1, 0
            self._archive = archive
        self._held += 1
        return self._number


def _write_part(path: Path, entries: Iterable[Entry], carried: dict[str, None]) -> int:
    """Write the entries of a shard; returns how many there were and adds to ``carried``."""
    count = 0
    with os_error_as(OutputError, f"cannot write {path}"), path.open("wb") as file:
        for entry in entries:
            file.write(_line(entry))
            carried.update(dict.fromkeys(entry.carried))
            count += 1
        sync(file)
    return count


def _line(entry: Entry) -> bytes:
    values: dict[str, Any] = {"path": entry.path}
    if entry.carried:
        values["carried"] = entry.carried
    if entry.problem:
        values["problem"] = entry.problem
    if entry.place is not None:
        values["place"] = entry.place
    # ASCII alone, so that undecodable bytes of a name (lone surrogates) survive.
    return _JSON.encode(values).encode("ascii") + b"\n"
