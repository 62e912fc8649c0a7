"""CSV as programs and spreadsheets write it: find its encoding and its separator."""

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from audio_model.tables.cells import guarded
from audio_model.tables.columns import MissingColumn, NotATable, Wanted

if TYPE_CHECKING:
    from _csv import Reader

    from _typeshed import SupportsWrite


class Writer:
    """Writes CSV of which a spreadsheet runs nothing, and which our readers read back."""

    def __init__(self, file: "SupportsWrite[str]", lineterminator: str = "\n") -> None:
        """Write to a file that is open for text."""
        self._writer = csv.writer(file, lineterminator=lineterminator)

    def writerow(self, row: Iterable[object]) -> None:
        """Write a row."""
        self._writer.writerow([guarded(cell) for cell in row])

    def writerows(self, rows: Iterable[Iterable[object]]) -> int:
        """Write rows and return how many."""
        n = 0
        for row in rows:
            self.writerow(row)
            n += 1
        return n


def as_text(
    columns: Sequence[str], rows: Iterable[Iterable[object]], lineterminator: str = "\n"
) -> str:
    """Return a table as CSV, as :class:`Writer` writes it."""
    text = io.StringIO(newline="")
    writer = Writer(text, lineterminator)
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


SEPARATORS = ",;\t|^~\x01"
"""The last one is Hive's."""

_LOOKED_AT = 1 << 22
"""Bytes of a file that decide on its encoding."""
_LINES_BEFORE = 20
"""Lines among which the header is: reports begin with a title, and blank lines."""
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_OTHERS = {
    b"\x1f\x8b": "is compressed by gzip: unpack it first",
    b"BZh": "is compressed by bzip2: unpack it first",
    b"\xfd7zXZ": "is compressed by xz: unpack it first",
    b"\x28\xb5\x2f\xfd": "is compressed by Zstandard: unpack it first",
    b"PK\x03\x04": "is a workbook or a ZIP archive: save its sheet as CSV",
    b"\xd0\xcf\x11\xe0": "is a workbook of Excel's: save its sheet as CSV",
    b"%PDF": "is a PDF document: save its table as CSV",
    b"SQLite format 3\0": "is a database: export its table as CSV",
    b"PAR1": "is Parquet: its name must end in .parquet",
}
"""How files begin that are often given in the place of a table of text."""
_ENCODINGS = (
    *("gb18030", "big5hkscs", "cp932", "euc_jp", "cp949"),
    *("cp1251", "koi8_r", "cp866", "cp1252", "cp1250", "cp1253", "cp1254", "cp1255", "cp1256"),
    *("cp1257", "cp1258", "cp874"),
)
"""Encodings that are tried for a header whose wanted names are not ASCII."""
_HIGH = re.compile(rb"[\x80-\xff]+")
_HANZI = re.compile(rb"(?:[\xa1-\xf7][\xa1-\xfe])+")
_MOSTLY = 0.9
_UTF16_ZEROS = 0.1
"""Share of a table's characters that are ASCII, at least: its separators, digits and line ends."""
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\r?\n?')


@contextmanager
def opened(path: str) -> Iterator[TextIO]:
    """Open a CSV file as text. Bytes of no known encoding become lone surrogates (PEP 383).

    Raises NotATable for a file that is no text.
    """
    with _opened(path, encoding_of(_head(path))) as file:
        yield file


def _opened(path: str, encoding: str) -> TextIO:
    errors = "replace" if encoding.startswith(("utf-16", "utf-32")) else "surrogateescape"
    return Path(path).open(encoding=encoding, errors=errors, newline="")


def _head(path: str) -> bytes:
    with Path(path).open("rb") as raw:
        head = raw.read(_LOOKED_AT)
    for start, problem in _OTHERS.items():
        if head.startswith(start):
            raise NotATable(problem)
    return head


def encoding_of(head: bytes) -> str:
    """Return the encoding of a file by its first bytes: a form of Unicode, or GB 18030."""
    for mark, encoding in _BOMS:
        if head.startswith(mark):
            return encoding
    start = head[:1024]
    # Without a mark; a table's names and separators are mostly ASCII, whose other byte is zero.
    even, odd = start[0::2].count(0), start[1::2].count(0)
    if max(even, odd) >= max(3, _UTF16_ZEROS * len(start) / 2) and max(even, odd) > 4 * min(
        even, odd
    ):
        return "utf-16-le" if odd > even else "utf-16-be"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return "gb18030" if _is_chinese(head) else "utf-8"
    return "utf-8"


def _is_chinese(head: bytes) -> bool:
    """Return whether bytes that are not UTF-8 are pairs as of GB 2312, and not another's letters.

    A Western letter stands among ASCII's, a character of Chinese has two bytes, both of them high.
    """
    runs = _HIGH.findall(head)
    pairs = sum(_HANZI.fullmatch(run) is not None for run in runs)
    return pairs >= _MOSTLY * len(runs)


@contextmanager
def table(path: str, wanted: Wanted) -> Iterator[tuple["Reader", list[str], list[str | None]]]:
    """Open a CSV file; return a reader of the rows after its header, the header, and our names.

    The encoding, the separator and the header's line are tried until all required columns and those
    asked for are found. If several separators fit, the one that makes the most columns is taken.

    Raises:
        OSError: it can't be opened or read.
        NotATable: it is no text, no CSV by any separator, or lacks a column.
    """
    head = _head(path)
    likely = encoding_of(head)
    encodings = [likely]
    if not all(name.isascii() for name in (wanted.theirs or {}).values()) and likely in _GUESSED:
        encodings += [each for each in _ENCODINGS if each != likely]
    problem: NotATable | None = None
    for encoding in encodings:
        with _opened(path, encoding) as file:
            try:
                found = _header_of(file, wanted)
            except NotATable as error:
                problem = problem or error
                continue
            yield found
            return
    assert problem is not None
    raise (
        NotATable("is no text: it holds NUL bytes")
        if b"\0" in head[:1024] and likely in (_GUESSED)
        else problem
    )


_GUESSED = ("utf-8", "gb18030")
"""Encodings without a mark, which may be another one."""


def _header_of(file: TextIO, wanted: Wanted) -> tuple["Reader", list[str], list[str | None]]:
    """Return a reader of the rows behind the header, the header, and our names of its columns.

    Raises NotATable.
    """
    found = _SEPARATOR_LINE.fullmatch(file.readline(16))
    start = file.tell() if found is not None else 0
    tried: list[tuple[int, int, str, list[str | None]]] = []
    problems: list[tuple[int, NotATable]] = []
    for separator in found[1] if found is not None else SEPARATORS:
        file.seek(start)
        reader = csv.reader(file, delimiter=separator, strict=True)
        for row in range(_LINES_BEFORE):
            header: list[str] = []
            try:
                header = next(reader, [])
                names = wanted.named(header)
                if any(header):
                    tried.append((-row, len(header), separator, names))
                    break
            except csv.Error as error:
                problems.append((len(header), NotATable(f"is not CSV: {error}")))
                break
            except MissingColumn as error:
                problems.append((len(header), error))
    if not tried:
        # By the separator that is most likely its own, of the line that has the most columns.
        raise max(problems, key=lambda each: each[0])[1]
    row, _, separator, names = max(tried, key=lambda each: each[:2])
    file.seek(start)
    reader = csv.reader(file, delimiter=separator, strict=True)
    for _ in range(-row):
        next(reader, None)
    return reader, next(reader), names
