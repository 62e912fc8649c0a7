"""``audio-model join``: verdicts, call records and campaigns in one table."""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from audio_model.commands import EXIT_DONE, EXIT_SOME, check_ending, tell_problems
from audio_model.errors import ResultsError, UsageError, printable
from audio_model.files import FOR_SPREADSHEETS, replacing
from audio_model.report.join import (
    NEEDED,
    Joined,
    JoinedRecord,
    Key,
    RecordTable,
    choose_key,
    merged,
)
from audio_model.tables import csv_files
from audio_model.tables.cells import word
from audio_model.tables.columns import Wanted, add_columns_argument
from audio_model.tables.readers import read_table
from audio_model.tables.results import REQUIRED_COLUMNS, Results
from audio_model.tables.rows import EVIDENCE_KEYS

DEFAULT_SECONDS = 5.0
JOIN_COLUMNS = ("join", "join_problem")
RECORD_COLUMNS = ("path", "call", "caller", "called", "time", "duration", "trunk", "attestation")
"""Columns of call records that have a meaning here; all others are kept, too."""
CAMPAIGN_COLUMN = "campaign"

DESCRIPTION = """\
Join verdicts with call records, and with campaigns, in one table. Each verdict is a row with all
columns of its record, such as the trunk and the STIR/SHAKEN attestation. A record is found by the
recording's path, by the call's id, or by number and time. If several records fit, or several
recordings fit one record, the row says so: nothing is guessed."""

EPILOG = """\
RESULTS is a run folder or a result file of `audio-model score`. RECORDS are .csv, .tsv, .txt,
.jsonl or .parquet files. Their columns path, call, caller, called, time, duration, trunk and
attestation have a meaning; if they are called otherwise, give --columns. A call's id may be in the
results' column call, or part of the recording's name, as in out-95588-1732456789.42.wav.

examples:
  audio-model join results/ cdr.csv --output joined.csv
  audio-model join verdicts.csv cdr-*.csv --columns call=uniqueid,caller=src,called=dst,\\
time=calldate,duration=billsec,trunk=channel --output joined.csv
  audio-model join verdicts.csv cdr.csv --by number --seconds 3 --output joined.csv
  audio-model join verdicts.csv cdr.csv --campaigns campaigns.csv --output joined.csv
  audio-model report joined.csv --output report.html      by trunk, attestation, prefix, day
  audio-model ranges count joined.csv --output ranges.csv

The column join says found, ambiguous or none; join_problem says why.

exit status:
  0 all rows have their record, 1 some have none or several, or a record could not be read,
  2 wrong usage, 3 the output cannot be written
"""

Row = dict[str, object]


def run(args: argparse.Namespace) -> int:
    """Join and return the exit status. Raises AudioModelError."""
    check_ending(args.output, ".csv")
    if not args.seconds >= 0:
        raise UsageError(f"--seconds is a time of zero or more, not {args.seconds:g}")
    results = Results.open(args.results)
    ours = _columns(results)
    with closing(RecordTable(args.seconds)) as records, closing(RecordTable(0.0)) as campaigns:
        theirs: dict[str, None] = {}
        damaged = tell_problems(_load(records, args.records, args.columns, theirs))
        key = _key(args.by, list(theirs), ours)
        if args.campaigns is not None:
            tell_problems(_load(campaigns, [args.campaigns], None, {}, ("path", CAMPAIGN_COLUMN)))
            theirs[CAMPAIGN_COLUMN] = None
        for row in _rows(results):
            _take(records, row, key)
            if args.campaigns is not None:
                _take(campaigns, row, Key.PATH)
        names = _names(list(theirs), ours, key)
        counts: Counter[Joined] = Counter()
        with replacing(args.output, errors="surrogateescape", encoding=FOR_SPREADSHEETS) as file:
            writer = csv_files.Writer(file)
            header = [*ours, *(name for name in names.values() if name not in ours), *JOIN_COLUMNS]
            writer.writerow(header)
            for row in _rows(results):
                match = records.settled(_match(records, row, key))
                counts[match.joined] += 1
                record = records.cells(match.record) if match.joined is Joined.FOUND else {}
                if args.campaigns is not None:
                    record[CAMPAIGN_COLUMN] = _campaign(campaigns, row)
                full = merged(row, record, names)
                full |= {"join": match.joined.value, "join_problem": match.problem}
                writer.writerow([_cell(full.get(name)) for name in header])
        print(
            f"{counts.total()} verdicts, joined by {key}: {counts[Joined.FOUND]} have their "
            f"record, {counts[Joined.AMBIGUOUS]} would have several, {counts[Joined.NONE]} have "
            f"none; of {len(records)} records {records.n_without()} have no verdict",
            file=sys.stderr,
        )
    whole = counts[Joined.FOUND] == counts.total() and not damaged
    return EXIT_DONE if whole else EXIT_SOME


def _key(asked: str | None, records: Sequence[str], results: Sequence[str]) -> Key:
    """Return the key to join by. Raises UsageError if these tables can't be joined by it."""
    key = choose_key(records, results) if asked is None else Key(asked)
    if key is None:
        raise UsageError(
            "the records have neither a path nor a call's id, and not both tables have caller and "
            "time: name their columns with --columns"
        )
    tables = {"records": records} | ({"results": results} if key is Key.NUMBER else {})
    for table, names in tables.items():
        if missing := [name for name in NEEDED[key] if name not in names]:
            raise UsageError(f"by {key}: the {table} have no column {' or '.join(missing)}")
    return key


def _load(
    records: RecordTable,
    files: Sequence[str],
    columns: Mapping[str, str] | None,
    names: dict[str, None],
    required: Sequence[str] = (),
) -> Iterator[str]:
    """Read call records, add their columns to ``names``, and yield what is wrong with rows.

    Raises ResultsError for a file that can't be read as a whole.
    """
    for file in files:
        for where, values in read_table(file, Wanted(required, RECORD_COLUMNS, columns)):
            problem = values if isinstance(values, str) else ""
            if not isinstance(values, str):
                names.update(dict.fromkeys(values))
                try:
                    records.add(f"{Path(file).name}, {where}", values)
                except ValueError as error:
                    problem = str(error)
            if problem:
                yield f"{file}: {where}: {problem}"


def _columns(results: Results) -> list[str]:
    """Return the columns of results that a table can hold, in the order of their appearance."""
    names = {name: None for row in _rows(results) for name in row}
    return [name for name in names if name not in (*EVIDENCE_KEYS, *JOIN_COLUMNS)]


def _rows(results: Results) -> Iterator[Row]:
    """Yield the rows of results as they stand. Raises ResultsError for one that is damaged."""
    for part in results.parts:
        for where, values in read_table(part, Wanted(REQUIRED_COLUMNS)):
            if isinstance(values, str):
                raise ResultsError(f"{printable(part)}: {where}: {values}")
            yield values


def _match(records: RecordTable, row: Row, key: Key) -> JoinedRecord:
    try:
        return records.match(row, key)
    except ValueError as error:
        return JoinedRecord(Joined.NONE, problem=str(error))


def _take(records: RecordTable, row: Row, key: Key) -> None:
    match = _match(records, row, key)
    if match.joined is Joined.FOUND:
        records.take(match, word(row, "path"))


def _campaign(campaigns: RecordTable, row: Row) -> object:
    match = campaigns.settled(_match(campaigns, row, Key.PATH))
    return campaigns.cells(match.record)[CAMPAIGN_COLUMN] if match.joined is Joined.FOUND else ""


def _names(theirs: Sequence[str], ours: Sequence[str], key: Key) -> dict[str, str]:
    """Return the names of the records' columns in the table.

    One that the results have as well is called ``record_...``, but for the key's own, which say
    the same on both sides.
    """
    names = {}
    for name in theirs:
        if name not in ours and name not in JOIN_COLUMNS:
            names[name] = name
        elif not (name in NEEDED[key] and key is Key.CALL):
            names[name] = f"record_{name}"
    return names


def _cell(value: object) -> object:
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return "" if value is None else value


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``join`` takes."""
    parser.add_argument("results", metavar="RESULTS", help="a run folder, or a result file")
    parser.add_argument("records", nargs="+", metavar="RECORDS", help="call records")
    parser.add_argument("--output", required=True, metavar="FILE", help="the table (.csv)")
    parser.add_argument(
        "--by",
        choices=[*map(str, Key)],
        help="how a record is found (default: by the first of these that both tables allow)",
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=DEFAULT_SECONDS,
        metavar="S",
        help="how far the times may differ if a record is found by number and time "
        "(default: %(default)g)",
    )
    add_columns_argument(parser, "RECORDS", "caller=src,time=calldate")
    parser.add_argument(
        "--campaigns",
        metavar="FILE",
        help="the table of `known campaigns`, joined by path",
    )
