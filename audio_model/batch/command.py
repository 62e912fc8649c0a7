"""``audio-model score``: recordings to a table or a file of verdicts."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tqdm import tqdm

from audio_model.batch.malloc import keep_freed_memory
from audio_model.batch.options import (
    DEFAULT_FORMAT,
    DEFAULT_SHARD_SIZE,
    EngineKind,
    add_arguments,
    check_engine,
    retention,
    score_options,
    wants_folder,
)
from audio_model.batch.score_folder import PROGRESS_AFTER_SECONDS, FolderRun, score_folder
from audio_model.batch.shards import Job, Workers
from audio_model.batch.stopping import Stopped, StopSignals
from audio_model.batch.tally import RunTally
from audio_model.batch.workers import LocalWorkers
from audio_model.commands import EXIT_DONE, EXIT_SOME, tell, tell_problems
from audio_model.detector import ScoreOptions
from audio_model.errors import StoreError
from audio_model.processes import usable_cpus
from audio_model.scoring import TOGETHER, has_unreadable_time, load_detector, score_entries
from audio_model.sources.survey import left_out_text, survey
from audio_model.tables.rows import Columns
from audio_model.tables.screen import TableWriter
from audio_model.tables.writers import OutputFormat, RowWriter, open_output, output_format

__all__ = ["DESCRIPTION", "EPILOG", "add_arguments", "run"]

_GOES_ON = "; the same command goes on from there"

DESCRIPTION = """\
Tell from the first seconds of a phone call's audio whether a recording is being played or a live
human speaks. The verdict is recorded, live or unknown (with a reason). The score is the calibrated
probability of recorded. Without --output you see a table. With --output FILE one process writes one
file. With --output FOLDER/ all CPUs, or a cluster, write parts; a stopped run can be resumed."""

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
    options = score_options(args)
    retention(args)
    into_folder = wants_folder(args)
    if into_folder:
        check_engine(args)
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
            args.model, args.max_false_alarm, args.known, learn=args.learn, keep=retention(args)
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
    with closing(detector), closing(writer), progress, _telling_what_stays(args.output, tally):
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
        format=OutputFormat(f".{args.format or DEFAULT_FORMAT}"),
        shard_size=DEFAULT_SHARD_SIZE if args.shard_size is None else args.shard_size,
        known=None if args.known is None else str(Path(args.known).absolute()),
        learn=args.learn,
        columns=args.columns,
        keep=retention(args),
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
