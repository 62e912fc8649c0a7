"""Names of a table's columns: our names, names by a mapping, in any capitals."""

import argparse
import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


class NotATable(Exception):
    """The file as a whole cannot be read; the message goes on after the name of the file."""


class MissingColumn(NotATable):
    """A column that must be there is not."""


def add_columns_argument(parser: argparse.ArgumentParser, table: str, example: str) -> None:
    """Declare the option ``--columns`` of a command that reads a table.

    Args:
        parser: the parser of the command.
        table: what help calls the table.
        example: a mapping that makes sense there.
    """
    parser.add_argument(
        "--columns",
        type=column_names,
        metavar="OURS=THEIRS,...",
        help=f"names of the columns in {table}, such as {example}",
    )


def column_names(text: str) -> dict[str, str]:
    """Return a mapping that is given on a command line: ``caller=A,time=B`` to theirs by ours.

    Raises argparse.ArgumentTypeError if it is none. A name with a comma in it is put in quotes with
    its part, as CSV has it.
    """
    names: dict[str, str] = {}
    for part in next(csv.reader([text], skipinitialspace=True), []):
        ours, equals, theirs = (each.strip() for each in part.partition("="))
        if not (ours and equals and theirs) or ours in names:
            raise argparse.ArgumentTypeError(
                f"{json.dumps(part, ensure_ascii=False)} is not OURS=THEIRS, or is there twice"
            )
        names[ours] = theirs
    return names


@dataclass(frozen=True)
class Wanted:
    """The columns for which a table is read."""

    required: Sequence[str]
    optional: Sequence[str] = ()
    theirs: Mapping[str, str] | None = None
    """Names of columns in the table, by ours."""

    def named(self, header: Sequence[str]) -> list[str | None]:
        """Return our names of a table's columns, in their order; None for one to leave out.

        A column of ours may be written in capitals or with spaces around it, unless another one is
        written exactly. Columns that are not ours keep their names. Behind the last name, columns
        without one are left out.

        Raises MissingColumn if a required column is not there, or one that ``theirs`` names.
        """
        names: list[str | None] = list(header)
        while names and not (names[-1] or "").strip():
            names[len(names) - 1 :] = []
        names += [None] * (len(header) - len(names))
        given = self.theirs or {}
        for ours, theirs in given.items():
            at = _find(header, theirs)
            if at is None:
                raise _missing(theirs, header)
            for other, name in enumerate(names):
                if name == ours and other != at:
                    names[other] = None
            names[at] = ours
        for name in (*self.required, *self.optional):
            if name in names or name in given:
                continue
            at = _find([each or "" for each in names], name)
            if at is not None:
                names[at] = name
            elif name in self.required:
                raise _missing(name, header)
        return names


def _find(header: Sequence[str], name: str) -> int | None:
    if name in header:
        return header.index(name)
    alike = [n for n, each in enumerate(header) if each.strip().lower() == name.strip().lower()]
    return alike[0] if len(alike) == 1 else None


def _missing(name: str, header: Sequence[str]) -> MissingColumn:
    said = json.dumps(list(header), ensure_ascii=False)
    said = "".join(each if each.isprintable() else f"\\u{ord(each):04x}" for each in said)
    return MissingColumn(f'has no column named "{name}", but {said}')
