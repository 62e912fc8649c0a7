"""Manifests: tables of recordings, with a `path` column and others that are carried through.

The summary that ``audio-model known campaigns`` writes is one, too: its paths are the exemplars.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from audio_model.formats import suffix_of
from audio_model.sources.open import from_folder
from audio_model.tables.columns import NotATable, Wanted
from audio_model.tables.csv_files import opened
from audio_model.tables.readers import TABLE_SUFFIXES, read_rows
from audio_model.tables.rows import Entry, unescape

PATH_COLUMN = "path"
EXEMPLAR_COLUMN = "exemplar"
"""In place of the path, in a summary of campaigns."""


def is_manifest(path: str) -> bool:
    """Return whether a path that was given by name is a manifest."""
    try:
        return suffix_of(path) in TABLE_SUFFIXES and Path(path).is_file()
    except OSError:  # a name too long, a parent that is closed to us
        return False


def read_manifest(
    path: str,
    columns: Mapping[str, str] | None = None,
    required: Sequence[str] = (),
    optional: Sequence[str] = (),
) -> Iterator[Entry]:
    """Yield the entries of a manifest; what cannot be read becomes an entry saying so.

    Relative paths are taken from the manifest's folder, a member's archive among them. A path that
    does not exist as written is tried with the escapes of our own result tables undone, so that
    these are manifests too; an exemplar, also from the working folder, as campaigns wrote it.

    Args:
        path: the path of the manifest.
        columns: names of columns in it, by ours.
        required: columns that it must have beside the path. JSON lines have their own each.
        optional: columns of ours that it may have, in any capitals.
    """
    empty = True
    try:
        column = EXEMPLAR_COLUMN if _is_summary(path) else PATH_COLUMN
        wanted = Wanted((column, *required), optional, columns)
        for where, values in read_rows(path, wanted):
            empty = False
            yield _entry(path, where, values, column)
    except OSError as error:
        empty = False
        yield Entry(path, problem=f"the manifest cannot be read: {error.strerror or error}")
    except NotATable as error:
        empty = False
        yield Entry(path, problem=f"the manifest {error}")
    if empty:
        yield Entry(path, problem="the manifest holds no rows")


def _is_summary(path: str) -> bool:
    """Return whether a file is a summary of campaigns.

    A summary is a CSV file whose header has exemplars and no paths.
    """
    if suffix_of(path) != ".csv":
        return False
    with opened(path) as file:
        header = file.readline().strip().split(",")
    return EXEMPLAR_COLUMN in header and PATH_COLUMN not in header


def _entry(manifest: str, where: str, values: dict[str, object] | str, column: str) -> Entry:
    if isinstance(values, str):
        return Entry(manifest, problem=f"{where}: {values}")
    path = values.get(column)
    if not isinstance(path, str) or not path:
        return Entry(manifest, problem=f"{where}: {column} is {json.dumps(path, default=str)}")
    full = from_folder(Path(manifest).parent, path)
    if "\\" in path and not os.path.lexists(full):
        path = unescape(path)
        full = from_folder(Path(manifest).parent, path)
    if not (path.isascii() or os.path.lexists(full)):
        # A table in GBK, from a system whose file names were in GBK, too.
        name = os.fsdecode(path.encode("gb18030", "surrogateescape"))
        if os.path.lexists(named := from_folder(Path(manifest).parent, name)):
            full = named
    if column == EXEMPLAR_COLUMN and not os.path.lexists(full):
        full = path
    return Entry(full, {name: value for name, value in values.items() if name != column})
