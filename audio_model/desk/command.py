"""``audio-model desk``: a store of calls, the people at it, and the pages that they work at."""

import argparse
import asyncio
import sys
from contextlib import closing
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from audio_model.commands import (
    EXIT_DONE,
    EXIT_SOME,
    add_action,
    add_actions,
    add_budget_argument,
    check_ending,
    needing_extra,
    run_action,
    tell,
)
from audio_model.detector import Detector
from audio_model.errors import UsageError, printable
from audio_model.files import write_whole
from audio_model.ranges.allow_command import open_store
from audio_model.records import exports, handsets, imports, people, statistics
from audio_model.records.people import Person, Role
from audio_model.records.periods import Unit, periods
from audio_model.records.priority import Thresholds
from audio_model.records.store import CallStore
from audio_model.rule import DEFAULT_MAX_FALSE_ALARM
from audio_model.tables.columns import add_columns_argument

DEFAULT_PORT = 8950

DESCRIPTION = """\
Serve a desk where people listen to calls and mark them. The most useful calls come first, and two
people never get the same call at once. A mark counts at once for number ranges, for all calls of
its campaign and for the store of known recordings. Ranges, campaigns, marks of handsets and the
month's figures have pages of their own."""

EPILOG = """\
examples:
  audio-model desk import desk.db results/            the output of score, with columns caller,
                                                      called, time and campaign
  audio-model desk person desk.db wang --role marking     prints a token to sign in with
  audio-model desk serve desk.db --ranges ranges.db --known known.db --zone Asia/Shanghai
  audio-model desk marks desk.db marks.csv --source app --trust 0.7     marks of handsets
  audio-model desk statistics desk.db --by month --output figures/
  audio-model desk export desk.db marks.csv           for training.train

The store holds numbers as they are, and only its owner can read it. Only this machine reaches the
desk. To let others in, put a proxy with TLS before it and give --origin.

exit status:
  0 done, 1 some rows could not be read, 2 wrong usage or a damaged store, 3 an output can't be
  written
"""


run = run_action
_action = partial(add_action, store="the desk's store")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``desk`` takes."""
    actions = add_actions(parser)
    serving = _action(actions, "serve", _serve, "serve the pages")
    serving.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: %(default)s)"
    )
    serving.add_argument(
        "--port", type=int, default=DEFAULT_PORT, help="port to listen on (default: %(default)s)"
    )
    serving.add_argument(
        "--origin",
        default="",
        metavar="URL",
        help="address of the desk behind a proxy, such as https://desk.example",
    )
    serving.add_argument("--ranges", metavar="STORE", help="the store of number ranges")
    serving.add_argument("--known", metavar="STORE", help="the store of known recordings")
    _add_model(serving)
    _add_zone(serving)
    importing = _action(actions, "import", _import, "add the calls of results")
    importing.add_argument("results", nargs="+", metavar="RESULTS", help="a file or a run folder")
    add_columns_argument(importing, "RESULTS", "caller=A_NUMBER,time=START")
    _add_model(importing)
    person = _action(actions, "person", _person, "let a person sign in, with a new token")
    person.add_argument("name", metavar="NAME")
    person.add_argument(
        "--role",
        type=Role,
        choices=list(Role),
        default=Role.MARKING,
        metavar="|".join(Role),
        help="what the person may do (default: %(default)s)",
    )
    person.add_argument(
        "--masked", action="store_true", help="never show the person a number in full"
    )
    person.add_argument(
        "--remove", action="store_true", help="remove the person, and end their sessions"
    )
    marking = _action(actions, "marks", _marks, "add marks of handsets")
    marking.add_argument(
        "file",
        metavar="FILE",
        help="a table with the columns mark, who, and call, or number and time",
    )
    marking.add_argument(
        "--source", required=True, metavar="NAME", help="where the marks come from"
    )
    marking.add_argument(
        "--trust",
        type=float,
        default=0.7,
        metavar="P",
        help="chance that a mark is right, from 0.5 to below 1 (default: %(default)s)",
    )
    add_columns_argument(marking, "FILE", "call=CALL_ID,mark=LABEL")
    counting = _action(actions, "statistics", _statistics, "write the figures as CSV")
    counting.add_argument("--by", type=Unit, choices=list(Unit), default=Unit.MONTH)
    counting.add_argument("--output", required=True, metavar="FOLDER", help="folder for the tables")
    counting.add_argument(
        "--ranges",
        metavar="STORE",
        help="the store of number ranges: calls of open ranges count as blocked",
    )
    _add_zone(counting)
    exporting = _action(actions, "export", _export, "write the settled calls as a manifest")
    exporting.add_argument("file", metavar="FILE", help="the manifest (.csv)")


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", metavar="FILE", help="another model than the one shipped")
    add_budget_argument(
        parser, DEFAULT_MAX_FALSE_ALARM, "budget of false alarms, whose thresholds order the queue"
    )


def _add_zone(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--zone",
        default="",
        metavar="NAME",
        help="time zone of the figures' days, such as Asia/Shanghai (default: the machine's)",
    )


def _serve(args: argparse.Namespace) -> int:
    with needing_extra("desk serve", "desk", {"aiohttp"}):
        from audio_model.desk import server
    _check_there(args.store)
    zone, name = _zone(args.zone)
    options = server.Options(
        calls=args.store,
        ranges=args.ranges,
        known=args.known,
        host=args.host,
        port=args.port,
        origin=args.origin,
        zone=zone,
        zone_name=name,
    )
    asyncio.run(server.serve(options, _detector(args)))
    return EXIT_DONE


def _import(args: argparse.Namespace) -> int:
    point = _detector(args).operating_point
    thresholds = Thresholds(point.recorded_at, point.live_at)
    damaged = 0
    with CallStore(args.store) as store:
        for path in args.results:
            done = imports.import_archive(store, path, thresholds, args.columns)
            for problem in done.problems:
                tell(problem)
            damaged += done.damaged
            print(
                f"{printable(path)}: {done.new} new calls, {done.known} calls updated, "
                f"{done.damaged} damaged rows, {done.untimed} without a time, "
                f"{done.drifted} moved up in the queue because scores have drifted",
                file=sys.stderr,
            )
            if done.missing:
                tell(
                    f"{done.missing} of the first {done.looked_for} recordings are "
                    f"missing and can't be heard, such as {printable(done.missing_path)}. Relative "
                    "paths start at the folder in which score was run"
                )
    return EXIT_SOME if damaged else EXIT_DONE


def _person(args: argparse.Namespace) -> int:
    with CallStore(args.store) as store:
        if args.remove:
            if not people.remove(store, args.name):
                raise UsageError(f"the store has no person {printable(args.name)}")
            return EXIT_DONE
        print(people.add(store, Person(args.name, args.role, args.masked)))
    print(f"{args.name} signs in with this token; it is not shown again", file=sys.stderr)
    return EXIT_DONE


def _marks(args: argparse.Namespace) -> int:
    _check_there(args.store)
    with CallStore(args.store) as store:
        taken = handsets.import_marks(store, args.file, args.source, args.trust, args.columns)
    for problem in taken.problems:
        tell(problem)
    print(
        f"{taken.calls} marks of calls, {taken.numbers} of numbers, {taken.unmatched} of calls "
        f"that are not in the store, {taken.damaged} damaged rows; {taken.untimed} without a time",
        file=sys.stderr,
    )
    return EXIT_SOME if taken.damaged else EXIT_DONE


def _statistics(args: argparse.Namespace) -> int:
    _check_there(args.store)
    zone, _ = _zone(args.zone)
    opened = []
    if args.ranges is not None:
        with closing(open_store(args.ranges)) as ranges:
            opened = statistics.openings_of(ranges)
    with CallStore(args.store) as store, store.reading():
        span = statistics.span(store)
        if span is None:
            raise UsageError(f"{printable(args.store)}: no call has a time")
        found = periods(span.first, span.end, args.by, zone)
        figures = statistics.count_all(store, found, opened, args.by, zone)
    Path(args.output).mkdir(parents=True, exist_ok=True)
    for table in figures.tables:
        write_whole(Path(args.output, f"{table.name}.csv"), "\ufeff" + table.csv(zone))
    names = ", ".join(f"{table.name}.csv" for table in figures.tables)
    print(
        f"{names} are in {printable(args.output)}; "
        f"segments and campaigns are of {figures.period.name}",
        file=sys.stderr,
    )
    return EXIT_DONE


def _export(args: argparse.Namespace) -> int:
    _check_there(args.store)
    check_ending(args.file, ".csv", what="the manifest")
    with CallStore(args.store) as store:
        n, left_out = exports.export(store, args.file)
    rest = f"; of {left_out} more no recording is found" if left_out else ""
    print(f"{n} settled calls are in {printable(args.file)}{rest}", file=sys.stderr)
    return EXIT_DONE


def _check_there(path: str) -> None:
    if not Path(path).is_file():
        raise UsageError(f"there is no store {printable(path)}: desk import makes it")


def _detector(args: argparse.Namespace) -> Detector:
    return Detector.load(args.model, max_false_alarm=args.max_false_alarm)


def _zone(name: str) -> tuple[ZoneInfo, str]:
    try:
        if name:
            return ZoneInfo(name), name
        here = Path("/etc/localtime").resolve()
        own = str(here).partition("zoneinfo/")[2]
        return (ZoneInfo(own), own) if own else (ZoneInfo("UTC"), "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(f"{printable(name)} is not a time zone like Asia/Shanghai") from None
