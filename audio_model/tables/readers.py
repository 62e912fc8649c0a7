"""Rows of a CSV, JSON lines or Parquet file, one at a time: manifests and our own results."""

import csv
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import arro3.io

from audio_model.formats import suffix_of

TABLE_SUFFIXES = (".csv", ".jsonl", ".parquet")

NumberedRow = tuple[str, dict[str, object] | str]
"""Where in the file ("line 3"), and the row's values or what is wrong with it."""


class NotATable(Exception):
    """The file as a whole cannot be read; the message goes on after the name of the file."""


def read_rows(path: str, required: Sequence[str]) -> Iterator[NumberedRow]:
    """The rows of a file whose name ends in one of TABLE_SUFFIXES, as they are read.

    Bytes that are not UTF-8 become lone surrogates, as in file names (PEP 383).

    Args:
        path: the file.
        required: columns that it must have. Of JSON lines each row has its own, and none is
            looked for.

    Raises:
        OSError: it cannot be opened or read.
        NotATable: it is damaged, or lacks a column.
    """
    match suffix_of(path):
        case ".csv":
            return _read_csv(path, required)
        case ".jsonl":
            return _read_jsonl(path)
        case _:
            return _read_parquet(path, required)


def _read_csv(path: str, required: Sequence[str]) -> Iterator[NumberedRow]:
    with Path(path).open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.reader(file, strict=True)
        try:
            header = next(reader, [])
        except csv.Error as error:
            raise NotATable(f"is not CSV: {error}") from error
        _check_columns(header, required)
        while True:
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield f"line {reader.line_num}", str(error)
                continue
            if not cells:
                continue
            where = f"line {reader.line_num}"
            if len(cells) == len(header):
                yield where, dict(zip(header, cells, strict=True))
            else:
                yield where, f"{len(cells)} fields, where the header has {len(header)}"


def _read_jsonl(path: str) -> Iterator[NumberedRow]:
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
            yield where, values if isinstance(values, dict) else "not a JSON object"


def _read_parquet(path: str, required: Sequence[str]) -> Iterator[NumberedRow]:
    with Path(path).open("rb") as file:
        start = file.read(4)
        file.seek(-len(start), os.SEEK_END)
        if not start == file.read() == b"PAR1":
            raise NotATable("is not Parquet, or is cut off")
    number = 0
    with _parquet_errors():
        batches = arro3.io.read_parquet(path)
        names = batches.schema.names
    _check_columns(names, required)
    while True:
        with _parquet_errors():
            batch = next(batches, None)
            if batch is None:
                return
            columns = [list(column.to_pylist()) for column in batch.columns]
        for cells in zip(*columns, strict=True):
            number += 1
            yield f"row {number}", dict(zip(names, cells, strict=True))


def _check_columns(names: list[str], required: Sequence[str]) -> None:
    for name in required:
        if name not in names:
            raise NotATable(f'has no column named "{name}", but {json.dumps(names)}')
    if len(set(names)) < len(names):
        raise NotATable("has two columns of one name")


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
