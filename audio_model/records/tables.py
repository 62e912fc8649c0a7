"""A table of figures, and its CSV."""

import io
import math
from dataclasses import dataclass
from datetime import tzinfo

from audio_model.tables import csv_files
from audio_model.times import iso

Cell = str | int | float | None

_MOMENTS = ("first", "last")


@dataclass(frozen=True)
class Table:
    """One figure."""

    name: str
    """For the name of a file: ``by_segment``."""
    columns: tuple[str, ...]
    rows: list[tuple[Cell, ...]]

    def csv(self, zone: tzinfo) -> str:
        """Return the table as CSV that a spreadsheet opens.

        Shares are numbers, moments are ISO 8601 in a zone, and no cell is a formula.
        """
        text = io.StringIO()
        writer = csv_files.Writer(text, lineterminator="\r\n")
        writer.writerow(self.columns)
        moments = [index for index, name in enumerate(self.columns) if name in _MOMENTS]
        for row in self.rows:
            cells = list(row)
            for index in moments:
                cells[index] = iso(float(cells[index] or math.nan), zone)
            writer.writerow(cells)
        return text.getvalue()
