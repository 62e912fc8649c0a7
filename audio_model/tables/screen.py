"""The table that a terminal shows while recordings are scored."""

import math
import shutil
import unicodedata
from collections.abc import Sequence
from typing import TextIO

from audio_model.decision import VerdictKind
from audio_model.errors import OutputError, printable
from audio_model.tables.rows import Row

_SHOWN = {
    "channel": 7,
    "verdict": 8,
    "score": 6,
    "speech": 6,
    "decided": 7,
    "known": 6,
    "reason": 17,
}
"""Columns behind the path, and their widths. An error is longer than its column and runs on."""

_NUMBERS = {"score", "speech", "decided", "known"}
_PATH_WIDTH_IN_FILES = 40
_MIN_PATH_WIDTH = 16
_GAP = "  "


class TableWriter:
    """Rows as lines of aligned text, each shown as it comes.

    In a terminal a path too long for its column loses its beginning; elsewhere (a pipe, a file) it
    is whole.
    """

    def __init__(self, stream: TextIO, *, each_channel: bool, known: bool = False) -> None:
        self._stream = stream
        wanted = {"channel": each_channel, "known": known}
        self._shown = {name: width for name, width in _SHOWN.items() if wanted.get(name, True)}
        self._elide = stream.isatty()
        self._path_width = _PATH_WIDTH_IN_FILES
        if self._elide:
            behind = sum(self._shown.values()) + len(_GAP) * len(self._shown)
            free = shutil.get_terminal_size().columns - behind
            self._path_width = max(free, _MIN_PATH_WIDTH)
        self._begun = False

    def write(self, row: Row) -> None:
        """Print a row, after the header if it is the first."""
        if not self._begun:
            self._begun = True
            self._print("path", {name: name for name in self._shown})
        verdict = row.verdict
        cells = {"channel": row.channel or ""}
        if verdict is None:
            cells |= {"verdict": VerdictKind.UNKNOWN, "reason": printable(row.error)}
        else:
            known = verdict.evidence.known
            cells |= {
                "verdict": verdict.verdict,
                "score": _fixed(verdict.score, decimals=4),
                "speech": _fixed(verdict.speech_seconds, decimals=1, unit="s"),
                "decided": _fixed(verdict.decided_at, decimals=2, unit="s"),
                "known": "" if known is None else str(known.recording),
                "reason": verdict.reason,
            }
        self._print(printable(row.entry.path), cells)

    def finish(self) -> None:
        """Do nothing: each row is already printed."""

    def close(self) -> None:
        """Do nothing: the stream is the caller's."""

    def _print(self, path: str, cells: dict[str, str]) -> None:
        if self._elide:
            path = elide_left(path, self._path_width)
        aligned = [path + " " * (self._path_width - display_width(path))]
        for name, width in self._shown.items():
            cell = cells.get(name, "")
            aligned.append(cell.rjust(width) if name in _NUMBERS else cell.ljust(width))
        try:
            print(_GAP.join(aligned).rstrip(), file=self._stream, flush=True)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(f"cannot write to standard output: {error.strerror}") from error


def display_width(text: str) -> int:
    """Return how many columns of a terminal a text takes: two for wide characters (UAX #11)."""
    return sum(map(_char_width, text))


def elide_left(text: str, width: int) -> str:
    """Return the text, or as much of its end as fits in a width behind an ellipsis."""
    if display_width(text) <= width:
        return text
    kept, free = len(text), width - 1
    while kept and (char_width := _char_width(text[kept - 1])) <= free:
        kept, free = kept - 1, free - char_width
    return "…" + text[kept:]


def _char_width(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _fixed(value: float | None, *, decimals: int, unit: str = "") -> str:
    return "" if value is None or math.isnan(value) else f"{value:.{decimals}f}{unit}"


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Return rows with their columns under each other: names to the left, numbers to the right."""
    widths = [max(map(display_width, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        spaces = [" " * (width - display_width(c)) for c, width in zip(row, widths, strict=True)]
        first, *rest = row
        cells = [first + spaces[0], *(s + c for s, c in zip(spaces[1:], rest, strict=True))]
        lines.append(_GAP.join(cells).rstrip())
    return "\n".join(lines)
