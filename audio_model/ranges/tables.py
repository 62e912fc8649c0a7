"""Tables from a store: ranges, and marked calls as a manifest to train on."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from audio_model.files import FOR_SPREADSHEETS, replacing
from audio_model.ranges.describe import HISTORY_COLUMNS, RANGE_COLUMNS, history_row, range_row
from audio_model.ranges.rows import Allowed, MarkedCall
from audio_model.ranges.store import RangeStore
from audio_model.sources.open import from_folder, is_there
from audio_model.tables import csv_files
from audio_model.times import iso

MANIFEST_COLUMNS = ("path", "label", "source", "corpus", "call")
CAMPAIGN_COLUMNS = (
    *("campaign", "state", "calls", "people", "numbers", "calls_a_minute"),
    *("ranges", "too_wide_to_block", "first", "last", "exemplar"),
)
ALLOWED_COLUMNS = ("prefix", "note", "who", "time")
MANIFEST_CORPUS = "feedback"


def write_ranges(path: str, store: RangeStore, min_calls: int) -> int:
    """Write all ranges with so many calls, or whose breaker moved, as CSV; returns how many.

    Raises OutputError.
    """
    moves = store.moves()
    rows = (
        range_row(node, store.policy, moves.get(node.prefix, {}))
        for node in store.ranges(min_calls)
    )
    return _write_csv(Path(path), RANGE_COLUMNS, rows)


def write_history(path: str, store: RangeStore) -> int:
    """Write every change of every breaker as CSV, in the order of time; returns how many.

    Raises OutputError.
    """
    return _write_csv(Path(path), HISTORY_COLUMNS, map(history_row, store.history()))


def write_allowed(path: str, entries: Iterable[Allowed]) -> int:
    """Write an allow-list as CSV that can be imported again; returns how many entries.

    Raises OutputError.
    """
    return _write_csv(Path(path), ALLOWED_COLUMNS, map(allowed_row, entries))


def allowed_row(entry: Allowed) -> tuple[str, str, str, str]:
    """Return a row of ALLOWED_COLUMNS."""
    return entry.prefix, entry.note, entry.who, iso(entry.time, zone=None)


def write_manifest(path: str, marked: Iterable[MarkedCall]) -> int:
    """Write the marked calls with a recording as a manifest for ``training``; return how many.

    A recording's source is its campaign, if it is known, or its caller: a message that is played
    twice must not cross a split, and neither must a voice. A caller who was heard live and with
    recordings is two sources. Paths in a remote store or an archive are written as they are.
    Recordings that are gone are left out. Raises OutputError.
    """
    rows = (
        (
            from_folder(Path.cwd(), each.call.path),
            each.mark.value,
            f"{each.mark} {each.call.campaign or each.call.number.key}",
            MANIFEST_CORPUS,
            each.call.id,
        )
        for each in marked
        if is_there(each.call.path)
    )
    return _write_csv(Path(path), MANIFEST_COLUMNS, rows, encoding="utf-8")


def write_campaigns(path: str, store: RangeStore) -> int:
    """Write the campaigns of a store, those that called last first, and return how many.

    Raises OutputError.
    """
    rows = (
        (
            *(one.campaign, one.state.value, one.calls, one.people, one.numbers),
            one.calls_a_minute,
            " ".join(part.range for part in one.ranges),
            " ".join(part.range for part in one.ranges if part.too_wide),
            *(iso(one.first, zone=None), iso(one.last, zone=None), one.exemplar),
        )
        for one in store.campaigns_heard(running=False)
    )
    return _write_csv(Path(path), CAMPAIGN_COLUMNS, rows)


def _write_csv(
    path: Path,
    header: Sequence[str],
    rows: Iterable[Iterable[object]],
    encoding: str = FOR_SPREADSHEETS,
) -> int:
    """Write a CSV file, complete or not at all, and return how many rows."""
    with replacing(path, errors="surrogateescape", encoding=encoding) as file:
        writer = csv_files.Writer(file)
        writer.writerow(header)
        return writer.writerows(rows)
