"""``audio-model renew``: label, tune, guard and replace a line's model, by one command."""

import argparse
from contextlib import suppress
from pathlib import Path

from audio_model.commands import tell_problems
from audio_model.errors import AudioModelError, OutputError, UsageError, printable
from audio_model.files import write_bytes
from audio_model.line import tune_text
from audio_model.line.folder import LineFolder
from audio_model.line.guard import Condition
from audio_model.line.label_command import write_labels
from audio_model.line.labels import label
from audio_model.line.marks import Marks
from audio_model.line.tune_command import add_tuning_arguments, tuned
from audio_model.model import DEFAULT_PATH, Model
from audio_model.report.compare import compare
from audio_model.report.compare_command import score_both
from audio_model.report.compare_text import as_text, as_values
from audio_model.sources.inputs import expand
from audio_model.sources.manifests import PATH_COLUMN
from audio_model.tables.columns import add_columns_argument
from audio_model.tables.readers import TheirNames

EXIT_REPLACED, EXIT_KEPT = 0, 1

DESCRIPTION = """\
Renew the model of a line. The command tunes a model to the marks and to labels that are certain,
measures it against the model in use on held-out calls, and replaces that model only if the guard
holds. You can run it from cron."""

EPILOG = """\
examples:
  audio-model renew line/ --marks desk.csv --label results/ campaigns.csv
  audio-model renew line/ --marks desk.csv --model adapted.onnx     made by training.adapt
  audio-model renew line/ --marks desk.csv --shadow calls/ --max-flips 0.05
  audio-model renew line/ --roll-back
  audio-model renew line/ --marks desk.csv && systemctl restart audio-model    a line of a crontab

line/ holds model.onnx (in use; the shipped one at first), previous/, candidate.onnx, report.txt,
report.json, log.jsonl, rolled-back.onnx after a roll back and, with --label, certain.csv and
certain.conflicts.csv. A model that was rolled back returns only with other marks.

exit status:
  0 replaced or rolled back, 1 kept: the guard does not hold, 2 wrong usage, or marks that
  contradict each other or are too few, 3 a file cannot be written
"""


def run(args: argparse.Namespace) -> int:
    """Renew or roll back, and return the exit status. Raises AudioModelError."""
    folder = LineFolder(args.folder)
    if args.roll_back and (args.marks or args.label):
        raise UsageError("--roll-back takes no marks")
    if args.roll_back and not folder.model.exists():
        raise UsageError(f"{printable(folder.path)} holds no model: it is not the folder of a line")
    if not args.roll_back and not args.marks and not args.label:
        raise UsageError("give --marks, --label or both, or --roll-back")
    if args.max_flips is not None and not (0 <= args.max_flips <= 1 and args.shadow):
        raise UsageError("--max-flips is a share from 0 to 1 of the verdicts on --shadow calls")
    with folder.alone():
        try:
            return _roll_back(folder) if args.roll_back else _renew(args, folder)
        except AudioModelError as error:
            # On a full disk the log can't be written either; the first error says so.
            with suppress(OutputError):
                folder.log("refused", why=str(error))
            raise


def _roll_back(folder: LineFolder) -> int:
    kept = folder.roll_back()
    folder.log("rolled back")
    print(f"{printable(folder.model)} is the former model; the other is now {printable(kept)}")
    return EXIT_REPLACED


def _renew(args: argparse.Namespace, folder: LineFolder) -> int:
    base = DEFAULT_PATH if args.model is None else Path(args.model)
    # Another network has to prove itself like any other candidate.
    folder.begin(DEFAULT_PATH)
    names = TheirNames(args.columns)
    marks, said, problems = Marks().read(args.marks, names), [], list[str]()
    shadow_calls = [
        entry
        for path in args.shadow
        for entry in expand([path], columns=names.of(path, (PATH_COLUMN,)))
    ]
    labels = label(args.label, names)
    names.check()
    if args.label:
        certain = str(folder.path / "certain.csv")
        disputed = labels.dispute(marks.marks)
        marks.leave_out(disputed, "its mark is disputed: other evidence says the opposite")
        problems += labels.problems
        said.append(write_labels(labels, certain))
        if any(labels.agreed()):
            marks.read([certain])
    made = tuned(
        base,
        marks,
        args.max_false_alarm,
        args.prevalence,
        args.unlabelled,
        in_use=Model.load(folder.model),
    )
    write_bytes(folder.candidate, made.file())
    guard, values = list(made.tuning.guard), tune_text.as_values(made)
    said.append(tune_text.as_text(made))
    if args.shadow:
        budget = args.max_false_alarm
        shadow = compare(*score_both(shadow_calls, folder.model, folder.candidate, budget))
        values["shadow"] = as_values(shadow)
        said.append(f"On the shadow's calls, in use and new:\n\n{as_text(shadow)}")
        if args.max_flips is not None:
            flips = shadow.overall.flip_rate
            text = f"verdicts that flip on the shadow's calls: {flips:.2%} of {args.max_flips:.2%}"
            guard.append(Condition(text, flips <= args.max_flips and shadow.overall.joined > 0))
            said.append(f"  {'yes' if guard[-1].holds else 'NO '}  {text}")
    if folder.was_rolled_back():
        text = "it is not the model that was rolled back: the marks are the same"
        guard.append(Condition(text, holds=False))
        said.append(f"  NO   {text}")
    holds = all(each.holds for each in guard)
    values["replaced"] = holds
    if holds:
        kept = folder.replace()
        said.append(f"Replaced: the former model is {printable(kept)}.")
    else:
        said.append(f"Kept: {printable(folder.model)} is as it was.")
    text = "\n\n".join(said)
    folder.report(text, values)
    failed = [each.text for each in guard if not each.holds]
    folder.log("replaced" if holds else "kept", failed=failed, marks=values["marks"])
    print(text)
    tell_problems([*problems, *made.problems])
    return EXIT_REPLACED if holds else EXIT_KEPT


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``renew`` takes."""
    parser.add_argument("folder", metavar="FOLDER", help="of the line; made if there is none")
    parser.add_argument(
        "--marks", nargs="+", default=[], metavar="MARKS", help="manifests of marked calls"
    )
    parser.add_argument(
        "--label", nargs="+", default=[], metavar="RESULTS", help="tables for audio-model label"
    )
    parser.add_argument(
        "--shadow", nargs="+", default=[], metavar="PATH", help="calls that both models are to hear"
    )
    parser.add_argument(
        "--max-flips", type=float, metavar="RATE", help="replace nothing if more verdicts flip"
    )
    parser.add_argument(
        "--roll-back", action="store_true", help="put the model before the present one in use"
    )
    add_columns_argument(
        parser,
        "MARKS, RESULTS of --label and manifests of --shadow",
        "path=FILE,label=HUMAN,mark=B",
    )
    add_tuning_arguments(parser)
