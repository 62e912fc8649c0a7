"""``audio-model score``: recordings to a table or a file of verdicts."""

import argparse
import sys
from contextlib import closing

from tqdm import tqdm

from audio_model.audio import Channel, Encoding, RawFormat, check_seconds
from audio_model.batch.inputs import expand, survey
from audio_model.batch.rows import Columns
from audio_model.batch.run import ScoreOptions, Tally, score_entry
from audio_model.batch.stopping import Stopped, StopSignals
from audio_model.batch.table import TableWriter
from audio_model.batch.writers import RowWriter, open_output, output_format
from audio_model.detector import DEFAULT_MAX_FALSE_ALARM, Detector
from audio_model.errors import UsageError

EXIT_SCORED = 0
EXIT_SOME_ERRORS = 1

_EACH = "each"
_PROGRESS_AFTER_SECONDS = 2

DESCRIPTION = """\
Tell from the first seconds of a phone call's audio whether a recording is being played or a live
human speaks. The verdict is recorded, live or unknown (with a reason); the score is the calibrated
probability of recorded. Without --output a table is shown."""

EPILOG = """\
examples:
  audio-model score call.wav
  audio-model score calls/ --output verdicts.csv
  audio-model score 'calls/**/*.ulaw' --output verdicts.parquet
  audio-model score calls.csv --output verdicts.jsonl    a manifest: its columns are kept
  find calls -name '*.wav' -print0 | audio-model score - --output verdicts.csv
  audio-model score stereo.wav --channel each            both parties of a call, each apart
  audio-model score tap.bin --raw-encoding alaw          no header: say what the bytes are
  audio-model score calls/ --max-false-alarm 0.02        catch more, flag more live callers

exit status:
  0 all scored, 1 some rows carry an error, 2 wrong usage, 3 the output cannot be written,
  130 interrupted (what was scored is in FILE)
"""


def run(args: argparse.Namespace) -> int:
    """Score; returns the exit status. Raises AudioModelError for wrong usage and for no output."""
    options = _score_options(args)
    if args.output is not None:
        output_format(args.output)
    with StopSignals() as stop:
        try:
            return _score_until_stopped(args, options, stop)
        except Stopped:
            rest = "" if args.output is None else f"; what was scored is beside {args.output}"
            _say(f"stopped at once{rest}")
            return stop.exit_code


def _score_until_stopped(args: argparse.Namespace, options: ScoreOptions, stop: StopSignals) -> int:
    with stop.raising():
        detector = Detector.load(args.model, max_false_alarm=args.max_false_alarm)
        found = survey(args.paths)
    each_channel = options.channel is None
    writer: RowWriter
    if args.output is None:
        writer = TableWriter(sys.stdout, each_channel=each_channel)
    else:
        columns = Columns(each_channel=each_channel, carried=found.carried)
        writer = open_output(args.output, columns)
    tally = Tally()
    progress = tqdm(
        total=found.total,
        unit=" recordings",
        delay=_PROGRESS_AFTER_SECONDS,
        # Where the table is on a terminal, its own rows show how far it is.
        disable=not sys.stderr.isatty() or (args.output is None and sys.stdout.isatty()),
    )
    with closing(writer), progress:
        for entry in stop.until_stopped(expand(args.paths)):
            for row in score_entry(entry, detector, options):
                writer.write(row)
                tally.add(row)
            tally.recordings += 1
            progress.update()
        writer.finish()
    print(tally, file=sys.stdout if args.output is None else sys.stderr, flush=True)
    if stop.received is not None:
        total = "" if found.total is None else f" of {found.total}"
        where = "were scored" if args.output is None else f"are in {args.output}"
        _say(f"interrupted: {tally.recordings}{total} recordings {where}")
        return stop.exit_code
    return EXIT_SOME_ERRORS if tally.errors else EXIT_SCORED


def _say(message: str) -> None:
    print(f"audio-model: {message}", file=sys.stderr)


def _score_options(args: argparse.Namespace) -> ScoreOptions:
    given = {"sample_rate": args.raw_rate, "channels": args.raw_channels}
    raw = {name: value for name, value in given.items() if value is not None}
    if raw and args.raw_encoding is None:
        raise UsageError("--raw-rate and --raw-channels need --raw-encoding")
    if args.max_seconds is not None:
        check_seconds(args.max_seconds)
    return ScoreOptions(
        channel=None if args.channel == _EACH else Channel(args.channel),
        max_seconds=args.max_seconds,
        raw_format=RawFormat(Encoding(args.raw_encoding), **raw) if args.raw_encoding else None,
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``score`` takes."""
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="a recording, a folder (searched below, too), a pattern in quotes, a manifest (.csv, "
        ".jsonl or .parquet with a column path, relative to its folder), or - for a list of paths "
        "on standard input, one a line or NUL-terminated",
    )
    parser.add_argument(
        "--output",
        metavar="FILE",
        help="write a row for each recording to FILE (.csv, .jsonl or .parquet) instead of "
        "showing a table; .jsonl has the score over time, too",
    )
    parser.add_argument(
        "--channel",
        choices=[*map(str, Channel), _EACH],
        default=Channel.MIX,
        help="the leg of a stereo call to listen to; each: both, a row for each (default: mix)",
    )
    parser.add_argument(
        "--max-false-alarm",
        type=float,
        default=DEFAULT_MAX_FALSE_ALARM,
        metavar="RATE",
        help="share of live callers who may be called recorded (default: %(default)s)",
    )
    parser.add_argument(
        "--max-seconds",
        type=float,
        metavar="S",
        help="listen to the first S seconds (default: as long as the model was measured for)",
    )
    parser.add_argument("--model", metavar="FILE", help="another model than the one shipped")
    raw = parser.add_argument_group(
        "files without a header",
        "their names tell (.ulaw, .alaw, .sln16, ...) unless these options do",
    )
    raw.add_argument("--raw-encoding", choices=[*map(str, Encoding)])
    raw.add_argument("--raw-rate", type=int, metavar="HZ", help="default: 8000")
    raw.add_argument("--raw-channels", type=int, metavar="N", help="default: 1")
