"""Manifests: tables of recordings, with a `path` column and others that are carried through."""

import csv
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import arro3.io

from audio_model.batch.rows import Entry, unescape
from audio_model.formats import suffix_of


def is_manifest(path: str) -> bool:
    """Whether a path that was given by name is a manifest."""
    try:
        return suffix_of(path) in _READERS and Path(path).is_file()
    except OSError:  # a name too long, a parent that is closed to us
        return False


def read_manifest(path: str) -> Iterator[Entry]:
    """The entries of a manifest, row by row; what cannot be read becomes an entry saying so.

    Relative paths are taken from the manifest's folder. A path that does not exist as written
    is tried with the escapes of our own result tables undone, so that these are manifests too.
    """
    empty = True
    try:
        for where, values in _READERS[suffix_of(path)](path):
            empty = False
            yield _entry(path, where, values)
    except OSError as error:
        empty = False
        yield Entry(path, problem=f"the manifest cannot be read: {error.strerror or error}")
    except _NotAManifest as error:
        empty = False
        yield Entry(path, problem=str(error))
    if empty:
        yield Entry(path, problem="the manifest holds no rows")


class _NotAManifest(Exception):
    """The file as a whole is no manifest; the message says why."""


_Numbered = tuple[str, dict[str, object] | str]
"""Where in the manifest ("line 3"), and the row's values or what is wrong with it."""


def _entry(manifest: str, where: str, values: dict[str, object] | str) -> Entry:
    if isinstance(values, str):
        return Entry(manifest, problem=f"{where}: {values}")
    path = values.get("path")
    if not isinstance(path, str) or not path:
        return Entry(manifest, problem=f"{where}: path is {json.dumps(path, default=str)}")
    full = Path(manifest).parent / path
    if "\\" in path and not os.path.lexists(full):
        full = Path(manifest).parent / unescape(path)
    return Entry(str(full), {name: value for name, value in values.items() if name != "path"})


def _read_csv(path: str) -> Iterator[_Numbered]:
    with Path(path).open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.reader(file, strict=True)
        try:
            header = next(reader, [])
        except csv.Error as error:
            raise _NotAManifest(f"the manifest is not CSV: {error}") from error
        _check_columns(header)
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


def _read_jsonl(path: str) -> Iterator[_Numbered]:
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


def _read_parquet(path: str) -> Iterator[_Numbered]:
    with Path(path).open("rb") as file:
        start = file.read(4)
        file.seek(-len(start), os.SEEK_END)
        if not start == file.read() == b"PAR1":
            raise _NotAManifest("the manifest is not Parquet, or is cut off")
    number = 0
    with _parquet_errors():
        batches = arro3.io.read_parquet(path)
        _check_columns(batches.schema.names)
    while True:
        with _parquet_errors():
            batch = next(batches, None)
            if batch is None:
                return
            columns = [list(column.to_pylist()) for column in batch.columns]
        for cells in zip(*columns, strict=True):
            number += 1
            yield f"row {number}", dict(zip(batch.schema.names, cells, strict=True))


def _check_columns(names: list[str]) -> None:
    if "path" not in names:
        raise _NotAManifest(f'the manifest has no column named "path", but {json.dumps(names)}')
    if len(set(names)) < len(names):
        raise _NotAManifest("the manifest has two columns of one name")


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
    except _NotAManifest:
        raise
    except BaseException as error:
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            raise _NotAManifest("the Parquet manifest is damaged") from error
        raise
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(silence)


_READERS = {".csv": _read_csv, ".jsonl": _read_jsonl, ".parquet": _read_parquet}
