"""``audio-model tune``: fit calibration and operating points to one's own marked calls."""

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from audio_model.commands import add_budget_argument, check_ending, tell_problems
from audio_model.errors import UsageError
from audio_model.files import write_bytes, write_whole
from audio_model.fitting.own import possible_calibrations, tune_rule
from audio_model.line.hear import hear_marks
from audio_model.line.learnt import InUse, untuned_rule, without_adapted_to
from audio_model.line.marks import Marks, check
from audio_model.line.prevalence import POSSIBLE, prevalence_in
from audio_model.line.tune import Tuned, tune
from audio_model.line.tune_text import as_text, as_values
from audio_model.model import DEFAULT_PATH, Model
from audio_model.rule import DEFAULT_MAX_FALSE_ALARM
from audio_model.tables.columns import add_columns_argument
from audio_model.tables.readers import TheirNames
from audio_model.tables.rows import json_text

EXIT_HOLDS, EXIT_UNPROVED = 0, 1

_SUFFIX = ".onnx"
_SHOWN = 3
"""Rows of no use that a refusal names."""

DESCRIPTION = """\
Fit the calibration and the thresholds of a model to your own marked calls. A report tells what that
changes on held-out calls, with intervals. The network stays as it is. Few marks move the shipped
rule a little, many outweigh it."""

EPILOG = """\
examples:
  audio-model tune marks.csv --output mine.onnx
  audio-model tune marks.csv certain.csv --output mine.onnx --report mine.json
  audio-model tune marks.csv --output mine.onnx --unlabelled results/   the line's share of
                                                     recordings, from calls that nobody marked
  audio-model score calls/ --model mine.onnx

MARKS are manifests with the columns path, label (recorded or live) and source (the voice, campaign
or caller). They may have group and channel. audio-model label and audio-model ranges export write
such manifests. --columns names the columns of other tables; a table that lacks one of these is read
by the names above.

exit status:
  0 written, and the guard holds, 1 written, but the guard does not hold: the marks do not prove
  that the model is better, 2 wrong usage, or marks that contradict each other or are too few,
  3 the output cannot be written
"""


def tuned(
    model: Path,
    marks: Marks,
    budget: float,
    prevalence: float | None = None,
    unlabelled: Sequence[str] = (),
    in_use: Model | None = None,
) -> Tuned:
    """Tune a model to marked calls. Raises AudioModelError.

    Args:
        model: the file to begin from.
        marks: the marked calls.
        budget: share of live callers who may be called recorded, for the figures.
        prevalence: share of recordings that scores are to stand for.
        unlabelled: results of calls that tell the share instead.
        in_use: the model to measure against; the one to begin from, before any tuning, by default.
    """
    if prevalence is not None and not 0 < prevalence < 1:
        raise UsageError(f"--prevalence is a share between 0 and 1, not {prevalence:g}")
    if prevalence is not None and unlabelled:
        raise UsageError("give --prevalence or --unlabelled, not both: each sets the share")
    loaded = Model.load(model)
    untuned_rule(loaded).operating_point(budget)
    with naming(marks.problems):
        check(marks.marks)
    heard = hear_marks(loaded, marks.marks)
    heard = without_adapted_to(heard, [loaded, *([in_use] if in_use else [])])
    with naming([*marks.problems, *heard.problems]):
        check(heard.marks, heard.audio)
    share = None
    if unlabelled:
        before = untuned_rule(loaded)
        rule = tune_rule(heard.answers, before)
        possible = possible_calibrations(heard.answers, before, POSSIBLE)
        share = prevalence_in(unlabelled, rule, possible)
        if not 0 < share.share < 1:
            raise UsageError(
                f"the calls of --unlabelled are all of one class ({share.share:.0%} recordings): "
                "set --prevalence"
            )
        prevalence = share.share
    against = None
    if in_use is not None:
        same = in_use.about["weights_hash"] == loaded.about["weights_hash"]
        against = InUse.of(in_use, heard if same else hear_marks(in_use, heard.marks))
    return Tuned(loaded, marks, heard, share, tune(heard, loaded, budget, prevalence, against))


@contextmanager
def naming(problems: Sequence[str]) -> Iterator[None]:
    """Add the rows of no use to a refusal: it may be for them that a class is missing."""
    try:
        yield
    except UsageError as error:
        if not problems:
            raise
        more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise UsageError(
            f"{error}. Rows of no use: {'; '.join(problems[:_SHOWN])}{more}"
        ) from error


def run(args: argparse.Namespace) -> int:
    """Tune and return the exit status. Raises AudioModelError."""
    check_ending(args.output, _SUFFIX)
    if args.report is not None:
        check_ending(args.report, ".json", what="the report")
    model = DEFAULT_PATH if args.model is None else Path(args.model)
    names = TheirNames(args.columns)
    marks = Marks().read(args.marks, names)
    names.check()
    made = tuned(model, marks, args.max_false_alarm, args.prevalence, args.unlabelled)
    write_bytes(args.output, made.file())
    if args.report is not None:
        write_whole(args.report, json_text(as_values(made), indent=2))
    print(as_text(made))
    tell_problems(made.problems)
    return EXIT_HOLDS if made.tuning.holds else EXIT_UNPROVED


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``tune`` takes."""
    parser.add_argument("marks", nargs="+", metavar="MARKS", help="a manifest of marked calls")
    parser.add_argument("--output", required=True, metavar="FILE", help="the model (.onnx)")
    parser.add_argument("--report", metavar="FILE", help="write the figures to FILE, too (.json)")
    add_columns_argument(parser, "MARKS", "path=FILE,label=HUMAN,source=A_NUMBER")
    add_tuning_arguments(parser)


def add_tuning_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of tuning."""
    parser.add_argument(
        "--model", metavar="FILE", help="the model to begin from, if not the one shipped"
    )
    add_budget_argument(parser, DEFAULT_MAX_FALSE_ALARM, "the budget that figures are told at")
    parser.add_argument(
        "--prevalence",
        type=float,
        metavar="SHARE",
        help="share of recordings among your calls; scores are then probabilities on your line",
    )
    parser.add_argument(
        "--unlabelled",
        nargs="+",
        default=[],
        metavar="RESULTS",
        help="learn that share from results of calls that nobody marked",
    )
