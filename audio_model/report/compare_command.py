"""``audio-model compare``: the changes between two results, or between two models."""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from itertools import tee
from pathlib import Path

from audio_model.commands import add_budget_argument, check_ending, tell
from audio_model.detector import Detector, ScoreOptions
from audio_model.errors import UsageError, printable
from audio_model.files import write_whole
from audio_model.formats import suffix_of
from audio_model.report.compare import Comparison, compare
from audio_model.report.compare_text import as_text, as_values, gap_sides
from audio_model.report.drift import Drift
from audio_model.report.page.compare_page import compare_page
from audio_model.rule import DEFAULT_MAX_FALSE_ALARM
from audio_model.scoring import score_entry
from audio_model.sources.inputs import expand
from audio_model.tables.columns import add_columns_argument
from audio_model.tables.results import Result, Results, parse_result
from audio_model.tables.rows import Entry, Row, json_text, result_values

EXIT_WITHIN, EXIT_BEYOND = 0, 1
_OUTPUTS = (".html", ".json")
_MODEL = ".onnx"

DESCRIPTION = """\
Show what changed between two results of the same recordings, or between two models on them: flipped
verdicts and shifts of the score, by folder and by the columns that a manifest carried. For
results of different recordings, show what has drifted as a whole: verdicts, scores, noise,
signal-to-noise ratio, codecs."""

EPILOG = """\
examples:
  audio-model compare last-week/ this-week/                   two run folders, joined by path
  audio-model compare old.parquet new.csv --output compare.html
  audio-model compare old.onnx new.onnx calls/                two models on the same recordings
  audio-model compare old.onnx new.onnx calls.csv --max-flips 0.01    a check for CI or cron
  audio-model compare last-month/ this-month/ --max-drift 0.1         an alarm for cron

A gap is the largest difference between the shares of old and new calls below a value, or of one
verdict or codec. It is called drift if it is larger than chance makes in one of a hundred
comparisons, for calls that are independent of each other.

exit status:
  0 compared, 1 more verdicts flipped or more recordings on one side only than --max-flips allows,
  or something drifted further than --max-drift allows,
  2 wrong usage, or nothing to compare, 3 the output cannot be written
"""


def run(args: argparse.Namespace) -> int:
    """Compare and return the exit status. Raises AudioModelError."""
    if args.output is not None:
        check_ending(args.output, *_OUTPUTS)
    for option, value in (("--max-flips", args.max_flips), ("--max-drift", args.max_drift)):
        if value is not None and not 0 <= value <= 1:
            raise UsageError(f"{option} is a share from 0 to 1, not {value:g}")
    old, new = _sides(args)
    comparison = compare(old, new)
    drift = comparison.drift
    for path, n_rows in zip((args.old, args.new), drift.rows, strict=True):
        if not n_rows:
            raise UsageError(f"{printable(path)}: there are no rows to compare")
    if args.max_flips is not None and not comparison.overall.joined:
        raise UsageError(
            f"{printable(args.old)} and {printable(args.new)} have no recording in common: rows "
            f"are joined by path, as it is in the results ({comparison.only_old.count} and "
            f"{comparison.only_new.count} rows)"
        )
    limit: float | None = args.max_flips
    if args.output is not None:
        # First: whoever reads the text may stop reading.
        write_whole(args.output, _rendered(comparison, args, limit))
    print(as_text(comparison))
    beyond = [*_flips_beyond(comparison, limit), *_drift_beyond(drift, args.max_drift)]
    for said in beyond:
        tell(said)
    return EXIT_BEYOND if beyond else EXIT_WITHIN


def _flips_beyond(comparison: Comparison, limit: float | None) -> Iterator[str]:
    # A check that half the rows are missing from has not passed.
    rates = {
        "of the verdicts flipped": comparison.overall.flip_rate,
        "of the recordings are on one side only": comparison.one_sided_rate,
    }
    for what, rate in rates.items():
        if limit is not None and rate > limit:
            yield f"{rate:.4%} {what}, more than the {limit:.4%} that are allowed"


def _drift_beyond(drift: Drift, limit: float | None) -> Iterator[str]:
    for gap in drift.gaps():
        if limit is not None and gap.is_drift and gap.size > limit:
            old, new = gap_sides(gap)
            points = f"{100 * gap.size:.1f} points, more than the {100 * limit:g} that are allowed"
            yield f"{gap.name} drifted from {old} to {new}, by {points}"


def _rendered(comparison: Comparison, args: argparse.Namespace, limit: float | None) -> str:
    if suffix_of(args.output) == ".html":
        return compare_page(comparison, args.old, args.new, limit)
    values = {"old": args.old, "new": args.new, "max_flips": limit, **as_values(comparison)}
    return json_text(values, indent=2)


def _sides(args: argparse.Namespace) -> tuple[Iterable[Result], Iterable[Result]]:
    models = [suffix_of(path) == _MODEL for path in (args.old, args.new)]
    if any(models) != all(models):
        raise UsageError("OLD and NEW are two results or two models (.onnx), not one of each")
    if any(models) != bool(args.paths):
        raise UsageError("give recordings after two models, and none after two results")
    if not args.paths:
        return Results.open(args.old, args.columns), Results.open(args.new, args.columns)
    entries = expand(args.paths, columns=args.columns)
    return score_both(entries, Path(args.old), Path(args.new), args.max_false_alarm)


def score_both(
    entries: Iterable[Entry], old: Path, new: Path, max_false_alarm: float
) -> tuple[Iterator[Result], Iterator[Result]]:
    """Score recordings by two models, for :func:`compare`. Raises AudioModelError."""
    detectors = [Detector.load(path, max_false_alarm=max_false_alarm) for path in (old, new)]
    # Both models hear a recording one after the other: tee then holds no more than its rows.
    both = tee(_score_both(entries, detectors))
    return (pair[0] for pair in both[0]), (pair[1] for pair in both[1])


def _score_both(
    entries: Iterable[Entry], detectors: Sequence[Detector]
) -> Iterator[tuple[Result, Result]]:
    options = ScoreOptions()
    for entry in entries:
        rows = [score_entry(entry, detector, options) for detector in detectors]
        for old, new in zip(*rows, strict=True):
            yield _as_result(old), _as_result(new)


def _as_result(row: Row) -> Result:
    return parse_result({**row.entry.carried, **result_values(row)})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``compare`` takes."""
    parser.add_argument("old", metavar="OLD", help="results (a run folder or file), or a model")
    parser.add_argument("new", metavar="NEW", help="the same kind of thing, to compare with")
    parser.add_argument(
        "paths",
        nargs="*",
        metavar="PATH",
        help="what two models are to hear: as for audio-model score",
    )
    parser.add_argument(
        "--output", metavar="FILE", help="write the comparison to FILE, too (.html or .json)"
    )
    add_columns_argument(parser, "results and manifests", "path=FILE")
    parser.add_argument(
        "--max-flips",
        type=float,
        metavar="RATE",
        help="exit with 1 if a larger share of the verdicts flipped (0 to 1)",
    )
    parser.add_argument(
        "--max-drift",
        type=float,
        metavar="GAP",
        help="exit with 1 if a gap is larger, and more than chance (0 to 1)",
    )
    add_budget_argument(
        parser,
        DEFAULT_MAX_FALSE_ALARM,
        "of two models: share of live callers who may be called recorded",
    )
