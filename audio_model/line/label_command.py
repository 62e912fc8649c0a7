"""``audio-model label``: write a manifest of the calls whose class tables prove."""

import argparse
import sys
from collections import Counter
from pathlib import Path

from audio_model.commands import EXIT_DONE, EXIT_SOME, check_ending, tell_problems
from audio_model.errors import printable
from audio_model.files import write_whole
from audio_model.line.labels import Labels, label
from audio_model.line.marks import CLASSES
from audio_model.tables import csv_files
from audio_model.tables.columns import add_columns_argument
from audio_model.tables.readers import TheirNames
from audio_model.tables.rows import escape

COLUMNS = ("path", "label", "source", "group", "channel", "confidence", "why", "corpus")
CONFLICT_COLUMNS = ("path", "channel", "recorded", "live")
CORPUS = "certain"

DESCRIPTION = """\
Make a manifest of the calls whose class is certain without listening. Repetition or a known
recording proves recordings, long two-way talk proves live calls, and the people who took calls
mark either. The network's own verdict never counts."""

EPILOG = """\
examples:
  audio-model label results/ campaigns.csv --output certain.csv
  audio-model score calls/ --channel each --max-seconds 120 --output legs.csv
  audio-model label legs.csv --output certain.csv         long talk on both legs
  audio-model label results/ handsets.csv --columns path=FILE,mark=LABEL --output certain.csv
  audio-model tune certain.csv marks.csv --output mine.onnx

reads these columns, if a table has them
  known, known_name, known_repeated    of audio-model score --known: recorded
  campaign, matched_seconds            of audio-model known campaigns: recorded, from 3 s on
  channel, speech_seconds, seconds, duration    10 s of voice on both legs of a call of 60 s: live
  mark, trust                          recorded or live, marked by the person in the call
  caller                               the source of live calls; without it each call is its own
Rows of one path and channel are one call, whatever table they are in. A table that lacks a column
of --columns is read by the names above.

writes
  certain.csv              path, label, source, group, channel, confidence, why, corpus
  certain.conflicts.csv    calls with evidence for both classes: settle them at the desk

exit status:
  0 done, 1 some rows could not be read, 2 wrong usage, 3 the manifest cannot be written
"""


def run(args: argparse.Namespace) -> int:
    """Write labels and return the exit status. Raises AudioModelError."""
    check_ending(args.output, ".csv")
    names = TheirNames(args.columns)
    labels = label(args.results, names)
    names.check()
    print(write_labels(labels, args.output), file=sys.stderr)
    return EXIT_SOME if tell_problems(labels.problems) else EXIT_DONE


def write_labels(labels: Labels, output: str) -> str:
    """Write the manifest and the conflicts beside it, and return a report on them.

    Raises OutputError.
    """
    agreed, conflicts = list(labels.agreed()), list(labels.conflicts())
    rows = (
        (
            *(escape(path), CLASSES[of.label], escape(of.source), escape(group), channel),
            *(f"{of.confidence:g}", escape(of.why), CORPUS),
        )
        for (path, channel), of, group in agreed
    )
    write_whole(output, csv_files.as_text(COLUMNS, rows))
    told = (
        (escape(path), channel, *("; ".join(e.why for e in of if e.label == n) for n in (1, 0)))
        for (path, channel), of in conflicts
    )
    beside = str(Path(output).with_suffix(".conflicts.csv"))
    write_whole(beside, csv_files.as_text(CONFLICT_COLUMNS, told))
    counts = Counter(CLASSES[of.label] for _, of, _ in agreed)
    return (
        f"{printable(output)}: {counts['recorded']} recordings and {counts['live']} live calls are "
        f"certain, of {labels.rows} rows; {len(conflicts)} conflicts are in {printable(beside)}"
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``label`` takes."""
    parser.add_argument(
        "results",
        nargs="+",
        metavar="RESULTS",
        help="a run folder, or a table (.csv, .jsonl or .parquet) with a column path",
    )
    parser.add_argument("--output", required=True, metavar="FILE", help="the manifest (.csv)")
    add_columns_argument(parser, "RESULTS", "path=FILE,mark=LABEL,caller=A_NUMBER")
