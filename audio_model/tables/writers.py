"""Result files: CSV, JSON lines or Parquet, complete or not there at all.

Rows go to a file beside the result, which takes the result's name when all are written. The rows
of a run that was killed or filled the disk are in ``FILE.partial`` (CSV and JSON lines) or
``FILE.partial.jsonl`` (Parquet, which cannot be read before it is finished).
"""

import codecs
import csv
import io
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol, cast

import arro3.io
from arro3.core import Array, DataType, Field, RecordBatch, RecordBatchReader, Schema

from audio_model.errors import OutputError, UsageError
from audio_model.files import PARTIAL, PartialFile, target_of
from audio_model.formats import suffix_of
from audio_model.tables.cells import guarded
from audio_model.tables.rows import NUMBER_COLUMNS, Columns, Row, evidence_values, text_value

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False)
"""Made once: json.dumps makes one for each row where anything is not its default."""

_PIECE = 1 << 20
_ROW_GROUP = 10_000
"""Rows held in memory while Parquet is written."""


class OutputFormat(StrEnum):
    """The kinds of result file, by the ending of their names."""

    CSV = ".csv"
    JSONL = ".jsonl"
    PARQUET = ".parquet"


class RowWriter(Protocol):
    """A target for rows, such as a file or the screen."""

    def write(self, row: Row) -> None:
        """Take one row, which is on its way to the disk on return. Raises OutputError."""

    def finish(self) -> None:
        """End the output when all rows were written. Raises OutputError."""

    def close(self) -> None:
        """Let go of what is open, finished or not."""


def output_format(path: str) -> OutputFormat:
    """Return the format for a file's ending. Raises UsageError for an ending that has none."""
    try:
        return OutputFormat(suffix_of(path))
    except ValueError:
        endings = ", ".join(OutputFormat)
        raise UsageError(
            f"the output's name must end in one of {endings}, or in / for a folder: {path}"
        ) from None


def open_output(path: str, columns: Columns) -> RowWriter:
    """Begin a result file.

    Raises:
        UsageError: the name's ending is of no known format.
        OutputError: the file cannot be made there.
    """
    writers: dict[OutputFormat, Callable[[Path, Columns], RowWriter]] = {
        OutputFormat.CSV: CsvWriter,
        OutputFormat.JSONL: JsonLinesWriter,
        OutputFormat.PARQUET: ParquetWriter,
    }
    return writers[output_format(path)](target_of(path), columns)


class _RowFile(ABC):
    """A result file whose rows are lines until it is finished."""

    suffix = PARTIAL

    def __init__(self, path: Path, columns: Columns) -> None:
        self.path, self.columns = path, columns
        self.file = PartialFile(path, self.suffix)

    @abstractmethod
    def line(self, row: Row) -> bytes:
        """Return a row as it stands in the file."""

    def write(self, row: Row) -> None:
        try:
            self.file.append(self.line(row))
        except OutputError as error:
            raise OutputError(f"{error}; the rows before this one stay there") from error

    def finish(self) -> None:
        self.file.rename()

    def close(self) -> None:
        self.file.close()


class CsvWriter(_RowFile):
    """RFC 4180 with a header but LF line ends, UTF-8; numbers in their shortest exact form.

    A table that has more than ASCII gets a mark when it is finished, without which spreadsheets
    take it for one of the system's encoding. Programs that know no mark read all others.
    """

    def __init__(self, path: Path, columns: Columns) -> None:
        super().__init__(path, columns)
        header = _csv_line(columns.names)
        self._is_ascii = header.isascii()
        self.file.append(header)

    def line(self, row: Row) -> bytes:
        """Return a row as a line of CSV."""
        carried = map(text_value, self.columns.carried_values(row).values())
        line = _csv_line([*self.columns.own_values(row).values(), *carried])
        self._is_ascii = self._is_ascii and line.isascii()
        return line

    def finish(self) -> None:
        """Name the file. A file with text beyond ASCII gets a mark that spreadsheets need."""
        if self._is_ascii:
            super().finish()
            return
        try:
            marked = PartialFile(self.path, f"{PARTIAL}.marked")
            try:
                with self.file.path.open("rb") as rows:
                    marked.append(codecs.BOM_UTF8)
                    while piece := rows.read(_PIECE):
                        marked.append(piece)
                marked.rename()
            except OutputError:
                marked.remove()
                raise
        except OutputError as error:
            raise OutputError(f"{error}; all rows are in {self.file.path}") from error
        self.file.remove()


class JsonLinesWriter(_RowFile):
    """One JSON object a line, UTF-8, with the evidence behind each verdict."""

    def line(self, row: Row) -> bytes:
        """Return a row as a line of JSON."""
        own, carried = self.columns.own_values(row), self.columns.carried_values(row)
        return _json_line({**own, **evidence_values(row), **carried})


class ParquetWriter(_RowFile):
    """Parquet, row groups of 10,000; carried columns are text."""

    suffix = f"{PARTIAL}.jsonl"

    def line(self, row: Row) -> bytes:
        """Return a row as a line of JSON, from which the Parquet file is made."""
        own, carried = self.columns.own_values(row), self.columns.carried_values(row)
        return _json_line({**own, **{name: text_value(value) for name, value in carried.items()}})

    def finish(self) -> None:
        """Write the Parquet file from the lines."""
        try:
            with closing(PartialFile(self.path)) as file:
                self._write_parquet(file)
                file.rename()
        except OutputError as error:
            raise OutputError(f"{error}; all rows are in {self.file.path}") from error
        self.file.remove()

    def _write_parquet(self, file: "PartialFile") -> None:
        sink = _ErrorKeepingSink(file)
        numbers, text = DataType.float64(), DataType.utf8()
        schema = Schema(
            [
                Field(name, numbers if name in NUMBER_COLUMNS else text)
                for name in self.columns.names
            ]
        )
        arro3.io.write_parquet(
            RecordBatchReader.from_batches(schema, self._batches(schema, sink)),
            cast(IO[bytes], sink),
            compression="zstd(3)",
            max_row_group_size=_ROW_GROUP,
        )
        if sink.error is not None:
            file.remove()
            raise sink.error

    def _batches(self, schema: Schema, sink: "_ErrorKeepingSink") -> Iterator[RecordBatch]:
        with self.file.path.open("rb") as lines:
            while sink.error is None and (group := list(islice(lines, _ROW_GROUP))):
                rows = [json.loads(line) for line in group]
                arrays = [
                    Array([row[name] for row in rows], schema.field(name).type)
                    for name in schema.names
                ]
                yield RecordBatch.from_arrays(arrays, schema=schema)


class _ErrorKeepingSink(io.RawIOBase):
    """A sink for arro3, which panics on an error.

    The first error is kept for later.
    """

    def __init__(self, file: PartialFile) -> None:
        super().__init__()
        self._file = file
        self.error: OutputError | None = None

    def write(self, piece: "ReadableBuffer") -> int:
        if self.error is None:
            try:
                self._file.append(bytes(piece))
            except OutputError as error:
                self.error = error
        return memoryview(piece).nbytes


def _csv_line(cells: Sequence[object]) -> bytes:
    line: str = _CSV.writerow(map(guarded, cells))
    return line.removesuffix(_CSV_END).encode() + b"\n"


class _Said:
    """A file for the csv module whose lines are given back by ``writerow``."""

    def write(self, line: str) -> str:
        return line


_CSV_END = "\r\n"
"""csv quotes a carriage return only where it is part of the line's end."""
_CSV = csv.writer(_Said(), lineterminator=_CSV_END)


def _json_line(values: dict[str, object]) -> bytes:
    return _JSON.encode(values).encode() + b"\n"
