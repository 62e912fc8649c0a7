"""``audio-model score``: recordings to a table or a file of verdicts."""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import fields
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path

from tqdm import tqdm

from audio_model.audio import Channel, Encoding, RawFormat, check_seconds, check_wait
from audio_model.batch.malloc import keep_freed_memory
from audio_model.batch.score_folder import PROGRESS_AFTER_SECONDS, FolderRun, score_folder
from audio_model.batch.shards import Job, Workers
from audio_model.batch.stopping import Stopped, StopSignals
from audio_model.batch.tally import RunTally
from audio_model.batch.workers import LocalWorkers
from audio_model.commands import EXIT_DONE, EXIT_SOME, add_budget_argument, tell, tell_problems
from audio_model.detector import DEFAULT_MAX_FALSE_ALARM, ScoreOptions
from audio_model.errors import StoreError, UsageError
from audio_model.formats import suffix_of
from audio_model.known.recent import (
    DEFAULT_CALLS,
    DEFAULT_DAYS,
    DEFAULT_HOURS,
    DEFAULT_RECORDINGS,
    Retention,
)
from audio_model.processes import usable_cpus
from audio_model.scoring import TOGETHER, has_unreadable_time, load_detector, score_entries
from audio_model.sources.survey import left_out_text, survey
from audio_model.stream import DEFAULT_WAIT_SECONDS
from audio_model.tables.columns import add_columns_argument
from audio_model.tables.rows import Columns
from audio_model.tables.screen import TableWriter
from audio_model.tables.writers import OutputFormat, RowWriter, open_output, output_format

DEFAULT_SHARD_SIZE = 2000
"""Two or three seconds of work: what a signal waits for, and what a dying process loses at most."""

_EACH = "each"
_DEFAULT_FORMAT = "parquet"
_FOLDER_OPTIONS = ("format", "workers", "shard_size", "engine", "ray_address")
_GOES_ON = "; the same command goes on from there"

DESCRIPTION = """\
Tell from the first seconds of a phone call's audio whether a recording is being played or a live
human speaks. The verdict is recorded, live or unknown (with a reason). The score is the calibrated
probability of recorded. Without --output you see a table. With --output FILE one process writes one
file. With --output FOLDER/ all CPUs, or a cluster, write parts; a stopped run can be resumed."""


class EngineKind(StrEnum):
    """The engine that scores the shards of a run folder."""

    LOCAL = "local"
    RAY = "ray"


EPILOG = """\
examples:
  audio-model score call.wav
  audio-model score calls/ --output verdicts.csv
  audio-model score 'calls/**/*.ulaw' --output verdicts.parquet
  audio-model score calls.csv --output verdicts.jsonl    a manifest: its columns are kept
  audio-model score calls.zip calls.tar.gz               nothing is unpacked to disk
  audio-model score zip://a.wav::calls.zip               one member; manifests name them so
  audio-model score s3://bucket/calls/                   needs audio-model[remote]
  find calls -name '*.wav' -print0 | audio-model score - --output verdicts.csv
  audio-model score stereo.wav --channel each            each party of a call by itself
  audio-model score tap.bin --raw-encoding alaw          no header: name the encoding
  audio-model score calls/ --max-false-alarm 0.02        catch more, flag more live callers
  audio-model score calls/ --known known.db --learn      recordings that were heard before, too

millions of recordings:
  audio-model score calls/ --output results/             on all CPUs, into Parquet
  audio-model score calls/ --output results/ --workers 4 --format csv
  audio-model score calls/ --output results/ --engine ray --ray-address auto      on a cluster

  results/ is a folder of finished parts (part-000000.parquet and so on). Its run.json says what was
  asked and what the counts are. If a run is killed, stopped or out of disk, give the same command
  again: it scores the parts that are missing. Each recording is in the parts exactly once.
  Recordings are listed once, at the beginning; for new ones begin another folder.
  The first Ctrl-C or SIGTERM finishes the parts at hand, a second one stops at once.

exit status:
  0 all scored, 1 some rows carry an error, 2 wrong usage, 3 the output cannot be written,
  130 or 143 interrupted (what was scored is in FILE or FOLDER)
"""


def run(args: argparse.Namespace) -> int:
    """Score the recordings and return the exit status.

    Raises AudioModelError for wrong usage, and for an output that can't be written.
    """
    options = _score_options(args)
    if args.learn and args.known is None:
        raise UsageError("--learn needs --known STORE, the store that learns")
    _keep(args)
    into_folder = _wants_folder(args)
    if into_folder:
        _check_engine(args)
    elif args.output is not None:
        output_format(args.output)
    with StopSignals() as stop:
        try:
            score = _score_into_folder if into_folder else _score_in_this_process
            return score(args, options, stop)
        except Stopped:
            rest = "" if args.output is None else f"; what was scored is beside {args.output}"
            tell(f"stopped at once{_GOES_ON if into_folder else rest}")
            return stop.exit_code


def _score_in_this_process(
    args: argparse.Namespace, options: ScoreOptions, stop: StopSignals
) -> int:
    keep_freed_memory()
    with stop.raising():
        detector = load_detector(
            args.model, args.max_false_alarm, args.known, learn=args.learn, keep=_keep(args)
        )
        found = survey(args.paths, args.columns)
    each_channel, known = options.channel is None, args.known is not None
    writer: RowWriter
    if args.output is None:
        writer = TableWriter(sys.stdout, each_channel=each_channel, known=known)
    else:
        columns = Columns(each_channel=each_channel, known=known, carried=found.carried)
        writer = open_output(args.output, columns)
    tally = RunTally()
    progress = tqdm(
        total=found.total,
        unit=" recordings",
        delay=PROGRESS_AFTER_SECONDS,
        # Where the table is on a terminal, its own rows show how far it is.
        disable=not sys.stderr.isatty() or (args.output is None and sys.stdout.isatty()),
    )
    # Who looks at a table sees each row as it comes; paths on standard input may come slowly.
    together = 1 if args.output is None or found.total is None else TOGETHER
    with closing(writer), progress, _telling_what_stays(args.output, tally):
        for rows in score_entries(stop.until_stopped(found), detector, options, together):
            for row in rows:
                writer.write(row)
                tally.add(row)
            tally.recordings += 1
            tally.untimed += detector.learns and has_unreadable_time(rows[0].entry)
            progress.update()
        writer.finish()
    print(tally, file=sys.stdout if args.output is None else sys.stderr, flush=True)
    tell_problems(filter(None, (left_out_text(found.left_out), tally.untimed_text)))
    if stop.received is not None:
        total = "" if found.total is None else f" of {found.total}"
        where = "were scored" if args.output is None else f"are in {args.output}"
        tell(f"interrupted: {tally.recordings}{total} recordings {where}")
        return stop.exit_code
    return EXIT_SOME if tally.errors else EXIT_DONE


def _score_into_folder(args: argparse.Namespace, options: ScoreOptions, stop: StopSignals) -> int:
    given = FolderRun(
        folder=Path(args.output).absolute(),
        paths=tuple(args.paths),
        options=options,
        max_false_alarm=args.max_false_alarm,
        model=None if args.model is None else str(Path(args.model).absolute()),
        format=OutputFormat(f".{args.format or _DEFAULT_FORMAT}"),
        shard_size=DEFAULT_SHARD_SIZE if args.shard_size is None else args.shard_size,
        known=None if args.known is None else str(Path(args.known).absolute()),
        learn=args.learn,
        columns=args.columns,
        keep=_keep(args),
    )
    engine = EngineKind(args.engine or EngineKind.LOCAL)
    how = {"engine": engine.value, "workers": args.workers, "cpus": usable_cpus()}
    outcome = score_folder(given, lambda job: _engine(args, job), how, stop)
    if outcome.now.recordings == outcome.all.recordings:
        print(outcome.now, file=sys.stderr)
    else:
        if outcome.now.recordings:
            print(f"now: {outcome.now}", file=sys.stderr)
        print(f"in {args.output}: {outcome.all.summary}", file=sys.stderr)
    tell_problems(filter(None, (left_out_text(outcome.left_out), outcome.now.untimed_text)))
    if outcome.all.recordings < outcome.planned:
        tell(f"interrupted: {outcome.all.recordings} of {outcome.planned} recordings{_GOES_ON}")
        return stop.exit_code
    return EXIT_SOME if outcome.all.errors else EXIT_DONE


@contextmanager
def _telling_what_stays(output: str | None, tally: RunTally) -> Iterator[None]:
    try:
        yield
    except StoreError:
        if output is not None and tally.recordings:
            tell(f"the rows of {tally.recordings} recordings before are beside {output}")
        raise


def _engine(args: argparse.Namespace, job: Job) -> Workers:
    if args.engine == EngineKind.RAY:
        # Imported here: it takes a second, and is an extra.
        from audio_model.batch.cluster import RayWorkers

        return RayWorkers(job, args.workers, args.ray_address)
    return LocalWorkers(job, args.workers or usable_cpus())


def _wants_folder(args: argparse.Namespace) -> bool:
    """Return whether the result is to be a run folder.

    Raises UsageError for options that do not fit.
    """
    output = args.output
    if output is not None and (output.endswith(os.sep) or Path(output).is_dir()):
        return True
    is_file = output is not None and suffix_of(output) in list(OutputFormat)
    if args.format is not None and output is not None and not is_file:
        return True
    given = [f"--{name.replace('_', '-')}" for name in _FOLDER_OPTIONS if getattr(args, name)]
    if given:
        raise UsageError(
            f"{given[0]} is for many recordings, into a folder: give --output FOLDER/ "
            "(a name that ends in /)"
        )
    return False


def _check_engine(args: argparse.Namespace) -> None:
    for name in ("workers", "shard_size"):
        value = getattr(args, name)
        if value is not None and value < 1:
            raise UsageError(f"--{name.replace('_', '-')} must be at least 1, not {value}")
    if args.engine == EngineKind.RAY:
        if args.learn:
            raise UsageError("--learn needs --engine local: one machine writes to a store")
        if find_spec("ray") is None:
            raise UsageError('--engine ray needs Ray: pip install "audio-model[cluster]"')
    elif args.ray_address is not None:
        raise UsageError("--ray-address needs --engine ray")


def _score_options(args: argparse.Namespace) -> ScoreOptions:
    given = {"sample_rate": args.raw_rate, "channels": args.raw_channels}
    raw = {name: value for name, value in given.items() if value is not None}
    if raw and args.raw_encoding is None:
        raise UsageError("--raw-rate and --raw-channels need --raw-encoding")
    if args.max_seconds is not None:
        check_seconds(args.max_seconds)
    check_wait(args.wait_seconds)
    return ScoreOptions(
        channel=None if args.channel == _EACH else Channel(args.channel),
        max_seconds=args.max_seconds,
        wait_seconds=args.wait_seconds,
        raw_format=RawFormat(Encoding(args.raw_encoding), **raw) if args.raw_encoding else None,
    )


def _keep(args: argparse.Namespace) -> Retention | None:
    """Return how long calls and learnt recordings are kept, or None if no option says so.

    Raises UsageError.
    """
    given = {field.name: getattr(args, f"keep_{field.name}") for field in fields(Retention)}
    given = {name: value for name, value in given.items() if value is not None}
    if given and not args.learn:
        raise UsageError("--keep-hours, -calls, -days and -recordings need --learn")
    return Retention(**given) if given else None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``score`` takes."""
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="a recording, a folder (searched below, too), a pattern in quotes, an archive (.zip, "
        ".tar, .tar.gz, .tar.bz2, .tar.xz), a URL such as s3://bucket/folder/, a manifest (.csv, "
        ".tsv, .txt, .jsonl or .parquet with a column path, relative to its folder), or - for a "
        "list of paths on standard input, one a line or NUL-terminated",
    )
    add_columns_argument(parser, "manifests", "path=FILE,caller=A_NUMBER,time=START")
    parser.add_argument(
        "--output",
        metavar="FILE or FOLDER/",
        help="write a row for each recording to FILE (.csv, .jsonl or .parquet) instead of "
        "showing a table; .jsonl has the score over time, too. For FOLDER/ (a folder, or a name "
        "that ends in /) see millions of recordings, below",
    )
    parser.add_argument(
        "--channel",
        choices=[*map(str, Channel), _EACH],
        default=Channel.MIX,
        help="the leg of a stereo call to hear; each: both legs, a row for each (default: mix)",
    )
    add_budget_argument(parser, DEFAULT_MAX_FALSE_ALARM)
    parser.add_argument(
        "--max-seconds",
        type=float,
        metavar="S",
        help="hear S seconds from the first voice on (default: as long as the model was measured "
        "for)",
    )
    parser.add_argument(
        "--wait-seconds",
        type=float,
        default=DEFAULT_WAIT_SECONDS,
        metavar="S",
        help="wait up to S seconds of silence or ringback for the first voice (default: "
        "%(default)g)",
    )
    parser.add_argument("--model", metavar="FILE", help="another model than the one shipped")
    before = parser.add_argument_group("recordings that were heard before")
    before.add_argument(
        "--known",
        metavar="STORE",
        help="find calls that repeat a recording of this store (see audio-model known): they are "
        "recorded, and the columns known, known_name, known_offset, known_seconds, "
        "known_first_heard, known_last_heard, known_times_heard and known_repeated say which it is",
    )
    before.add_argument(
        "--learn",
        action="store_true",
        help="keep the codes of calls for a while; add to the store what two calls hold, and calls "
        "of which the network alone is sure. With several processes, or in a resumed run, the "
        "order of calls decides what a call repeats",
    )
    before.add_argument(
        "--keep-hours",
        type=float,
        metavar="H",
        help=f"with --learn: keep calls for H hours (default: {DEFAULT_HOURS:g})",
    )
    before.add_argument(
        "--keep-calls",
        type=int,
        metavar="N",
        help=f"with --learn: keep N calls at most (default: {DEFAULT_CALLS:,})",
    )
    before.add_argument(
        "--keep-days",
        type=float,
        metavar="D",
        help="with --learn: forget learnt recordings without a mark that were not heard for D days "
        f"(default: {DEFAULT_DAYS:g})",
    )
    before.add_argument(
        "--keep-recordings",
        type=int,
        metavar="N",
        help="with --learn: keep N learnt recordings at most, those heard last (default: "
        f"{DEFAULT_RECORDINGS:,})",
    )
    many = parser.add_argument_group("millions of recordings", "With --output FOLDER/.")
    many.add_argument(
        "--format",
        choices=[kind.removeprefix(".") for kind in OutputFormat],
        help=f"format of the parts (default: {_DEFAULT_FORMAT})",
    )
    many.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="processes that score (default: one for each CPU of this machine that is available, "
        "or of the cluster)",
    )
    many.add_argument(
        "--shard-size",
        type=int,
        metavar="N",
        help=f"recordings in a part (default: {DEFAULT_SHARD_SIZE}). With smaller parts, fewer "
        "recordings keep more processes busy",
    )
    many.add_argument(
        "--engine",
        choices=[*map(str, EngineKind)],
        help="local: processes on this machine (default); ray: a Ray cluster",
    )
    many.add_argument(
        "--ray-address",
        metavar="ADDRESS",
        help="address of the cluster, such as auto or 10.0.0.5:6379 (default: start one on this "
        "machine)",
    )
    raw = parser.add_argument_group(
        "files without a header",
        "Without these options the file's name tells the format (.ulaw, .alaw, .sln16, ...).",
    )
    raw.add_argument("--raw-encoding", choices=[*map(str, Encoding)], help="encoding of the bytes")
    raw.add_argument("--raw-rate", type=int, metavar="HZ", help="sample rate (default: 8000)")
    raw.add_argument(
        "--raw-channels", type=int, metavar="N", help="number of channels (default: 1)"
    )
