"""Rows of a CSV, JSON lines or Parquet file, one at a time: manifests and our own results."""

import csv
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import arro3.io

from audio_model.errors import ResultsError, UsageError, printable
from audio_model.formats import suffix_of
from audio_model.tables import csv_files
from audio_model.tables.cells import unguarded
from audio_model.tables.columns import MissingColumn, NotATable, Wanted

CSV_SUFFIXES = (".csv", ".tsv", ".txt")
TABLE_SUFFIXES = (*CSV_SUFFIXES, ".jsonl", ".parquet")

NumberedRow = tuple[str, dict[str, object] | str]
"""Where in the file ("line 3"), and the row's values or what is wrong with it."""


T = TypeVar("T")


@dataclass(frozen=True)
class DamagedRow:
    """A row that can't be read."""

    file: str
    where: str
    problem: str

    def __str__(self) -> str:
        return f"{printable(self.file)}: {self.where}: {self.problem}"


def read_rows(path: str, wanted: Wanted) -> Iterator[NumberedRow]:
    """Yield the rows of a file whose name ends in one of TABLE_SUFFIXES, as they are read.

    CSV may have any separator of :data:`csv_files.SEPARATORS`, lines of a title before its header,
    and be Unicode, with a mark or without, GBK, or of the encoding in which its header has the
    wanted names. Bytes of another encoding become lone surrogates, as in file names (PEP 383). Each
    row of JSON lines has columns of its own, and none of them is required.

    Raises:
        OSError: it cannot be opened or read.
        NotATable: it is damaged, or lacks a column.
    """
    match suffix_of(path):
        case suffix if suffix in CSV_SUFFIXES:
            return _read_csv(path, wanted)
        case ".jsonl":
            return _read_jsonl(path, wanted.theirs or {})
        case _:
            return _read_parquet(path, wanted)


def read_table(path: str | Path, wanted: Wanted) -> Iterator[NumberedRow]:
    """Yield what :func:`read_rows` does.

    Raises ResultsError, which names the file, where it can't be read as a whole.
    """
    try:
        yield from read_rows(str(path), wanted)
    except OSError as error:
        message = error.strerror or str(error)
        raise ResultsError(f"{printable(path)}: cannot be read: {message}") from error
    except NotATable as error:
        raise ResultsError(f"{printable(path)}: {error}") from error


class TheirNames:
    """Names that other people's tables have for our columns, where tables of ours lie beside them.

    Each table is read by those of the names that are of columns wanted from it. One that lacks any
    of these is read by our names.
    """

    def __init__(self, names: Mapping[str, str] | None = None) -> None:
        """Take the names that ``--columns`` gives, by ours."""
        self._names = dict(names or {})
        self._missing = {
            ours: f"--columns: no table here is read for a column {ours!r}" for ours in self._names
        }

    def of(
        self, path: str | Path, required: Sequence[str], optional: Sequence[str] = ()
    ) -> dict[str, str] | None:
        """Return the names to read a table by; None for ours."""
        wanted = (*required, *optional)
        mine = {ours: theirs for ours, theirs in self._names.items() if ours in wanted}
        if not mine:
            return None
        lacks = _lacks(path, Wanted((), theirs=mine))
        for ours in self._missing.keys() & mine.keys():
            if lacks:
                self._missing[ours] = lacks
            else:
                del self._missing[ours]
        return None if lacks and not _lacks(path, Wanted(required)) else mine

    def check(self) -> None:
        """Raise UsageError for a name that no table had. Call it when all tables are read."""
        for reason in self._missing.values():
            raise UsageError(reason)


def _lacks(path: str | Path, wanted: Wanted) -> str:
    """Return which column a table lacks; empty if none. Other problems are its reader's to tell."""
    try:
        next(read_rows(str(path), wanted), None)
    except MissingColumn as error:
        return f"{printable(path)}: {error}"
    except (OSError, NotATable):
        pass
    return ""


def parse_table(
    path: str, wanted: Wanted, parse: Callable[[Mapping[str, object], str], T]
) -> Iterator[T | DamagedRow]:
    """Yield what ``parse`` makes of each row's values and its place in the file.

    A row of which it raises ValueError is a DamagedRow. Raises ResultsError, as
    :func:`read_table` does.
    """
    for where, values in read_table(path, wanted):
        try:
            if isinstance(values, str):
                raise ValueError(values)
            yield parse(values, where)
        except ValueError as error:
            yield DamagedRow(path, where, str(error))


def _read_csv(path: str, wanted: Wanted) -> Iterator[NumberedRow]:
    with csv_files.table(path, wanted) as (reader, header, names):
        _check_unique(names)
        # A spreadsheet's rows are as wide as its widest, or end where their last value is.
        least = max((n for n, name in enumerate(names, start=1) if name), default=0)
        while True:
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield f"line {reader.line_num}", str(error)
                continue
            if not any(cells) or cells == header:
                # Tables that were put one behind the other have a header each.
                continue
            where = f"line {reader.line_num}"
            if any("\0" in cell for cell in cells):
                yield where, "it holds a NUL byte"
            elif len(cells) < least or any(cells[len(names) :]):
                yield where, f"{len(cells)} fields, where the header has {len(names)}"
            else:
                pairs = zip(names, cells, strict=False)
                yield where, {name: unguarded(cell) for name, cell in pairs if name is not None}


def _read_jsonl(path: str, names: Mapping[str, str]) -> Iterator[NumberedRow]:
    with Path(path).open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            where = f"line {number}"
            try:
                values = json.loads(line.decode("utf-8-sig", errors="surrogateescape"))
            except (ValueError, RecursionError) as error:
                yield where, f"not JSON: {error}"
                continue
            if not isinstance(values, dict):
                yield where, "not a JSON object"
                continue
            for ours, theirs in names.items():
                if theirs in values:
                    values[ours] = values.pop(theirs)
            yield where, values


def _read_parquet(path: str, wanted: Wanted) -> Iterator[NumberedRow]:
    with Path(path).open("rb") as file:
        start = file.read(4)
        file.seek(-len(start), os.SEEK_END)
        if not start == file.read() == b"PAR1":
            raise NotATable("is not Parquet, or is cut off")
    number = 0
    with _parquet_errors():
        batches = arro3.io.read_parquet(path)
        header = batches.schema.names
    names = wanted.named(header)
    _check_unique(names)
    while True:
        with _parquet_errors():
            batch = next(batches, None)
            if batch is None:
                return
            values = [list(column.to_pylist()) for column in batch.columns]
        for cells in zip(*values, strict=True):
            number += 1
            pairs = zip(names, cells, strict=True)
            yield f"row {number}", {name: cell for name, cell in pairs if name is not None}


def _check_unique(names: Sequence[str | None]) -> None:
    named = [name for name in names if name is not None]
    for number, name in enumerate(named):
        if name in named[:number]:
            raise NotATable(f"has two columns of one name: {printable(name)!r}")


@contextmanager
def _parquet_errors() -> Iterator[None]:
    """Turn what arro3 raises for a damaged file into one error, without its chatter.

    It panics: a PanicException that is no Exception and cannot be imported, after lines of a
    Rust backtrace on descriptor 2.
    """
    stderr = os.dup(2)
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 2)
    try:
        yield
    except BaseException as error:
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            raise NotATable("is damaged Parquet") from error
        raise
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(silence)
