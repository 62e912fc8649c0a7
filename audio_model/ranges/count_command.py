"""``audio-model ranges count``: turn call records into a table of ranges, and a page."""

import argparse
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from itertools import islice

from audio_model.commands import EXIT_DONE, EXIT_SOME, check_ending, tell, tell_problems
from audio_model.files import write_whole
from audio_model.ranges.breaker import CLOCK_SECONDS, Policy
from audio_model.ranges.calls import read_calls
from audio_model.ranges.change import ChangeTest
from audio_model.ranges.page import page
from audio_model.ranges.rates import CallAnswer, DetectorRates
from audio_model.ranges.store import RangeStore
from audio_model.ranges.tables import write_campaigns, write_history, write_ranges
from audio_model.ranges.tree import RangeCall
from audio_model.tables.columns import add_columns_argument
from audio_model.tables.readers import DamagedRow
from audio_model.times import Form, iso

DEFAULT_MIN_CALLS = 10
_BATCH = 2000

DESCRIPTION = """\
Tell which number ranges call with recordings. The command reads calls with their verdicts and
writes a table of ranges. Each prefix has its calls, campaigns, numbers called, what a breaker would
have done, and its share of recordings, corrected for the detector's misses and false alarms. An
alarm names the smallest ranges that explain it, so that honest neighbours pass."""

EPILOG = """\
CALLS are .csv, .tsv, .txt, .jsonl or .parquet files with the columns caller, time and verdict. They
may have called, reason, score, duration, campaign, known, call and path. `audio-model score` writes
such files when its manifest has the call records' columns. Several files are one archive; their
calls are counted in the order of their times.

examples:
  audio-model score calls.csv --output verdicts.csv      calls.csv: path, caller, called, time, ...
  audio-model ranges count verdicts.csv --output ranges.csv
  audio-model ranges count day-*.parquet --output ranges.csv --page ranges.html
  audio-model ranges count verdicts.csv --output ranges.csv --history history.csv    every change
                                                                                     of a range
  audio-model ranges count verdicts.csv --output ranges.csv --campaigns campaigns.csv
  audio-model ranges count verdicts.csv --output ranges.csv --store ranges.db       on top of
                                                                                     its counts

exit status:
  0 all calls counted, 1 some rows not counted, 2 wrong usage, 3 the output cannot be written
"""


def run(args: argparse.Namespace) -> int:
    """Count calls and return the exit status. Raises AudioModelError."""
    policy = _policy(args)
    for output in filter(None, (args.output, args.history, args.campaigns)):
        check_ending(output, ".csv")
    with closing(RangeStore(args.store, policy)) as store, closing(_Calls()) as calls:
        damaged = tell_problems(_load(args.calls, calls, args.columns))
        before = store.n_calls()
        heard_until = store.last_time()
        n_changes = 0
        waiting = iter(calls)
        while batch := list(islice(waiting, _BATCH)):
            n_changes += len(store.hear(batch))
        if store.n_calls() > before and calls.first < heard_until - CLOCK_SECONDS:
            _warn_of_late(calls.first, heard_until)
        # A store may have heard later calls than these files have.
        last = store.last_time()
        n_changes += len(store.tick(last))
        n_ranges = write_ranges(args.output, store, args.min_calls)
        if args.history is not None:
            write_history(args.history, store)
        if args.campaigns is not None:
            write_campaigns(args.campaigns, store)
        if args.page is not None:
            write_whole(args.page, page(store, last, args.min_calls))
        held = sum(node.held for node in store.ranges())
        print(
            f"{_counted(len(calls), before, store.n_calls())} in {n_ranges} ranges of "
            f"{args.min_calls} calls or more, or whose breaker moved: {n_changes} changes of "
            f"breakers{f' of {store.n_changes()} in the store' if args.store else ''}, {held} held "
            "at the end",
            file=sys.stderr,
        )
    return EXIT_SOME if damaged else EXIT_DONE


def _counted(given: int, before: int, after: int) -> str:
    """Return how many calls were counted, now and by the store before."""
    new = after - before
    known = f" ({given - new} were known)" if given > new else ""
    return f"{new} calls{known}" + (f" on top of {before}" if before else "")


def _warn_of_late(first: float, heard_until: float) -> None:
    """Warn of calls before the store's last: its breakers follow the time of calls."""
    tell(
        f"the first call is of {iso(first, zone=None)}, but the store has calls until "
        f"{iso(heard_until, zone=None)}: a range that was warned of or opened later is released. "
        "Give files in the order of their times"
    )


def _load(
    files: list[str], calls: "_Calls", columns: dict[str, str] | None
) -> Iterator[DamagedRow]:
    """Read all files, tell how times were read, and yield the damaged rows."""
    for file in files:
        forms: Counter[Form] = Counter()
        for each in read_calls(file, columns, forms):
            if isinstance(each, DamagedRow):
                yield each
            else:
                calls.add(each)
        for form in forms.keys() - {Form.DATE, Form.SECONDS}:
            tell(f"{file}: {forms[form]} times are read as {form}")


class _Calls:
    """Calls in the order of their times, however many: they wait in a temporary database."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("")
        self._db.execute(
            "CREATE TABLE calls "
            "(id, caller, time, outcome, called, duration, campaign, path, score)"
        )
        self._n = 0

    def __len__(self) -> int:
        return self._n

    @property
    def first(self) -> float:
        """Return when the first call came. There must be one."""
        (first,) = self._db.execute("SELECT min(time) FROM calls").fetchone()
        return float(first)

    def __iter__(self) -> Iterator[RangeCall]:
        for row in self._db.execute("SELECT * FROM calls ORDER BY time, rowid"):
            yield RangeCall(row[0], row[1], row[2], CallAnswer(row[3]), *row[4:])

    def add(self, call: RangeCall) -> None:
        self._n += 1
        self._db.execute(
            "INSERT INTO calls VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (call.id, call.caller, call.time, call.outcome.value, call.called, call.duration,
             call.campaign, call.path, call.score),
        )  # fmt: skip

    def close(self) -> None:
        self._db.close()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``ranges count`` takes."""
    parser.add_argument("calls", nargs="+", metavar="CALLS", help="call records with verdicts")
    parser.add_argument("--output", required=True, metavar="FILE", help="the table (.csv)")
    parser.add_argument(
        "--history", metavar="FILE", help="every change of every range, with its evidence (.csv)"
    )
    parser.add_argument(
        "--campaigns", metavar="FILE", help="recordings that many numbers played (.csv)"
    )
    parser.add_argument("--page", metavar="FILE", help="a page of HTML, complete in one file")
    add_columns_argument(parser, "CALLS", "caller=A_NUMBER,time=START")
    parser.add_argument(
        "--store", metavar="STORE", help="add the calls to this store, and count on top of it"
    )
    parser.add_argument(
        "--min-calls",
        type=int,
        default=DEFAULT_MIN_CALLS,
        metavar="N",
        help="leave out ranges with fewer calls (default: %(default)s)",
    )
    add_policy_arguments(parser)


def add_policy_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the tests and breakers. An option that is not given is None."""
    test, policy = ChangeTest(), Policy()
    group = parser.add_argument_group(
        "limits of a range, and rates of the detector",
        "A store keeps the values that it was given last.",
    )
    for flag, default, text in (
        ("--honest-share", test.honest, "share of recordings that an honest range may play"),
        ("--campaign-share", test.bad, "share of recordings that a campaign plays in its range"),
        ("--warnings", policy.warnings, "error budget: warnings a month of an honest range"),
        (
            "--openings",
            policy.openings,
            "error budget: chance a month that an honest range is opened",
        ),
        (
            "--hit-rate",
            test.rates.recorded_said_recorded,
            "share of recordings that are called recorded",
        ),
        (
            "--false-alarm-rate",
            test.rates.live_said_recorded,
            "share of live callers that are called recorded",
        ),
    ):
        group.add_argument(flag, type=float, metavar="X", help=f"{text} (default: {default:g})")


def _policy(args: argparse.Namespace) -> Policy | None:
    """Return the policy that the options ask for; None if there are none."""
    rates = {"recorded_said_recorded": args.hit_rate, "live_said_recorded": args.false_alarm_rate}
    test = {"honest": args.honest_share, "bad": args.campaign_share}
    budgets = {"warnings": args.warnings, "openings": args.openings}
    if all(each is None for each in (*rates.values(), *test.values(), *budgets.values())):
        return None
    return Policy(ChangeTest(DetectorRates(**_given(rates)), **_given(test)), **_given(budgets))


def _given(options: dict[str, float | None]) -> dict[str, float]:
    return {name: value for name, value in options.items() if value is not None}
