"""A table of figures, and its CSV."""

import math
from dataclasses import dataclass
from datetime import tzinfo

from audio_model.tables import csv_files
from audio_model.times import iso

Cell = str | int | float | None

MOMENTS = ("first", "last")


@dataclass(frozen=True)
class Table:
    """A table of figures."""

    name: str
    """For the name of a file: ``by_segment``."""
    columns: tuple[str, ...]
    rows: list[tuple[Cell, ...]]

    def csv(self, zone: tzinfo) -> str:
        """Return the table as CSV that a spreadsheet opens.

        Shares are numbers, moments are ISO 8601 in a zone, and no cell is a formula.
        """
        rows = (
            [
                iso(float(cell or math.nan), zone) if name in MOMENTS else cell
                for name, cell in zip(self.columns, row, strict=True)
            ]
            for row in self.rows
        )
        return csv_files.as_text(self.columns, rows, lineterminator="\r\n")
