"""``audio-model ranges allow``: list and change the ranges that always pass."""

import argparse
import getpass
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from functools import partial
from pathlib import Path

from audio_model.commands import (
    EXIT_DONE,
    EXIT_SOME,
    add_action,
    add_actions,
    check_ending,
    run_action,
    tell,
    tell_problems,
)
from audio_model.errors import UsageError, printable
from audio_model.ranges.named import holds_many_owners, range_of
from audio_model.ranges.rows import Allowed
from audio_model.ranges.store import RangeStore
from audio_model.ranges.tables import ALLOWED_COLUMNS, allowed_row, write_allowed
from audio_model.tables import cells, csv_files
from audio_model.tables.columns import Wanted, add_columns_argument
from audio_model.tables.readers import DamagedRow, parse_table

DESCRIPTION = """\
Keep the list of allowed ranges and numbers. They are never warned of and never opened, whatever is
heard from them. A range that is open closes at once when you allow it or a wider one. The store's
history keeps who allowed what, when and why."""

EPILOG = """\
examples:
  audio-model ranges allow add ranges.db 95588 +8613912345678 --note 'the bank, and its manager'
  audio-model ranges allow list ranges.db
  audio-model ranges allow remove ranges.db 95588 --note 'the contract has ended'
  audio-model ranges allow export ranges.db allowed.csv
  audio-model ranges allow import other.db allowed.csv
  audio-model ranges allow import ranges.db 白名单.csv --columns prefix=号码,note=备注

"add" and "import" make the store if there is none. A file needs the column prefix, and may have
note and who. Entries that are already on the list stay as they are.

exit status:
  0 done, 1 some rows could not be taken, 2 wrong usage, 3 the file cannot be written
"""


run = run_action
_action = partial(add_action, store="the store of number ranges")


def open_store(path: str) -> RangeStore:
    """Open a store that is there. Raises UsageError if none is, and RangeStoreError."""
    if not Path(path).is_file():
        raise UsageError(f"there is no store {printable(path)}")
    return RangeStore(path)


def _make_store(path: str) -> RangeStore:
    """Open a store; make it, and say so, if there is none. Raises RangeStoreError."""
    is_new = not Path(path).exists()
    store = RangeStore(path)
    if is_new:
        print(f"made the store {printable(path)}", file=sys.stderr)
    return store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``ranges allow`` takes."""
    actions = add_actions(parser)
    _action(actions, "list", _list, "list what is allowed, as CSV")
    for name, action, about in (
        ("add", _add, "allow ranges or numbers"),
        ("remove", _remove, "take ranges off the list"),
    ):
        chosen = _action(actions, name, action, about)
        chosen.add_argument(
            "prefixes", nargs="+", metavar="PREFIX", help="95588, or +8613912345678"
        )
        _add_person(chosen)
        chosen.add_argument("--note", default="", metavar="TEXT", help="why")
    importing = _action(actions, "import", _import, "allow the ranges and numbers of a file")
    importing.add_argument(
        "file", metavar="FILE", help="a table (.csv, .tsv, .txt, .jsonl or .parquet)"
    )
    add_columns_argument(importing, "FILE", "prefix=NUMBER,note=WHY")
    _add_person(importing)
    exporting = _action(actions, "export", _export, "write the list to a file")
    exporting.add_argument("file", metavar="FILE", help="the table (.csv)")


def _add_person(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--who", default=_user(), metavar="NAME", help="who decides this (default: %(default)s)"
    )


def _list(args: argparse.Namespace) -> int:
    rows = csv_files.Writer(sys.stdout)
    with closing(open_store(args.store)) as store:
        rows.writerow(ALLOWED_COLUMNS)
        rows.writerows(map(allowed_row, store.allowed()))
    return EXIT_DONE


def _add(args: argparse.Namespace) -> int:
    now = time.time()
    prefixes = [_range(text) for text in args.prefixes]
    with closing(_make_store(args.store)) as store:
        _put(store, [Allowed(prefix, args.note, now, args.who) for prefix in prefixes])
    return EXIT_DONE


def _remove(args: argparse.Namespace) -> int:
    with closing(open_store(args.store)) as store:
        for text in args.prefixes:
            if not store.disallow(_range(text), args.note, who=args.who):
                raise UsageError(f"{printable(text)} was not allowed")
    return EXIT_DONE


def _import(args: argparse.Namespace) -> int:
    now = time.time()

    def parse(values: Mapping[str, object], where: str) -> Allowed:
        note, who = cells.text(values, "note"), cells.text(values, "who")
        return Allowed(range_of(cells.text(values, "prefix")), note, now, who or args.who)

    entries: dict[str, Allowed] = {}
    rows = list(parse_table(args.file, Wanted(("prefix",), ("note", "who"), args.columns), parse))
    damaged = tell_problems(row for row in rows if isinstance(row, DamagedRow))
    for entry in rows:
        if isinstance(entry, Allowed):
            entries.setdefault(entry.prefix, entry)
    with closing(_make_store(args.store)) as store:
        known = {entry.prefix for entry in store.allowed()}
        new = [entry for entry in entries.values() if entry.prefix not in known]
        _put(store, new)
    there = len(rows) - damaged - len(new)
    print(f"{len(new)} entries are new, {there} were there already", file=sys.stderr)
    return EXIT_SOME if damaged else EXIT_DONE


def _export(args: argparse.Namespace) -> int:
    check_ending(args.file, ".csv", what="the file")
    with closing(open_store(args.store)) as store:
        n = write_allowed(args.file, store.allowed())
    print(f"{n} entries are in {printable(args.file)}", file=sys.stderr)
    return EXIT_DONE


def _put(store: RangeStore, entries: list[Allowed]) -> None:
    """Add entries, and print what closed and which entries are suspiciously wide."""
    for change in store.allow_all(entries):
        if change.before is not change.after:
            print(f"{change.prefix}: {change.before} -> {change.after} ({change.why})")
    for entry in entries:
        if holds_many_owners(entry.prefix):
            tell(
                f"{entry.prefix} is wide: it holds the numbers of many owners, and none of them "
                "will be warned of or opened"
            )


def _range(text: str) -> str:
    """Return a range as the tree names it. Raises UsageError if the text is none."""
    try:
        return range_of(text)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # Nobody is known by this id here, as in a container.
        return ""
