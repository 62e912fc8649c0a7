"""A first look at the inputs: how many recordings there are, and which columns come with them.

The inputs are listed once. What was listed waits in a temporary file, so that memory does not grow
with it, and files that come or go meanwhile change neither the count nor the columns.
"""

import pickle
import weakref
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from tempfile import TemporaryFile, gettempdir
from typing import IO

from audio_model.errors import OutputError, os_error_as, printable
from audio_model.sources.archives import is_compressed_tar
from audio_model.sources.inputs import STANDARD_INPUT, expand
from audio_model.sources.open import is_remote
from audio_model.tables.rows import Entry

_KINDS_SHOWN = 12


@dataclass(frozen=True)
class Survey:
    """The result of a first, quick look at the inputs. It can be read through once."""

    total: int | None
    """How many entries there are; None when some inputs tell only by being read through: a list on
    standard input, a compressed tar, a remote store."""
    carried: tuple[str, ...]
    """The columns that manifests carry through, in the order of their first appearance."""
    paths: tuple[tuple[str, int | None], ...]
    """The inputs in order, each with its number of entries, or None if it is yet to be listed."""
    listed: IO[bytes]
    """The entries of those that were listed, one after the other."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Files in folders and archives that are taken for no recordings, by the ending of their names;
    complete when all was read through."""

    def __iter__(self) -> Iterator[Entry]:
        """Yield all entries, in the order of the inputs."""
        with self.listed as listed:
            listed.seek(0)
            for path, count in self.paths:
                if count is None:
                    yield from expand([path], self.left_out)
                else:
                    # Written by this process, in a file without a name.
                    yield from (pickle.load(listed) for _ in range(count))


def survey(paths: Sequence[str], columns: Mapping[str, str] | None = None) -> Survey:
    """List the inputs that can be listed quickly, without opening a recording.

    Args:
        paths: as for :func:`audio_model.sources.inputs.expand`.
        columns: likewise.

    Raises OutputError if there is no room for the list in the folder for temporary files.
    """
    carried: dict[str, None] = {}
    seen: list[tuple[str, int | None]] = []
    left_out: Counter[str] = Counter()
    listed = TemporaryFile()  # noqa: SIM115 (closed with the survey)
    for path in paths:
        if path == STANDARD_INPUT or is_remote(path) or is_compressed_tar(path):
            seen.append((path, None))
            continue
        count = 0
        for entry in expand([path], left_out, columns):
            _hold(entry, listed)
            count += 1
            carried.update(dict.fromkeys(entry.carried))
        seen.append((path, count))
    counts = [count for _, count in seen if count is not None]
    total = sum(counts) if len(counts) == len(seen) else None
    found = Survey(total, tuple(carried), tuple(seen), listed, left_out)
    weakref.finalize(found, listed.close)
    return found


def _hold(entry: Entry, listed: IO[bytes]) -> None:
    with os_error_as(OutputError, f"the list of inputs cannot be held in {gettempdir()}"):
        listed.write(pickle.dumps(entry))


def left_out_text(left_out: Counter[str]) -> str:
    """Return what was left out as a line for people; empty if nothing was."""
    if not left_out:
        return ""
    counted = sorted(left_out.items(), key=lambda each: (-each[1], each[0] or "~"))
    kinds = [f"{n:,} {suffix or 'without an ending'}" for suffix, n in counted[:_KINDS_SHOWN]]
    if rest := sum(n for _, n in counted[_KINDS_SHOWN:]):
        kinds.append(f"{rest:,} of other kinds")
    total = left_out.total()
    return f"{total:,} other {'file was' if total == 1 else 'files were'} left out: " + ", ".join(
        printable(kind) for kind in kinds
    )
