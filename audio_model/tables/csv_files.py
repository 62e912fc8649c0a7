"""CSV as programs and spreadsheets write it: find its encoding and its separator."""

import codecs
import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from audio_model.tables.cells import guarded
from audio_model.tables.columns import MissingColumn, renamed

if TYPE_CHECKING:
    from _csv import Reader

    from _typeshed import SupportsWrite


class Writer:
    """Rows as CSV that a spreadsheet opens and runs nothing of; our readers give them back."""

    def __init__(self, file: "SupportsWrite[str]", lineterminator: str = "\n") -> None:
        """Write to a file that is open for text."""
        self._writer = csv.writer(file, lineterminator=lineterminator)

    def writerow(self, row: Iterable[object]) -> None:
        """Write a row."""
        self._writer.writerow([guarded(cell) for cell in row])

    def writerows(self, rows: Iterable[Iterable[object]]) -> None:
        """Write rows."""
        for row in rows:
            self.writerow(row)


SEPARATORS = ",;\t|"

_LOOKED_AT = 1 << 22
"""Bytes of a file that decide on its encoding."""
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_HIGH = re.compile(rb"[\x80-\xff]+")
_HANZI = re.compile(rb"(?:[\xa1-\xf7][\xa1-\xfe])+")
_MOSTLY = 0.9
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\r?\n?')


@contextmanager
def opened(path: str) -> Iterator[TextIO]:
    """Open a CSV file as text. Bytes of no known encoding become lone surrogates (PEP 383)."""
    with Path(path).open("rb") as raw:
        encoding = encoding_of(raw.read(_LOOKED_AT))
    with Path(path).open(encoding=encoding, errors=_errors(encoding), newline="") as file:
        yield file


def encoding_of(head: bytes) -> str:
    """Return the encoding of a file that begins so: Unicode's, or GB 18030 (and so GBK)."""
    for mark, encoding in _BOMS:
        if head.startswith(mark):
            return encoding
    start = head[:1024]
    if b"\0" in start:
        # Without a mark; a table's names and separators are mostly ASCII.
        even, odd = start[0::2].count(0), start[1::2].count(0)
        return "utf-16-le" if odd > even else "utf-16-be"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return "gb18030" if _is_chinese(head) else "utf-8"
    return "utf-8"


def _errors(encoding: str) -> str:
    return "surrogateescape" if encoding in ("utf-8", "utf-8-sig", "gb18030") else "replace"


def _is_chinese(head: bytes) -> bool:
    """Return whether bytes that are not UTF-8 are pairs as of GB 2312, and not another's letters.

    A Western letter stands among ASCII's, a character of Chinese has two bytes, both of them high.
    """
    runs = _HIGH.findall(head)
    pairs = sum(_HANZI.fullmatch(run) is not None for run in runs)
    return pairs >= _MOSTLY * len(runs)


def header_of(
    file: TextIO,
    required: Sequence[str],
    optional: Sequence[str],
    columns: Mapping[str, str] | None,
) -> tuple["Reader", list[str | None]]:
    """Return a reader of the rows behind the header, and our names of its columns.

    The separator is the one by which the header has all required columns; of several, the one by
    which it has the most.

    Raises:
        csv.Error: it is no CSV by any separator.
        MissingColumn: as :func:`renamed` does.
    """
    found = _SEPARATOR_LINE.fullmatch(file.readline(16))
    start = file.tell() if found is not None else 0
    tried: list[tuple[int, str, list[str | None]]] = []
    problems: list[tuple[int, csv.Error | MissingColumn]] = []
    for separator in found[1] if found is not None else SEPARATORS:
        file.seek(start)
        header: list[str] = []
        try:
            header = next(csv.reader(file, delimiter=separator, strict=True), [])
            tried.append((len(header), separator, renamed(header, required, optional, columns)))
        except (csv.Error, MissingColumn) as error:
            problems.append((len(header), error))
    if not tried:
        # By the separator that is most likely its own.
        raise max(problems, key=lambda each: each[0])[1]
    _, separator, names = max(tried, key=lambda each: each[0])
    file.seek(start)
    reader = csv.reader(file, delimiter=separator, strict=True)
    next(reader, None)
    return reader, names
